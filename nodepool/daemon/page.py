"""The status page: what keeps launches from going, nodes by provider, label and target, images, and
every node. Pure.

It needs no script: the browser loads it anew every ten seconds. Bars are SVG, since the page's
security policy lets no style into its text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Final

from nodepool import __version__
from nodepool.core.pauses import Place
from nodepool.daemon.page_obstacles import marks, obstacles_section
from nodepool.daemon.pool_thread import PoolView
from nodepool.model import MachineKey, Node, NodeState, SnapshotImage
from nodepool.status import age

REFRESH_SECONDS: Final = 10
#: more rows than a browser likes to draw every few seconds
MOST_ROWS: Final = 500
#: in the order of a node's life
STATES: Final = (
    NodeState.BUILDING,
    NodeState.TEST,
    NodeState.READY,
    NodeState.USED,
    NodeState.HOLD,
    NodeState.DELETE,
)
#: what a step is of a launch's way, of 10
_PROGRESS: Final = {
    "create": 1,
    "boot": 3,
    "address": 4,
    "connect": 5,
    "prepare": 7,
    "register": 9,
    "assign": 9,
    "test": 9,
    "snapshot": 8,
    "save": 9,
}
Counts = Counter[NodeState]


def render(view: PoolView) -> str:
    """The whole page."""
    marked = marks(view)
    counts = Counter(node.state for node in view.nodes)
    parts = [
        _head(view),
        "<main>",
        obstacles_section(view),
        _section("Providers", _providers(view, marked)),
        _section("Labels", _labels(view, marked)),
        _section("Targets", _targets(view, marked)),
        _section("Images", _images(view)),
        _section(f"Nodes <small>{sum(counts.values())}</small>", _nodes(view)),
        "</main>",
        _FOOT.format(version=escape(__version__)),
    ]
    return "\n".join(parts)


_HEAD: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{refresh}">
<title>Nodepool: {ready} ready, {used} used</title>
<link rel="stylesheet" href="static/base.css">
<link rel="stylesheet" href="static/nodepool.css">
</head>
<body>
<header class="bar">
  <h1>Nodepool</h1>
  <p>{legend}</p>
</header>"""
_FOOT: Final = """\
<footer class="bar">
  <p>Version {version}</p>
  <p>As text: <a href="node-list">node-list</a>, <a href="image-list">image-list</a>,
    <a href="dib-image-list">dib-image-list</a>, <a href="provider-list">provider-list</a>,
    <a href="obstacle-list">obstacle-list</a>; with <code>.json</code> for programs</p>
</footer>
</body>
</html>
"""


def _head(view: PoolView) -> str:
    counts = Counter(node.state for node in view.nodes)
    legend = " ".join(
        f'<span class="state {state.word}">{counts[state]} {state.word}</span>' for state in STATES
    )
    return _HEAD.format(
        refresh=REFRESH_SECONDS,
        ready=counts[NodeState.READY],
        used=counts[NodeState.USED],
        legend=legend,
    )


def _section(title: str, table: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{table}\n</section>"


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML."""
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _bar(counts: Counts, size: int, closed: int = 0) -> str:
    """Nodes by state, against what there may be; `closed`: of that, what cannot be had now."""
    total = max(size, sum(counts.values()), 1)
    at, parts, words = 0.0, [], []
    for state in STATES:
        if count := counts[state]:
            width = 100 * count / total
            parts.append(f'<rect class="{state.word}" x="{at:.2f}" width="{width:.2f}"/>')
            words.append(f"{count} {state.word}")
            at += width
    if closed > 0:
        width = min(100 * closed / total, 100 - at)
        parts.append(f'<rect class="closed" x="{100 - width:.2f}" width="{width:.2f}"/>')
        words.append(f"no room for {closed} in the account")
    title = escape(", ".join(words) or "none")
    return (
        '<svg class="counts" viewBox="0 0 100 10" preserveAspectRatio="none" role="img"'
        f' aria-label="{title}"><title>{title}</title>{"".join(parts)}</svg>'
    )


def _numbers(counts: Counts) -> list[str]:
    return [str(counts[state] or "") for state in STATES]


_STATE_TITLES: Final = tuple(state.word for state in STATES)


def _providers(view: PoolView, marked: Mapping[Place, str]) -> str:
    servers = view.servers()
    by_provider = _count(view.nodes, lambda node: node.provider)
    sizes = {name: provider.max_servers for name, provider in view.config.providers.items()}
    rows = []
    for name in _names(sizes, by_provider):
        counts, size, room = by_provider.get(name, Counter()), sizes.get(name), None
        if size is not None:
            room = view.account_room.get(name)
        closed = 0 if size is None or room is None else size - servers[name] - room
        rows.append(
            [
                escape(name) + marked.get(Place(provider=name), ""),
                _bar(counts, size or 0, closed),
                "not configured" if size is None else f"{servers[name]} of {max(0, size)}",
                "" if room is None else f"{room} more",
                *_numbers(counts),
            ]
        )
    return _table(["Provider", "", "servers", "account", *_STATE_TITLES], rows)


def _labels(view: PoolView, marked: Mapping[Place, str]) -> str:
    by_label = _count(view.nodes, lambda node: node.label)
    labels = view.config.labels
    most = max((sum(counts.values()) for counts in by_label.values()), default=1)
    rows = []
    for name in _names(labels, by_label):
        counts = by_label.get(name, Counter())
        label = labels.get(name)
        least = str(label.min_ready) if label else "not configured"
        title = escape(name) + marked.get(Place(name), "")
        rows.append([title, _bar(counts, most), least, *_numbers(counts)])
    return _table(["Label", "", "min-ready", *_STATE_TITLES], rows)


def _targets(view: PoolView, marked: Mapping[Place, str]) -> str:
    by_target = _count(view.nodes, lambda node: node.target)
    most = max((sum(counts.values()) for counts in by_target.values()), default=1)
    rows = []
    for name in _names(view.config.targets, by_target):
        counts = by_target.get(name, Counter())
        title = escape(name) + marked.get(Place(target=name), "")
        rows.append([title, _bar(counts, most), *_numbers(counts)])
    return _table(["Target", "", *_STATE_TITLES], rows)


def _images(view: PoolView) -> str:
    images = sorted(view.images, key=lambda each: (each.provider, each.image, -each.version))
    rows = [
        [
            str(image.id),
            escape(image.provider),
            escape(image.image),
            escape(image.hostname),
            _state(image.state, view, MachineKey("image", image.id)),
            age(view.at - image.state_at),
            _remark(image),
        ]
        for image in images
    ]
    return _table(["ID", "Provider", "Image", "Name", "State", "Age", ""], rows)


def _remark(image: SnapshotImage) -> str:
    if image.state is not NodeState.READY:
        return ""
    if image.proven:
        return "proven"
    return f"not proven, {image.failures} launches failed" if image.failures else "not proven yet"


def _nodes(view: PoolView) -> str:
    nodes = sorted(view.nodes, key=lambda node: node.id)
    rows = [
        [
            str(node.id),
            escape(node.nodename),
            escape(node.label),
            escape(node.provider),
            escape(node.manager or node.target),
            escape(node.machines[0].ip or ""),
            _state(node.state, view, MachineKey("node", node.id)),
            age(view.at - node.state_at),
            escape(node.job or ""),
            escape(node.comment or ""),
        ]
        for node in nodes[:MOST_ROWS]
    ]
    titles = ["ID", "Name", "Label", "Provider", "Target", "IP", "State", "Age", "Job", "Comment"]
    more = len(nodes) - MOST_ROWS
    note = f'\n<p>{more} more in <a href="node-list">node-list</a></p>' if more > 0 else ""
    return _table(titles, rows) + note


def _state(state: NodeState, view: PoolView, key: MachineKey) -> str:
    shown = f'<span class="state {state.word}">{state.word}</span>'
    step = view.steps.get(key)
    if step is None:
        return shown
    value = _PROGRESS[step.value]
    return f'{shown} <progress value="{value}" max="10"></progress> {step.value}'


def _count(nodes: Iterable[Node], name_of: Callable[[Node], str]) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for node in nodes:
        found.setdefault(name_of(node), Counter())[node.state] += 1
    return found


def _names(configured: Mapping[str, object], counted: Mapping[str, object]) -> Iterable[str]:
    """In the file's order, then those that have left it."""
    return dict.fromkeys((*configured, *sorted(counted)))

"""The queue and the nodes as a live picture in the terminal, drawn from what the daemons tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_STYLES = {"SUCCESS": "green", "FAILURE": "red", "SKIPPED": "dim", None: "cyan"}
_BAR_WIDTH = 8
#: what a node's state is called here, and looks like
_STATES = {
    "building": ("boots", "dim"),
    "ready": ("ready", "green"),
    "used": ("builds", "cyan"),
    "delete": ("is deleted", "dim"),
    "hold": ("held", "yellow"),
}


def draw(
    status: Mapping[str, Any], names: Mapping[str, str], nodes: Sequence[Mapping[str, Any]] = ()
) -> RenderableType:
    """`status`: the document of /status.json; `names`: "N,P" -> what the story calls the change;
    `nodes`: the rows of /node-list.json."""
    panels: list[RenderableType] = []
    for pipeline in status.get("pipelines", ()):
        tables = [
            _draw_queue(queue, names) for queue in pipeline["change_queues"] if queue["heads"]
        ]
        body = Group(*tables) if tables else Text("empty", style="dim")
        panels.append(Panel(body, title=pipeline["name"], title_align="left"))
    if nodes:
        panels.append(Panel(_draw_nodes(nodes), title="nodes", title_align="left"))
    return Group(*panels)


def _draw_nodes(nodes: Sequence[Mapping[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for row in sorted(nodes, key=lambda each: int(each["id"])):
        word, style = _STATES.get(row["state"], (row["state"], ""))
        if row["state"] == "used":
            word = f"builds {row['job'] or ''}"
        table.add_row(
            Text(row["nodename"], style=style),
            Text(row["target"], style="dim"),
            Text(word, style=style),
            Text(row["age"].removeprefix("00:"), style="dim"),
        )
    return table


def _draw_queue(queue: Mapping[str, Any], names: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=28)
    table.add_column(min_width=12)
    table.add_column()
    for item in _items(queue):
        failing = bool(item["failing_reasons"])
        style = "red" if failing else "" if item["live"] and item["active"] else "dim"
        ahead = item["item_ahead"]
        behind = "" if ahead is None else "  on " + _name(ahead, names).split()[0]
        label = Text(("✗ " if failing else "● ") + _name(item["id"], names) + behind, style=style)
        table.add_row(label, Text(item["project"], style="dim"), _draw_jobs(item["jobs"]))
        for reason in item["failing_reasons"]:
            table.add_row("", "", Text(reason, style="red dim"))
    return table


def _draw_jobs(jobs: list[Mapping[str, Any]]) -> Text:
    return Text("  ").join(_draw_job(job) for job in jobs)


def _draw_job(job: Mapping[str, Any]) -> Text:
    """Plain text, so that it wraps where the terminal is narrow."""
    result = job["result"]
    if result is None and job["start_time"] is not None:
        return Text(f"{job['name']} {_bar(job)}", style="cyan")
    word = result or "waits"
    return Text(f"{job['name']} {word}", style=_STYLES.get(result, "red") if result else "dim")


def _bar(job: Mapping[str, Any]) -> str:
    """How far a running build is, as far as its earlier runs tell."""
    elapsed, remaining = job["elapsed_time"] or 0, job["remaining_time"]
    if remaining is None:
        return "runs"
    done = round(_BAR_WIDTH * elapsed / max(1, elapsed + remaining))
    return "━" * done + "╌" * (_BAR_WIDTH - done)


def _items(queue: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for head in queue["heads"]:
        yield from head


def _name(key: str | None, names: Mapping[str, str]) -> str:
    return names.get(key or "", key or "")

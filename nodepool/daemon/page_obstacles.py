"""The status page's part on what keeps launches from going: the section, and marks beside names."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from nodepool.core.obstacles import Hindrance, Obstacle
from nodepool.core.pauses import Place
from nodepool.daemon.pool_thread import PoolView

#: more rows than help anybody
MOST_SHOWN = 100
_WHEN = {
    Hindrance.TRYING: "one launch is under way",
    Hindrance.DUE: "the next launch goes alone",
    Hindrance.FULL: "until servers there go",
}


def obstacles_section(view: PoolView) -> str:
    """Empty if nothing is in the way."""
    found = view.obstacles
    if not found:
        return ""
    rows = "\n".join(_row(each, view.at) for each in found[:MOST_SHOWN])
    more = len(found) - MOST_SHOWN
    note = f'\n<p>{more} more in <a href="obstacle-list">obstacle-list</a></p>' if more > 0 else ""
    return (
        '<section class="trouble" id="obstacles">\n'
        f"<h2>Obstacles <small>{len(found)}</small></h2>\n"
        "<table>\n<thead><tr><th>Where</th><th>Launches</th><th></th><th>Pauses</th><th>Why</th>"
        f"</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>{note}\n</section>"
    )


def marks(view: PoolView) -> dict[Place, str]:
    """What goes behind the names that have obstacles: their kinds, and a link to the section. By
    the place that is one provider, label or target alone."""
    kinds: dict[Place, dict[Hindrance, None]] = {}
    for each in view.obstacles:
        place = Place(each.place.label) if each.place.label else each.place
        kinds.setdefault(place, {})[each.hindrance] = None
    return {place: "".join(map(_mark, found)) for place, found in kinds.items()}


def _mark(kind: Hindrance) -> str:
    return f' <a class="state {kind.value}" href="#obstacles">{kind.value}</a>'


def _row(obstacle: Obstacle, now: float) -> str:
    kind = obstacle.hindrance.value
    return (
        f'<tr><td>{_where(obstacle.place)}</td><td><span class="state {kind}">{kind}</span></td>'
        f"<td>{_when(obstacle, now)}</td><td>{obstacle.pauses or ''}</td>"
        f'<td class="why">{escape(obstacle.reason)}</td></tr>'
    )


def _where(place: Place) -> str:
    parts = {"label": place.label, "provider": place.provider, "target": place.target}
    return ", ".join(f"{kind} <b>{escape(name)}</b>" for kind, name in parts.items() if name)


def _when(obstacle: Obstacle, now: float) -> str:
    if obstacle.until is not None:
        return f"for {_span(obstacle.until - now)}, until {_clock(obstacle.until)}"
    if obstacle.since is not None:
        return f"for {_span(now - obstacle.since)}, since {_clock(obstacle.since)}"
    return _WHEN[obstacle.hindrance]


def _span(seconds: float) -> str:
    """Its two largest units."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"


def _clock(at: float) -> str:
    when = datetime.fromtimestamp(at, UTC)
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when:%H:%M:%S} UTC</time>'

"""A page of a bridge's event history -> HistoryPage. Pure.

Times are told by the bridge's clock, and read by ours: what counts is how long ago something was.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nodepool.core.build_events import BuildFinalized, BuildStarted, read_build_event
from nodepool.errors import BuildEventError

MAX_ID = 64
_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some events, oldest first, and where those that follow begin."""

    #: of the bridge's life: another one counts from 1 again
    id: str
    #: number of the last event that the page covers
    last: int
    #: more are there already
    more: bool
    events: tuple[BuildStarted | BuildFinalized, ...]
    #: rows that are no events, and what was wrong with the last of them
    bad: int = 0
    reason: str = ""


def parse_history(body: bytes, asked_at: float) -> HistoryPage:
    """`asked_at`: when the question went out, which is when the page's own `now` was, or just
    before: no event gets a later time than it had. Raises BuildEventError for what is no page."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BuildEventError(f"the answer is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BuildEventError("the answer is no object")
    name, last, more, rows = (data.get(key) for key in ("id", "last", "more", "events"))
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID:
        raise BuildEventError("id is no name")
    if not isinstance(last, int) or isinstance(last, bool) or not 0 <= last < _MOST:
        raise BuildEventError("last is no number of an event")
    if not isinstance(more, bool) or not isinstance(rows, list):
        raise BuildEventError("more and events are not there")
    ahead = _seconds(data, "now") - asked_at
    events, bad, reason = [], 0, ""
    for row in rows:
        try:
            event = _read_row(row, ahead, asked_at)
        except BuildEventError as error:
            bad, reason = bad + 1, str(error)
        else:
            events += [event] if event is not None else []
    return HistoryPage(name, last, more, tuple(events), bad, reason)


def _read_row(row: Any, ahead: float, asked_at: float) -> BuildStarted | BuildFinalized | None:
    if not isinstance(row, dict):
        raise BuildEventError("an event is no object")
    word = row.get("event")
    if not isinstance(word, str):
        raise BuildEventError("event is no word")
    at = min(_seconds(row, "at") - ahead, asked_at)
    return read_build_event(word, row.get("build"), at)


def _seconds(data: dict[str, Any], key: str) -> float:
    value = data.get(key)
    # As written, neither NaN nor any infinity is less than a bound.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise BuildEventError(f"{key} is no time")
    return float(value)

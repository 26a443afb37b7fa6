"""Freezes and holds as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zuul.client.table import duration, table_lines

_TITLES = ("Pipeline", "Project", "Change", "Reason", "By", "Since")
_ALL = "all"


def brakes_lines(brakes: Mapping[str, Any], now: float) -> Iterator[str]:
    """`brakes` as zuul:get_brakes answers, `now` in epoch seconds."""
    rows = [
        (
            freeze["pipeline"] or _ALL,
            freeze["project"] or _ALL,
            _ALL,
            freeze["reason"],
            freeze["by"],
            duration(now - freeze["at"]),
        )
        for freeze in brakes["freezes"]
    ]
    rows += [
        (
            hold["pipeline"],
            "",
            ",".join(filter(None, (hold["number"], hold["patchset"]))),
            hold["reason"],
            hold["by"],
            duration(now - hold["at"]),
        )
        for hold in brakes["holds"]
    ]
    if rows:
        yield from table_lines(_TITLES, rows)
    else:
        yield "Nothing is frozen or held"

"""Tables and times for terminals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from zuul.lib.logs import escape_controls

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def table_lines(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A frame around cells; texts from outside can do no harm to the terminal."""
    cells = [[_cell(text) for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    yield rule
    yield _line(titles, widths)
    yield rule
    for row in cells:
        yield _line(row, widths)
    yield rule


def _cell(text: str) -> str:
    return " ".join(escape_controls(text).split())


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text.ljust(width) for text, width in zip(texts, widths, strict=True))
    return "| " + " | ".join(padded) + " |"


def duration(seconds: float) -> str:
    """`3 hours`: the biggest unit that there is one of."""
    whole = max(0, round(seconds))
    for size, name in _UNITS:
        if whole >= size:
            count = round(whole / size)
            return f"{count} {name}" + ("s" if count != 1 else "")
    return "0 seconds"

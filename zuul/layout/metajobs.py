"""Which of many names each of many regular expressions matches.

The OpenStack layout has 170 expressions and 6,557 names, so that asking each of each costs over a
million matches. Most expressions begin or end with literal text: sorted names (and names sorted by
their ends) give the few that come into question.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from zuul.lib.patterns import Pattern

_LAST = "\U0010ffff"


def match_names(patterns: Sequence[Pattern], names: Sequence[str]) -> dict[str, list[int]]:
    """For each name that any pattern matches at its start: the patterns' indexes, ascending."""
    forward = sorted(names)
    backward = sorted(name[::-1] for name in names)
    matched: dict[str, list[int]] = {}
    for index, pattern in enumerate(patterns):
        for name in _matching(pattern, forward, backward):
            matched.setdefault(name, []).append(index)
    return matched


def _matching(pattern: Pattern, forward: list[str], backward: list[str]) -> list[str]:
    if pattern.pattern in ("^.*$", "^.*"):
        return forward
    prefix, suffix = pattern.shape.prefix, pattern.shape.suffix
    candidates = _range(forward, prefix)
    if suffix:
        by_end = _range(backward, suffix[::-1])
        if len(by_end) < len(candidates):
            candidates = [name[::-1] for name in by_end if name.endswith(prefix[::-1])]
    needle = pattern.shape.needle
    return [name for name in candidates if needle in name and pattern.match(name)]


def _range(ordered: list[str], prefix: str) -> list[str]:
    """The names that begin with the prefix."""
    if not prefix:
        return ordered
    return ordered[bisect_left(ordered, prefix) : bisect_left(ordered, prefix + _LAST)]

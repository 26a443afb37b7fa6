"""How tests wait for others."""

from __future__ import annotations

from itertools import islice

from tests.support.waiting import pauses


def test_who_waits_long_looks_less_often() -> None:
    seconds = list(islice(pauses(), 100))
    assert seconds[0] == 0.02
    assert seconds == sorted(seconds)
    assert max(seconds) == 0.25
    assert sum(seconds[:20]) > 2.0

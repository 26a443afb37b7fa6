"""A clock that moves only when told to."""

from __future__ import annotations

#: 2023-11-14 22:13:20 UTC: a round number that looks like one in failures
START = 1_700_000_000.0


class FakeClock:
    """Epoch seconds; every event of a world happens a little later than the one before."""

    def __init__(self, start: float = START) -> None:
        self.now = start

    def advance(self, seconds: float) -> float:
        """Move on, never back; returns the new time."""
        assert seconds >= 0
        self.now += seconds
        return self.now

"""Ids by seed, so that a run can be repeated to the letter."""

from __future__ import annotations

from random import Random


class SeededIds:
    """Gives 32 lower-case hex digits, never the same twice."""

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(f"ids {seed}")
        self.given: set[str] = set()

    def new_id(self) -> str:
        value = f"{self._random.getrandbits(128):032x}"
        assert value not in self.given, "the generator gave an id twice"
        self.given.add(value)
        return value

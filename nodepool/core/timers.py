"""Timers: what is due when, by a heap. One time for each key; setting it again replaces it."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator


class Timers:
    """Keys may be anything hashable; times are epoch seconds."""

    def __init__(self) -> None:
        self._due: dict[Hashable, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Hashable, at: float) -> None:
        self._count += 1
        self._due[key] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, key))
        # Replaced times stay in the heap until their turn; they must not outgrow the real ones.
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(when, count, key) for key, (when, count) in self._due.items()]
            heapq.heapify(self._heap)

    def drop(self, key: Hashable) -> None:
        self._due.pop(key, None)

    def due_at(self, key: Hashable) -> float | None:
        found = self._due.get(key)
        return None if found is None else found[0]

    @property
    def next_at(self) -> float | None:
        while self._heap:
            at, count, key = self._heap[0]
            if self._due.get(key) == (at, count):
                return at
            heapq.heappop(self._heap)
        return None

    def pop_due(self, now: float) -> Iterator[Hashable]:
        """Keys whose time has come, in order of time; those set meanwhile are due next time."""
        last = self._count
        while (at := self.next_at) is not None and at <= now:
            _, count, key = self._heap[0]
            if count > last:
                return
            heapq.heappop(self._heap)
            del self._due[key]
            yield key

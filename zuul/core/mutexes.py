"""Who holds which job mutex, and who waits for one."""

from __future__ import annotations

from collections.abc import Callable

from zuul.model.queue import QueueItem


class Mutexes:
    """At most one running build among all jobs that share a mutex, across pipelines.

    A holder is the id of a build, so that a mutex is given back whatever became of its item or of
    its job's definition.
    """

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}
        self._held: dict[str, str] = {}
        self._waiters: dict[str, dict[QueueItem, None]] = {}
        #: freed, and somebody waits
        self._offers: dict[str, None] = {}

    def is_free(self, mutex: str) -> bool:
        return mutex not in self._holders

    def take(self, mutex: str, build: str) -> None:
        assert mutex not in self._holders, f"mutex {mutex} is held"
        self._holders[mutex] = build
        self._held[build] = mutex
        self._offers.pop(mutex, None)

    def release(self, build: str) -> None:
        """The build has ended; it need not have held anything."""
        mutex = self._held.pop(build, None)
        if mutex is not None:
            del self._holders[mutex]
            if self._waiters.get(mutex):
                self._offers[mutex] = None

    def wait(self, item: QueueItem, mutexes: tuple[str, ...]) -> None:
        """The item waits for exactly these from now on."""
        for mutex in item.waiting_for:
            if mutex not in mutexes:
                waiters = self._waiters[mutex]
                waiters.pop(item, None)
                if not waiters:
                    del self._waiters[mutex]
        for mutex in mutexes:
            self._waiters.setdefault(mutex, {})[item] = None
            if mutex not in self._holders:
                self._offers[mutex] = None
        item.waiting_for = mutexes

    def offer(self, place: Callable[[QueueItem], tuple[int, int, int]]) -> list[QueueItem]:
        """The foremost waiter of each free mutex; it waits no longer.

        To be asked again once these were looked at: who is offered a mutex need not take it.
        """
        chosen = []
        for mutex in list(self._offers):
            waiters = self._waiters.get(mutex)
            if not waiters or mutex in self._holders:
                del self._offers[mutex]
                continue
            foremost = min(waiters, key=place)
            self.wait(foremost, tuple(m for m in foremost.waiting_for if m != mutex))
            chosen.append(foremost)
        return chosen

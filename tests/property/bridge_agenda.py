"""Time that moves by its own agenda, and the bridge's lives in it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

from gearman_plugin_shim import events as e


class Agenda:
    """What happens when. Nothing here is random unless `delay` is."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        #: of the bridge: 1 for the first; more after it was killed and started again
        self.life = 0

    def tell(self, *batch: e.Event) -> None:
        """The bridge hears of it, if it lives."""
        raise NotImplementedError

    def at(self, when: float, action: Callable[[], object]) -> None:
        heapq.heappush(self.agenda, (when, next(self.order), action))  # type: ignore[misc]

    def after(self, seconds: float, action: Callable[[], object]) -> None:
        self.at(self.now + seconds, action)

    def run(self, seconds: float) -> None:
        self.run_until(lambda: False, seconds, must=False)

    def run_until(self, is_so: Callable[[], bool], seconds: float = 60, must: bool = True) -> None:
        end = self.now + seconds
        while self.agenda and self.agenda[0][0] <= end:
            if is_so():
                return
            when, _, action = heapq.heappop(self.agenda)
            self.now = max(self.now, when)
            action()
        self.now = end
        assert is_so() or not must, "it did not come to pass in time"

    def delay(self) -> float:
        return 0.02

    def deliver(self, seconds: float, event: e.Event) -> None:
        life = self.life
        self.after(seconds, lambda: self.life == life and self.tell(event))

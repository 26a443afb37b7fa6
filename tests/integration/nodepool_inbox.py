"""What the core would be told by an edge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from nodepool.core import events
from tests.support.waiting import eventually

T = TypeVar("T", bound=events.Event)


class Inbox:
    """Takes events from any thread."""

    def __init__(self) -> None:
        self._events: list[events.Event] = []
        self._lock = threading.Lock()

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            self._events.append(event)

    def next(self) -> events.Event:
        """The oldest, of any kind."""

        def look() -> events.Event | None:
            with self._lock:
                return self._events.pop(0) if self._events else None

        found = eventually(look, "an event")
        assert found is not None
        return found

    def expect(self, kind: type[T]) -> T:
        """The oldest, which has to be of this kind."""
        found = self.next()
        assert isinstance(found, kind), found
        return found

    def wait(self, kind: type[T], fits: Callable[[T], bool] = lambda event: True) -> T:
        """The first that fits, taken out with all before it that is of its kind."""

        def look() -> T | None:
            with self._lock:
                for event in self._events:
                    if isinstance(event, kind):
                        self._events.remove(event)
                        if fits(event):
                            return event
                        return None
            return None

        found = eventually(look, kind.__name__)
        assert found is not None
        return found

    def seen(self, kind: type[T]) -> list[T]:
        """All of a kind that nobody has taken out."""
        with self._lock:
            return [event for event in self._events if isinstance(event, kind)]

"""Inbox: what happened and the pool was not told yet. Any thread puts, the pool's takes.

Answers to our own calls are bounded by the calls. What comes unasked is bounded here: of lists and
surveys the latest is enough, and whoever brings a build event waits while too many wait already.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from nodepool.core import events
from nodepool.core.build_events import BuildFinalized, BuildStarted

#: build events that may wait before their bringers do
LIMIT = 50_000

#: by whom they are told; a later one says all that an earlier one does
_LATEST: dict[type, Callable[..., Hashable]] = {
    events.ServersListed: lambda event: event.provider,
    events.AddressesListed: lambda event: event.provider,
    events.ImagesListed: lambda event: event.provider,
    events.LimitsRead: lambda event: event.provider,
    events.TargetChecked: lambda event: event.target,
    events.TargetSurveyed: lambda event: event.target,
    events.BuildEventsHeard: lambda event: event.publisher,
    events.DemandRead: lambda event: None,
    events.HoldsRead: lambda event: None,
    events.RowChanged: lambda event: event.node_id,
    events.ImageRequested: lambda event: event.request,
    events.ImageDeletionRequested: lambda event: event.request,
    events.RequestGarbled: lambda event: event.request,
    events.CronCame: lambda event: event.job,
    events.ConfigLoaded: lambda event: None,
}
_BOUNDED = (BuildStarted, BuildFinalized)


class Inbox:
    """The pool thread's mail, in the order of arrival."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: OrderedDict[Hashable, events.Event] = OrderedDict()
        self._count = 0
        self._bounded = 0
        self._woken = False
        self._closed = False

    def put(self, event: events.Event) -> None:
        """Add an event; blocks only for a build event, and only while there are too many."""
        with self._changed:
            if isinstance(event, _BOUNDED):
                self._changed.wait_for(lambda: self._bounded < self._limit or self._closed)
                self._bounded += 1
            if self._closed:
                return
            self._count += 1
            latest = _LATEST.get(type(event))
            key = self._count if latest is None else (type(event), latest(event))
            self._waiting.pop(key, None)
            self._waiting[key] = event
            self._changed.notify_all()

    def wake(self) -> None:
        """Let `take` return even if nothing happened."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes any more: what waits is dropped, and so is what comes."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def take(self, timeout_seconds: float, most: int) -> list[events.Event]:
        """Wait for something to happen, then give it, oldest first."""
        with self._changed:
            self._changed.wait_for(self._is_due, max(0.0, timeout_seconds))
            self._woken = False
            batch = [
                self._waiting.popitem(last=False)[1] for _ in range(min(most, len(self._waiting)))
            ]
            bounded = sum(isinstance(event, _BOUNDED) for event in batch)
            if bounded:
                self._bounded -= bounded
                self._changed.notify_all()
            return batch

    def __len__(self) -> int:
        return len(self._waiting)

    def _is_due(self) -> bool:
        return bool(self._waiting) or self._woken or self._closed

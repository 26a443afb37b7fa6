"""Whether an event is worth a look at the server: asked on driver threads, before any query."""

from __future__ import annotations

from collections import Counter

from zuul.daemon.observers import SilentObserver
from zuul.model.change import Change, Changeish
from zuul.model.interest import InterestIndex
from zuul.model.layout import Layout
from zuul.model.trigger import TriggerEvent

#: events that change what a queued item is
TOUCHING = frozenset(
    (
        "patchset-created",
        "draft-published",
        "change-abandoned",
        "change-restored",
        "change-merged",
    )
)


class WatchedChanges(SilentObserver):
    """Numbers of the changes that stand in a queue. Written by the scheduler thread alone.

    An observer of the core (it is told of every item that comes and goes).
    """

    def __init__(self) -> None:
        self._items: Counter[tuple[str, str]] = Counter()

    def item_enqueued(self, pipeline: str, item: str, change: Changeish, live: bool) -> None:
        if isinstance(change, Change):
            self._items[change.key.connection, change.key.number] += 1

    def item_dequeued(
        self, pipeline: str, item: str, change: Changeish, live: bool, resident: float, reason: str
    ) -> None:
        if isinstance(change, Change):
            key = (change.key.connection, change.key.number)
            self._items[key] -= 1
            if self._items[key] <= 0:
                del self._items[key]

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._items


class LayoutInterest:
    """Interest as the current layout and the queues have it."""

    def __init__(self, watched: WatchedChanges) -> None:
        self.watched = watched
        self._index: InterestIndex | None = None

    def set_layout(self, layout: Layout) -> None:
        self._index = InterestIndex(layout)

    def wants(self, event: TriggerEvent) -> bool:
        index = self._index
        if index is None:
            return True
        if (
            event.type in TOUCHING
            and event.number is not None
            and (event.connection, event.number) in self.watched
        ):
            return True
        return index.wants(event)

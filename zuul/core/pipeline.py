"""A pipeline at run time: its queues, and where to find its items."""

from __future__ import annotations

from typing import TypeVar

from zuul.model.change import Change, ChangeKey, Key
from zuul.model.layout import Manager, PipelineConfig, WindowConfig
from zuul.model.plans import PlanMaker
from zuul.model.queue import ChangeQueue, QueueItem

#: queues of an independent pipeline run all they hold
UNLIMITED = WindowConfig(start=0)

K = TypeVar("K")


class Pipeline:
    """Queues by their index, in order; items by change."""

    def __init__(self, config: PipelineConfig, index: int) -> None:
        self.config = config
        self.name = config.name
        #: place in the layout
        self.index = index
        self.plans = PlanMaker(config.trees)
        #: what our own success report votes
        self.labels_voted = config.labels_voted()
        self.queues: dict[int, ChangeQueue] = {}
        self.count = 0
        #: final reports of failures in a row
        self.failures = 0
        self.disabled = False
        self._next_index = 0
        self._by_project: dict[str, ChangeQueue] = {}
        self._live: dict[Key, QueueItem] = {}
        self._by_key: dict[Key, dict[QueueItem, None]] = {}
        self._by_review: dict[tuple[str, str], dict[QueueItem, None]] = {}
        self._dependants: dict[ChangeKey, dict[QueueItem, None]] = {}
        for shared in config.queues:
            queue = self._add_queue(shared.name, shared.projects, config.window)
            for project in shared.projects:
                self._by_project[project] = queue

    @property
    def is_dependent(self) -> bool:
        return self.config.manager is Manager.DEPENDENT

    # -- queues ----------------------------------------------------------------------------

    def shared_queue(self, project: str) -> ChangeQueue | None:
        """Of a dependent pipeline; None for a project that it does not gate."""
        return self._by_project.get(project)

    def new_queue(self, name: str) -> ChangeQueue:
        """Of an independent pipeline, for one change and what it needs."""
        return self._add_queue(name, (name,), UNLIMITED)

    def _add_queue(self, name: str, projects: tuple[str, ...], window: WindowConfig) -> ChangeQueue:
        queue = ChangeQueue(name, projects, window, index=self._next_index)
        self.queues[queue.index] = queue
        self._next_index += 1
        return queue

    def drop_if_empty(self, queue: ChangeQueue) -> None:
        """Shared queues stay; the others go with their last item."""
        if not self.is_dependent and not len(queue):
            self.queues.pop(queue.index, None)

    # -- items -----------------------------------------------------------------------------

    def items(self) -> list[QueueItem]:
        """All items, queue by queue, front to back."""
        return [item for queue in self.queues.values() for item in queue]

    def find_live(self, key: Key) -> QueueItem | None:
        return self._live.get(key)

    def holding(self, key: Key) -> tuple[QueueItem, ...]:
        """All items of exactly this change, live or not."""
        return tuple(self._by_key.get(key, ()))

    def of_review(self, connection: str, number: str) -> tuple[QueueItem, ...]:
        """All items of any patch set of a review."""
        return tuple(self._by_review.get((connection, number), ()))

    def dependants(self, item: QueueItem) -> tuple[QueueItem, ...]:
        """The items of the same queue whose change needs the item's."""
        key = item.change.key
        if not isinstance(key, ChangeKey):
            return ()
        queue = item.queue
        return tuple(i for i in self._dependants.get(key, ()) if i.queue is queue)

    def needing(self, key: ChangeKey) -> tuple[QueueItem, ...]:
        """All items whose change needs this one."""
        return tuple(self._dependants.get(key, ()))

    def register(self, item: QueueItem) -> None:
        self.count += 1
        change = item.change
        _index(self._by_key, change.key, item)
        if item.live:
            self._live[change.key] = item
        if isinstance(change, Change):
            _index(self._by_review, (change.key.connection, change.key.number), item)
            for needed in change.needs:
                _index(self._dependants, needed, item)

    def unregister(self, item: QueueItem) -> None:
        self.count -= 1
        change = item.change
        _unindex(self._by_key, change.key, item)
        if self._live.get(change.key) is item:
            del self._live[change.key]
        if isinstance(change, Change):
            _unindex(self._by_review, (change.key.connection, change.key.number), item)
            for needed in change.needs:
                _unindex(self._dependants, needed, item)

    def refresh(self, item: QueueItem, change: Change) -> None:
        """The item's change is news; its key is the same."""
        if isinstance(item.change, Change):
            for needed in item.change.needs:
                _unindex(self._dependants, needed, item)
        for needed in change.needs:
            _index(self._dependants, needed, item)
        item.change = change
        item.frozen = None


def _index(index: dict[K, dict[QueueItem, None]], key: K, item: QueueItem) -> None:
    index.setdefault(key, {})[item] = None


def _unindex(index: dict[K, dict[QueueItem, None]], key: K, item: QueueItem) -> None:
    items = index.get(key)
    if items is not None:
        items.pop(item, None)
        if not items:
            del index[key]

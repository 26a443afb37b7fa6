"""The items to look at again, in the order of the queue pass.

Pipelines in the layout's order, their queues in order, items front to back. An item is on the
agenda once; whoever changes what an item's next step depends on puts it there.
"""

from __future__ import annotations

from heapq import heappop, heappush

from zuul.model.queue import QueueItem


class Agenda:
    """A heap of items by place."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, int, QueueItem]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, pipeline_index: int, item: QueueItem) -> None:
        if item.is_on_agenda or item.queue is None:
            return
        item.is_on_agenda = True
        self._added += 1
        place = (pipeline_index, item.queue.index, item.order, self._added, item)
        heappush(self._heap, place)

    def pop(self) -> QueueItem:
        item = heappop(self._heap)[-1]
        item.is_on_agenda = False
        return item

    def clear(self) -> None:
        """Places are no longer what they were: start over."""
        for entry in self._heap:
            entry[-1].is_on_agenda = False
        self._heap.clear()

"""Queue items and change queues: links, order and window arithmetic, nothing else.

Two orders hold at once. The queue's order (`previous`, `next`, `order`) is that of enqueueing:
it says who may merge first. The tree (`item_ahead`, `items_behind`) says on what an item builds:

    order    A    B    C    D          B fails; C moves onto A, D stays on C
    tree     A <- B                    A.items_behind = B, C
             A <- C <- D

Nothing here walks a queue; what an operation costs does not depend on the queue's length.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zuul.model.build import BuildSet
from zuul.model.change import Changeish, Key
from zuul.model.layout import Growth, WindowConfig
from zuul.model.plan import NO_JOBS, JobPlan


class QueueItem:
    """One change in one queue, with its build set."""

    __slots__ = (
        "active",
        "base_moves",
        "build_set",
        "chain_released",
        "change",
        "check_needs",
        "enqueued_at",
        "failing_reasons",
        "failure_text",
        "frozen",
        "id",
        "is_on_agenda",
        "item_ahead",
        "items_behind",
        "live",
        "next",
        "order",
        "pipeline",
        "plan",
        "previous",
        "queue",
        "report",
        "unmet_need",
        "waiting_for",
        "withdrawn",
    )

    def __init__(
        self, id: str, pipeline: str, change: Changeish, *, live: bool, enqueued_at: float
    ) -> None:
        self.id = id
        #: name of the pipeline
        self.pipeline = pipeline
        self.change = change
        #: to be tested and reported; a non-live item is only a base
        self.live = live
        self.enqueued_at = enqueued_at
        self.queue: ChangeQueue | None = None
        self.order = 0
        self.previous: QueueItem | None = None
        self.next: QueueItem | None = None
        self.item_ahead: QueueItem | None = None
        #: an ordered set
        self.items_behind: dict[QueueItem, None] = {}
        #: inside the window
        self.active = False
        self.build_set = BuildSet()
        self.plan: JobPlan = NO_JOBS
        self.failing_reasons: tuple[str, ...] = ()
        #: replaces the pipeline's failure message, when the reason is ours and not a job's
        self.failure_text: str | None = None
        #: id of the final report that is out: the item neither moves nor leaves meanwhile
        self.report: str | None = None
        #: why it is to leave once its report is back
        self.withdrawn: str | None = None
        #: why it left, when what it needs could not be had any more
        self.unmet_need: str | None = None
        #: the needs check is due
        self.check_needs = True
        #: no item ahead holds this one
        self.chain_released = False
        #: how often in a row the branch moved between test and submit
        self.base_moves = 0
        #: mutexes that its jobs wait for
        self.waiting_for: tuple[str, ...] = ()
        self.is_on_agenda = False
        #: the status of the item as last shown; None once it has changed
        self.frozen: Any = None

    def __repr__(self) -> str:
        return f"<QueueItem {self.change.key} in {self.pipeline}>"

    @property
    def is_failing(self) -> bool:
        return bool(self.failing_reasons)

    @property
    def live_ahead(self) -> QueueItem | None:
        """What the item waits for; a non-live item is nothing to wait for."""
        ahead = self.item_ahead
        return ahead if ahead is not None and ahead.live else None

    def attach(self, ahead: QueueItem | None) -> None:
        """Build on `ahead`, whatever it was built on before."""
        if self.item_ahead is not None:
            self.item_ahead.items_behind.pop(self, None)
            self.item_ahead.frozen = None
        self.item_ahead = ahead
        self.frozen = None
        if ahead is not None:
            ahead.items_behind[self] = None
            ahead.frozen = None

    def chained_behind(self, through: Callable[[QueueItem], bool]) -> Iterator[QueueItem]:
        """All items built on this one, directly or not, each after what it is built on.

        `through`: whether to go on behind an item that was reached.
        """
        stack = list(reversed(self.items_behind))
        while stack:
            item = stack.pop()
            yield item
            if through(item):
                stack.extend(reversed(item.items_behind))

    def chain_ahead(self) -> Iterator[QueueItem]:
        """The items this one is built on, the nearest first."""
        item = self.item_ahead
        while item is not None:
            yield item
            item = item.item_ahead


class ChangeQueue:
    """Items that must merge in order. Iterates front to back."""

    def __init__(
        self, name: str, projects: tuple[str, ...], window: WindowConfig, *, index: int
    ) -> None:
        self.name = name
        self.projects = projects
        self.window_config = window
        #: 0 is unlimited
        self.window = window.start
        #: place among the queues of its pipeline
        self.index = index
        #: one item of a change at most
        self.by_key: dict[Key, QueueItem] = {}
        #: why nothing is reported any more
        self.stopped: str | None = None
        #: who stands last as it may not merge, when the queue was last arranged
        self.braked: set[QueueItem] = set()
        self.head: QueueItem | None = None
        self.tail: QueueItem | None = None
        self._next_order = 0
        self._active = 0
        self._first_inactive: QueueItem | None = None
        #: orders of the live items that do not fail, ascending
        self._passing: list[int] = []
        self._passing_items: dict[int, QueueItem] = {}

    def __len__(self) -> int:
        return len(self.by_key)

    def __iter__(self) -> Iterator[QueueItem]:
        item = self.head
        while item is not None:
            # read first: the item may be taken out by whoever looks at it
            following = item.next
            yield item
            item = following

    def append(self, item: QueueItem) -> None:
        """Put the item at the end of the order; the tree is left as it is."""
        item.queue = self
        self._link_last(item)
        self.by_key[item.change.key] = item
        item.active = False
        if self._first_inactive is None:
            self._first_inactive = item
        self.fill_window()
        self.set_passing(item, item.live and not item.is_failing)

    def remove(self, item: QueueItem) -> list[QueueItem]:
        """Take the item out. What was behind it is attached to what was ahead of it.

        Returns the items that came into the window.
        """
        for behind in list(item.items_behind):
            behind.attach(item.item_ahead)
        item.attach(None)
        self.set_passing(item, False)
        if item.active:
            self._active -= 1
        elif self._first_inactive is item:
            self._first_inactive = item.next
        if item.previous is None:
            self.head = item.next
        else:
            item.previous.next = item.next
        if item.next is None:
            self.tail = item.previous
        else:
            item.next.previous = item.previous
        item.previous = item.next = None
        item.queue = None
        item.active = False
        del self.by_key[item.change.key]
        self.braked.discard(item)
        return self.fill_window()

    def reorder(self, items: Sequence[QueueItem], start: int = 0) -> list[QueueItem]:
        """Give the queue's items another order from place `start` on; the tree is left as it is.

        Returns the items that came into the window.
        """
        changed = items[start:]
        outside = {item for item in changed if not item.active}
        passing = {item for item in changed if item.order in self._passing_items}
        cut = bisect_left(self._passing, min(item.order for item in changed))
        for order in self._passing[cut:]:
            del self._passing_items[order]
        del self._passing[cut:]
        self.tail = items[start - 1] if start else None
        for item in changed:
            self._active -= item.active
            item.active = False
            item.frozen = None
            self._link_last(item)
            if item in passing:
                self._passing.append(item.order)
                self._passing_items[item.order] = item
        if changed[0].previous is None or changed[0].previous.active:
            self._first_inactive = changed[0]
        return [item for item in self.fill_window() if item in outside]

    def _link_last(self, item: QueueItem) -> None:
        item.order = self._next_order
        self._next_order += 1
        item.previous, item.next = self.tail, None
        if self.tail is None:
            self.head = item
        else:
            self.tail.next = item
        self.tail = item

    # -- who does not fail -----------------------------------------------------------------

    def set_passing(self, item: QueueItem, passing: bool) -> bool:
        """Remember whether others may build on the item; whether that is news."""
        known = item.order in self._passing_items
        if known == passing:
            return False
        at = bisect_left(self._passing, item.order)
        if passing:
            self._passing.insert(at, item.order)
            self._passing_items[item.order] = item
        else:
            del self._passing[at]
            del self._passing_items[item.order]
        return True

    def nearest_non_failing(self, item: QueueItem) -> QueueItem | None:
        """The nearest live item ahead in the queue's order that does not fail."""
        at = bisect_left(self._passing, item.order)
        return self._passing_items[self._passing[at - 1]] if at else None

    def until_next_passing(self, item: QueueItem) -> Iterator[QueueItem]:
        """The items after this one whose nearest non-failing item it may be."""
        following = item.next
        while following is not None:
            yield following
            if following.order in self._passing_items:
                return
            following = following.next

    # -- window ----------------------------------------------------------------------------

    def fill_window(self) -> list[QueueItem]:
        """Let items in while there is room; returns them."""
        entered = []
        while self._first_inactive is not None and (self.window == 0 or self._active < self.window):
            item = self._first_inactive
            item.active = True
            item.frozen = None
            self._active += 1
            self._first_inactive = item.next
            entered.append(item)
        return entered

    def grow_window(self) -> list[QueueItem]:
        """After a merge; returns the items that came into the window."""
        config = self.window_config
        if self.window:
            if config.increase is Growth.LINEAR:
                self.window += config.increase_factor
            else:
                self.window *= config.increase_factor
        return self.fill_window()

    def shrink_window(self) -> None:
        """After a failure to merge. Items left outside keep the builds they have."""
        config = self.window_config
        if not self.window:
            return
        if config.decrease is Growth.LINEAR:
            smaller = self.window - config.decrease_factor
        else:
            smaller = self.window // config.decrease_factor
        self.window = max(config.floor, smaller)
        while self._active > self.window:
            last = self._first_inactive.previous if self._first_inactive else self.tail
            assert last is not None
            last.active = False
            last.frozen = None
            self._active -= 1
            self._first_inactive = last

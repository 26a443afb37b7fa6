"""Looked-up facts on their way into the inbox: one thread, so that no news is followed by older.

Look-ups overtake each other. What was told of a change already is never replaced by what the
server was asked earlier.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from zuul.core.events import ChangesRefreshed, Event, TriggerReceived
from zuul.drivers import Inbox
from zuul.lib.workers import Loop
from zuul.model.change import Change, ChangeKey
from zuul.model.trigger import TriggerEvent

MAX_REMEMBERED = 20_000

Lane = Hashable
MakeEvent = Callable[[tuple[Change, ...]], Event]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a look-up came to."""

    #: None: not from the watcher, who counts what it hands out
    lane: Lane | None
    #: None: a refresh
    event: TriggerEvent | None
    #: the subject first; empty if the event is told without its change
    changes: tuple[Change, ...] = ()
    #: when the server was asked, of each change (monotonic seconds)
    asked_at: Mapping[ChangeKey, float] | None = None
    #: of a refresh that somebody asked for
    make: MakeEvent = ChangesRefreshed


class Deliverer:
    """The thread that puts deliveries into the inbox, in the order in which they come."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._loop = Loop(f"gerrit-{name}-deliver", self._turn)
        self._newest: OrderedDict[ChangeKey, tuple[float, Change]] = OrderedDict()
        #: events delivered by lane; read by the watcher, who forgets the lanes that are idle
        self.delivered: dict[Lane, int] = {}

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()

    def put(self, delivery: Delivery) -> None:
        """Any thread."""
        self._waiting.put(delivery)

    def _turn(self, stopping: threading.Event) -> None:
        try:
            delivery = self._waiting.get(timeout=0.5)
        except queue.Empty:
            return
        self.deliver(delivery)

    def deliver(self, delivery: Delivery) -> None:
        """The thread's work, for one delivery."""
        asked_at = delivery.asked_at or {}
        changes = tuple(self._take_newest(c, asked_at[c.key]) for c in delivery.changes)
        if delivery.event is None:
            self._inbox(delivery.make(changes))
            return
        subject = changes[0] if changes else None
        self._inbox(TriggerReceived(delivery.event, subject, changes))
        if delivery.lane is not None:
            self.delivered[delivery.lane] = self.delivered.get(delivery.lane, 0) + 1

    def _take_newest(self, change: Change, asked_at: float) -> Change:
        known = self._newest.get(change.key)
        if known is not None and known[0] > asked_at:
            return known[1]
        self._newest[change.key] = (asked_at, change)
        self._newest.move_to_end(change.key)
        if len(self._newest) > MAX_REMEMBERED:
            self._newest.popitem(last=False)
        return change

"""Publisher: build events over ZeroMQ, as the Jenkins plugin sent them.

A PUB socket tells those who listen at the moment and nobody else; EventHistory keeps what was told
of each node, for a subscriber that comes back to catch up over HTTP (events_http.py).
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import time
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import zmq

from zuul.lib.logs import fields
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.ShimPublisher")

#: events that wait for the sending thread
QUEUE_LIMIT: Final = 10_000
#: messages kept for each subscriber that reads slowly; the library's 1000 is an hour of a busy site
SEND_HIGH_WATER: Final = 100_000
_BIND_PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_KNOWN_NODES: Final = 20_000
#: events of a page, and characters of their JSON
PAGE_EVENTS: Final = 1000
PAGE_LENGTH: Final = 4 << 20
#: no subscriber takes a longer one, and none is kept
_LONGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BuildEvent:
    """One message, ready to be sent."""

    #: onStarted, onCompleted or onFinalized
    word: str
    #: the JSON object, without newlines
    json: str
    #: the computer; "" is the master, None is not known
    node: str | None

    @property
    def frame(self) -> bytes:
        return f"{self.word} {self.json}".encode()


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event with its place in the history."""

    #: counts from 1 for the life of the process
    number: int
    #: epoch seconds
    at: float
    event: BuildEvent


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, oldest first."""

    events: list[KeptEvent]
    #: all up to this number are in it, or in the pages before
    last: int
    #: there are more after it
    more: bool


class EventHistory:
    """The last events of each node, for any thread."""

    def __init__(
        self, kept: int, *, nodes: int = _KNOWN_NODES, page_events: int = PAGE_EVENTS
    ) -> None:
        #: new at every start: numbers of another start mean nothing
        self.id = secrets.token_hex(8)
        self._kept = kept
        self._nodes_limit = nodes
        self._page_events = page_events
        self._lock = threading.Lock()
        self._number = 0
        self._events: dict[int, KeptEvent] = {}
        #: rising; also numbers of events that are forgotten, until they are the half of it
        self._order: list[int] = []
        self._nodes: OrderedDict[str, deque[int]] = OrderedDict()

    def add(self, event: BuildEvent, now: float) -> None:
        with self._lock:
            if len(event.json) > _LONGEST:
                return
            self._number += 1
            self._events[self._number] = KeptEvent(self._number, now, event)
            self._order.append(self._number)
            name = event.node or ""
            numbers = self._nodes.setdefault(name, deque())
            self._nodes.move_to_end(name)
            numbers.append(self._number)
            if len(numbers) > self._kept:
                del self._events[numbers.popleft()]
            while len(self._nodes) > self._nodes_limit:
                for number in self._nodes.popitem(last=False)[1]:
                    del self._events[number]
            if len(self._order) > 2 * len(self._events) + 1000:
                self._order = list(self._events)

    def page(self, since: int, node: str | None = None) -> Page:
        """What comes after the number `since`, of one node or of all; as much as a page holds."""
        found: list[KeptEvent] = []
        length = 0
        with self._lock:
            order = self._order if node is None else list(self._nodes.get(node, ()))
            for index in range(bisect_right(order, since), len(order)):
                kept = self._events.get(order[index])
                if kept is None:
                    continue
                length += len(kept.event.json)
                if found and (len(found) == self._page_events or length > PAGE_LENGTH):
                    return Page(found, found[-1].number, True)
                found.append(kept)
            return Page(found, self._number, False)


class Publisher:
    """Sends events from a thread of its own; a full queue drops the newest, with a warning."""

    def __init__(
        self,
        bind: str | None,
        history: EventHistory,
        *,
        clock: Callable[[], float] = time.time,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self._bind = bind
        self._history = history
        self._clock = clock
        self._queue: queue.Queue[BuildEvent] = queue.Queue(QUEUE_LIMIT)
        self._context = context or zmq.Context()
        self._owns_context = context is None
        self._socket: zmq.Socket[bytes] | None = None
        self._failures = 0
        self._dropped = 0
        self._loop = Loop("publisher", self._turn)
        #: where the socket is bound, its port filled in; None until it is
        self.address: str | None = None

    def start(self) -> None:
        if self._bind is not None:
            self._loop.start()

    def stop(self) -> None:
        """Send what waits, and close."""
        if self._bind is not None and not self._loop.stop(5.0):
            log.warning("Publisher did not end in time")
            return
        while self._socket is not None and not self._queue.empty():
            self._send(self._queue.get())
        if self._socket is not None:
            self._socket.close(linger=1000)
            self._socket = None
        if self._owns_context:
            self._context.term()

    def publish(self, event: BuildEvent) -> None:
        """Tell subscribers, and remember; never waits. Any thread."""
        self._history.add(event, self._clock())
        if self._bind is None:
            return
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._dropped += 1
            if self._dropped % 1000 == 1:
                log.warning("Build events dropped, too many wait %s", fields(count=self._dropped))

    # On the sending thread.

    def _turn(self, stopping: threading.Event) -> None:
        if self._socket is None and not self._open():
            stopping.wait(_BIND_PAUSES[min(self._failures, len(_BIND_PAUSES)) - 1])
            return
        try:
            event = self._queue.get(timeout=0.25)
        except queue.Empty:
            return
        self._send(event)

    def _open(self) -> bool:
        assert self._bind is not None, "without an address there is no thread"
        socket = self._context.socket(zmq.PUB)
        socket.sndhwm = SEND_HIGH_WATER
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 60)
        try:
            socket.bind(self._bind)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            self._failures += 1
            if self._failures == 1:
                where = fields(bind=self._bind, reason=error)
                log.error("Build events cannot be published, trying on %s", where)
            return False
        self._failures = 0
        self._socket = socket
        self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        log.info("Publisher listens %s", fields(bind=self.address))
        return True

    def _send(self, event: BuildEvent) -> None:
        assert self._socket is not None, "sent once it is open"
        # A PUB socket never waits: it drops for the subscriber that does not read.
        self._socket.send(event.frame)
        log.debug("Build event sent %s", fields(event=event.word, node=event.node))

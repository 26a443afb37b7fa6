"""BuildWatch: hears build events over ZeroMQ, one thread and socket a publisher (contract 15)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import zmq
from zmq.utils.monitor import parse_monitor_message

from nodepool.core import events
from nodepool.core.build_events import MAX_BYTES, parse_build_event
from nodepool.errors import BuildEventError
from zuul.lib import clock
from zuul.lib.workers import Loop

log = logging.getLogger("nodepool.BuildWatch")

Inbox = Callable[[events.Event], None]
RECEIVE_MS = 1000
#: messages that wait for the thread; the library's 1000 is little beside a burst
MOST_WAITING = 100_000
#: of bad messages one is logged each so many seconds, with the number of those passed over
SAY_EVERY = 10.0
MOST_SAID = 300
#: seconds without a connection before that is said, and another socket tries
CONNECT_SECONDS = 10.0
_UP, _DOWN = zmq.Event.HANDSHAKE_SUCCEEDED, zmq.Event.DISCONNECTED
#: seconds from one word on what is missed to the next, while there is no connection
DEAF_SECONDS = 30.0
#: seconds after which a new connection's publisher has heard of the subscription
SUBSCRIBE_SECONDS = 1.0
#: seconds before a publisher is tried again that cannot be listened to at all
TRY_EVERY = 30.0
#: a publisher's host that went without a word is noticed after a minute and a half
_KEEPALIVE = {
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 30,
    zmq.TCP_KEEPALIVE_INTVL: 15,
    zmq.TCP_KEEPALIVE_CNT: 4,
}
#: seconds between two words that nothing is missed
HEARD_SECONDS = 10.0
#: a line may have been dead for so many seconds before it is seen to be
SILENT_SECONDS = 100.0


class BuildWatch:
    """`configure` and `stop` from one thread. Whenever something may have been lost, that is told:
    histories and targets are asked then."""

    def __init__(self, inbox: Inbox, on_up: Callable[[], None] = lambda: None) -> None:
        """`on_up`: a connection stands, after one was lost or never was; on any thread."""
        self._inbox = inbox
        self._on_up = on_up
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._listeners: dict[str, _Listener] = {}
        #: told to end; a thread needs up to a second for it
        self._ending: list[_Listener] = []

    def start(self) -> None:
        """Threads start with `configure`."""

    def configure(self, publishers: Sequence[str]) -> None:
        """Addresses, tcp://HOST:PORT; those that stay are not disturbed."""
        for address in [each for each in self._listeners if each not in publishers]:
            self._ending.append(self._listeners.pop(address))
        self._ending = [each for each in self._ending if not each.stop(0.0)]
        for address in publishers:
            if address not in self._listeners:
                listener = _Listener(address, self._context, self._inbox, self._on_up)
                self._listeners[address] = listener
                listener.start()

    def stop(self) -> None:
        ending = [*self._listeners.values(), *self._ending]
        self._listeners, self._ending = {}, []
        for listener in ending:
            listener.stop(0.0)
        if all(listener.stop(10.0) for listener in ending):
            self._context.destroy(linger=0)


class _Listener:
    """One publisher; the socket belongs to the thread, which makes and closes it."""

    def __init__(
        self,
        address: str,
        context: zmq.Context[zmq.Socket[bytes]],
        inbox: Inbox,
        on_up: Callable[[], None],
    ) -> None:
        self._address = address
        self._context = context
        self._inbox = inbox
        self._bad = 0
        self._said_at = float("-inf")
        self._line = _Line(address, inbox, on_up)
        self._loop = Loop(f"zmq-{address}", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_seconds: float) -> bool:
        return self._loop.stop(timeout_seconds)

    def _turn(self, stopping: threading.Event) -> None:
        made = self._context.socket(zmq.SUB)
        try:
            with self._line.watched(made) as look:
                self._connect(made)
                while not stopping.is_set() and look():
                    self._receive(made)
        except zmq.ZMQError as error:
            log.error("Build events from %s are not heard: %s", self._address, error)
            self._line.tell_missed()
            stopping.wait(TRY_EVERY)
        finally:
            made.close(linger=0)

    def _connect(self, made: zmq.Socket[bytes]) -> None:
        made.setsockopt(zmq.RCVTIMEO, RECEIVE_MS)
        made.setsockopt(zmq.RCVHWM, MOST_WAITING)
        # A longer one ends the connection; another socket hears what follows.
        made.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES)
        made.setsockopt(zmq.IPV6, "[" in self._address)
        for option, value in _KEEPALIVE.items():
            made.setsockopt(option, value)
        made.setsockopt(zmq.SUBSCRIBE, b"")
        made.connect(self._address)

    def _receive(self, socket: zmq.Socket[bytes]) -> None:
        try:
            frames = socket.recv_multipart()
        except zmq.Again:
            return
        try:
            if len(frames) != 1:
                raise BuildEventError(f"message of {len(frames)} parts")
            event = parse_build_event(frames[0])
        except BuildEventError as error:
            self._pass_over(str(error))
            return
        if event is not None:
            self._inbox(event)

    def _pass_over(self, reason: str) -> None:
        self._bad += 1
        now = time.monotonic()
        if now - self._said_at >= SAY_EVERY:
            log.warning(
                "Build events from %s passed over count=%d: %a",
                self._address,
                self._bad,
                reason[:MOST_SAID],
            )
            self._bad, self._said_at = 0, now


class _Line:
    """Whether a socket is connected: the library keeps silent about it, and does not connect again
    after a message that is too long, or an answer that is no ZeroMQ's."""

    def __init__(self, address: str, inbox: Inbox, on_up: Callable[[], None]) -> None:
        self._address = address
        self._inbox = inbox
        self._on_up = on_up
        #: until then all was heard; epoch seconds
        self._heard_until = clock.now()
        #: monotonic: when it was so, or was told that it was not
        self._told_at = time.monotonic()
        #: monotonic: when all was told to be heard
        self._vouched_at = float("-inf")
        #: None: nothing was said yet
        self._said: bool | None = None

    @contextmanager
    def watched(self, socket: zmq.Socket[bytes]) -> Iterator[Callable[[], bool]]:
        """Gives a function that is to be called often; False: the socket is of no more use."""
        monitor = socket.get_monitor_socket(_UP | _DOWN)
        is_up, since = False, time.monotonic()
        #: when a connection was made behind which events may be lost
        new_at: float | None = None

        def look() -> bool:
            nonlocal is_up, since, new_at
            before = is_up
            while monitor.poll(0):
                is_up = parse_monitor_message(monitor.recv_multipart())["event"] == _UP
                new_at = time.monotonic() if is_up else None
            now = time.monotonic()
            if is_up and not before:
                self._on_up()
            if new_at is not None and now - new_at >= SUBSCRIBE_SECONDS:
                self.tell_missed()
                new_at = None
            elif is_up and new_at is None:
                self._heard_until, self._told_at = clock.now(), now
                if not socket.poll(0):
                    self._vouch(now)
            elif not is_up and now - self._told_at >= DEAF_SECONDS:
                self.tell_missed()
            if is_up or before:
                since = now
            if is_up or now - since >= CONNECT_SECONDS:
                self._say(is_up)
            return is_up or now - since < CONNECT_SECONDS

        try:
            yield look
        finally:
            socket.disable_monitor()
            monitor.close(linger=0)

    def tell_missed(self) -> None:
        since, self._heard_until = self._heard_until, clock.now()
        self._told_at = time.monotonic()
        self._inbox(events.BuildEventsMissed(since - SILENT_SECONDS))
        self._inbox(events.BuildEventsHeard(self._address, self._heard_until))

    def _vouch(self, now: float) -> None:
        """What had come by then was read, and told."""
        if now - self._vouched_at >= HEARD_SECONDS:
            self._vouched_at = now
            until = self._heard_until - SILENT_SECONDS
            self._inbox(events.BuildEventsHeard(self._address, until))

    def _say(self, is_up: bool) -> None:
        if is_up is self._said:
            return
        self._said = is_up
        if is_up:
            log.info("Build events come from %s", self._address)
        else:
            log.warning("Build events from %s are not heard: no connection", self._address)

"""HistoryWatch: asks bridges for the build events that ZeroMQ did not bring, one thread a bridge.

What ZeroMQ did bring is told again, with its time; the core knows what is old (lifecycle.py).
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from nodepool.core import events
from nodepool.core.build_history import HistoryPage, parse_history
from nodepool.errors import BuildEventError
from zuul.lib import clock
from zuul.lib.workers import Loop

log = logging.getLogger("nodepool.HistoryWatch")

Inbox = Callable[[events.Event], None]
#: seconds between two looks at one bridge
LOOK_EVERY: Final = 10.0
#: after failures in a row
LONGEST_PAUSE: Final = 60.0
#: for a connection, and for each piece of an answer; a whole answer may take three times as long
ANSWER_SECONDS: Final = 10.0
#: a page of the bridge is of some 4 MiB; what is not ASCII takes more
MAX_BODY_BYTES: Final = 32 << 20
STOP_SECONDS: Final = 5.0
_PIECE_BYTES: Final = 1 << 16
_MOST_SAID: Final = 300


class HistoryWatch:
    """`configure` and `stop` from one thread, `wake` from any."""

    def __init__(
        self,
        inbox: Inbox,
        *,
        every: float = LOOK_EVERY,
        timeout_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._inbox = inbox
        self._every = every
        self._timeout = timeout_seconds
        self._watches: dict[str, _Watch] = {}

    def start(self) -> None:
        """Threads start with `configure`."""

    def configure(self, urls: Sequence[str]) -> None:
        """Addresses, http(s)://HOST:PORT; those that stay are not disturbed."""
        watches = dict(self._watches)
        for url in [each for each in watches if each not in urls]:
            watches.pop(url).stop(0.0)
        for url in urls:
            if url not in watches:
                watches[url] = _Watch(url, self._inbox, self._every, self._timeout)
                watches[url].start()
        self._watches = watches

    def wake(self) -> None:
        """Look now: a line that was down is up again, and some may have been told meanwhile."""
        for watch in self._watches.values():
            watch.wake()

    def stop(self) -> None:
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.stop(0.0)
        deadline = time.monotonic() + STOP_SECONDS
        for watch in watches.values():
            watch.stop(max(0.0, deadline - time.monotonic()))


class _Watch:
    """One bridge, and how far it was read."""

    def __init__(self, url: str, inbox: Inbox, every: float, timeout_seconds: float) -> None:
        self._url = url
        self._inbox = inbox
        self._every = every
        self._timeout = timeout_seconds
        self._id = ""
        self._last = 0
        self._failures = 0
        #: what was logged last
        self._said = ""
        self._news = threading.Event()
        self._loop = Loop(f"history-{url}", self._turn)

    def start(self) -> None:
        self._loop.start()

    def wake(self) -> None:
        self._news.set()

    def stop(self, timeout_seconds: float) -> None:
        self._loop.stop(0.0)
        self._news.set()
        self._loop.stop(timeout_seconds)

    def _turn(self, stopping: threading.Event) -> None:
        self._news.clear()
        if stopping.is_set():
            return
        try:
            page = self._next_page()
        except (OSError, http.client.HTTPException, BuildEventError) as error:
            self._failures += 1
            self._say(str(error) or type(error).__name__)
            self._news.wait(min(self._every * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE))
            return
        self._failures = 0
        self._say("")
        if page.bad:
            found = page.reason[:_MOST_SAID]
            log.warning("Build events of %s passed over count=%d: %a", self._url, page.bad, found)
        for event in page.events:
            if stopping.is_set():
                return
            self._inbox(event)
        self._id, self._last = page.id, page.last
        if not page.more:
            self._news.wait(self._every)

    def _next_page(self) -> HistoryPage:
        page = self._ask(self._last)
        if page.id != self._id and self._last:
            log.info("Bridge at %s began anew, so are its events read", self._url)
            self._last = 0
            page = self._ask(0)
        if page.last < self._last or (page.more and page.last == self._last):
            raise BuildEventError("the numbers of events do not rise")
        return page

    def _ask(self, since: int) -> HistoryPage:
        asked_at = clock.now()
        return parse_history(_get(f"{self._url}/events?since={since}", self._timeout), asked_at)

    def _say(self, trouble: str) -> None:
        """Once, until it is something else."""
        trouble = trouble[:_MOST_SAID]
        if trouble == self._said:
            return
        self._said = trouble
        if trouble:
            log.warning("Event history of %s is not read: %a", self._url, trouble)
        else:
            log.info("Event history of %s is read again", self._url)


def _get(url: str, timeout_seconds: float) -> bytes:
    """The body of a 200; no redirect is followed, no proxy asked. Raises OSError, HTTPException
    and BuildEventError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_seconds)
    deadline = time.monotonic() + 3 * timeout_seconds
    try:
        headers = {"Accept": "application/json", "Connection": "close"}
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise BuildEventError(f"the bridge answers HTTP {answer.status}")
        body = bytearray()
        while piece := answer.read1(_PIECE_BYTES):
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise BuildEventError(f"the answer has more than {MAX_BODY_BYTES} bytes")
            if time.monotonic() > deadline:
                raise BuildEventError("the answer comes too slowly")
        return bytes(body)
    finally:
        connection.close()

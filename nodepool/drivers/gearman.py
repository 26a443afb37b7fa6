"""DemandWatch: asks all Gearman servers which jobs wait, each on a thread of its own."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nodepool.config.values import ServerAddress
from nodepool.core import events
from nodepool.core.demand import parse_demand
from zuul.lib import clock
from zuul.lib.gearman import AdminClient
from zuul.lib.tls import client_context
from zuul.lib.workers import Loop

log = logging.getLogger("nodepool.DemandWatch")

Inbox = Callable[[events.Event], None]
#: seconds between two questions to one server
ASK_EVERY = 5.0
#: a server that needs long for its answer is left alone for so many times that long
LEAVE_ALONE = 5.0
ANSWER_SECONDS = 10.0
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    asked_at: float


class DemandWatch:
    """Tells the sum over all servers each time that one has answered, or has failed to.

    `configure` and `stop` from one thread. A server that fails counts for nothing until it answers
    again; one that hangs counts with its last answer until its time-out.
    """

    def __init__(
        self, inbox: Inbox, *, every: float = ASK_EVERY, timeout_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._inbox = inbox
        self._every = every
        self._timeout = timeout_seconds
        self._lock = threading.Lock()
        #: in the order of the configuration; None: it failed, or was not asked yet
        self._answers: dict[ServerAddress, _Answer | None] = {}
        self._servers: dict[ServerAddress, _Server] = {}

    def start(self) -> None:
        """Threads start with `configure`."""

    def configure(self, servers: Sequence[ServerAddress]) -> None:
        gone = [self._servers.pop(each) for each in list(self._servers) if each not in servers]
        for server in gone:
            server.stop()
        new = [each for each in servers if each not in self._servers]
        with self._lock:
            self._answers = {each: self._answers.get(each) for each in servers}
        for address in new:
            server = _Server(address, self._heard, self._every, self._timeout)
            self._servers[address] = server
            server.start()
        if gone and not servers:
            self._inbox(events.DemandRead({}, clock.now()))

    def stop(self) -> None:
        servers, self._servers = self._servers, {}
        for server in servers.values():
            server.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for server in servers.values():
            server.stop(max(0.0, deadline - time.monotonic()))

    def _heard(self, address: ServerAddress, answer: _Answer | None) -> None:
        # The lock also keeps the sums in the order in which they were made.
        with self._lock:
            if address not in self._answers:
                return
            self._answers[address] = answer
            known = [each for each in self._answers.values() if each is not None]
            asked_at = min((each.asked_at for each in known), default=clock.now())
            self._inbox(events.DemandRead(parse_demand(each.text for each in known), asked_at))


class _Server:
    """One server and the thread that asks it."""

    def __init__(
        self,
        address: ServerAddress,
        on_answer: Callable[[ServerAddress, _Answer | None], None],
        every: float,
        timeout_seconds: float,
    ) -> None:
        self._address = address
        self._on_answer = on_answer
        self._every = every
        self._failed = False
        self._timeout = timeout_seconds
        self._client: AdminClient | None = None
        self._loop = Loop(f"demand-{address.host}:{address.port}", self._turn)

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_seconds: float = 0.0) -> None:
        """The thread closes the connection, however long its last question takes."""
        self._loop.stop(timeout_seconds)

    def _turn(self, stopping: threading.Event) -> None:
        asked_at = clock.now()
        try:
            if self._client is None:
                self._client = admin_client(self._address, self._timeout)
            answer: _Answer | None = _Answer(self._client.status_text(), asked_at)
        except OSError as error:
            self._forget()
            said = log.debug if self._failed else log.warning
            said("Gearman server %s is not asked for demand: %s", self._name, error)
            answer, self._failed = None, True
        else:
            if self._failed:
                log.info("Gearman server %s answers again", self._name)
            self._failed = False
        if not stopping.is_set():
            self._on_answer(self._address, answer)
        took = max(0.0, clock.now() - asked_at)
        if stopping.wait(max(self._every, min(LEAVE_ALONE * took, 60.0))):
            self._forget()

    def _forget(self) -> None:
        """The next question makes another connection, with certificates as they are then."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def _name(self) -> str:
        return f"{self._address.host}:{self._address.port}"


def admin_client(address: ServerAddress, timeout_seconds: float = ANSWER_SECONDS) -> AdminClient:
    """Raises OSError for certificates that cannot be used."""
    context = tls_context(address)
    return AdminClient(address.host, address.port, timeout_seconds, ssl_context=context)


def tls_context(address: ServerAddress) -> ssl.SSLContext | None:
    """None: without TLS. Raises TlsError."""
    if address.tls is None:
        return None
    return client_context(address.tls, check_hostname=address.check_hostname)

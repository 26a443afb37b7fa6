"""PoolThread: the one thread that owns the pool.

    events -> the core -> rows committed -> calls go out

What cannot be committed does not happen: the thread ends, and whoever comes next starts from the
rows. So it does after an exception of the core, whose state cannot be trusted any more.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from nodepool.config.values import NodepoolConfig
from nodepool.core.commands import Call
from nodepool.core.events import ConfigLoaded, Event, Step, TimeCame
from nodepool.core.obstacles import Obstacle
from nodepool.core.pool import Pool
from nodepool.core.ports import Ledger
from nodepool.daemon.batch import Batch, spared
from nodepool.daemon.inbox import Inbox
from nodepool.db.lease import LeaseLost
from nodepool.errors import StoreError
from nodepool.model import MachineKey, Node, SnapshotImage
from zuul.lib import clock
from zuul.lib.logs import fields
from zuul.lib.workers import Loop, outcome_of

log = logging.getLogger("nodepool.NodePool")

#: the thread looks up from an empty inbox this often
IDLE_SECONDS = 5.0
#: events of one transaction
MOST_EVENTS = 500
STOP_SECONDS = 10.0


class End(Enum):
    """Why the thread works no more."""

    #: another nodepoold has the lease
    LOST = "lost"
    #: rows could not be written, or the core broke
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PoolView:
    """The pool between two events; for any thread."""

    nodes: tuple[Node, ...]
    images: tuple[SnapshotImage, ...]
    #: of launches and image builds, by their first machine
    steps: Mapping[MachineKey, Step]
    config: NodepoolConfig
    #: epoch seconds
    at: float
    obstacles: tuple[Obstacle, ...] = ()
    #: by provider: servers that the account takes besides ours, where it told so
    account_room: Mapping[str, int] = field(default_factory=dict)

    def servers(self) -> Counter[str]:
        """Those that count against max-servers, by provider."""
        found: Counter[str] = Counter()
        for node in self.nodes:
            found[node.provider] += node.room
        return found


class CallTaker(Protocol):
    """The edges, as the pool's thread knows them."""

    def submit(self, call: Call) -> None: ...

    def expect(self, servers: Container[str], images: Container[str]) -> None:
        """Providers of whose servers, or images, something waits to hear."""
        ...


class PoolThread:
    """`start` and `stop` once each; the first event in the inbox is Started."""

    def __init__(
        self,
        pool: Pool,
        ledger: Ledger,
        inbox: Inbox,
        edges: CallTaker,
        *,
        configure: Callable[[NodepoolConfig], None],
        config: NodepoolConfig,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`configure` is called before the core is told. Neither it nor `edges` ever blocks."""
        self._pool = pool
        self._ledger = ledger
        self._inbox = inbox
        self._edges = edges
        self._configure = configure
        self._config = config
        self._on_end = on_end
        self._wanted: deque[Future[PoolView]] = deque()
        self._end: End | None = None
        self._has_begun = False
        self._loop = Loop("NodePool", self._turn)

    @property
    def end(self) -> End | None:
        """None: it works."""
        return self._end

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        self._inbox.close()
        if self._loop.stop(timeout_seconds):
            self._answer_views()

    def request_view(self) -> Future[PoolView]:
        """The state between two events, as soon as the thread gets there. Any thread."""
        wanted: Future[PoolView] = Future()
        self._wanted.append(wanted)
        self._inbox.wake()
        return wanted

    # -- on the thread -----------------------------------------------------------------------------

    def _turn(self, stopping: threading.Event) -> None:
        if self._end is not None:
            stopping.wait()
            return
        events = self._inbox.take(self._patience(), MOST_EVENTS)
        if stopping.is_set():
            return
        outcome = outcome_of(lambda: self.handle(events), f"events {describe(events)}")
        if isinstance(outcome, Exception):
            log.critical("Pool broke down, its rows stay as they are %s", fields(reason=outcome))
            self._finish(End.FAILED)
        self._answer_views()

    def _patience(self) -> float:
        due = self._pool.next_at
        return IDLE_SECONDS if due is None else min(IDLE_SECONDS, due - clock.now())

    def handle(self, events: Sequence[Event]) -> None:
        """Tell the core, commit what it wrote, let its calls go; until there is no more to tell."""
        now = clock.now()
        due = self._pool.next_at
        if due is not None and due <= now:
            events = [*events, TimeCame()]
        while events and self._end is None:
            batch = Batch()
            for event in events:
                if isinstance(event, ConfigLoaded):
                    self._config = event.config
                    self._configure(event.config)
                batch.add(self._pool.handle(event, now))
            events = self._commit(batch)
            now = clock.now()

    def _commit(self, batch: Batch) -> Sequence[Event]:
        """What people changed meanwhile."""
        try:
            answers = self._ledger.commit(batch.rows)
        except LeaseLost:
            self._finish(End.LOST)
            return ()
        except StoreError as error:
            log.critical("Rows not written, nothing more is done %s", fields(reason=error))
            self._finish(End.FAILED)
            return ()
        for call in spared(batch.calls, answers, self._pool.nodes):
            self._edges.submit(call)
        if batch.rows or not self._has_begun:
            self._has_begun = True
            self._edges.expect(self._pool.providers_to_watch(), self._pool.images_to_watch())
        return answers

    def _finish(self, end: End) -> None:
        self._end = end
        self._on_end()

    def _answer_views(self) -> None:
        if not self._wanted:
            return
        pool, now = self._pool, clock.now()
        view = PoolView(
            tuple(pool.nodes.values()),
            tuple(pool.images.values()),
            pool.steps(),
            self._config,
            now,
            pool.obstacles(now),
            pool.account_room(),
        )
        while self._wanted:
            wanted = self._wanted.popleft()
            if wanted.set_running_or_notify_cancel():
                wanted.set_result(view)


def describe(events: Sequence[Event]) -> str:
    """For a log line, cut to a length that a line can have."""
    return repr(events)[:2000]

"""A pool's thread without the thread: a ledger and edges that remember."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from nodepool.config import NodepoolConfig, parse_config
from nodepool.core.commands import Call, Row
from nodepool.core.events import Event, Started
from nodepool.core.pool import Pool
from nodepool.daemon.inbox import Inbox
from nodepool.daemon.pool_thread import PoolThread
from tests.support.fake_pool_observer import CountingObserver
from tests.unit.nodepool.core.site import CONFIG, Numbers, ready_image


class Ledger:
    """Fails, or answers, once as told."""

    def __init__(self, log: list[Any]) -> None:
        self._log = log
        self.failure: Exception | None = None
        self.answers: list[Event] = []

    def nodepool_id(self) -> str:
        return "ours"

    def load(self) -> Any:
        raise NotImplementedError

    def commit(self, rows: Sequence[Row]) -> Sequence[Event]:
        self._log.append(("commit", *rows))
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        answers, self.answers = self.answers, []
        return answers


class Edges:
    def __init__(self, log: list[Any]) -> None:
        self._log = log
        self.expected: list[tuple[Container[str], Container[str]]] = []

    def submit(self, call: Call) -> None:
        self._log.append(call)

    def expect(self, servers: Container[str], images: Container[str]) -> None:
        self.expected.append((servers, images))


class World:
    """`log`: commits, calls and configurations in the order in which they happened."""

    def __init__(self, text: str = CONFIG) -> None:
        self.log: list[Any] = []
        self.ledger, self.edges = Ledger(self.log), Edges(self.log)
        self.inbox = Inbox()
        self.config = parse_config(text, "site")
        self.ends = 0
        self.pool = Pool(self.config, "ours", Numbers(), CountingObserver())
        self.thread = PoolThread(
            self.pool,
            self.ledger,
            self.inbox,
            self.edges,
            configure=self._configure,
            config=self.config,
            on_end=self._ended,
        )

    def begin(self) -> None:
        """One image is ready, so that one node is launched."""
        self.thread.handle([Started((), (ready_image(),))])

    def take(self) -> list[Any]:
        found, self.log[:] = self.log[:], []
        return found

    def _configure(self, config: NodepoolConfig) -> None:
        self.log.append(("configure", config))

    def _ended(self) -> None:
        self.ends += 1

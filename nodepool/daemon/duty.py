"""Duty: one pool at work, from the moment its rows are read until the lease is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container
from concurrent.futures import Future
from typing import Final, Protocol

from nodepool.config.values import NodepoolConfig
from nodepool.core.commands import Call
from nodepool.core.events import ConfigLoaded, Event, Started
from nodepool.core.pool import Pool
from nodepool.core.ports import Switches
from nodepool.daemon.inbox import Inbox
from nodepool.daemon.node_stats import StatsObserver
from nodepool.daemon.observers import LogObserver, Observers
from nodepool.daemon.pool_thread import STOP_SECONDS, End, PoolThread, PoolView
from nodepool.daemon.timers import CronTimer, PeopleWatch
from nodepool.db.store import Store
from zuul.lib.stats import Stats
from zuul.lib.workers import Loop

#: gauges are sent this often, besides when they change
STATS_SECONDS: Final = 10.0


class AllEdges(Protocol):
    """What a duty needs of edges.Edges."""

    def configure(self, config: NodepoolConfig) -> None: ...

    def start(self) -> None: ...

    def submit(self, call: Call) -> None: ...

    def expect(self, servers: Container[str], images: Container[str]) -> None: ...

    def close(self) -> None: ...

    def stop(self) -> None: ...


#: (where events go, who is told of API tasks)
MakeEdges = Callable[[Callable[[Event], None], Callable[[str, str, float], None]], AllEdges]


class Duty:
    """`start` and `stop` once each, from one thread."""

    def __init__(
        self,
        config: NodepoolConfig,
        store: Store,
        *,
        switches: Switches,
        stats: Stats,
        make_edges: MakeEdges,
        on_end: Callable[[], None],
    ) -> None:
        """Reads the rows. Raises StoreError, LeaseLost. `on_end`: tells that `end` is set."""
        nodes, images, holds = store.load()
        self._started = Started(tuple(nodes), tuple(images), holds, store.heard())
        self._config = config
        self._inbox = Inbox()
        self._stats = StatsObserver(stats, config, nodes)
        self._edges = make_edges(self._inbox.put, self._stats.task_ended)
        self._cron = CronTimer(self._inbox.put)
        self._people = PeopleWatch(store, self._inbox.put, holds, with_images=switches.images)
        observer = Observers(LogObserver(), self._stats)
        self._thread = PoolThread(
            Pool(config, store.nodepool_id(), store, observer, switches),
            store,
            self._inbox,
            self._edges,
            configure=self._configure,
            config=config,
            on_end=on_end,
        )
        self._figures = Loop("figures", self._send_figures)

    @property
    def end(self) -> End | None:
        """Why it works no more; None: it does."""
        return self._thread.end

    def start(self) -> None:
        self._inbox.put(self._started)
        self._configure(self._config)
        self._edges.start()
        self._thread.start()
        self._cron.start()
        self._people.start()
        self._figures.start()

    def reload(self, config: NodepoolConfig) -> None:
        """Any thread."""
        self._inbox.put(ConfigLoaded(config))

    def request_view(self) -> Future[PoolView]:
        """Any thread."""
        return self._thread.request_view()

    def halt(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """Write nothing and ask for nothing any more; calls under way are left to themselves, the
        rows know of them."""
        self._edges.close()
        self._thread.stop(timeout_seconds)

    def stop(self) -> None:
        """As halt, and end all threads."""
        self.halt()
        self._edges.stop()
        self._cron.stop()
        self._people.stop()
        self._figures.stop()

    def _configure(self, config: NodepoolConfig) -> None:
        self._edges.configure(config)
        self._stats.configure(config)
        self._cron.configure(config.cron)

    def _send_figures(self, stopping: threading.Event) -> None:
        self._stats.send_all()
        stopping.wait(STATS_SECONDS)

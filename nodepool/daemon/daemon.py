"""Daemon: stands by while another nodepoold holds the lease, then does its duty.

    no database -- open --> standing by -- lease taken --> on duty -- lease lost --> standing by

A duty that fails ends the process: whoever comes next, here or elsewhere, starts from the rows.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from typing import Final

from nodepool.config.values import NodepoolConfig
from nodepool.core.ports import EVERYTHING, Switches
from nodepool.daemon.duty import Duty, MakeEdges
from nodepool.daemon.edges import Edges
from nodepool.daemon.holder import is_dead, make_holder
from nodepool.daemon.pool_thread import End, PoolView
from nodepool.db.database import Database
from nodepool.db.lease import TTL_SECONDS, Lease, LeaseLost
from nodepool.db.store import Store
from nodepool.errors import StoreError, StoreUnavailable
from zuul.lib.logs import fields
from zuul.lib.stats import Stats
from zuul.lib.workers import Loop, outcome_of

log = logging.getLogger("nodepool.NodePool")

#: who stands by tries this often
TRY_SECONDS: Final = 1.0
HALT_SECONDS: Final = 2.0
STOP_SECONDS: Final = 30.0


class Daemon:
    """The whole program but its command line and its pages. `start` and `stop` once each."""

    def __init__(
        self,
        config: NodepoolConfig,
        *,
        switches: Switches = EVERYTHING,
        make_edges: MakeEdges = Edges,
        ttl: float = TTL_SECONDS,
    ) -> None:
        """`ttl`: of the lease, in seconds; the same in all daemons of a database."""
        self._config = config
        self._switches = switches
        self._make_edges = make_edges
        self._ttl = ttl
        # Compat: Nodepool since 0.3 took a port alone for one of this machine's.
        self._stats = Stats.from_environment(default_host="localhost")
        self._holder = make_holder()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._database: Database | None = None
        self._dburi = config.dburi
        self._lease: Lease | None = None
        self._duty: Duty | None = None
        self._loop = Loop("lease", self._turn)

    @property
    def has_failed(self) -> bool:
        """Whether the process should end."""
        return self._failed.is_set()

    def start(self) -> None:
        """Open the database; raises StoreError if it can never be used. One that is away is waited
        for."""
        try:
            self._open()
        except StoreUnavailable as error:
            log.warning("Database away, trying again %s", fields(reason=error))
        self._loop.start()

    def stop(self, *, at_once: bool = False) -> None:
        """End within seconds, and let the next nodepoold begin at once. `at_once`: the process
        ends now and takes its threads with it."""
        self._stopping.set()
        self._news.set()
        self._loop.stop(HALT_SECONDS if at_once else STOP_SECONDS)
        if at_once:
            if self._duty is not None:
                self._duty.halt(HALT_SECONDS)
        else:
            self._leave()
        self._close()
        self._stats.close()

    def reload(self, config: NodepoolConfig) -> None:
        """Follow a new configuration; any thread."""
        self._config = config
        if config.dburi != self._dburi:
            self._news.set()
        elif (duty := self._duty) is not None:
            duty.reload(config)

    @property
    def is_at_work(self) -> bool:
        """False: it stands by. Any thread."""
        duty = self._duty
        return duty is not None and duty.end is None

    def request_view(self) -> Future[PoolView] | None:
        """The pool between two events; None: this daemon stands by. Any thread."""
        duty = self._duty
        return None if duty is None else duty.request_view()

    # -- on the lease's thread ---------------------------------------------------------------------

    def _turn(self, stopping: threading.Event) -> None:
        often = self._ttl / 3
        self._news.wait(often if self._duty is not None else min(often, TRY_SECONDS))
        self._news.clear()
        if stopping.is_set() or self._failed.is_set():
            return
        outcome = outcome_of(self._look, "the lease")
        if isinstance(outcome, Exception):
            log.critical("Nodepoold cannot go on: %s", outcome)
            self._failed.set()

    def _look(self) -> None:
        try:
            if self._config.dburi != self._dburi:
                self._move()
            elif self._duty is not None:
                self._stay()
            else:
                self._take()
        except LeaseLost:
            log.error("Lease lost, another nodepoold is at work; standing by")
            self._leave()
        except StoreUnavailable as error:
            log.warning("Database away, trying again %s", fields(reason=error))

    def _take(self) -> None:
        if self._database is None:
            self._open()
        assert self._database is not None and self._lease is not None
        if not self._lease.take():
            return
        store = Store(self._database, self._lease, pause=self._stopping.wait)
        config = self._config
        duty = Duty(
            config,
            store,
            switches=self._switches,
            stats=self._stats,
            make_edges=self._make_edges,
            on_end=self._news.set,
        )
        duty.start()
        self._duty = duty
        if self._config is not config:
            # Read again while the rows were loaded.
            duty.reload(self._config)
        log.info("Nodepoold is at work %s", fields(holder=self._holder))

    def _stay(self) -> None:
        assert self._duty is not None and self._lease is not None
        if self._duty.end is End.FAILED:
            self._failed.set()
        elif self._duty.end is End.LOST:
            raise LeaseLost
        else:
            self._lease.renew()

    def _move(self) -> None:
        """To another database."""
        log.warning("Database is another one, beginning anew there")
        self._leave()
        self._close()
        self._open()
        self._news.set()

    def _open(self) -> None:
        self._dburi = self._config.dburi
        database = Database(self._dburi)
        try:
            database.migrate()
        except StoreError:
            database.close()
            raise
        self._database = database
        self._lease = Lease(database, self._holder, self._ttl, is_dead=is_dead)
        self._news.set()

    def _leave(self) -> None:
        """Stop acting."""
        duty, self._duty = self._duty, None
        if duty is not None:
            duty.stop()

    def _close(self) -> None:
        lease, self._lease = self._lease, None
        database, self._database = self._database, None
        if lease is not None:
            try:
                lease.release()
            except StoreError as error:
                log.warning("Lease not released %s", fields(reason=error))
        if database is not None:
            database.close()

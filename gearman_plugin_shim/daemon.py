"""Daemon: one thread that owns the bridge, between the edges that do the waiting."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from gearman_plugin_shim.bridge import Bridge
from gearman_plugin_shim.commands import (
    Command,
    ForgetBuilds,
    GearmanCommand,
    KeepBuild,
    MasterCommand,
    Notice,
    PublishEvent,
    Severity,
)
from gearman_plugin_shim.config import MasterConfig, ShimConfig
from gearman_plugin_shim.events import Event
from gearman_plugin_shim.events_http import EventsServer
from gearman_plugin_shim.executor import MasterExecutor
from gearman_plugin_shim.gearman import GearmanLinks
from gearman_plugin_shim.journal import Journal
from gearman_plugin_shim.journal_writer import JournalWriter
from gearman_plugin_shim.model import BridgeSettings, BuildRow, MasterSettings
from gearman_plugin_shim.publisher import BuildEvent, EventHistory, Publisher
from gearman_plugin_shim.rows import RowError, parse_row
from zuul.lib.logs import fields
from zuul.lib.workers import outcome_of

log = logging.getLogger("zuul.Shim")

#: the bridge is asked this often at least
_TICK_SECONDS: Final = 1.0
_MOST_EVENTS: Final = 1000
_STOP_SECONDS: Final = 3.0
_LEVELS: Final = {
    Severity.DEBUG: logging.DEBUG,
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}


class SteadyClock:
    """Epoch seconds that never step back: set once, counted by the monotonic clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return self._offset + time.monotonic()


class Daemon:
    """The whole program but its command line. `start` and `stop` are called once each."""

    def __init__(self, config: ShimConfig) -> None:
        self._config = config
        self._clock = SteadyClock()
        # Without a limit of its own: all in it are answers, or jobs that the bridge allowed.
        self._inbox: queue.SimpleQueue[Event | Callable[[], None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._failed = threading.Event()
        journal = Journal(config.dburi)
        rows = read_rows(journal)
        self._journal = JournalWriter(journal, self._inbox.put)
        history = EventHistory(config.publisher.kept_events)
        self._publisher = Publisher(config.publisher.bind, history)
        self._events_server = _events_server(config, history)
        self._links = GearmanLinks(config.gearman, self._inbox.put)
        self._masters: dict[str, MasterExecutor] = {}
        self._bridge = Bridge(settings_of(config), rows, self._clock())
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)

    @property
    def has_failed(self) -> bool:
        """Whether the bridge has broken down, so that the process should end."""
        return self._failed.is_set()

    @property
    def events_port(self) -> int | None:
        """Where events are told over HTTP, once started."""
        return self._events_server.port if self._events_server else None

    @property
    def publisher_address(self) -> str | None:
        """Where events are published, once it is bound."""
        return self._publisher.address

    def start(self) -> None:
        """Raises OSError if events cannot be told over HTTP; `stop` it then."""
        self._journal.start()
        self._publisher.start()
        self._links.start()
        if self._events_server is not None:
            self._events_server.start()
        for master in self._config.masters.values():
            self._add(master)
        self._thread.start()
        log.info("Bridge started %s", fields(masters=len(self._masters)))

    def stop(self) -> None:
        """End within seconds. Builds go on; the journal knows them for the next start."""
        self._stopping.set()
        self._inbox.put(_nothing)
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._links.stop()
        threads = [
            threading.Thread(target=master.stop, args=(_STOP_SECONDS,), daemon=True)
            for master in self._masters.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_STOP_SECONDS + 1.0)
        self._journal.stop()
        if self._events_server is not None:
            self._events_server.stop()
        self._publisher.stop()
        log.info("Bridge stopped")

    def reconfigure(self, config: ShimConfig) -> None:
        """Follow a new configuration; any thread. Masters that stayed the same notice nothing."""
        self._inbox.put(partial(self._reconfigure, config))

    # On the bridge's thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            outcome = outcome_of(self._turn, "the bridge")
            if isinstance(outcome, Exception):
                # Its state cannot be trusted any more; the journal can.
                log.critical("Bridge broke down, the process ends: %s", outcome)
                self._failed.set()
                return

    def _turn(self) -> None:
        events = self._take()
        self._dispatch(self._bridge.handle(events, self._clock()))

    def _take(self) -> list[Event]:
        """What has happened; empty when it is time to look at the clock."""
        events: list[Event] = []
        now = self._clock()
        wait = min(_TICK_SECONDS, max(0.0, self._bridge.next_due(now) - now))
        try:
            self._sort(self._inbox.get(timeout=wait), events)
            while len(events) < _MOST_EVENTS and not self._inbox.empty():
                self._sort(self._inbox.get(), events)
        except queue.Empty:
            return []
        return events

    @staticmethod
    def _sort(item: Event | Callable[[], None], events: list[Event]) -> None:
        if callable(item):
            item()
        else:
            events.append(item)

    def _dispatch(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, GearmanCommand):
                self._links.execute(command)
            elif isinstance(command, MasterCommand):
                self._masters[command.master].execute(command)
            elif isinstance(command, KeepBuild | ForgetBuilds):
                self._journal.execute(command)
            elif isinstance(command, PublishEvent):
                self._publisher.publish(BuildEvent(command.word, command.json, command.node))
            elif isinstance(command, Notice):
                note(command)

    def _add(self, config: MasterConfig) -> None:
        master = self._masters[config.name] = MasterExecutor(config, self._inbox.put, self._clock)
        master.start()

    def _reconfigure(self, config: ShimConfig) -> None:
        old, self._config = self._config, config
        for what in ("gearman", "publisher", "dburi"):
            if getattr(old, what) != getattr(config, what):
                log.warning("Change of the configuration needs a restart %s", fields(what=what))
        for name, master in list(self._masters.items()):
            # One that is gone from the file is served until a restart: the bridge says so.
            if config.masters.get(name, master.config) != master.config:
                # Its answers come in while it ends: the bridge does not wait here for a slow one.
                stop = partial(master.stop, _STOP_SECONDS)
                threading.Thread(target=stop, name=f"stop-{name}", daemon=True).start()
                del self._masters[name]
        for name, each in config.masters.items():
            if name not in self._masters:
                self._add(each)
        self._dispatch(self._bridge.reconfigure(settings_of(config), self._clock()))
        log.info("Configuration read again %s", fields(masters=len(self._masters)))


def _nothing() -> None:
    """Wakes the bridge's thread."""


def _events_server(config: ShimConfig, history: EventHistory) -> EventsServer | None:
    if config.publisher.http_host is None:
        return None
    return EventsServer(config.publisher.http_host, config.publisher.http_port, history)


def read_rows(journal: Journal) -> list[BuildRow]:
    """What the journal knows; a row nobody understands is logged and passed over."""
    rows = []
    for row in journal.read():
        try:
            rows.append(parse_row(row.uuid, row.master, row.state, row.finished_at))
        except RowError as error:
            log.error("Row of the journal not understood %s", fields(build=row.uuid, reason=error))
    return rows


def settings_of(config: ShimConfig) -> BridgeSettings:
    """What the bridge has to know of the configuration."""
    return BridgeSettings(tuple(_master_settings(each) for each in config.masters.values()))


def _master_settings(config: MasterConfig) -> MasterSettings:
    return MasterSettings(
        name=config.name,
        url=config.url,
        poll_seconds=config.poll_seconds,
        jobs_poll_seconds=config.jobs_poll_seconds,
        grace_seconds=config.grace_seconds,
        queue_seconds=config.queue_seconds,
        abort_on_disconnect=config.abort_on_disconnect,
        accept_undeclared_uuid=config.accept_undeclared_uuid,
        host_name=urlsplit(config.url).hostname or "",
    )


def note(notice: Notice) -> None:
    """Something the bridge wants to have said."""
    log.log(_LEVELS[notice.severity], "%s %s", notice.text, fields(**dict(notice.fields)))

"""zuul-server: builds everything, wires it together, starts and stops it in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from zuul.config import (
    GerritConnectionConfig,
    Program,
    SwiftConfig,
    ZuulConfig,
    gearman_context,
    read_config,
    same_server,
)
from zuul.core.events import GracefulExitRequested, LayoutLoaded
from zuul.core.messages import ReportOptions
from zuul.core.scheduler import Scheduler
from zuul.daemon.audit import Audit
from zuul.daemon.brake_file import read_brakes
from zuul.daemon.desk import Desk
from zuul.daemon.dispatcher import Dispatcher
from zuul.daemon.gearman_child import GearmanChild
from zuul.daemon.gearman_waits import Pause, sleep, wait_for_server, wait_for_workers
from zuul.daemon.heard import HeardKeeper, read_heard
from zuul.daemon.inbox import Inbox
from zuul.daemon.interest import LayoutInterest, WatchedChanges
from zuul.daemon.observers import LogObserver, Observers, StatsObserver
from zuul.daemon.reporters import make_reporters
from zuul.daemon.rpc import RpcListener
from zuul.daemon.scheduler_thread import SchedulerThread
from zuul.daemon.state import give_back, take_events, write_events
from zuul.daemon.times import TimeDatabase
from zuul.daemon.web import WebServer
from zuul.drivers.gearman.builds import GearmanBuilds
from zuul.drivers.gearman.merges import GearmanMerges
from zuul.drivers.gerrit.driver import GerritDriver
from zuul.drivers.swift.uploads import SwiftUploads
from zuul.drivers.timer import TimerDriver
from zuul.layout.loader import read_layout
from zuul.lib import clock, logs
from zuul.lib.clock import RandomIds
from zuul.lib.gearman import AdminClient, GearmanClient
from zuul.lib.logs import fields
from zuul.lib.modes import refuse_writers
from zuul.lib.problems import ConfigError
from zuul.lib.stats import Stats
from zuul.lib.workers import run_guarded
from zuul.model.layout import Layout
from zuul.model.trigger import TIMER
from zuul.model.upload import Upload

log = logging.getLogger("zuul.Server")

#: how long the start waits for the login to swift
SWIFT_SECONDS = 5.0


class _Part(Protocol):
    """Something that is started once and stopped once."""

    def start(self) -> None: ...

    def stop(self) -> object: ...


class Server:
    """One zuul-server. Its parts are made in the order in which they start, and stop in reverse."""

    def __init__(
        self, config: ZuulConfig, *, layout: Path | None = None, pause: Pause = sleep
    ) -> None:
        """`layout`: instead of the one that zuul.conf names, until the next reconfiguration.

        `pause` is what a start waits with; where it says that the process is to end, the start
        does.
        """
        self._config = config
        self._layout_path = layout
        self._pause = pause
        self.exited = threading.Event()
        self._inbox = Inbox()
        self._interest = LayoutInterest(WatchedChanges())
        self._times = TimeDatabase(config.zuul.state_dir / "times")
        self._gerrits: dict[str, GerritDriver] = {}
        self._gearman_child: GearmanChild | None = None
        self._timers = TimerDriver(self._inbox.put)
        self._gearman_port = config.gearman.port
        self._rpc: RpcListener | None = None
        self._started: list[tuple[str, Callable[[], object]]] = []

    def start(self) -> None:
        """Raises ConfigError, OSError, StartInterrupted; `stop` cleans up what was started."""
        config = self._config
        refuse_writers(config.zuul.state_dir)
        layout = self._read_layout(config)
        self._start("build times", self._times)
        client, admin = self._connect_gearman()
        merges = GearmanMerges(client, admin, self._inbox.put, self._git_url)
        builds = GearmanBuilds(
            client,
            admin,
            self._inbox.put,
            check_registration=config.gearman.check_job_registration,
        )
        heard = read_heard(config.zuul.state_dir, clock.now())
        self._make_gerrits(merges, heard)
        stats = Stats.from_environment()
        scheduler = Scheduler(
            RandomIds(),
            self._times,
            Observers(LogObserver(), StatsObserver(stats), self._interest.watched),
            report_options(config),
            self._start_uploads(config.swift),
        )
        reporters = make_reporters(config.connections)
        for reporter in reporters.values():
            self._start(f"connection {reporter.name}", reporter)
        desk = Desk(config.zuul.state_dir)
        dispatcher = Dispatcher(
            self._inbox.put,
            builds,
            merges,
            {**self._gerrits, **reporters},
            self._gerrits,
            desk,
            self.exited.set,
        )
        thread = SchedulerThread(scheduler, self._inbox, dispatcher.dispatch)
        self._start("build driver", builds)
        self._start("merge driver", merges)
        self._started.append(("saved events", self._save_held_events))
        self._start("scheduler", thread)
        rpc = self._prepare_requests(desk, thread)
        self._install(layout)
        web = WebServer(config, thread)
        self._start("web server", web)
        self._start("heard keeper", HeardKeeper(config.zuul.state_dir, self._heard_until))
        if heard and config.gearman_server.start:
            # Its workers lost their server with our last run: builds of what happened meanwhile
            # must not find them missing (contract zuul.md 5.2).
            wait_for_workers(admin, self._pause)
        for driver in self._gerrits.values():
            self._start(f"connection {driver.name}", driver)
        self._replay_saved_events()
        self._start("timers", self._timers)
        rpc.connect(config.gearman.server, self._gearman_port, gearman_context(config.gearman))
        log.info("zuul-server is up %s", fields(web=web.port))

    def _make_gerrits(self, merges: GearmanMerges, heard: Mapping[str, float]) -> None:
        connections = self._config.connections
        for connection in connections.values():
            if isinstance(connection, GerritConnectionConfig):
                self._gerrits[connection.name] = GerritDriver(
                    connection,
                    self._inbox.put,
                    self._interest,
                    merges,
                    same_server=same_server(connection, connections),
                    heard_until=heard.get(connection.name),
                )

    def _prepare_requests(self, desk: Desk, thread: SchedulerThread) -> RpcListener:
        """Have the desk open, and what people stopped stay so; nobody is listened to yet."""
        state_dir = self._config.zuul.state_dir
        rpc = RpcListener(self._inbox.put, desk, Audit(state_dir), thread, self._gerrits)
        self._started.append(("RPC", rpc.stop))
        self._start("desk", desk)
        self._inbox.put(read_brakes(state_dir, clock.now()))
        self._rpc = rpc
        return rpc

    def stop(self) -> None:
        """End all threads within seconds; triggers that were held are saved."""
        self._inbox.close()
        while self._started:
            name, stop = self._started.pop()
            run_guarded(stop, f"stopping {name}")
        log.info("zuul-server has stopped")

    def _start(self, name: str, part: _Part) -> None:
        self._started.append((name, part.stop))
        part.start()

    def _connect_gearman(self) -> tuple[GearmanClient, AdminClient]:
        """Start the Gearman server if it is ours, and wait until it answers."""
        host, port = self._config.gearman.server, self._config.gearman.port
        wanted = self._config.gearman_server
        if wanted.start:
            child = GearmanChild(
                wanted.listen_address,
                wanted.port,
                wanted.log_config,
                tls=wanted.tls,
                acl=wanted.acl,
            )
            self._start("Gearman server", child)
            self._gearman_child = child
            port = child.port
        self._gearman_port = port
        context = gearman_context(self._config.gearman)
        client = GearmanClient("zuul-server", host, port, ssl_context=context)
        self._started.append(("Gearman client", client.close))
        admin = AdminClient(host, port, ssl_context=context)
        self._started.append(("Gearman administration", admin.close))
        if not wait_for_server(client, self._pause):
            log.warning("The Gearman server does not answer yet %s", fields(host=host, port=port))
        return client, admin

    def _start_uploads(self, config: SwiftConfig | None) -> SwiftUploads | None:
        """Wait a moment for the login, so that the first builds have their places too."""
        if config is None:
            return None
        uploads = SwiftUploads(
            config if config.needs_login else None,
            key=config.temp_url_key,
            storage_url=config.storage_url,
            send_key=config.send_temp_url_key,
            defaults=upload_defaults(config),
            pauses=(config.starting_backoff, config.max_backoff),
        )
        self._start("swift", uploads)
        uploads.ready.wait(SWIFT_SECONDS)
        return uploads

    def _heard_until(self) -> dict[str, float | None]:
        return {name: driver.heard_until for name, driver in self._gerrits.items()}

    def _git_url(self, connection: str, project: str) -> str:
        """Raises KeyError for a connection that is no Gerrit."""
        return self._gerrits[connection].git_url(project)

    def reconfigure(self, path: Path | None) -> None:
        """Read zuul.conf and the layout again; what is wrong is logged and changes nothing.

        Compat: the layout is the one that zuul.conf names, whatever the command line named.
        """
        try:
            config = read_config(path, Program.SERVER)
            self._layout_path = None
            layout = self._read_layout(config)
            logs.configure(config.zuul.log_config)
        except (ConfigError, OSError) as error:
            for line in str(error).splitlines():
                log.error("Reconfiguration failed, the old layout stays: %s", line)
            return
        self._config = config
        if self._gearman_child is not None:
            self._gearman_child.reload()
        self._install(layout)

    def exit_gracefully(self) -> None:
        """Let what runs end; `exited` is set when nothing runs any more."""
        log.info("Exiting once nothing runs any more")
        self._inbox.hold_triggers()
        self._timers.hold()
        self._inbox.put(GracefulExitRequested())

    def _install(self, layout: Layout) -> None:
        self._interest.set_layout(layout)
        if self._rpc is not None:
            self._rpc.set_layout(layout)
        self._inbox.put(LayoutLoaded(layout, report_options(self._config)))
        self._timers.set_layout(layout)

    def _read_layout(self, config: ZuulConfig) -> Layout:
        path = self._layout_path or config.zuul.layout_config
        assert path is not None, "the server's configuration requires it"
        drivers = {name: connection.driver for name, connection in config.connections.items()}
        return read_layout(path, drivers)

    def _replay_saved_events(self) -> None:
        events = take_events(self._config.zuul.state_dir)
        give_back(events, {**self._gerrits, TIMER: self._timers})

    def _save_held_events(self) -> None:
        held = self._inbox.held_triggers()
        saved = write_events(self._config.zuul.state_dir, [item.event for item in held])
        if saved:
            log.info("Events are saved for the next start %s", fields(events=saved))


def upload_defaults(config: SwiftConfig) -> Upload:
    """What [swift] says of uploads."""
    return Upload(
        container=config.default_container,
        expiry=config.default_expiry,
        max_file_size=config.default_max_file_size,
        max_file_count=config.default_max_file_count,
        file_path_prefix=config.default_file_path_prefix,
        logserver_prefix=config.default_logserver_prefix,
    )


def report_options(config: ZuulConfig) -> ReportOptions:
    """What [zuul] says of reports."""
    return ReportOptions(
        status_url=config.zuul.status_url,
        report_times=config.zuul.report_times,
        url_pattern=config.zuul.url_pattern,
        job_name_in_report=config.zuul.job_name_in_report,
    )

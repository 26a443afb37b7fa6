"""zuul-server: builds everything, wires it together, starts and stops it in order."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from zuul.config import GerritConnectionConfig, Program, ZuulConfig, read_config
from zuul.core.events import Event, GracefulExitRequested, LayoutLoaded
from zuul.core.messages import ReportOptions
from zuul.core.scheduler import Scheduler
from zuul.daemon.dispatcher import Dispatcher
from zuul.daemon.gearman_child import GearmanChild
from zuul.daemon.inbox import Inbox
from zuul.daemon.interest import LayoutInterest, WatchedChanges
from zuul.daemon.observers import LogObserver, Observers, StatsObserver
from zuul.daemon.scheduler_thread import SchedulerThread
from zuul.daemon.state import take_events, write_events
from zuul.daemon.times import TimeDatabase
from zuul.daemon.web import WebServer
from zuul.drivers.gearman.builds import BuildDriver
from zuul.drivers.gearman.merges import MergeDriver
from zuul.drivers.gerrit.driver import GerritDriver
from zuul.layout.loader import read_layout
from zuul.lib import logs
from zuul.lib.clock import RandomIds
from zuul.lib.gearman.client import GearmanClient
from zuul.lib.logs import fields
from zuul.lib.problems import ConfigError
from zuul.lib.stats import stats_from_environment
from zuul.lib.workers import run_guarded
from zuul.model.layout import Layout

log = logging.getLogger("zuul.Server")

#: how long the start waits for the Gearman server to answer
GEARMAN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Branches:
    """BranchHead of the reporters: knows where each connection's projects are cloned from."""

    server: Server

    def fetch_branch_head(
        self, project: str, connection: str, branch: str, timeout_seconds: float = 120.0
    ) -> tuple[str, str]:
        url = self.server.git_url(connection, project)
        return self.server.merges.fetch_branch_head(
            project, connection, url, branch, timeout_seconds
        )


class Server:
    """One zuul-server."""

    def __init__(self, config: ZuulConfig, *, layout: Path | None = None) -> None:
        self._config = config
        self._layout_path = layout
        self.exited = threading.Event()
        self.inbox = Inbox()
        self._gearman_server = _gearman_child(config)
        self._gearman = GearmanClient("zuul-server")
        self._times = TimeDatabase(config.zuul.state_dir / "times")
        self._watched = WatchedChanges()
        self._interest = LayoutInterest(self._watched)
        observer = Observers(LogObserver(), StatsObserver(stats_from_environment(os.environ)), self._watched)
        self._scheduler = Scheduler(RandomIds(), self._times, observer, report_options(config))
        self.merges = MergeDriver(self._gearman, self._put, self.git_url)
        self._builds = BuildDriver(
            self._gearman,
            self._put,
            check_registration=config.gearman.check_job_registration,
        )
        self._gerrits = {
            name: GerritDriver(connection, self._put, self._interest, _Branches(self))
            for name, connection in config.connections.items()
            if isinstance(connection, GerritConnectionConfig)
        }
        dispatcher = Dispatcher(
            self._put, self._builds, self.merges, self._gerrits, self.exited.set
        )
        self._thread = SchedulerThread(self._scheduler, self.inbox, dispatcher.dispatch)
        self._web = WebServer(config, self._thread, self.inbox)

    def git_url(self, connection: str, project: str) -> str:
        """Raises KeyError for a connection that is no Gerrit."""
        return self._gerrits[connection].git_url(project)

    def start(self) -> None:
        """Raises ConfigError or OSError; then `stop` cleans up what was started."""
        layout = self._read_layout(self._config)
        self._times.start()
        if self._gearman_server is not None:
            self._gearman_server.start()
        gearman = self._config.gearman
        port = self._gearman_server.port if self._gearman_server else gearman.port
        self._gearman.start(gearman.server, port)
        self._gearman.wait_until_connected(GEARMAN_SECONDS)
        self._builds.start()
        self.merges.start()
        self._thread.start()
        self._install(layout)
        self._web.start()
        for driver in self._gerrits.values():
            driver.start()
        self._replay_saved_events()
        log.info("zuul-server is up %s", fields(web=self._web.port, gearman=port))

    def stop(self) -> None:
        """End all threads within seconds; triggers that were held are saved."""
        for driver in self._gerrits.values():
            run_guarded(driver.stop, "stopping a Gerrit connection")
        run_guarded(self._web.stop, "stopping the web server")
        run_guarded(self._thread.stop, "stopping the scheduler")
        run_guarded(self._save_held_events, "saving events")
        run_guarded(self._builds.stop, "stopping the build driver")
        run_guarded(self.merges.stop, "stopping the merge driver")
        run_guarded(self._gearman.stop, "stopping the Gearman client")
        if self._gearman_server is not None:
            run_guarded(self._gearman_server.stop, "stopping the Gearman server")
        run_guarded(self._times.stop, "writing build times")
        log.info("zuul-server has stopped")

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
        self._install(layout)

    def exit_gracefully(self) -> None:
        """Let what runs end; `exited` is set when nothing runs any more."""
        log.info("Exiting once nothing runs any more")
        self.inbox.hold_triggers()
        self._put(GracefulExitRequested())

    def _put(self, event: Event) -> None:
        self.inbox.put(event)

    def _install(self, layout: Layout) -> None:
        self._interest.set_layout(layout)
        self._put(LayoutLoaded(layout, report_options(self._config)))

    def _read_layout(self, config: ZuulConfig) -> Layout:
        path = self._layout_path or config.zuul.layout_config
        assert path is not None, "the server's configuration requires it"
        drivers = {name: connection.driver for name, connection in config.connections.items()}
        return read_layout(path, drivers)

    def _replay_saved_events(self) -> None:
        for event in take_events(self._config.zuul.state_dir):
            driver = self._gerrits.get(event.connection)
            if driver is None:
                log.warning(
                    "A saved event is dropped, its connection is gone %s",
                    fields(connection=event.connection, type=event.type),
                )
            else:
                driver.hear(event)

    def _save_held_events(self) -> None:
        held = self.inbox.held_triggers()
        saved = write_events(self._config.zuul.state_dir, [item.event for item in held])
        if saved:
            log.info("Events are saved for the next start %s", fields(events=saved))


def report_options(config: ZuulConfig) -> ReportOptions:
    """What [zuul] says of reports."""
    return ReportOptions(
        status_url=config.zuul.status_url,
        report_times=config.zuul.report_times,
        url_pattern=config.zuul.url_pattern,
        job_name_in_report=config.zuul.job_name_in_report,
    )


def _gearman_child(config: ZuulConfig) -> GearmanChild | None:
    server = config.gearman_server
    if not server.start:
        return None
    return GearmanChild(server.listen_address, server.port, server.log_config)

"""The Gearman server that zuul-server starts, in a process of its own.

A process, not a thread: a busy scheduler must not slow the builds of everybody else, nor the other
way round. The child ends when its standard input does, so it never outlives its parent.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import threading
from pathlib import Path

from zuul.daemon.gearman_access import read_access
from zuul.lib import logs
from zuul.lib.gearman.queue import QueueTotals
from zuul.lib.gearman.server import GearmanServer
from zuul.lib.logs import fields
from zuul.lib.problems import ConfigError
from zuul.lib.stats import Stats
from zuul.lib.tls import TlsFiles
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.Server")

#: the one word that the child knows
_RELOAD = "reload\n"
START_SECONDS = 30.0
STOP_SECONDS = 5.0


class GearmanChild:
    """Starts the server, starts it again should it die, stops it."""

    def __init__(
        self,
        host: str | None,
        port: int,
        log_config: Path | None,
        *,
        tls: TlsFiles | None = None,
        acl: Path | None = None,
    ) -> None:
        self._host = host
        self.port = port
        self._log_config = log_config
        self._tls = tls
        self._acl = acl
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._watcher = Loop("gearman-server-watcher", self._watch)

    def start(self) -> None:
        """Return once it listens. Raises OSError if it cannot, ConfigError for its files."""
        read_access(self._tls, self._acl)
        self._spawn()
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process id of the server that runs now; 0 if none does."""
        return self._process.pid if self._process else 0

    def reload(self) -> None:
        """Make it read certificates and access list again; what is wrong with them it logs."""
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            process.stdin.write(_RELOAD)
            process.stdin.flush()
        except (OSError, ValueError) as error:
            # It has just died: the one that comes after it reads them as it starts.
            log.warning("The Gearman server is not told to reload: %s", error)

    def stop(self) -> None:
        """End it; may be called twice."""
        self._stopping.set()
        self._watcher.stop()
        process, self._process = self._process, None
        if process is None:
            return
        _close_pipes(process)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "zuul.daemon.gearman_child", "--port", str(self.port)]
        if self._host is not None:
            command += ["--host", self._host]
        if self._log_config is not None:
            command += ["--log-config", str(self._log_config)]
        if self._tls is not None:
            files = (self._tls.ca, self._tls.certificate, self._tls.key)
            command += ["--tls", *map(str, files)]
        if self._acl is not None:
            command += ["--acl", str(self._acl)]
        # Its own session: a terminal's Ctrl-C is for the parent, which ends it in order.
        process = subprocess.Popen(  # noqa: S603 -- our own program, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        killer = threading.Timer(START_SECONDS, process.kill)
        killer.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        killer.cancel()
        if not line.startswith("listening "):
            _close_pipes(process)
            process.wait(STOP_SECONDS)
            raise OSError(
                f"the Gearman server cannot listen on {self._host or 'all addresses'}"
                f" port {self.port} (gearman_server.port): {line.strip() or 'it ended'}"
            )
        self.port = int(line.split()[1])
        self._process = process

    def _watch(self, stopping: threading.Event) -> None:
        process = self._process
        if process is None:
            return
        try:
            status = process.wait(0.5)
        except subprocess.TimeoutExpired:
            return
        if not self._stopping.is_set():
            log.error("The Gearman server died and is started again %s", fields(status=status))
            _close_pipes(process)
            self._spawn()


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class _Figures:
    """The server's figures for statsd (contract zuul.md 10)."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def packet_handled(self, name: str, seconds: float) -> None:
        key = f"zuul.geard.packet.{name}"
        self._stats.timing(key, seconds * 1000)
        self._stats.incr(key)

    def queue_changed(self, totals: QueueTotals, workers: int) -> None:
        self._stats.gauge("zuul.geard.queue.total", totals.total)
        self._stats.gauge("zuul.geard.queue.running", totals.running)
        self._stats.gauge("zuul.geard.queue.waiting", totals.waiting)
        self._stats.gauge("zuul.geard.workers", workers)


def _reload(server: GearmanServer, tls: TlsFiles | None, acl: Path | None) -> None:
    try:
        access = read_access(tls, acl)
    except ConfigError as error:
        for problem in error.problems:
            log.error("Access to the Gearman server stays as it was: %s", problem)
        return
    server.set_access(access.ssl_context, access.acl)
    log.info("Access to the Gearman server was read again")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log-config", type=Path)
    parser.add_argument("--tls", type=Path, nargs=3, metavar=("CA", "CERTIFICATE", "KEY"))
    parser.add_argument("--acl", type=Path)
    arguments = parser.parse_args()
    tls = TlsFiles(*arguments.tls) if arguments.tls else None
    logs.configure(arguments.log_config)
    # Without statsd the server does not even measure.
    stats = Stats.from_environment()
    figures = _Figures(stats) if stats.enabled else None
    try:
        access = read_access(tls, arguments.acl)
        server = GearmanServer(
            arguments.host,
            arguments.port,
            observer=figures,
            ssl_context=access.ssl_context,
            acl=access.acl,
        )
        server.start()
    except (ConfigError, OSError) as error:
        print(error, flush=True)  # noqa: T201 -- the parent reads it
        return 1
    print("listening", server.port, flush=True)  # noqa: T201 -- the parent reads it
    for line in sys.stdin:
        if line == _RELOAD:
            _reload(server, tls, arguments.acl)
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

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

from zuul.lib import logs
from zuul.lib.gearman.queue import QueueTotals
from zuul.lib.gearman.server import GearmanServer
from zuul.lib.logs import fields
from zuul.lib.stats import Stats
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.Server")

START_SECONDS = 30.0
STOP_SECONDS = 5.0


class GearmanChild:
    """Starts the server, starts it again should it die, stops it."""

    def __init__(self, host: str | None, port: int, log_config: Path | None) -> None:
        self._host = host
        self.port = port
        self._log_config = log_config
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._watcher = Loop("gearman-server-watcher", self._watch)

    def start(self) -> None:
        """Return once it listens. Raises OSError if it cannot."""
        self._spawn()
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process id of the server that runs now; 0 if none does."""
        return self._process.pid if self._process else 0

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


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log-config", type=Path)
    arguments = parser.parse_args()
    logs.configure(arguments.log_config)
    # Without statsd the server does not even measure.
    stats = Stats.from_environment()
    figures = _Figures(stats) if stats.enabled else None
    server = GearmanServer(arguments.host, arguments.port, observer=figures)
    try:
        server.start()
    except OSError as error:
        print(error, flush=True)  # noqa: T201 -- the parent reads it
        return 1
    print("listening", server.port, flush=True)  # noqa: T201 -- the parent reads it
    sys.stdin.read()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

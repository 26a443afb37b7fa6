"""nodepoold: the daemon's command line (contract nodepool.md 18)."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from nodepool import __version__
from nodepool.cmd.site import CONFIG, cloud_files, secure_path
from nodepool.config import NodepoolConfig
from nodepool.core.ports import Switches
from nodepool.daemon.config_watch import ConfigFiles, ConfigWatch
from nodepool.daemon.daemon import Daemon
from nodepool.daemon.web import WebServer
from nodepool.errors import StoreError
from zuul.lib import logs
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.process import AlreadyRunning, SignalQueue, dump_stacks, running

log = logging.getLogger("nodepool.NodePool")

PIDFILE = Path("/var/run/nodepool/nodepool.pid")
STACK_DUMP_LOGGER = "nodepool.stack_dump"
SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
_UNUSED = "accepted for compatibility, without effect: disk images are not built here"


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    files = ConfigFiles(options.config, secure_path(options.secure), cloud_files())
    try:
        config = files.read()
        with running(foreground=options.foreground, pidfile=options.pidfile) as started:
            logs.configure(options.log_config)
            for warning in config.warnings:
                log.warning("%s", warning)
            return serve(files, config, options, started)
    except ConfigError as error:
        _print_problems(error.problems)
    except (AlreadyRunning, OSError, StoreError) as error:
        print(error, file=sys.stderr)
    return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nodepoold", description="Launches nodes, gives them to Jenkins, deletes them."
    )
    add = parser.add_argument
    add("-c", dest="config", type=_absolute, metavar="FILE", default=CONFIG, help="nodepool.yaml")
    add("-s", dest="secure", type=_absolute, metavar="FILE", help="secure.conf")
    add("-l", dest="log_config", type=_absolute, metavar="FILE", help="logging configuration")
    add("-d", dest="foreground", action="store_true", help="stay in the foreground")
    add("-p", dest="pidfile", type=_absolute, metavar="FILE", default=PIDFILE, help="PID file")
    add("--no-deletes", action="store_true", help="delete nothing in clouds and targets")
    add("--no-launches", action="store_true", help="launch no nodes")
    add("--no-images", action="store_true", help="build no images")
    add("--no-webapp", action="store_true", help="serve no pages")
    add("--web-address", metavar="ADDRESS", default="0.0.0.0", help="default: %(default)s")  # noqa: S104
    add("--web-port", type=int, metavar="PORT", default=8005, help="default: %(default)s")
    add("--no-builder", action="store_true", help=_UNUSED)
    add("--build-workers", type=int, metavar="N", default=1, help=_UNUSED)
    add("--upload-workers", type=int, metavar="N", default=4, help=_UNUSED)
    add("--version", action="version", version=f"Nodepool version: {__version__}")
    return parser.parse_args(arguments)


def _absolute(text: str) -> Path:
    # A daemon's working folder is /, and the files are read again.
    return Path(text).expanduser().absolute()


def _switches(options: argparse.Namespace) -> Switches:
    return Switches(
        launches=not options.no_launches,
        images=not options.no_images,
        deletes=not options.no_deletes,
    )


def serve(
    files: ConfigFiles,
    config: NodepoolConfig,
    options: argparse.Namespace,
    started: Callable[[], None],
) -> int:
    """Run until a signal ends it; `started` is called once everything runs."""
    daemon = Daemon(config, switches=_switches(options))
    watch = ConfigWatch(files, config, daemon.reload)
    pages = WebServer(options.web_address, options.web_port, daemon)
    at_once = False
    with SignalQueue(SIGNALS) as signals:
        try:
            if not options.no_webapp:
                pages.start()
            daemon.start()
            watch.start()
            started()
            at_once = _obey(daemon, watch, options, signals) is signal.SIGTERM
        finally:
            watch.stop()
            daemon.stop(at_once=at_once)
            pages.stop()
    return 1 if daemon.has_failed else 0


def _obey(
    daemon: Daemon, watch: ConfigWatch, options: argparse.Namespace, signals: SignalQueue
) -> signal.Signals | None:
    """The signal that ends it; None: it failed."""
    while not daemon.has_failed:
        match signals.wait(0.5):
            case signal.SIGHUP:
                _configure_logs(options.log_config)
                watch.reload()
            case signal.SIGUSR2:
                dump_stacks(STACK_DUMP_LOGGER)
            case signal.SIGTERM | signal.SIGUSR1 | signal.SIGINT as number:
                return number
            case _:
                pass
    return None


def _configure_logs(path: Path | None) -> None:
    try:
        logs.configure(path)
    except ConfigError as error:
        log.error("Logging stays as it was: %s", error)


def _print_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

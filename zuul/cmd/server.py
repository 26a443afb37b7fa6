"""zuul-server: the scheduler's command line (contract zuul.md 11.1)."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from zuul import __version__
from zuul.config import Program, ZuulConfig, read_config
from zuul.daemon.gearman_waits import StartInterrupted
from zuul.daemon.server import Server
from zuul.layout.loader import check_layout
from zuul.lib import logs
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.process import AlreadyRunning, SignalQueue, dump_stacks, running

log = logging.getLogger("zuul.Server")

SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        config = read_config(options.config, Program.SERVER)
        if options.validate is not None:
            return validate(config, options)
        with running(foreground=options.foreground, pidfile=config.zuul.pidfile) as started:
            return serve(config, options, started)
    except ConfigError as error:
        _print_problems(error.problems)
    except (AlreadyRunning, OSError) as error:
        print(error, file=sys.stderr)
    return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="zuul-server", description="The gate: tests changes in order, merges what passed."
    )
    parser.add_argument("-c", dest="config", type=_absolute, metavar="FILE", help="zuul.conf")
    parser.add_argument("-l", dest="layout", type=_absolute, metavar="FILE", help="layout.yaml")
    parser.add_argument("-d", dest="foreground", action="store_true", help="stay in the foreground")
    parser.add_argument(
        "-t",
        dest="validate",
        nargs="?",
        const="",
        metavar="JOBLIST",
        help="check the configuration and exit; with a file of job names, check those too",
    )
    parser.add_argument("--version", action="version", version=f"Zuul version: {__version__}")
    return parser.parse_args(arguments)


def _absolute(text: str) -> Path:
    # A daemon's working folder is /, and SIGHUP reads the file again.
    return Path(text).expanduser().absolute()


def validate(config: ZuulConfig, options: argparse.Namespace) -> int:
    """Print every problem; 0 if there is none."""
    path = options.layout or config.zuul.layout_config
    assert path is not None, "the server's configuration requires it"
    known = None
    if options.validate:
        lines = Path(options.validate).read_text(encoding="utf-8").splitlines()
        known = frozenset(line.strip() for line in lines if line.strip())
    drivers = {name: connection.driver for name, connection in config.connections.items()}
    checked = check_layout(path, drivers, known_jobs=known)
    _print_problems((*config.warnings, *checked.warnings), "warning: ")
    _print_problems(checked.problems)
    return 1 if checked.problems else 0


def serve(config: ZuulConfig, options: argparse.Namespace, started: Callable[[], None]) -> int:
    """Run until a signal ends it; `started` is called once everything runs."""
    logs.configure(config.zuul.log_config)
    for warning in config.warnings:
        log.warning("%s", warning)
    with SignalQueue(SIGNALS) as signals:

        def pause(seconds: float) -> bool:
            return signals.is_coming(signal.SIGTERM, seconds)

        server = Server(config, layout=options.layout, pause=pause)
        try:
            server.start()
            started()
            _obey(server, signals, options)
        except StartInterrupted:
            log.info("Told to end before it served")
        finally:
            server.stop()
    return 0


def _obey(server: Server, signals: SignalQueue, options: argparse.Namespace) -> None:
    while not server.exited.is_set():
        match signals.wait(0.5):
            case signal.SIGHUP:
                server.reconfigure(options.config)
            case signal.SIGUSR2:
                dump_stacks()
            case signal.SIGUSR1 | signal.SIGINT:
                server.exit_gracefully()
            case signal.SIGTERM:
                return
            case _:
                pass


def _print_problems(problems: tuple[Problem, ...], prefix: str = "") -> None:
    for problem in problems:
        print(f"{prefix}{problem}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

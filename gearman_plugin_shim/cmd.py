"""gearman-plugin-shim: the bridge's command line."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from gearman_plugin_shim.cmd_check import check_masters
from gearman_plugin_shim.cmd_jobs import add_parameters_to_jobs
from gearman_plugin_shim.config import ShimConfig, read_config
from gearman_plugin_shim.daemon import Daemon
from gearman_plugin_shim.errors import ShimError
from zuul.lib import logs
from zuul.lib.jenkins.errors import JenkinsError
from zuul.lib.problems import ConfigError, Problem
from zuul.lib.process import AlreadyRunning, SignalQueue, dump_stacks, running

log = logging.getLogger("zuul.Shim")

DEFAULT_PATH = Path("/etc/zuul/shim.conf")
SIGNALS = (signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        config = read_config(options.config)
        if options.command == "jobs":
            return add_parameters_to_jobs(
                config, options.jobs, options.master, dry_run=options.dry_run
            )
        if options.check:
            _print_problems(config.warnings, "warning: ")
            return check_masters(config)
        with running(foreground=options.foreground, pidfile=config.pidfile) as started:
            return serve(config, options.config, started)
    except ConfigError as error:
        _print_problems(error.problems)
    except (AlreadyRunning, OSError, ShimError, JenkinsError) as error:
        print(error, file=sys.stderr)
    return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="gearman-plugin-shim",
        description="Lets Jenkins masters take their builds from a Gearman server.",
    )
    parser.add_argument(
        "-c", dest="config", type=_absolute, metavar="FILE", default=DEFAULT_PATH, help="shim.conf"
    )
    parser.add_argument("-d", dest="foreground", action="store_true", help="stay in the foreground")
    parser.add_argument(
        "--check",
        action="store_true",
        help="tell what is wrong with the file, ask each master who it is, and exit",
    )
    parser.add_argument(
        "--version", action="version", version=f"Zuul version: {version('zuul-suite')}"
    )
    commands = parser.add_subparsers(dest="command", metavar="jobs")
    jobs = commands.add_parser("jobs", help="change jobs on the masters")
    actions = jobs.add_subparsers(dest="action", required=True, metavar="add-parameters")
    add = actions.add_parser(
        "add-parameters", help="declare the parameters that Zuul sends in a job's config.xml"
    )
    add.add_argument("jobs", nargs="+", metavar="JOB", help="full name of a job")
    add.add_argument("--master", metavar="NAME", help="on this master only")
    add.add_argument("--dry-run", action="store_true", help="show the difference, change nothing")
    return parser.parse_args(arguments)


def _absolute(text: str) -> Path:
    # A daemon's working folder is /, and SIGHUP reads the file again.
    return Path(text).expanduser().absolute()


def serve(config: ShimConfig, path: Path, started: Callable[[], None]) -> int:
    """Run until a signal ends it; `started` is called once everything runs."""
    logs.configure(config.log_config)
    for warning in config.warnings:
        log.warning("%s", warning)
    with SignalQueue(SIGNALS) as signals:
        daemon = Daemon(config)
        try:
            daemon.start()
            started()
            _obey(daemon, signals, path)
        finally:
            daemon.stop()
    return 1 if daemon.has_failed else 0


def _obey(daemon: Daemon, signals: SignalQueue, path: Path) -> None:
    while not daemon.has_failed:
        match signals.wait(0.5):
            case signal.SIGHUP:
                _reread(daemon, path)
            case signal.SIGUSR2:
                dump_stacks()
            case signal.SIGTERM | signal.SIGINT:
                return
            case _:
                pass


def _reread(daemon: Daemon, path: Path) -> None:
    try:
        config = read_config(path)
        logs.configure(config.log_config)
    except ConfigError as error:
        log.error("Configuration not read again, the old one stays: %s", error)
        return
    for warning in config.warnings:
        log.warning("%s", warning)
    daemon.reconfigure(config)


def _print_problems(problems: tuple[Problem, ...], prefix: str = "") -> None:
    for problem in problems:
        print(f"{prefix}{problem}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

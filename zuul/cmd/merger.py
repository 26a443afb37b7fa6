"""zuul-merger: the merger's command line (contract zuul.md 11.2)."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from zuul import __version__
from zuul.config import GerritConnectionConfig, Program, ZuulConfig, gearman_context, read_config
from zuul.lib import logs
from zuul.lib.git import forget_outer_repository
from zuul.lib.problems import ConfigError
from zuul.lib.process import AlreadyRunning, SignalQueue, dump_stacks, running
from zuul.merger.merger import MergerSettings
from zuul.merger.server import MergeServer
from zuul.merger.ssh import SshLogin

log = logging.getLogger("zuul.MergeServer")

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        config = read_config(options.config, Program.MERGER)
        assert config.merger is not None, "the parser insists on [merger] for this program"
        with running(foreground=options.foreground, pidfile=config.merger.pidfile) as started:
            return serve(config, started)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
    except (AlreadyRunning, OSError) as error:
        print(error, file=sys.stderr)
    return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="zuul-merger", description="Merges changes on top of each other for testing."
    )
    parser.add_argument("-c", dest="config", type=Path, metavar="FILE", help="zuul.conf")
    parser.add_argument("-d", dest="foreground", action="store_true", help="stay in the foreground")
    parser.add_argument("--version", action="version", version=f"Zuul version: {__version__}")
    return parser.parse_args(arguments)


def serve(config: ZuulConfig, started: Callable[[], None]) -> int:
    """Run until a signal ends it; `started` is called once everything runs."""
    merger = config.merger
    assert merger is not None, "the parser insists on [merger] for this program"
    logs.configure(merger.log_config)
    for warning in config.warnings:
        log.warning("%s", warning)
    forget_outer_repository()
    with SignalQueue(SIGNALS) as signals:
        server = MergeServer(
            settings(config),
            merger.zuul_url,
            config.gearman.server,
            config.gearman.port,
            ssl_context=gearman_context(config.gearman),
            ref_max_age_days=merger.ref_max_age_days,
        )
        try:
            server.start()
            started()
            _obey(server, signals)
        finally:
            server.stop()
    return 0


def settings(config: ZuulConfig) -> MergerSettings:
    """What the merger needs of the configuration."""
    assert config.merger is not None, "the parser insists on [merger] for this program"
    return MergerSettings(
        git_dir=config.merger.git_dir,
        user_name=config.merger.git_user_name,
        user_email=config.merger.git_user_email,
        logins=tuple(
            SshLogin(
                name,
                str(connection.sshkey) if connection.sshkey else None,
                str(connection.known_hosts) if connection.known_hosts else None,
            )
            for name, connection in config.connections.items()
            if isinstance(connection, GerritConnectionConfig)
        ),
    )


def _obey(server: MergeServer, signals: SignalQueue) -> None:
    while not server.has_ended:
        match signals.wait(0.5):
            case signal.SIGUSR2:
                dump_stacks()
            case signal.SIGUSR1 | signal.SIGINT:
                server.finish()
            case signal.SIGTERM:
                return
            case _:
                pass


if __name__ == "__main__":
    sys.exit(main())

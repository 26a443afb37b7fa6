"""nodepool: the operator's command line (contract nodepool.md 18)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from nodepool import __version__
from nodepool.config import check_config

CONFIG = Path("/etc/nodepool/nodepool.yaml")
SECURE = Path("/etc/nodepool/secure.conf")


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    return COMMANDS[options.command](options)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nodepool", description="Single-use nodes.")
    parser.add_argument("-c", dest="config", type=Path, default=CONFIG, metavar="FILE")
    parser.add_argument("-s", dest="secure", type=Path, metavar="FILE")
    parser.add_argument("--version", action="version", version=f"Nodepool version: {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    validate = commands.add_parser(
        "config-validate", help="tell all that is wrong with nodepool.yaml and secure.conf"
    )
    # After the command it reads better; before it is where the originals had it.
    validate.add_argument("-c", dest="config", type=Path, default=argparse.SUPPRESS)
    validate.add_argument("-s", dest="secure", type=Path, default=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def validate(options: argparse.Namespace) -> int:
    """Without -s, secure.conf is not looked at: it may be readable by nodepoold only."""
    checked = check_config(options.config, options.secure)
    for warning in checked.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for problem in checked.problems:
        print(problem, file=sys.stderr)
    if checked.problems:
        return 1
    print(f"{options.config}: OK")
    return 0


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {"config-validate": validate}


if __name__ == "__main__":
    sys.exit(main())

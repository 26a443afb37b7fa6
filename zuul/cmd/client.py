"""zuul: the administrator's command line (contract zuul.md 11.3)."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from zuul import __version__
from zuul.cmd.layout import add_layout, print_problems
from zuul.cmd.requests import add_requests
from zuul.errors import RequestError
from zuul.lib.problems import ConfigError


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except ConfigError as error:
        print_problems(error.problems)
        return 1
    except RequestError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # the reader, `head` perhaps, has seen enough; Python flushes again on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zuul", description="Steer the gate, and look into it.")
    parser.add_argument("-c", dest="config", type=Path, metavar="FILE", help="zuul.conf")
    parser.add_argument("-v", dest="verbose", action="store_true", help="log what is done")
    parser.add_argument("--version", action="version", version=f"Zuul version: {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_requests(commands)
    add_layout(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

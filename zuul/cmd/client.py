"""zuul: the administrator's command line (contract zuul.md 11.3)."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from zuul import __version__
from zuul.config import Program, read_config
from zuul.layout.expansion import expand_layout
from zuul.layout.loader import check_layout
from zuul.layout.summary import summarize_layout
from zuul.lib.problems import ConfigError, Problem


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING)
    try:
        status: int = options.run(options)
    except ConfigError as error:
        _print_problems(error.problems)
        return 1
    except BrokenPipeError:
        # the reader, `head` perhaps, has seen enough; Python flushes again on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="zuul", description="Look into the gate.")
    parser.add_argument("-c", dest="config", type=Path, metavar="FILE", help="zuul.conf")
    parser.add_argument("-v", dest="verbose", action="store_true", help="log what is done")
    parser.add_argument("--version", action="version", version=f"Zuul version: {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_layout(commands)
    return parser


def _add_layout(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    layout = commands.add_parser("layout", help="look at a layout.yaml")
    actions = layout.add_subparsers(title="actions", required=True, metavar="ACTION")
    show = actions.add_parser(
        "show",
        help="print what a layout.yaml expands to",
        description="Checks a layout.yaml and prints its pipelines, projects, queues and jobs."
        " With the global option -c its connections are looked up in zuul.conf.",
    )
    show.add_argument("file", type=Path, metavar="FILE")
    show.add_argument("--json", action="store_true", help="everything, as JSON")
    show.set_defaults(run=show_layout)


def show_layout(options: argparse.Namespace) -> int:
    """Print the expansion, or every problem of the file."""
    checked = check_layout(options.file, _drivers(options.config))
    _print_problems(checked.warnings, "warning: ")
    if checked.layout is None:
        _print_problems(checked.problems)
        return 1
    if options.json:
        json.dump(expand_layout(checked.layout), sys.stdout, indent=1)
        print()
    else:
        for line in summarize_layout(checked.layout):
            print(line)
    sys.stdout.flush()
    return 0


def _drivers(config: Path | None) -> Mapping[str, str] | None:
    if config is None:
        return None
    connections = read_config(config, Program.CLIENT).connections
    return {name: connection.driver for name, connection in connections.items()}


def _print_problems(problems: Iterable[Problem], prefix: str = "") -> None:
    for problem in problems:
        print(f"{prefix}{problem}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

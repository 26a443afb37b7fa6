"""nodepool: the operator's command line (contract nodepool.md 18)."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from nodepool import __version__
from nodepool.cmd import aliens, computers, images, jobs, nodes
from nodepool.cmd.site import CONFIG, tell
from nodepool.config import Checked, check_config
from nodepool.errors import NodepoolError, StoreError
from zuul.lib import logs
from zuul.lib.problems import ConfigError, Problem

#: the shell's, for a program that Ctrl-C ended
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _start_log(options)
        status: int = options.run(options)
    except ConfigError as error:
        _print_problems(error.problems)
        return 1
    except (NodepoolError, StoreError) as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        tell("Interrupted. What was asked of nodepoold stays asked.")
        return INTERRUPTED
    except BrokenPipeError:
        # the reader, `head` perhaps, has seen enough; Python flushes again on its way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nodepool", description="Single-use nodes.")
    parser.add_argument(
        "-c", dest="config", type=Path, default=CONFIG, metavar="FILE", help="nodepool.yaml"
    )
    parser.add_argument("-s", dest="secure", type=Path, metavar="FILE", help="secure.conf")
    parser.add_argument("-l", dest="log_config", type=Path, metavar="FILE", help="logging")
    parser.add_argument("--debug", action="store_true", help="log more")
    parser.add_argument("--version", action="version", version=f"Nodepool version: {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    # After the command it reads better; before it is where the originals had it.
    usual = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    usual.add_argument("-c", dest="config", type=Path, metavar="FILE", help="nodepool.yaml")
    usual.add_argument("-s", dest="secure", type=Path, metavar="FILE", help="secure.conf")
    usual.add_argument("--json", action="store_true", default=False, help="answer as JSON")
    for part in (nodes, images, aliens, computers, jobs):
        part.add_commands(commands, usual)
    checks = commands.add_parser(
        "config-validate",
        parents=[usual],
        help="tell all that is wrong with nodepool.yaml and secure.conf",
    )
    checks.set_defaults(run=validate)
    return parser


def _start_log(options: argparse.Namespace) -> None:
    if options.log_config is not None:
        logs.configure(options.log_config)
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logs.SafeFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("nodepool").setLevel(logging.DEBUG if options.debug else logging.INFO)


def validate(options: argparse.Namespace) -> int:
    """Without -s, secure.conf is not looked at: it may be readable by nodepoold only."""
    checked = check_config(options.config, options.secure)
    if options.json:
        print(json.dumps(_as_json(checked), indent=1))
        return 1 if checked.problems else 0
    for warning in checked.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _print_problems(checked.problems)
    if checked.problems:
        return 1
    print(f"{options.config}: OK")
    return 0


def _as_json(checked: Checked) -> dict[str, list[dict[str, str | int]]]:
    def rows(problems: tuple[Problem, ...]) -> list[dict[str, str | int]]:
        return [
            {"file": each.source, "line": each.line, "key": each.key, "text": each.text}
            for each in problems
        ]

    return {"problems": rows(checked.problems), "warnings": rows(checked.warnings)}


def _print_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

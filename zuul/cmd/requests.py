"""zuul enqueue, dequeue, promote, freeze, hold, show: what is asked of a running zuul-server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from zuul.client.brakes import brakes_lines
from zuul.client.running_jobs import (
    DEFAULT_COLUMNS,
    parse_columns,
    running_jobs_lines,
)
from zuul.errors import RequestError
from zuul.lib import clock

if TYPE_CHECKING:
    from zuul.client.rpc import Answer

Parsers = argparse._SubParsersAction
Options = argparse.Namespace

NO_REVISION = "0" * 40


def add_requests(commands: Parsers[argparse.ArgumentParser]) -> None:
    _add_enqueue(commands)
    _add_enqueue_ref(commands)
    _add_dequeue(commands)
    _add_promote(commands)
    _add_freeze(commands)
    _add_hold(commands)
    _add_show(commands)


def _add(
    commands: Parsers[argparse.ArgumentParser],
    name: str,
    help: str,
    run: Callable[[Options], int],
    *,
    reason: bool = False,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    parser.add_argument(
        "--reason", required=reason, metavar="TEXT", help="kept in the audit file of zuul-server"
    )
    parser.set_defaults(run=run)
    return parser


def _add_enqueue(commands: Parsers[argparse.ArgumentParser]) -> None:
    enqueue = _add(commands, "enqueue", "put a change into a pipeline", _enqueue)
    for name, metavar in (("trigger", "T"), ("pipeline", "P"), ("project", "R"), ("change", "N,P")):
        enqueue.add_argument(f"--{name}", required=True, metavar=metavar)


def _add_enqueue_ref(commands: Parsers[argparse.ArgumentParser]) -> None:
    enqueue = _add(commands, "enqueue-ref", "put a ref that moved into a pipeline", _enqueue_ref)
    for name, metavar in (("trigger", "T"), ("pipeline", "P"), ("project", "R"), ("ref", "REF")):
        enqueue.add_argument(f"--{name}", required=True, metavar=metavar)
    enqueue.add_argument("--oldrev", default=NO_REVISION, metavar="SHA", help="default: zeros")
    enqueue.add_argument("--newrev", default=NO_REVISION, metavar="SHA", help="default: zeros")


def _add_dequeue(commands: Parsers[argparse.ArgumentParser]) -> None:
    dequeue = _add(commands, "dequeue", "take a change or ref out, without a report", _dequeue)
    dequeue.add_argument("--pipeline", required=True, metavar="P")
    dequeue.add_argument("--project", metavar="R", help="needed with --ref and --tick")
    what = dequeue.add_mutually_exclusive_group(required=True)
    what.add_argument("--change", metavar="N,P")
    what.add_argument("--ref", metavar="REF")
    what.add_argument("--tick", action="store_true", help="what a timer enqueued")


def _add_promote(commands: Parsers[argparse.ArgumentParser]) -> None:
    promote = _add(commands, "promote", "put changes first in their queue, in this order", _promote)
    promote.add_argument("--pipeline", required=True, metavar="P")
    promote.add_argument("--changes", required=True, nargs="+", metavar="N,P")


def _add_freeze(commands: Parsers[argparse.ArgumentParser]) -> None:
    freeze = _add(
        commands, "freeze", "let nothing merge in a pipeline or of a project", _freeze, reason=True
    )
    unfreeze = _add(commands, "unfreeze", "end a freeze", _unfreeze)
    for parser in (freeze, unfreeze):
        parser.add_argument("--pipeline", metavar="P")
        parser.add_argument("--project", metavar="R")
        parser.add_argument("--all", action="store_true", help="everything")


def _add_hold(commands: Parsers[argparse.ArgumentParser]) -> None:
    hold = _add(commands, "hold", "let a change not merge", _hold, reason=True)
    unhold = _add(commands, "unhold", "end a hold", _unhold)
    for parser in (hold, unhold):
        parser.add_argument("--pipeline", required=True, metavar="P")
        parser.add_argument(
            "--change", required=True, metavar="N[,P]", help="without P: whichever patch set"
        )


def _add_show(commands: Parsers[argparse.ArgumentParser]) -> None:
    show = commands.add_parser("show", help="show what zuul-server is doing")
    what = show.add_subparsers(title="what", required=True, metavar="WHAT")
    jobs = what.add_parser("running-jobs", help="all jobs of all that is in a pipeline")
    jobs.add_argument(
        "--columns", default=DEFAULT_COLUMNS, metavar="LIST", help="separated by commas, or ALL"
    )
    jobs.set_defaults(run=_show_running_jobs)
    brakes = what.add_parser("brakes", help="what is frozen and what is held")
    brakes.set_defaults(run=_show_brakes)


# -- what they do --------------------------------------------------------------------------------


def _enqueue(options: Options) -> int:
    return _ask(options, "zuul:enqueue", "trigger", "pipeline", "project", "change")


def _enqueue_ref(options: Options) -> int:
    if options.oldrev == options.newrev:
        raise RequestError("The old and the new revision are the same")
    names = ("trigger", "pipeline", "project", "ref", "oldrev", "newrev")
    return _ask(options, "zuul:enqueue_ref", *names)


def _dequeue(options: Options) -> int:
    options.tick = options.tick or None
    return _ask(options, "zuul:dequeue", "pipeline", "project", "change", "ref", "tick")


def _promote(options: Options) -> int:
    options.change_ids = options.changes
    return _ask(options, "zuul:promote", "pipeline", "change_ids")


def _freeze(options: Options) -> int:
    _expect_scope(options)
    return _ask(options, "zuul:freeze", "pipeline", "project")


def _unfreeze(options: Options) -> int:
    _expect_scope(options)
    return _ask(options, "zuul:unfreeze", "pipeline", "project")


def _expect_scope(options: Options) -> None:
    is_limited = options.pipeline is not None or options.project is not None
    if is_limited == options.all:
        raise RequestError("Name a pipeline, a project, or both; or everything with --all")


def _hold(options: Options) -> int:
    return _ask(options, "zuul:hold", "pipeline", "change")


def _unhold(options: Options) -> int:
    return _ask(options, "zuul:unhold", "pipeline", "change")


def _show_running_jobs(options: Options) -> int:
    columns = parse_columns(options.columns)
    items = _call(options, "zuul:get_running_jobs", {}).json()
    for line in running_jobs_lines(items, columns, clock.now()):
        print(line)
    return 0


def _show_brakes(options: Options) -> int:
    for line in brakes_lines(_call(options, "zuul:get_brakes", {}).json(), clock.now()):
        print(line)
    return 0


def _ask(options: Options, function: str, *names: str) -> int:
    """Ask for something with these options; 0, for a refusal raises RequestError."""
    arguments = {name: getattr(options, name) for name in names}
    from zuul.lib.caller import caller

    answer = _call(options, function, arguments | {"by": caller(), "reason": options.reason})
    for note in answer.notes:
        print(note, file=sys.stderr)
    return 0


def _call(options: Options, function: str, arguments: Mapping[str, object]) -> Answer:
    # Not above: Gearman's libraries take longer to import than `zuul layout jobs` may start.
    from zuul.client.rpc import RpcClient
    from zuul.config import Program, read_config

    with RpcClient(read_config(options.config, Program.CLIENT).gearman) as client:
        return client.call(function, arguments)

"""Cores that are broken on purpose: each line of this table must be caught by the simulation.

    python -m tests.property.broken_cores

tells which seed catches which. A mutation is a piece of one function's text, replaced; if the
piece is no longer there, the table must follow the core.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.property.gate_world import run_world

MOST_SEEDS = 150
EVENTS = 250


@dataclass(frozen=True)
class Mutation:
    """`old` becomes `new` in one function or method, `module:name` or `module:Class.name`."""

    name: str
    where: str
    old: str
    new: str
    #: where to begin to look, if early seeds are known to miss it
    first: int = 0


MUTATIONS = (
    Mutation(
        "no reset on move",
        "processing:_move",
        'building.reset(state, item, "the item ahead has changed")',
        "state.touch(item)",
        first=18,
    ),
    Mutation(
        "no reset of items behind one that leaves",
        "leaving:leave",
        'building.reset_behind(state, item, f"the item ahead left: {reason}")',
        "pass",
    ),
    Mutation(
        "no reset of items behind a refused submit",
        "reporting:_finish",
        'building.reset_behind(state, item, "the item ahead did not merge")',
        "pass",
    ),
    Mutation(
        "no new test when the branch has moved",
        "reporting:_test_again",
        'building.reset(state, item, "the branch has moved")',
        "state.touch(item)",
    ),
    Mutation(
        "a withdrawn item is ignored",
        "leaving:withdraw",
        "leave(state, item, reason)",
        "pass",
    ),
    Mutation("never cancel", "building:cancel_builds", "state.emit(CancelBuild(build.id))", "pass"),
    Mutation(
        "submit without waiting for the item ahead",
        "processing:_look_at_result",
        "and item.live_ahead is None",
        "and True",
    ),
    Mutation(
        "submit without waiting for all jobs",
        "processing:_look_at_result",
        "and item.plan.is_complete(item.build_set.builds)",
        "and item.build_set.builds",
    ),
    Mutation(
        "a failing item is still built on",
        "processing:set_failing",
        "item.live and not reasons",
        "item.live",
        first=8,
    ),
    Mutation(
        "mutexes are not given back", "mutexes:Mutexes.release", "if mutex is not None:", "if 0:"
    ),
    Mutation(
        "mutexes are taken though held",
        "building:launch_jobs",
        "not state.mutexes.is_free(job.mutex)",
        "False",
    ),
    Mutation(
        "the window does not bound",
        "queue:ChangeQueue.fill_window",
        "self._active < self.window",
        "True",
    ),
    Mutation(
        "lost builds are not tried again",
        "building:take_end",
        "state.touch(item)",
        "pass",
    ),
    Mutation(
        "an answered merge is not acted on",
        "building:take_merge",
        "state.touch(item)",
        "pass",
    ),
    Mutation(
        "no new test behind an item whose branch has moved",
        "reporting:_test_again",
        'building.reset_behind(state, item, "the branch has moved")',
        "pass",
    ),
    Mutation(
        "needs are checked on entering alone",
        "processing:process",
        "if item.check_needs:",
        "if False:",
    ),
    Mutation(
        "results of abandoned builds count",
        "building:retire",
        "state.builds.pop(build.id, None)",
        "pass",
    ),
    Mutation(
        "an item is reported twice",
        "reporting:report_item",
        "item.report = report",
        "pass",
    ),
    Mutation(
        "a series leaves out what is ahead",
        "building:_unmerged",
        "series.merged",
        "True",
    ),
    Mutation(
        "promoted items keep their builds",
        "promote:_stand_anew",
        'building.reset(state, item, "the queue has another order")',
        "pass",
    ),
    Mutation(
        "who stands on a moved item keeps its builds",
        "promote:_stand_anew",
        "if ahead is nearest and ahead not in moved:",
        "if ahead is nearest:",
    ),
    Mutation(
        "a change is promoted before what it needs",
        "promote:new_order",
        "for needed in _needs_first(queue, item):",
        "for needed in [item]:",
        first=27,
    ),
    Mutation(
        "what is being reported moves",
        "promote:new_order",
        "if item.report is not None",
        "if False",
        first=18,
    ),
    Mutation(
        "promoting does not go first",
        "promote:new_order",
        "for item in wanted:",
        "for item in ():",
    ),
    Mutation(
        "a freeze does not stop a merge",
        "processing:_look_at_result",
        "not reporting.is_braked(state, pipeline, item)",
        "True",
    ),
    Mutation(
        "a hold does not stop a merge",
        "brakes:Brakes._find_hold",
        "self.holds.get((pipeline, key.number, None))",
        "None",
    ),
    Mutation(
        "an end of a freeze is not noticed",
        "operators:_brakes_changed",
        "state.touch(item)",
        "pass",
        first=42,
    ),
    Mutation(
        "who may not merge stays in front",
        "promote:arrange",
        "queue.braked = braked = _find_braked(state, pipeline, queue)",
        "braked = set()",
    ),
    Mutation(
        "a dequeued item stays",
        "operators:_dequeue",
        'leaving.withdraw(state, item, "dequeued by hand")',
        "pass",
    ),
    Mutation(
        "children of what has come in are not told of",
        "own_events:OwnEvents.note_enqueued",
        "self.waiting.append(",
        "str(",
    ),
    Mutation(
        "a merge that nobody cares for is followed up",
        "own_events:OwnEvents.note_merged",
        "(change.key.connection, change.project) not in self._heeds_merges",
        "False",
    ),
)


@contextmanager
def broken(mutation: Mutation) -> Iterator[None]:
    """The core with the mutation, inside of the block."""
    module_name, _, path = mutation.where.partition(":")
    package = "zuul.model" if module_name in ("queue", "brakes") else "zuul.core"
    module = importlib.import_module(f"{package}.{module_name}")
    owner: Any = module
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    whole = getattr(owner, name)
    text = textwrap.dedent(inspect.getsource(whole))
    assert mutation.old in text, f"{mutation.name}: {mutation.where} has changed, follow it"
    scope = dict(vars(module))
    exec(text.replace(mutation.old, mutation.new), scope)
    # callers hold the function itself (from x import f): its code is what must change
    sound = whole.__code__
    whole.__code__ = scope[name].__code__
    try:
        yield
    finally:
        whole.__code__ = sound


def find_seed(mutation: Mutation, most: int = MOST_SEEDS) -> tuple[int, str] | None:
    """A seed that catches it, and how; None if it survives."""
    first = mutation.first
    with broken(mutation):
        for seed in (*range(first, most), *range(first)):
            try:
                run_world(seed, EVENTS)
            except AssertionError as caught:
                return seed, str(caught).splitlines()[1]
    return None


def main() -> int:
    survivors = 0
    for mutation in MUTATIONS:
        found = find_seed(mutation)
        survivors += found is None
        how = "SURVIVES" if found is None else f"seed {found[0]}: {found[1][:100]}"
        print(f"{mutation.name:45} {how}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

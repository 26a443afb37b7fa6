"""Nodepool cores that are broken on purpose: the world must catch each of them.

`python -m tests.property.nodepool_broken` tells which seed catches which. A mutation is a piece of
one function's text, replaced; if the piece is no longer there, the table must follow the core.
"""

from __future__ import annotations

import importlib
import inspect
import operator
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.property.nodepool_cloud import AWAY, DEAF
from tests.property.nodepool_world import run_world

MOST_SEEDS, SECONDS = 40, 3000.0
#: modules of the core that want a world with many builds
OF_BUILDS = ("lifecycle", "offline", "unheard")


@dataclass(frozen=True)
class Mutation:
    """`old` becomes `new` in one function, `module:name` or `module:Class.name`."""

    name: str
    where: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        "a restart forgets when a hold ends",
        "holds:watch_all",
        "watch(state, node)",
        "pass",
    ),
    Mutation(
        "a create without an answer is forgotten",
        "machines:on_create_failed",
        "if event.fault.leaves_doubt:",
        "if False:",
    ),
    Mutation(
        "a leaked server stays",
        "cleanup:_delete_leaked",
        "state.call(DeleteServer(provider, server.id, has_unknown=server.has_floating_ip))",
        "pass",
    ),
    Mutation(
        "a server with another mark is taken for ours",
        "cleanup:_on_server",
        "if owner is None or owner != state.owner(provider, owner.key):",
        "if owner is None:",
    ),
    Mutation(
        "absence from a list is taken for a proof",
        "removal:confirm_absence",
        "state.call(ConfirmGone(provider, server_id))",
        "on_machine_gone(state, state.servers[provider][server_id].key, 0.0)",
    ),
    Mutation(
        "a delete is not repeated",
        "removal:_delete_server",
        "state.timers.set(timer, now + back_off(tries, FIRST_WAIT, LONGEST_WAIT))",
        "state.timers.set(timer, 1e12)",
    ),
    Mutation(
        "a node leaves Jenkins while it is being added",
        "removal:_unregister",
        "if node.id in state.registering or state.timers.due_at(timer) is not None:",
        "if state.timers.due_at(timer) is not None:",
    ),
    Mutation(
        "a failed removal from Jenkins is not repeated",
        "removal:on_unregister_failed",
        "pause = back_off(tries, FIRST_RETRY, LONGEST_RETRY)",
        "pause = 1e12",
    ),
    Mutation(
        "a launch that a restart cut off stays",
        "cleanup:on_started",
        "if node.state is NodeState.BUILDING:",
        "if False:",
    ),
    Mutation(
        "a build that ended in silence is not found",
        "surveys:_survey_used",
        "elif _is_over(state, node, asked_at):",
        "elif False:",
    ),
    Mutation(
        "the node of a plain job is left online",
        "lifecycle:on_build_started",
        "if not event.offline_wanted:",
        "if False:",
    ),
    Mutation(
        "a node that is not set offline is not tried again",
        "offline:on_not_set",
        "back_off(tries, FIRST_RETRY, LONGEST_RETRY)",
        "1e12",
    ),
    Mutation(
        "a line that was down asks for no builds",
        "unheard:on_missed",
        "want_fresh(state, target, event.since, now)",
        "pass",
    ),
    Mutation(
        "a restart asks for what comes from now on",
        "heard:_since",
        "return since if since <= now + unheard.CLOCKS else NEVER",
        "return now",
    ),
    Mutation(
        "a list of builds that failed is not asked for again",
        "unheard:on_not_listed",
        "back_off(tries, FIRST_RETRY, LONGEST_RETRY)",
        "1e12",
    ),
    Mutation(
        "rounding leaves room unused",
        "planner:_share",
        "grants += _give_the_rest(requests, grants, room, history, taken)",
        "pass",
    ),
    Mutation(
        "the end of a pause is no news",
        "dispatch:_pause_is_over",
        "state.replan = True",
        "pass",
    ),
    Mutation(
        "a launch that goes alone is waited for when it is no more",
        "pauses:Pause.standing",
        "self.trial in launches",
        "self.trial is not None",
    ),
    Mutation(
        "subnodes are not counted",
        "allocation:_grant",
        "return count * each.request.machines",
        "return count",
    ),
    Mutation(
        "an address without a server stays",
        "cleanup:on_addresses",
        "state.call(DeleteAddress(event.provider, address.id))",
        "pass",
    ),
    Mutation(
        "a failed image build keeps its server",
        "removal:push_image",
        "_delete_server(state, image.provider, key, now)",
        "pass",
    ),
)


def find_seed(mutation: Mutation) -> int | None:
    """The first seed whose world catches it."""
    of_builds = mutation.where.partition(":")[0] in OF_BUILDS
    with applied(mutation):
        for seed in range(MOST_SEEDS):
            try:
                if mutation.where.startswith("heard:"):
                    run_world(seed, 2 * SECONDS, AWAY, drain=False)
                elif of_builds:
                    run_world(seed, 2 * SECONDS, DEAF, drain=False)
                else:
                    run_world(seed, SECONDS)
            except (AssertionError, KeyError):
                return seed
    return None


@contextmanager
def applied(mutation: Mutation) -> Iterator[None]:
    module_name, _, path = mutation.where.partition(":")
    module = importlib.import_module(f"nodepool.core.{module_name}")
    function: Any = operator.attrgetter(path)(module)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(mutation.old) == 1, f"{mutation.where} has no {mutation.old!r}"
    scope: dict[str, Any] = {}
    broken = source.replace(mutation.old, mutation.new)
    code = compile("from __future__ import annotations\n" + broken, f"<{mutation.name}>", "exec")
    exec(code, module.__dict__, scope)
    kept = function.__code__
    function.__code__ = scope[path.rpartition(".")[2]].__code__
    try:
        yield
    finally:
        function.__code__ = kept


def main() -> int:
    missed = 0
    for mutation in MUTATIONS:
        seed = find_seed(mutation)
        missed += seed is None
        print(f"{mutation.name}: {'NOT CAUGHT' if seed is None else f'seed {seed}'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

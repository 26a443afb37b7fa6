"""Which nodes take builds, how many at once, and which of them can share a Gearman connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gearman_plugin_shim.functions import JobTable
from gearman_plugin_shim.model import Computer


def is_accepting(computer: Computer) -> bool:
    """Whether it takes new builds when it has room."""
    return not (computer.offline or computer.temporarily_offline) and computer.executors > 0


def idle_executors(computer: Computer) -> int:
    """Executors with nothing to do; one-off executors take no room."""
    if not is_accepting(computer):
        return 0
    busy = sum(executor.index >= 0 for executor in computer.busy)
    return max(0, computer.executors - busy)


def group_computers(
    table: JobTable, computers: Iterable[Computer]
) -> dict[frozenset[str], tuple[str, ...]]:
    """Names of the nodes by what they can do; those that can do nothing are left out."""
    groups: dict[frozenset[str], list[str]] = {}
    for computer in computers:
        if is_accepting(computer):
            labels = computer.labels | {computer.name} if computer.name else computer.labels
            functions = table.functions(labels, exclusive=computer.exclusive)
            if functions:
                groups.setdefault(functions, []).append(computer.name)
    return {functions: tuple(sorted(names)) for functions, names in groups.items()}


def match_groups(
    wanted: Mapping[frozenset[str], tuple[str, ...]],
    links: Mapping[str, tuple[frozenset[str], tuple[str, ...]]],
) -> dict[str, frozenset[str]]:
    """Which existing link follows which set of functions, so that few packets say the change.

    A link goes with the set it has; else with the one most of its nodes have now. A link that is
    not in the answer has no nodes left; a set that is not in it needs a new link.
    """
    chosen: dict[str, frozenset[str]] = {}
    free = dict(wanted)
    for link, (functions, _) in links.items():
        if functions in free:
            chosen[link] = functions
            del free[functions]
    pairs = []
    for link, (_, nodes) in links.items():
        if link not in chosen:
            known = set(nodes)
            pairs += [
                (-len(known.intersection(names)), link, sorted(names)[0], functions)
                for functions, names in free.items()
                if not known.isdisjoint(names)
            ]
    for _, link, _, functions in sorted(pairs, key=lambda pair: pair[:3]):
        if link not in chosen and functions in free:
            chosen[link] = functions
            del free[functions]
    return chosen

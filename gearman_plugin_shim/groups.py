"""Groups of nodes: a master's Gearman links, what they register, how many jobs they take."""

from __future__ import annotations

from typing import Final

from gearman_plugin_shim.availability import (
    group_computers,
    idle_executors,
    match_groups,
)
from gearman_plugin_shim.commands import AllowJobs, OpenLink, RetireLink, SetFunctions
from gearman_plugin_shim.events import Poll
from gearman_plugin_shim.state import Build, Group, Health, Master, State

#: what was seen so long ago says nothing of idle executors
_STALE_SECONDS: Final = 30.0


def settle_groups(state: State, master: Master) -> None:
    """Bring links, functions and allowances to what was seen last."""
    wanted = {}
    if _serves(state, master) and master.table is not None:
        wanted = group_computers(master.table, master.computers.values())
    links = {group.link: (group.able, group.nodes) for group in master.groups.values()}
    chosen = match_groups(wanted, links)
    for link in links.keys() - chosen.keys():
        del master.groups[link]
        state.emit(RetireLink(link))
    blocked = _blocked_jobs(state, master)
    reserved = _reservations(state, master)
    # Builds that count on no group of now could take a place in any.
    adrift = sum(count for link, count in reserved.items() if link not in chosen)
    for link, able in chosen.items():
        group = master.groups[link]
        group.able, group.nodes = able, wanted.pop(able)
        functions = _unblocked(master, able, blocked)
        if functions is not group.functions and functions != group.functions:
            group.functions = functions
            state.emit(SetFunctions(link, functions))
        before = group.total, group.capacity
        _measure(state, master, group, adrift + reserved.get(link, 0))
        if before != (group.total, group.capacity):
            state.emit(AllowJobs(link, group.total, group.capacity))
    for able, nodes in sorted(wanted.items(), key=lambda item: item[1]):
        _open(state, master, able, nodes, blocked, adrift)


def _open(
    state: State,
    master: Master,
    able: frozenset[str],
    nodes: tuple[str, ...],
    blocked: frozenset[str],
    adrift: int,
) -> None:
    master.links_made += 1
    link = f"{master.name}/{master.links_made}"
    group = Group(link, able, nodes, _unblocked(master, able, blocked))
    _measure(state, master, group, adrift)
    master.groups[link] = group
    client_id = f"{master.name}_exec-{master.links_made}"
    state.emit(OpenLink(link, client_id, group.functions, group.total, group.capacity))


def _serves(state: State, master: Master) -> bool:
    return (
        master.health is Health.UP and not master.quieting_down and state.now >= master.denied_until
    )


def _measure(state: State, master: Master, group: Group, reserved: int) -> None:
    """Set how many jobs it may take now, and how many it has room for."""
    room = _room(state, master, group, reserved)
    # One at a time, or a second one of the same job could be taken before the first is known.
    allowed = min(room, 1) if _has_sequential(master, group.functions) else room
    group.total, group.capacity = group.taken + allowed, group.taken + room


def _room(state: State, master: Master, group: Group, reserved: int) -> int:
    """Executors that are idle and that no build counts on."""
    if state.now - master.looks[Poll.COMPUTERS].asked_at > _STALE_SECONDS:
        return 0
    idle = sum(
        idle_executors(master.computers[name]) for name in group.nodes if name in master.computers
    )
    return max(0, idle - reserved)


def _has_sequential(master: Master, functions: frozenset[str]) -> bool:
    table = master.table
    assert table is not None, "groups come from a table"
    return not table.sequential.isdisjoint(functions)


def _unblocked(
    master: Master, functions: frozenset[str], blocked: frozenset[str]
) -> frozenset[str]:
    if not blocked:
        return functions
    assert master.table is not None, "groups come from a table"
    waiting = set()
    for function in master.table.sequential & functions:
        job = master.table.job_of(function)
        if job is not None and job.full_name in blocked:
            waiting.add(function)
    return functions - waiting


def _blocked_jobs(state: State, master: Master) -> frozenset[str]:
    """Jobs of which only one build may run, and one does."""
    table = master.table
    if table is None:
        return frozenset()
    busy = {build.row.job for build in state.builds_of(master)}
    busy.update(run.id.job for run in master.runs.values())
    return frozenset(name for name in busy if table.is_sequential(name))


def _reservations(state: State, master: Master) -> dict[str | None, int]:
    """Builds that count on an executor which the last look shows as idle, by link."""
    counts: dict[str | None, int] = {}
    for build in state.builds_of(master):
        if is_reserving(master, build):
            counts[build.link] = counts.get(build.link, 0) + 1
    return counts


def is_reserving(master: Master, build: Build) -> bool:
    """Whether the last look at the computers may not show it yet."""
    return master.looks[Poll.COMPUTERS].asked_at < build.bound_at

"""Nodes that are set offline because a build asked for it: right after its start, once."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Final

from gearman_plugin_shim.builds import keep
from gearman_plugin_shim.commands import KeepBuild, SetOffline, Severity
from gearman_plugin_shim.events import OfflineSet
from gearman_plugin_shim.model import BuildRow, FailureKind
from gearman_plugin_shim.state import Build, Health, Master, State

_AGAIN_SECONDS: Final = 2.0
#: later than that after a build's end its node has long been given to others
_OWED_SECONDS: Final = 600.0


def is_awaited(build: Build) -> bool:
    """Whether its node is still to be set offline."""
    row = build.row
    return row.offline_wanted and not row.offline_done and row.node is not None


def set_offline(state: State, master: Master, build: Build) -> None:
    """Set the node of a build offline while it runs: nothing else can slip in after it."""
    node = build.row.node
    if node is None or not is_awaited(build):
        return
    if state.now < build.offline_due:
        state.wake(build.offline_due)
    elif node not in master.offlining and master.health is Health.UP:
        build.offline_due = inf
        _send(state, master, node)


def owe(state: State, master: Master, build: Build) -> None:
    """The build has ended, and its node is not offline yet: go on trying."""
    if build.row.node is not None and is_awaited(build):
        master.offline_owed[build.row.node] = build.uuid
        state.wake(state.now)


def adopt_owed(master: Master, row: BuildRow) -> None:
    """A build that ended before the bridge did."""
    if row.offline_wanted and not row.offline_done and row.node is not None:
        master.offline_owed[row.node] = row.uuid


def tick_owed(state: State, master: Master) -> None:
    """Set nodes of ended builds offline, for as long as that has a meaning."""
    for node, uuid in list(master.offline_owed.items()):
        row = state.ended.get(uuid)
        if row is None or state.now - (row.finished_at or 0.0) > _OWED_SECONDS:
            del master.offline_owed[node]
        elif state.now < master.offline_due:
            state.wake(master.offline_due)
        elif node not in master.offlining and master.health is Health.UP:
            _send(state, master, node)


def _send(state: State, master: Master, node: str) -> None:
    master.offlining.add(node)
    computer = master.computers.get(node)
    url_name = computer.url_name if computer else node or "(master)"
    state.emit(SetOffline(master.name, node, url_name))


def take_answer(state: State, master: Master, event: OfflineSet) -> bool:
    """Whether the node is offline, or gone, which is as good."""
    master.offlining.discard(event.node)
    failure = event.failure
    done = failure is None or failure.kind is FailureKind.NOT_FOUND
    if failure is not None:
        where = {"master": master.name, "node": event.node, "reason": failure.reason}
        state.notice(Severity.WARNING, "Node not set offline", **where)
    for build in state.builds_of(master):
        if build.row.node == event.node and is_awaited(build):
            if done:
                keep(state, build, offline_done=True)
            else:
                build.offline_due = state.now + _AGAIN_SECONDS
                state.wake(build.offline_due)
    if done and (row := state.ended.get(master.offline_owed.pop(event.node, ""))) is not None:
        state.ended[row.uuid] = row = replace(row, offline_done=True)
        state.serial += 1
        state.emit(KeepBuild(row, state.serial))
    elif not done:
        master.offline_due = state.now + _AGAIN_SECONDS
    return done

"""Nodes that are set offline because a build asked for it: right after its start, once."""

from __future__ import annotations

from math import inf
from typing import Final

from gearman_plugin_shim.builds import keep
from gearman_plugin_shim.commands import SetOffline, Severity
from gearman_plugin_shim.events import OfflineSet
from gearman_plugin_shim.model import FailureKind
from gearman_plugin_shim.state import Build, Health, Master, State

_AGAIN_SECONDS: Final = 2.0


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
    return done

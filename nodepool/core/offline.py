"""Nodes that are set offline because a build began on them: at once, so that no other follows it.

A job with OFFLINE_NODE_WHEN_COMPLETE has who started it do that (the bridge, or the plugin). All
other builds leave their node as it is, and the target would give it the next one as soon as the
first is over, long before the node is deleted. So nodepool does it itself: a node that is offline
for a while still ends the build that runs there.
"""

from __future__ import annotations

from nodepool.core import events
from nodepool.core.commands import SetNodeOffline
from nodepool.core.health import back_off
from nodepool.core.state import State
from nodepool.model import Node, NodeState

#: of one node, in half an hour; then its target will not, and the log has said why
MOST_TRIES = 30
FIRST_RETRY, LONGEST_RETRY = 5.0, 60.0
#: an answer comes within so many seconds, or never
ANSWER_SECONDS = 90.0


def set_offline(state: State, node: Node, now: float) -> None:
    """Ask for it, unless that is under way, done, or was tried often enough."""
    timer = ("offline", node.id)
    target = state.find_target(node.target)
    if not node.registered or target is None or target.jenkins is None:
        return
    if node.id in state.set_offline or state.timers.due_at(timer) is not None:
        return
    if state.tries.get(timer, 0) >= MOST_TRIES:
        return
    state.try_again(timer)
    state.timers.set(timer, now + ANSWER_SECONDS)
    state.call(SetNodeOffline(node.id, node.target, node.nodename))


def on_set(state: State, event: events.NodeSetOffline, now: float) -> None:
    """Done for good: who takes it into use again has a reason."""
    timer = ("offline", event.node_id)
    state.timers.drop(timer)
    if state.tries.pop(timer, None) is not None:
        state.set_offline.add(event.node_id)


def on_not_set(state: State, event: events.NodeNotSetOffline, now: float) -> None:
    timer = ("offline", event.node_id)
    tries = state.tries.get(timer)
    if tries is not None:
        state.timers.set(timer, now + back_off(tries, FIRST_RETRY, LONGEST_RETRY))


def on_due(state: State, node_id: int, now: float) -> None:
    """It failed some time ago, or nothing came of it."""
    node = state.nodes.get(node_id)
    if node is not None and node.state is NodeState.USED:
        set_offline(state, node, now)


def forget(state: State, node_id: int) -> None:
    """The node is somebody's, or goes."""
    timer = ("offline", node_id)
    state.timers.drop(timer)
    state.tries.pop(timer, None)
    state.set_offline.discard(node_id)

"""Held nodes, and when they go by themselves: `max-hold-age` seconds after they were held."""

from __future__ import annotations

from nodepool.core import removal
from nodepool.core.state import State
from nodepool.model import Node, NodeState


def watch(state: State, node: Node) -> None:
    """Set its time by the configuration of now; for a held node, and whenever either changes."""
    timer = ("hold", node.id)
    if state.config.max_hold_age > 0:
        state.timers.set(timer, node.state_at + state.config.max_hold_age)
    else:
        state.timers.drop(timer)


def watch_all(state: State) -> None:
    for node in state.nodes.values():
        if node.state is NodeState.HOLD:
            watch(state, node)


def on_due(state: State, node_id: int, now: float) -> None:
    node = state.nodes.get(node_id)
    if node is not None and node.state is NodeState.HOLD:
        state.observer.hold_ended(node, now - node.state_at)
        removal.remove_node(state, node, now, "Held for longer than max-hold-age")

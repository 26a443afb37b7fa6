"""What a survey shows, all computers of a target at once, every few seconds, beside what was heard.

It makes up for build events that never came, and undoes one that was not true. A build that is
over when it is seen has left no result there: that is asked for in the target's list of builds
(unheard.py), and waited for, but not for ever.
"""

from __future__ import annotations

from dataclasses import replace

from nodepool.core import events, lifecycle, offline, removal, unheard
from nodepool.core.state import State
from nodepool.model import Node, NodeState

#: seconds within which the events of a build are not made up: they may be under way
SURVEY_MARGIN = 20.0
#: seconds for which the end of a build waits for its result in a list of builds
LIST_PATIENCE = 120.0


def on_surveyed(state: State, event: events.TargetSurveyed, now: float) -> None:
    for node in state.nodes_of(event.target):
        if not node.registered and node.manager is None:
            continue
        if node.state_at + SURVEY_MARGIN > event.asked_at:
            continue  # its events may be under way
        computer = event.computers.get(node.nodename)
        if node.state is NodeState.READY:
            _survey_ready(state, node, computer, event.asked_at, now)
        elif node.state is NodeState.USED:
            _survey_used(state, node, computer, event.asked_at, now)
    unheard.ask(state, event.target, now)


def _survey_ready(
    state: State, node: Node, computer: events.Computer | None, asked_at: float, now: float
) -> None:
    if computer is None:
        state.observer.event_made_up(node, "the target does not know the node")
        removal.remove_node(state, node, now, "The target does not know it")
    elif not computer.idle:
        state.observer.event_made_up(node, "a build runs on it")
        lifecycle.use(state, node, None, asked_at)
        _set_offline(state, node, computer, now)
    elif computer.spent and _is_over(state, node, asked_at):
        # Nobody heard of the build: nodepoold was not there from its start to its end.
        state.observer.event_made_up(node, "a build came and went")
        lifecycle.done(state, node, None, now)


def _survey_used(
    state: State, node: Node, computer: events.Computer | None, asked_at: float, now: float
) -> None:
    _set_offline(state, node, computer, now)
    busy = computer is not None and not computer.idle
    if node.delete_at is not None:
        ended_at = node.delete_at - lifecycle.delete_delay(state, node)
        if busy and ended_at + SURVEY_MARGIN <= asked_at:
            state.observer.event_made_up(node, "a build still runs on it")
            state.timers.drop(("done", node.id))
            # Whatever is told of an end before this look is not that of the build that runs.
            state.save_node(replace(node, delete_at=None, state_at=asked_at))
        return
    if busy:
        state.seen_idle.pop(node.id, None)
    elif _is_over(state, node, asked_at):
        # Idle twice: between two looks a build's end would have been told.
        state.observer.event_made_up(node, "no build runs on it any more")
        lifecycle.done(state, node, None, now)


def _set_offline(state: State, node: Node, computer: events.Computer | None, now: float) -> None:
    """A build began on it; by now whoever else was to set it offline has done so."""
    if computer is not None and not computer.offline:
        offline.set_offline(state, node, now)


def _is_over(state: State, node: Node, asked_at: float) -> bool:
    """Whether an earlier look saw it idle, too, and the list of builds has nothing to add: what
    came between was told by now."""
    if node.id not in state.seen_idle:
        state.seen_idle[node.id] = asked_at
        unheard.want(state, node, node.state_at)
    patience = LIST_PATIENCE if unheard.is_awaited(state, node) else SURVEY_MARGIN
    if state.seen_idle[node.id] + patience > asked_at:
        return False
    del state.seen_idle[node.id]
    return True

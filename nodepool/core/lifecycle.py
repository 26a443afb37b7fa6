"""A node's life after its launch: builds, holds, the acceptance test, the delayed delete.

A node serves one build. Its job may have it set offline by who starts it; offline.py does it for
all others, as soon as the build is known of. Build events are hints; they come twice, late or
never. What they missed is found by surveys (surveys.py) and in lists of builds (unheard.py), and
told here as if it had been heard (contract nodepool.md 15, 16, 22). A history tells all over again,
with times: what is older than a node's state is in it already, or was overtaken.
"""

from __future__ import annotations

from dataclasses import replace

from nodepool.core import blame, events, holds, launch_flow, machines, offline, removal
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.core.state import State
from nodepool.model import BuildResult, MachineKey, Node, NodeState

#: seconds after a build's end, where the target left the configuration
DELETE_DELAY = 60.0
#: seconds by which a build on a node may precede the answer that it is ready
READY_LAG = 300.0

_TAKES_BUILDS = frozenset((NodeState.BUILDING, NodeState.READY, NodeState.TEST))


def on_build_started(state: State, event: BuildStarted, now: float) -> None:
    node = find_node(state, event.nodename)
    if node is None or _is_old(state, node, event):
        return
    target = state.find_target(node.target)
    if target is not None and target.test_job == event.job:
        return
    at = _time_of(event, now)
    if node.state in _TAKES_BUILDS:
        use(state, node, event.job, at)
        if not event.offline_wanted:
            offline.set_offline(state, state.nodes[node.id], now)
    elif node.state is NodeState.USED and node.delete_at is None:
        if event.job != node.job:
            # Another build: what the history tells of the one before is older than this.
            state.save_node(replace(node, job=event.job, state_at=at))
    else:
        # Compat: not as the originals, which gave a node marked for deletion back to its build
        # and forgot the deletion (test_a_node_marked_for_deletion_stays_so).
        state.observer.event_passed_over(event.nodename, event.job, f"state {node.state.word}")


def _is_old(state: State, node: Node, event: BuildStarted | BuildFinalized) -> bool:
    # A node that takes builds has had none that was heard of.
    since = node.state_at - (READY_LAG if node.state in _TAKES_BUILDS else 0.0)
    if event.at is None or event.at >= since:
        return False
    state.observer.event_passed_over(event.nodename, event.job, "older than the node's state")
    return True


def _time_of(event: BuildStarted | BuildFinalized, now: float) -> float:
    return now if event.at is None else min(event.at, now)


def use(state: State, node: Node, job: str | None, now: float) -> None:
    """A build runs on it: it counts no more as ready, and its replacement is planned at once."""
    state.seen_idle.pop(node.id, None)
    state.save_node(replace(node.with_state(NodeState.USED, now), job=job))
    if node.id in state.launches:
        launch_flow.finish(state, state.nodes[node.id], now)


def on_build_finalized(state: State, event: BuildFinalized, now: float) -> None:
    node = find_node(state, event.nodename)
    if node is None or _is_old(state, node, event):
        return
    if node.state in (NodeState.HOLD, NodeState.DELETE) or node.delete_at is not None:
        state.observer.event_passed_over(event.nodename, event.job, f"state {node.state.word}")
        return
    target = state.find_target(node.target)
    is_test = target is not None and target.test_job == event.job
    if not is_test and node.state in _TAKES_BUILDS and not event.offline_wanted:
        # Of its start nobody heard.
        offline.set_offline(state, node, now)
    if is_test:
        if node.state is not NodeState.TEST:
            return
        if event.status == BuildResult.SUCCESS:
            launch_flow.on_test_passed(state, node, now)
            return
        blame.test_failed(state, node, f"{event.job} ended with {event.status}", now)
    elif _is_to_be_held(state, event):
        comment = f"Automatically held after failing {event.job}"[:255]
        held = replace(node.with_state(NodeState.HOLD, now, comment), job=event.job)
        _leave_launch(state, node)
        state.save_node(held)
        holds.watch(state, held)
        state.observer.node_held(held, event.job)
        return
    if event.status == BuildResult.SUCCESS:
        ended = _time_of(event, now)
        started = node.state_at if node.state is NodeState.USED else ended
        seconds = ended - started if event.seconds is None else event.seconds
        state.observer.job_ended(node, event.job, event.branch, seconds)
    done(state, node, event.job, now)


def _is_to_be_held(state: State, event: BuildFinalized) -> bool:
    """An aborted build shows nothing worth keeping; the job's name must match as a whole."""
    limit = state.holds.get(event.job, 0)
    if event.status in (BuildResult.SUCCESS, BuildResult.ABORTED):
        return False
    return state.census.held[event.job] < limit


def done(state: State, node: Node, job: str | None, now: float) -> None:
    """Its build is over: it is deleted in a while, and no longer counts as anything."""
    if node.is_busy:
        state.demand.finished(node.label, node.state_at)
    _leave_launch(state, node)
    at = now + delete_delay(state, node)
    node = replace(node.with_state(NodeState.USED, now), job=job or node.job, delete_at=at)
    state.save_node(node)
    state.timers.set(("done", node.id), at)


def delete_delay(state: State, node: Node) -> float:
    target = state.find_target(node.target)
    return DELETE_DELAY if target is None else target.delete_delay


def _leave_launch(state: State, node: Node) -> None:
    state.launches.pop(node.id, None)
    state.timers.drop(("launch", node.id))


def on_done(state: State, node_id: int, now: float) -> None:
    """The delay is over."""
    node = state.nodes.get(node_id)
    if node is not None and node.state is NodeState.USED and node.delete_at is not None:
        removal.remove_node(state, node, now)


def find_node(state: State, nodename: str) -> Node | None:
    """None: not ours."""
    number = state.by_name.get(nodename)
    return None if number is None else state.nodes.get(number)


def on_row_changed(state: State, event: events.RowChanged, now: float) -> None:
    """A person holds or deletes a node; that is possible in any state. To hold one that is held
    begins its time anew."""
    node = state.nodes.get(event.node_id)
    if node is None:
        return
    if event.state is NodeState.HOLD:
        for index in range(len(node.machines)):
            machines.drop(state, MachineKey("node", node.id, index))
        _leave_launch(state, node)
        state.timers.drop(("done", node.id))
        offline.forget(state, node.id)
        # Of those held for a job, it counts on.
        job = node.job if node.state is NodeState.HOLD else None
        held = node.with_state(NodeState.HOLD, now, event.comment)
        held = replace(held, state_at=now, delete_at=None, job=job)
        state.take_over(held)
        holds.watch(state, held)
    elif event.state is NodeState.DELETE and node.state is not NodeState.DELETE:
        state.take_over(node.with_state(NodeState.DELETE, now, event.comment))
        removal.remove_node(state, node, now, event.comment or "Deleted by request")


def on_probed(state: State, event: events.NodeProbed, now: float) -> None:
    node = state.nodes.get(event.node_id)
    if node is None or node.state is not NodeState.READY:
        return
    if not event.alive:
        comment = f"SSH check failed: {event.text or 'no answer'}"
        removal.remove_node(state, node, now, comment[:255])
    elif event.host_keys and not node.machines[0].host_keys:
        machine = replace(node.machines[0], host_keys=event.host_keys)
        state.save_node(node.with_machine(0, machine))

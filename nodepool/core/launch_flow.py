"""One node's launch: an explicit state machine.

::

    each machine (machines.py):   CREATE - BOOT - ADDRESS - CONNECT - up
                                                                      |  all of them
    the node:                     READY <- ASSIGN <- TEST <- REGISTER <- PREPARE

    any failure, any time that is over  ->  DELETE (removal.py)

A set of machines is launched and fails as a whole: no node is ever ready with machines missing. A
build that starts before the last step is through ends the launch: the node is USED.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nodepool import naming
from nodepool.config.values import LabelConfig, TargetConfig
from nodepool.core import blame, machines, removal
from nodepool.core.commands import (
    AssignNode,
    CreateServer,
    PrepareNode,
    RegisterNode,
    RelabelNode,
    RevokeNode,
    StartTestJob,
)
from nodepool.core.events import Step
from nodepool.core.memory import Launch
from nodepool.core.pauses import places_of
from nodepool.core.state import State
from nodepool.model import Machine, MachineKey, Node, NodeState, SnapshotImage

#: seconds for each step of the node itself
TIMEOUTS = {Step.PREPARE: 1800.0, Step.REGISTER: 300.0, Step.ASSIGN: 900.0, Step.TEST: 300.0}
#: an image is to blame for failures of these steps
_OF_THE_IMAGE = frozenset((Step.BOOT, Step.CONNECT, Step.PREPARE))


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What the planner wants: one node, there, of that."""

    provider: str
    label: LabelConfig
    target: TargetConfig
    image: SnapshotImage


def start(state: State, plan: LaunchPlan, now: float) -> Node:
    """The row first; the create calls go out once it is written."""
    number = state.numbers.next_node()
    provider = state.config.providers[plan.provider]
    names: dict[str, str | int] = {
        "label": plan.label.name,
        "provider": plan.provider,
        "node_id": number,
        "timestamp": int(now),
    }
    hosts = [naming.host_name(plan.target.hostname, **names)]
    hosts += [
        naming.host_name(plan.target.subnode_hostname, subnode_id=index, **names)
        for index in range(1, plan.label.machines)
    ]
    zones = provider.availability_zones
    node = Node(
        id=number,
        provider=plan.provider,
        label=plan.label.name,
        target=plan.target.name,
        state=NodeState.BUILDING,
        state_at=now,
        machines=tuple(Machine(hostname=host, mark=state.mark(plan.provider)) for host in hosts),
        nodename=naming.node_name(hosts[0]),
        # Taking turns spreads nodes as evenly as chance does, and can be told again.
        az=zones[number % len(zones)] if zones else None,
        image_id=plan.image.id,
    )
    state.save_node(node)
    state.launches[number] = Launch(now)
    for place in places_of(plan.label.name, plan.provider, plan.target.name):
        pause = state.pauses.get(place)
        if pause is not None and pause.stalls:
            pause.trial = number
    for index, host in enumerate(hosts):
        key = MachineKey("node", number, index)
        command = CreateServer(
            key=key,
            provider=plan.provider,
            image=plan.label.image,
            hostname=host,
            owner=state.owner(plan.provider, key),
            az=node.az,
            external_id=plan.image.external_id,
        )
        machines.start(state, command, now)
    return node


def machine_up(state: State, key: MachineKey, seconds: float, now: float) -> None:
    node = state.nodes[key.id]
    if key.index:
        state.observer.subnode_launched(node, key.index, "ready", seconds)
    launch = state.launches.get(key.id)
    if launch is None:
        return
    if not key.index:
        launch.reached_at = now
    if any(MachineKey("node", key.id, index) in state.boots for index in range(len(node.machines))):
        return
    blame.step_done(state, node, Step.CONNECT)
    recipe, label = state.recipe_of(node), state.find_label(node.label)
    if recipe is None or label is None:
        fail(state, node.id, Step.PREPARE, "error.unknown", "the label left the configuration", now)
        return
    _enter(state, node, Step.PREPARE, now)
    state.call(
        PrepareNode(
            node, recipe.username, recipe.private_key, label.ready_script, TIMEOUTS[Step.PREPARE]
        )
    )


def on_prepared(state: State, node_id: int, now: float) -> None:
    node, launch = state.nodes.get(node_id), state.launches.get(node_id)
    if node is None or launch is None or launch.step is not Step.PREPARE:
        return
    blame.step_done(state, node, Step.PREPARE)
    target, recipe = state.find_target(node.target), state.recipe_of(node)
    if target is None or recipe is None:
        fail(state, node_id, Step.PREPARE, "error.unknown", "its target or label is gone", now)
        return
    if target.jenkins is None:
        _registered(state, node, target, now)
        return
    _enter(state, node, Step.REGISTER, now)
    node = replace(node, registered=True)
    state.save_node(node)
    state.registering.add(node_id)
    label = None if target.test_job else node.label
    state.call(RegisterNode(node, label, recipe.username, recipe.private_key, recipe.user_home))


def on_registered(state: State, node_id: int, now: float) -> None:
    state.registering.discard(node_id)
    node, launch = state.nodes.get(node_id), state.launches.get(node_id)
    if node is None:
        return
    if node.state is NodeState.DELETE:
        removal.push_node(state, node_id, now)
    elif launch is not None and launch.step is Step.REGISTER:
        blame.step_done(state, node, Step.REGISTER)
        target = state.find_target(node.target)
        if target is None:
            fail(state, node_id, Step.REGISTER, "error.unknown", "its target is gone", now)
        else:
            _registered(state, node, target, now)


def _registered(state: State, node: Node, target: TargetConfig, now: float) -> None:
    if target.test_job and target.jenkins:
        node = node.with_state(NodeState.TEST, now)
        state.save_node(node)
        _enter(state, node, Step.TEST, now)
        state.call(StartTestJob(node, target.test_job))
        return
    _tested(state, node, target, now)


def on_test_passed(state: State, node: Node, now: float) -> None:
    """The test job succeeded: the label makes Jenkins give it builds. May be told twice."""
    launch = state.launches.get(node.id)
    if launch is not None:
        if launch.tested:
            return
        launch.tested = True
    blame.step_done(state, node, Step.TEST)
    state.call(RelabelNode(node))


def on_relabeled(state: State, node_id: int, now: float) -> None:
    node = state.nodes.get(node_id)
    target = state.find_target(node.target) if node else None
    if node is not None and target is not None and node.state is NodeState.TEST:
        _tested(state, node, target, now)


def _tested(state: State, node: Node, target: TargetConfig, now: float) -> None:
    if target.assign_via_gearman:
        recipe = state.recipe_of(node)
        _enter(state, node, Step.ASSIGN, now)
        state.call(AssignNode(node, recipe.user_home if recipe else ""))
        return
    finish(state, node, now)


def on_assigned(state: State, node_id: int, manager: str | None, now: float) -> None:
    node = state.nodes.get(node_id)
    if node is None:
        return
    state.save_node(replace(node, manager=manager))
    if manager and node.state is NodeState.DELETE:
        state.call(RevokeNode(manager, node.nodename))
    launch = state.launches.get(node_id)
    if launch is not None and launch.step is Step.ASSIGN:
        finish(state, state.nodes[node_id], now)


def finish(state: State, node: Node, now: float) -> None:
    """Ready; or used, if a build was quicker. Ends the launch, and proves its image."""
    launch = state.launches.pop(node.id, None)
    state.timers.drop(("launch", node.id))
    if node.state in (NodeState.BUILDING, NodeState.TEST):
        state.save_node(node.with_state(NodeState.READY, now))
    if launch is not None:
        state.observer.launch_ended(node, "ready", launch.seconds(now), "")
        blame.step_done(state, node, Step.REGISTER)
        blame.step_done(state, node, Step.ASSIGN)
    image = state.images.get(node.image_id or 0)
    if image is not None and not image.proven:
        state.save_image(replace(image, proven=True, failures=0))


def fail(state: State, node_id: int, step: Step, stat_key: str, text: str, now: float) -> None:
    """The whole node goes; the planner launches another where it thinks best."""
    node, launch = state.nodes.get(node_id), state.launches.get(node_id)
    if node is None or launch is None:
        return
    for index in range(1, len(node.machines)):
        boot = state.boots.get(MachineKey("node", node_id, index))
        if boot is not None:
            state.observer.subnode_launched(node, index, stat_key, now - boot.started_at)
    state.observer.launch_ended(node, stat_key, launch.seconds(now), text)
    if step is Step.CONNECT:
        blame.step_failed(state, node, step, text, now)
    if step in _OF_THE_IMAGE:
        blame.image_failed(state, node)
    comment = f"Launch failed: {text or stat_key}"[:255]
    removal.remove_node(state, node, now, comment)


def on_step_failed(
    state: State, node_id: int, step: Step, stat_key: str, text: str, now: float
) -> None:
    """Of a step of the node itself."""
    if step is Step.REGISTER:
        state.registering.discard(node_id)
        removal.push_node(state, node_id, now)
    launch = state.launches.get(node_id)
    node = state.nodes.get(node_id)
    if node is not None and launch is not None and launch.step is step:
        blame.step_failed(state, node, step, text or stat_key, now)
        fail(state, node_id, step, stat_key, text, now)


def on_deadline(state: State, node_id: int, now: float) -> None:
    launch = state.launches.get(node_id)
    if launch is None:
        return
    state.registering.discard(node_id)
    text = f"took too long at step {launch.step.value}"
    blame.step_failed(state, state.nodes[node_id], launch.step, text, now)
    fail(state, node_id, launch.step, "error.unknown", text, now)


def _enter(state: State, node: Node, step: Step, now: float) -> None:
    launch = state.launches.setdefault(node.id, Launch(now))
    launch.step = step
    state.timers.set(("launch", node.id), now + TIMEOUTS[step])
    state.observer.launch_step(node, step)

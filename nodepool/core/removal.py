"""Nodes and images on their way out: each part by itself, until a 404 proves it gone.

A target that does not answer keeps the row, not the server; a cloud that does not answer keeps the
row, not the target's entry. Calls are repeated with growing pauses, for ever: a row is the only
thing that knows of its server.
"""

from __future__ import annotations

from dataclasses import replace

from nodepool.core import events, machines, offline
from nodepool.core.commands import (
    ConfirmGone,
    DeleteAddress,
    DeleteImage,
    DeleteKeypair,
    DeleteServer,
    ReadLimits,
    RevokeNode,
    UnregisterNode,
)
from nodepool.core.health import back_off
from nodepool.core.state import State
from nodepool.model import MachineKey, Node, NodeState, Presence, SnapshotImage

#: seconds before a call is made again: if it was refused, and if nothing came of it
FIRST_RETRY, LONGEST_RETRY = 5.0, 300.0
FIRST_WAIT, LONGEST_WAIT = 120.0, 900.0
#: of a question that changes nothing
FIRST_CONFIRM = 30.0
#: seconds between questions for the account's quota, where servers that went may make room
LIMITS_PAUSE = 5.0
#: the answer of a target that was told of a node comes within so many seconds, or never
REGISTER_SECONDS = 300.0
#: a server of which nothing is known may turn up so many seconds after its create call
DOUBT_SECONDS = 300.0


def remove_node(state: State, node: Node, now: float, comment: str | None = None) -> None:
    """Begin; does nothing to a node that is being removed."""
    under_way = state.health_of(node.provider).under_way
    for index, machine in enumerate(node.machines):
        key = MachineKey("node", node.id, index)
        machines.drop(state, key)
        if machine.presence is Presence.ASKED:
            # If an answer is still to come and never does, this is a doubt some day.
            later = _launch_timeout(state, node.provider) if key in under_way else 0.0
            state.doubts.setdefault(key, now + later)
    if node.id in state.registering:
        state.timers.set(("register", node.id), now + REGISTER_SECONDS)
    state.launches.pop(node.id, None)
    state.seen_idle.pop(node.id, None)
    for name in ("launch", "done", "hold"):
        state.timers.drop((name, node.id))
    offline.forget(state, node.id)
    if node.state is not NodeState.DELETE:
        revoke(state, node)
    node = replace(node.with_state(NodeState.DELETE, now, comment), delete_at=None)
    state.save_node(node)
    push_node(state, node.id, now)


def revoke(state: State, node: Node) -> None:
    """Tell who took the node by Gearman, if anybody did; to be told twice does no harm."""
    if node.manager:
        state.call(RevokeNode(node.manager, node.nodename))


def _launch_timeout(state: State, provider: str) -> float:
    found = state.find_provider(provider)
    return found.launch_timeout if found else 3600.0


def push(state: State, key: MachineKey, now: float) -> None:
    """Of whatever the machine is a part."""
    if key.kind == "node":
        push_node(state, key.id, now)
    else:
        push_image(state, key.id, now)


def push_node(state: State, node_id: int, now: float) -> None:
    """Ask for whatever still has to go and is not being asked for; end it if nothing has."""
    node = state.nodes.get(node_id)
    if node is None or node.state is not NodeState.DELETE:
        return
    waits = False
    for index, machine in enumerate(node.machines):
        key = MachineKey("node", node_id, index)
        if machine.presence is Presence.GONE:
            waits |= _delete_address(state, node.provider, key, now)
            continue
        waits = True
        if machine.presence is Presence.EXISTS:
            _delete_server(state, node.provider, key, now)
    if node.registered:
        waits = True
        _unregister(state, node, now)
    if waits:
        return
    for name in ("unregister", "register", "launch", "done"):
        state.timers.drop((name, node_id))
    state.tries.pop(("unregister", node_id), None)
    state.remove_node(node)
    state.observer.node_removed(node, now - node.state_at)


def _delete_server(state: State, provider: str, key: MachineKey, now: float) -> None:
    timer = ("delete", key)
    machine = state.find_machine(key)
    if machine is None or machine.server_id is None or state.timers.due_at(timer) is not None:
        return
    if state.find_provider(provider) is None:
        return  # it left the configuration: nobody can be asked until it comes back
    tries = state.try_again(timer)
    state.timers.set(timer, now + back_off(tries, FIRST_WAIT, LONGEST_WAIT))
    # Such a server was to get a floating IP (machines.on_listed), and the answer may be lost.
    asked = machine.ip is None and machine.ip_private is not None
    unknown = asked and machine.floating_ip is None
    state.call(DeleteServer(provider, machine.server_id, machine.floating_ip, unknown))


def _delete_address(state: State, provider: str, key: MachineKey, now: float) -> bool:
    """Whether a server that is gone left a floating IP; it could not be deleted before it."""
    machine = state.find_machine(key)
    if machine is None or machine.floating_ip is None:
        return False
    timer = ("address", key)
    if state.timers.due_at(timer) is None and state.find_provider(provider):
        wait = back_off(state.try_again(timer), FIRST_CONFIRM, LONGEST_WAIT)
        state.timers.set(timer, now + wait)
        state.call(DeleteAddress(provider, machine.floating_ip, machine.server_id))
    return True


def on_address_gone(state: State, event: events.AddressGone, now: float) -> None:
    key = state.addresses.get((event.provider, event.floating_ip))
    machine = state.find_machine(key) if key else None
    if key is None or machine is None:
        return
    state.timers.drop(("address", key))
    state.tries.pop(("address", key), None)
    state.save_machine(key, replace(machine, floating_ip=None), now)
    push(state, key, now)


def _unregister(state: State, node: Node, now: float) -> None:
    timer = ("unregister", node.id)
    if node.id in state.registering or state.timers.due_at(timer) is not None:
        return  # to be removed it must first be known whether it is there
    target = state.find_target(node.target)
    if target is None or target.jenkins is None:
        state.save_node(replace(state.nodes[node.id], registered=False))
        push_node(state, node.id, now)
        return
    tries = state.try_again(timer)
    state.timers.set(timer, now + back_off(tries, FIRST_WAIT, LONGEST_WAIT))
    state.call(UnregisterNode(node.id, node.target, node.nodename))


def on_unregistered(state: State, event: events.Unregistered, now: float) -> None:
    node = state.nodes.get(event.node_id)
    if node is None or node.state is not NodeState.DELETE:
        return
    state.timers.drop(("unregister", node.id))
    state.save_node(replace(node, registered=False))
    push_node(state, node.id, now)


def on_register_late(state: State, node_id: int, now: float) -> None:
    """Whether the target knows the node will never be told: it is made to forget it anyway."""
    state.registering.discard(node_id)
    push_node(state, node_id, now)


def on_unregister_failed(state: State, event: events.UnregisterFailed, now: float) -> None:
    tries = state.tries.get(("unregister", event.node_id))
    if tries is not None and event.node_id in state.nodes:
        pause = back_off(tries, FIRST_RETRY, LONGEST_RETRY)
        state.timers.set(("unregister", event.node_id), now + pause)


def on_delete_failed(state: State, event: events.DeleteFailed, now: float) -> None:
    known = state.servers.get(event.provider, {}).get(event.server_id)
    timer = ("delete", known.key) if known else ("leak", event.provider, event.server_id)
    tries = state.tries.get(timer)
    if tries is not None:
        state.timers.set(timer, now + back_off(tries, FIRST_RETRY, LONGEST_RETRY))


def confirm_absence(state: State, provider: str, server_id: str, now: float) -> None:
    """A list lacks it: only a 404 of its own proves it gone. Lists that come while the question
    waits for its turn ask nothing."""
    timer = ("confirm", provider, server_id)
    if state.timers.due_at(timer) is not None:
        return
    tries = state.try_again(timer)
    state.timers.set(timer, now + back_off(tries, FIRST_CONFIRM, LONGEST_WAIT))
    state.call(ConfirmGone(provider, server_id))


def on_confirmed(state: State, provider: str, server_id: str) -> None:
    """Whichever way the question for one server was answered."""
    timer = ("confirm", provider, server_id)
    state.timers.drop(timer)
    state.tries.pop(timer, None)


def on_machine_gone(state: State, key: MachineKey, now: float) -> None:
    """Proven gone, or proven never to have been."""
    machine = state.find_machine(key)
    if machine is None or machine.presence is Presence.GONE:
        return
    state.timers.drop(("delete", key))
    state.tries.pop(("delete", key), None)
    state.doubts.pop(key, None)
    _free(state, key, now)
    state.save_machine(key, replace(machine, presence=Presence.GONE), now)
    push(state, key, now)


def _free(state: State, key: MachineKey, now: float) -> None:
    provider = state.provider_of(key)
    health = state.health_of(provider)
    health.under_way.discard(key)
    row = state.images[key.id] if key.kind == "image" else state.nodes[key.id]
    doomed = row.state is NodeState.DELETE
    if not health.freed(row.state_at if doomed else None):
        return
    if state.timers.due_at(("limits", provider)) is None:
        _read_limits(state, provider, now)
    else:
        health.ask_again = True


def on_limits_due(state: State, provider: str, now: float) -> None:
    """The account may be asked again."""
    if state.health_of(provider).ask_again:
        _read_limits(state, provider, now)


def _read_limits(state: State, provider: str, now: float) -> None:
    state.health_of(provider).ask_again = False
    state.timers.set(("limits", provider), now + LIMITS_PAUSE)
    state.call(ReadLimits(provider))


# -- images ----------------------------------------------------------------------------------------


def remove_image(state: State, image: SnapshotImage, now: float) -> None:
    machines.drop(state, MachineKey("image", image.id))
    state.builds.pop(image.id, None)
    state.timers.drop(("build", image.id))
    state.save_image(image.with_state(NodeState.DELETE, now))
    push_image(state, image.id, now)


def forget_image(state: State, image: SnapshotImage, now: float) -> None:
    """A person gives it up, as its cloud cannot be asked, now or ever: the one way by which a row
    goes without a proof.

    What is left is asked for once, where that can be. A server that stays is a leak from now on,
    and deleted as one when a list shows it; image and key pair may stay.
    """
    remove_image(state, image, now)
    on_machine_gone(state, MachineKey("image", image.id), now)
    left = state.images.get(image.id)
    if left is None:
        return
    for name in ("unimage", "keypair"):
        state.timers.drop((name, image.id))
        state.tries.pop((name, image.id), None)
    state.remove_image(left)
    state.observer.image_forgotten(image)


def push_image(state: State, image_id: int, now: float) -> None:
    """The build's server and key pair go in any state that needs them no more; the image itself
    when it is to be deleted."""
    image = state.images.get(image_id)
    if image is None or image.state is NodeState.BUILDING:
        return
    key = MachineKey("image", image_id)
    waits = image.machine.presence is not Presence.GONE or _delete_address(
        state, image.provider, key, now
    )
    if image.machine.presence is Presence.EXISTS:
        _delete_server(state, image.provider, key, now)
    elif not waits and image.keypair:
        waits = True
        timer = ("keypair", image_id)
        if state.timers.due_at(timer) is None and state.find_provider(image.provider):
            state.timers.set(timer, now + back_off(state.try_again(timer), 30.0, LONGEST_WAIT))
            state.call(DeleteKeypair(image_id, image.provider, image.keypair))
    if image.state is not NodeState.DELETE:
        return
    if image.presence is not Presence.GONE:
        waits = True
        timer = ("unimage", image_id)
        if (
            image.external_id
            and state.timers.due_at(timer) is None
            and state.find_provider(image.provider)
        ):
            state.timers.set(timer, now + back_off(state.try_again(timer), 60.0, LONGEST_WAIT))
            state.call(DeleteImage(image_id, image.provider, image.external_id))
    if not waits:
        state.remove_image(image)


def on_image_gone(state: State, event: events.ImageGone, now: float) -> None:
    image = state.images.get(event.image_id)
    if image is None:
        return
    state.timers.drop(("unimage", image.id))
    state.tries.pop(("unimage", image.id), None)
    state.save_image(replace(image, presence=Presence.GONE))
    if image.state is NodeState.READY:
        remove_image(state, state.images[image.id], now)
    else:
        push_image(state, image.id, now)


def on_keypair_gone(state: State, event: events.KeypairGone, now: float) -> None:
    image = state.images.get(event.image_id)
    if image is None or image.state is NodeState.BUILDING:
        return
    state.timers.drop(("keypair", image.id))
    state.tries.pop(("keypair", image.id), None)
    state.save_image(replace(image, keypair=None))
    push_image(state, image.id, now)

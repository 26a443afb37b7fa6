"""What is too old, what leaked, what a restart left: and nothing foreign.

Servers that a row names by their id are ours, whatever their metadata says. Any other is deleted
only if its metadata names this very nodepool and provider: by the id that its row was given, or if
there is no such row any more by the one of today. Servers without our mark, or with that of another
nodepool, or of an era that did not write whose they are, are never touched.
"""

from __future__ import annotations

from nodepool.core import events, machines, removal
from nodepool.core.commands import DeleteAddress, DeleteServer, ProbeNode
from nodepool.core.health import back_off
from nodepool.core.machines import Outcome
from nodepool.core.state import State
from nodepool.model import MachineKey, NodeState, Presence, Server

#: seconds in a state after which a node, or an image that is neither new nor previous, goes
STUCK_SECONDS = 8 * 3600.0
TEST_SECONDS = 300.0
PROBE_TIMEOUT = 60.0
#: a list that was asked for longer ago does not come any more
GONE_SECONDS = 3600.0


def on_started(state: State, now: float) -> None:
    """A launch cannot be taken up again: its machines go, whatever came of them."""
    for node in list(state.nodes.values()):
        for index, machine in enumerate(node.machines):
            if machine.presence is Presence.ASKED:
                state.doubts[MachineKey("node", node.id, index)] = now
        if node.state is NodeState.BUILDING:
            removal.remove_node(state, node, now, "Launch was cut off by a restart")
        elif node.state is NodeState.DELETE:
            # Perhaps a person wanted that while nobody was there to tell who has the node.
            removal.revoke(state, node)
            removal.push_node(state, node.id, now)
        elif node.delete_at is not None:
            state.timers.set(("done", node.id), node.delete_at)
    for image in list(state.images.values()):
        if image.machine.presence is Presence.ASKED:
            state.doubts[MachineKey("image", image.id)] = now
        if image.state is NodeState.BUILDING:
            removal.remove_image(state, image, now)
        else:
            removal.push_image(state, image.id, now)


def clean_up(state: State, now: float) -> None:
    """The periodic job; one node never keeps another from its turn."""
    for node in list(state.nodes.values()):
        age = now - node.state_at
        if node.state in (NodeState.READY, NodeState.HOLD):
            continue
        if node.state is NodeState.DELETE:
            removal.push_node(state, node.id, now)
        elif node.state is NodeState.TEST and age > TEST_SECONDS:
            removal.remove_node(state, node, now, "Test job took too long")
        elif age > STUCK_SECONDS:
            removal.remove_node(state, node, now, f"Too long in state {node.state.word}")
    for image in list(state.images.values()):
        removal.push_image(state, image.id, now)
    state.check_images = True
    state.gone = {place: at for place, at in state.gone.items() if now - at < GONE_SECONDS}


def check_ready(state: State, now: float) -> None:
    """Ask all ready nodes over SSH, side by side."""
    for node in list(state.nodes.values()):
        if node.state is not NodeState.READY:
            continue
        recipe, machine = state.recipe_of(node), node.machines[0]
        if recipe is None:
            removal.remove_node(state, node, now, "Its label left the configuration")
        elif machine.ip:
            login = (machine.ip, recipe.username, recipe.private_key)
            state.call(ProbeNode(node.id, *login, PROBE_TIMEOUT, machine.host_keys))


def on_listed(state: State, event: events.ServersListed, now: float) -> list[Outcome]:
    """Everything that a list of servers says: progress, leaks, absences, and doubts that end."""
    outcomes: list[Outcome] = []
    listed: set[str] = set()
    for server in event.servers:
        listed.add(server.id)
        if event.asked_at > state.gone.get((event.provider, server.id), 0.0):
            outcomes.append(_on_server(state, event.provider, server, now))
    known = state.servers.get(event.provider, {})
    for server_id, entry in list(known.items()):
        if server_id not in listed and entry.since < event.asked_at:
            removal.confirm_absence(state, event.provider, server_id, now)
    for key, since in list(state.doubts.items()):
        if state.find_machine(key) is None:
            del state.doubts[key]
        elif (
            state.provider_of(key) == event.provider
            and event.asked_at >= since + removal.DOUBT_SECONDS
        ):
            removal.on_machine_gone(state, key, now)
    return outcomes


def _on_server(state: State, provider: str, server: Server, now: float) -> Outcome:
    known = state.servers.get(provider, {}).get(server.id)
    if known is not None:
        return machines.on_listed(state, known.key, server, now)
    owner = server.owner
    if owner is None or owner != state.owner(provider, owner.key):
        return None
    key = owner.key
    machine = state.find_machine(key)
    is_awaited = (
        machine is not None
        and state.provider_of(key) == provider
        and machine.server_id is None
        and machine.presence is Presence.ASKED
    )
    if not is_awaited:
        _delete_leaked(state, provider, server, now)
        return None
    machines.on_created(state, events.ServerCreated(key, server.id), now)
    removal.push(state, key, now)
    return machines.on_listed(state, key, server, now)


def on_addresses(state: State, event: events.AddressesListed) -> None:
    """An address that we made, and that nothing uses or will use, goes."""
    for address in event.addresses:
        owner = address.owner
        if address.is_attached or owner is None or owner != state.owner(event.provider, owner.key):
            continue
        machine = state.find_machine(owner.key)
        if machine is None or machine.presence is Presence.GONE:
            state.call(DeleteAddress(event.provider, address.id))


def _delete_leaked(state: State, provider: str, server: Server, now: float) -> None:
    timer = ("leak", provider, server.id)
    if state.timers.due_at(timer) is not None:
        return
    tries = state.try_again(timer)
    if tries == 1:
        state.observer.server_leaked(provider, server.id, server.name)
    wait = back_off(tries, removal.FIRST_WAIT, removal.LONGEST_WAIT)
    state.timers.set(timer, now + wait)
    state.call(DeleteServer(provider, server.id, has_unknown=server.has_floating_ip))

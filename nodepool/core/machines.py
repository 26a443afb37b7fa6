"""One server from the create call to SSH: an explicit state machine, for nodes and image builds.

::

    CREATE --ServerCreated--> BOOT --ACTIVE--> ADDRESS --address--> CONNECT --Connected--> up
       |                       |                 |                     |
       +-- CreateFailed --     +-- ERROR --      +-- none --           +-- StepFailed --> failed
                              (each of them also: its time is over)

A create without an answer stays in the ledger as ASKED: the server may turn up in a later list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nodepool.core import events
from nodepool.core.commands import AttachAddress, Connect, CreateServer, ReadLimits
from nodepool.core.events import Step
from nodepool.core.health import in_short
from nodepool.core.memory import Boot
from nodepool.core.state import State
from nodepool.model import Fault, MachineKey, Presence, Server

#: seconds; an answer may be lost, so waits end here too
ADDRESS_TIMEOUT = 600.0
#: nova may show a server ACTIVE some seconds before its addresses: after so long, and so many more
#: lists, it has none
BARE_SECONDS, BARE_LISTS = 30.0, 2
#: the edge keeps the time of SSH itself; this is for the case that it does not answer
CONNECT_MARGIN = 60.0
BOOTSTRAP_TIMEOUT = 660.0


@dataclass(frozen=True, slots=True)
class Up:
    """SSH answers on the machine."""

    key: MachineKey
    #: since the create call
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The machine will not come up; it may exist."""

    key: MachineKey
    step: Step
    stat_key: str
    text: str


Outcome = Up | Failed | None


def start(state: State, command: CreateServer, now: float) -> None:
    """Its row is saved, as ASKED, in the same batch."""
    key = command.key
    state.boots[key] = Boot(key, command.provider, Step.CREATE, now)
    health = state.health_of(command.provider)
    health.asked(key, now)
    if health.paused_until > now:
        state.timers.set(("pause", command.provider), health.paused_until)
    provider = state.find_provider(command.provider)
    timeout = provider.launch_timeout if provider else 3600.0
    state.timers.set(("boot", key), now + timeout)
    state.call(command)


def drop(state: State, key: MachineKey) -> None:
    """No longer wanted; what it was about to become is the removal's business."""
    state.boots.pop(key, None)
    state.timers.drop(("boot", key))


def on_created(state: State, event: events.ServerCreated, now: float) -> None:
    key = event.key
    machine = state.find_machine(key)
    if machine is None:
        return  # it has no row any more: the next list shows it, and it is deleted
    provider = state.provider_of(key)
    state.health_of(provider).created(key, now)
    state.doubts.pop(key, None)
    if machine.presence is Presence.ASKED and machine.server_id is None:
        found = replace(machine, presence=Presence.EXISTS, server_id=event.server_id)
        state.save_machine(key, found, now)
    boot = state.boots.get(key)
    if boot is not None and boot.step is Step.CREATE:
        boot.step = Step.BOOT
    state.replan = True


def on_create_failed(state: State, event: events.CreateFailed, now: float) -> Outcome:
    key = event.key
    machine = state.find_machine(key)
    if machine is None or machine.presence is not Presence.ASKED:
        return None
    provider = state.provider_of(key)
    pause = state.health_of(provider).failed(key, event.fault, now)
    if pause:
        state.health_of(provider).refusal = in_short(event.text or event.fault.value)
        _pause(state, provider, event.text, pause)
        if event.fault is Fault.QUOTA:
            state.call(ReadLimits(provider))
    if event.fault.leaves_doubt:
        state.doubts[key] = now
    else:
        state.save_machine(key, replace(machine, presence=Presence.GONE), now)
    state.replan = True
    if key not in state.boots:
        return None
    return Failed(key, Step.CREATE, "error.unknown", event.text or event.fault.value)


def _pause(state: State, provider: str, text: str, seconds: float) -> None:
    state.observer.provider_refused(provider, text, seconds)
    state.timers.set(("pause", provider), state.health_of(provider).paused_until)


def on_listed(state: State, key: MachineKey, server: Server, now: float) -> Outcome:
    """The machine stands in a list of servers."""
    boot = state.boots.get(key)
    machine = state.find_machine(key)
    if boot is None or machine is None or boot.step is not Step.BOOT:
        return None
    if server.status == "ERROR":
        return _went_wrong(state, boot, Step.BOOT, "error.status", "the server went to ERROR", now)
    if server.status != "ACTIVE":
        return None
    _went_well(state, boot.provider, Step.BOOT)
    provider = state.find_provider(boot.provider)
    if provider is None:
        return Failed(key, Step.BOOT, "error.unknown", "the provider left the configuration")
    address = server.public_v4
    if provider.ipv6_preferred:
        address = server.public_v6 or address
    private = server.private_v4 or server.public_v4
    state.save_machine(key, replace(machine, ip=address, ip_private=private), now)
    if address:
        return _connect(state, boot, now)
    # Without a pool it comes from the cloud's external network, if that has one: but not for a
    # server whose own public address is listed a moment later than the private one.
    has_none = private is not None and boot.bare_lists + 1 >= BARE_LISTS
    if machine.server_id and (provider.pool or has_none):
        boot.step = Step.ADDRESS
        state.timers.set(("boot", key), now + ADDRESS_TIMEOUT)
        state.call(
            AttachAddress(key, boot.provider, machine.server_id, state.owner(boot.provider, key))
        )
        return None
    if _may_still_show_one(state, boot, now):
        return None
    text = "the server has no address at all"
    return _went_wrong(state, boot, Step.ADDRESS, "error.network", text, now)


def _may_still_show_one(state: State, boot: Boot, now: float) -> bool:
    if boot.bare_at is None:
        boot.bare_at = now
        state.timers.set(("boot", boot.key), now + ADDRESS_TIMEOUT)
        return True
    boot.bare_lists += 1
    return boot.bare_lists < BARE_LISTS or now < boot.bare_at + BARE_SECONDS


def on_attached(state: State, event: events.AddressAttached, now: float) -> Outcome:
    key = event.key
    machine = state.find_machine(key)
    if machine is None:
        return None
    found = replace(machine, ip=event.address, floating_ip=event.floating_ip)
    state.save_machine(key, found, now)
    boot = state.boots.get(key)
    if boot is None or boot.step is not Step.ADDRESS:
        return None
    return _connect(state, boot, now)


def _connect(state: State, boot: Boot, now: float) -> Outcome:
    key = boot.key
    machine = state.find_machine(key)
    provider = state.find_provider(boot.provider)
    assert machine is not None
    assert machine.ip is not None
    if key.kind == "image":
        image = state.images[key.id]
        recipe = state.find_recipe(boot.provider, image.image)
        keypair, username, timeout = image.keypair, None, BOOTSTRAP_TIMEOUT - CONNECT_MARGIN
    else:
        recipe = state.recipe_of(state.nodes[key.id])
        keypair, username = None, recipe.username if recipe else None
        timeout = provider.boot_timeout if provider else 60.0
    if recipe is None:
        return Failed(key, Step.BOOT, "error.unknown", "the image left the configuration")
    _went_well(state, boot.provider, Step.ADDRESS)
    boot.step = Step.CONNECT
    state.timers.set(("boot", key), now + timeout + CONNECT_MARGIN)
    command = Connect(key, machine.ip, username, recipe.private_key, keypair, timeout)
    state.call(command)
    return None


def on_connected(state: State, event: events.Connected, now: float) -> Outcome:
    key = event.key
    boot, machine = state.boots.get(key), state.find_machine(key)
    if boot is None or machine is None or boot.step is not Step.CONNECT:
        return None
    state.save_machine(key, replace(machine, host_keys=event.host_keys), now)
    _went_well(state, boot.provider, Step.CONNECT)
    drop(state, key)
    return Up(key, now - boot.started_at)


def on_step_failed(state: State, event: events.StepFailed, now: float) -> Outcome:
    boot = state.boots.get(event.key)
    if boot is None or boot.step is not event.step:
        return None
    return _went_wrong(state, boot, event.step, event.stat_key, event.text, now)


def on_gone(state: State, key: MachineKey) -> Outcome:
    """The server vanished."""
    boot = state.boots.get(key)
    if boot is None:
        return None
    return Failed(key, boot.step, "error.unknown", "the server vanished")


def on_deadline(state: State, key: MachineKey, now: float) -> Outcome:
    boot = state.boots.get(key)
    if boot is None:
        return None
    if boot.step is Step.CREATE:
        # No answer within the launch's time: the edge is to answer long before.
        state.health_of(boot.provider).under_way.discard(key)
        state.doubts[key] = now
    late = {Step.ADDRESS: "error.ipadd", Step.CONNECT: "error.ssh"}
    step, stat_key = boot.step, late.get(boot.step, "error.unknown")
    if step is Step.BOOT and boot.bare_at is not None:
        step, stat_key = Step.ADDRESS, "error.network"
    return _went_wrong(state, boot, step, stat_key, f"took too long at step {step.value}", now)


#: what is said of servers that fail one after the other
_SAID = {
    Step.BOOT: "went to ERROR or never became ACTIVE",
    Step.ADDRESS: "got no address",
    Step.CONNECT: "let nobody in",
}


def _went_wrong(
    state: State, boot: Boot, step: Step, stat_key: str, text: str, now: float
) -> Failed:
    if step in _SAID and not _may_be_the_image(state, boot.key, step):
        health = state.health_of(boot.provider)
        if pause := health.went_wrong(step, now):
            said = f"{health.failures[step]} servers in a row {_SAID[step]}; the last: {text}"
            health.reason = in_short(said)
            _pause(state, boot.provider, said, pause)
    return Failed(boot.key, step, stat_key, text)


def _went_well(state: State, provider: str, step: Step) -> None:
    if state.health_of(provider).went_well(step):
        state.replan = True


def _may_be_the_image(state: State, key: MachineKey, step: Step) -> bool:
    """Whom an image lets in is its own affair until a node of it worked (launch_flow.py)."""
    if step is not Step.CONNECT:
        return False
    image = state.images.get(state.nodes[key.id].image_id or 0) if key.kind == "node" else None
    return image is None or not image.proven

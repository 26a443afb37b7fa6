"""Which part of the core an event, or a timer, is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodepool.core import (
    blame,
    cleanup,
    events,
    heard,
    holds,
    images,
    launch_flow,
    lifecycle,
    machines,
    offline,
    removal,
    surveys,
    unheard,
)
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.core.events import Step
from nodepool.core.machines import Failed, Outcome, Up
from nodepool.core.pauses import Place
from nodepool.core.state import State
from nodepool.model import MachineKey, NodeState

Handler = Callable[[State, Any, float], None]


# -- the daemon --------------------------------------------------------------------------------


def _started(state: State, event: events.Started, now: float) -> None:
    state.holds = dict(event.holds or {})
    state.adopt(event.nodes, event.images, now)
    cleanup.on_started(state, now)
    holds.watch_all(state)
    images.begin_again(state, event.images, now)
    heard.begin(state, event.heard, now)
    state.replan = state.check_images = True


def _config_loaded(state: State, event: events.ConfigLoaded, now: float) -> None:
    former, state.config = state.config, event.config
    blame.config_changed(state, former)
    holds.watch_all(state)
    heard.config_changed(state, former, now)
    for health in state.health.values():
        health.start_anew()
    state.replan = state.check_images = True


def _holds_read(state: State, event: events.HoldsRead, now: float) -> None:
    state.holds = dict(event.holds)


def _requested(state: State, event: events.Request, now: float) -> None:
    images.answer(state, event, now)


def _cron_came(state: State, event: events.CronCame, now: float) -> None:
    may = state.switches
    if event.job == "image_update" and may.images:
        images.build_all(state, now)
    elif event.job == "cleanup" and may.deletes:
        cleanup.clean_up(state, now)
    elif event.job == "check" and may.deletes:
        cleanup.check_ready(state, now)


def _time_came(state: State, event: events.TimeCame, now: float) -> None:
    for key in state.timers.pop_due(now):
        assert isinstance(key, tuple)
        TIMERS[key[0]](state, key[1], now)


# -- what is wanted ----------------------------------------------------------------------------


def _demand_read(state: State, event: events.DemandRead, now: float) -> None:
    if state.demand.read(event.demand, event.asked_at):
        state.replan = True


def _target_checked(state: State, event: events.TargetChecked, now: float) -> None:
    blame.target_checked(state, event, now)


# -- clouds ------------------------------------------------------------------------------------


def _server_created(state: State, event: events.ServerCreated, now: float) -> None:
    machines.on_created(state, event, now)
    removal.push(state, event.key, now)


def _create_failed(state: State, event: events.CreateFailed, now: float) -> None:
    _conclude(state, machines.on_create_failed(state, event, now), now)
    removal.push(state, event.key, now)


def _servers_listed(state: State, event: events.ServersListed, now: float) -> None:
    for outcome in cleanup.on_listed(state, event, now):
        _conclude(state, outcome, now)


def _addresses_listed(state: State, event: events.AddressesListed, now: float) -> None:
    cleanup.on_addresses(state, event)


def _images_listed(state: State, event: events.ImagesListed, now: float) -> None:
    images.on_listed(state, event, now)


def _limits_read(state: State, event: events.LimitsRead, now: float) -> None:
    state.health_of(event.provider).limits(event.room, event.asked_at)
    state.replan = True


def _server_gone(state: State, event: events.ServerGone, now: float) -> None:
    state.gone[event.provider, event.server_id] = now
    removal.on_confirmed(state, event.provider, event.server_id)
    leak = ("leak", event.provider, event.server_id)
    state.timers.drop(leak)
    state.tries.pop(leak, None)
    known = state.servers.get(event.provider, {}).get(event.server_id)
    if known is None:
        return
    key = known.key
    _conclude(state, machines.on_gone(state, key), now)
    removal.on_machine_gone(state, key, now)
    node = state.nodes.get(key.id) if key.kind == "node" else None
    if node is not None and node.state is not NodeState.DELETE:
        launch = state.launches.get(node.id)
        text = "the server vanished"
        if launch is not None:
            launch_flow.fail(state, node.id, launch.step, "error.unknown", text, now)
        else:
            removal.remove_node(state, node, now, "The server vanished")
    elif key.kind == "image":
        _build_server_gone(state, key.id, now)


def _build_server_gone(state: State, image_id: int, now: float) -> None:
    if state.builds.get(image_id) in (Step.PREPARE, Step.SNAPSHOT):
        images.fail(state, image_id, "the server vanished", now)


def _server_seen(state: State, event: events.ServerSeen, now: float) -> None:
    removal.on_confirmed(state, event.provider, event.server_id)


def _delete_failed(state: State, event: events.DeleteFailed, now: float) -> None:
    removal.on_delete_failed(state, event, now)


def _address_attached(state: State, event: events.AddressAttached, now: float) -> None:
    _conclude(state, machines.on_attached(state, event, now), now)
    removal.push(state, event.key, now)


def _address_gone(state: State, event: events.AddressGone, now: float) -> None:
    removal.on_address_gone(state, event, now)


# -- steps -------------------------------------------------------------------------------------


def _connected(state: State, event: events.Connected, now: float) -> None:
    _conclude(state, machines.on_connected(state, event, now), now)


def _prepared(state: State, event: events.Prepared, now: float) -> None:
    step = images.on_prepared if event.kind == "image" else launch_flow.on_prepared
    step(state, event.id, now)


def _registered(state: State, event: events.Registered, now: float) -> None:
    launch_flow.on_registered(state, event.node_id, now)


def _assigned(state: State, event: events.Assigned, now: float) -> None:
    launch_flow.on_assigned(state, event.node_id, event.manager, now)


def _relabeled(state: State, event: events.Relabeled, now: float) -> None:
    launch_flow.on_relabeled(state, event.node_id, now)


def _snapshot_taken(state: State, event: events.SnapshotTaken, now: float) -> None:
    images.on_snapshot_taken(state, event, now)


def _step_failed(state: State, event: events.StepFailed, now: float) -> None:
    key = event.key
    if key in state.boots:
        _conclude(state, machines.on_step_failed(state, event, now), now)
    elif key.kind == "image":
        images.on_step_failed(state, event, now)
    else:
        launch_flow.on_step_failed(state, key.id, event.step, event.stat_key, event.text, now)


def _unregistered(state: State, event: events.Unregistered, now: float) -> None:
    removal.on_unregistered(state, event, now)


def _unregister_failed(state: State, event: events.UnregisterFailed, now: float) -> None:
    removal.on_unregister_failed(state, event, now)


def _image_gone(state: State, event: events.ImageGone, now: float) -> None:
    removal.on_image_gone(state, event, now)


def _keypair_gone(state: State, event: events.KeypairGone, now: float) -> None:
    removal.on_keypair_gone(state, event, now)


# -- outcomes and timers -----------------------------------------------------------------------


def _conclude(state: State, outcome: Outcome, now: float) -> None:
    """Tell the owner of a machine what became of it."""
    match outcome:
        case Up(key, seconds):
            if key.kind == "image":
                images.machine_up(state, key.id, now)
            else:
                launch_flow.machine_up(state, key, seconds, now)
        case Failed(key, step, stat_key, text):
            if key.kind == "image":
                images.fail(state, key.id, text, now)
            else:
                launch_flow.fail(state, key.id, step, stat_key, text, now)
        case None:
            pass


def _boot_is_late(state: State, key: MachineKey, now: float) -> None:
    _conclude(state, machines.on_deadline(state, key, now), now)


def _launch_is_late(state: State, node_id: int, now: float) -> None:
    launch_flow.on_deadline(state, node_id, now)


def _build_is_late(state: State, image_id: int, now: float) -> None:
    images.on_deadline(state, image_id, now)


def _build_is_over(state: State, node_id: int, now: float) -> None:
    lifecycle.on_done(state, node_id, now)


def _node_part_is_due(state: State, node_id: int, now: float) -> None:
    removal.push_node(state, node_id, now)


def _image_part_is_due(state: State, image_id: int, now: float) -> None:
    removal.push_image(state, image_id, now)


def _pause_is_over(state: State, place: str | Place, now: float) -> None:
    state.replan = True


def _image_may_be_built(state: State, place: tuple[str, str], now: float) -> None:
    state.check_images = True


def _nothing(state: State, event: object, now: float) -> None:
    """It is no news: a list, a build event or a timer tells it as well."""


HANDLERS: dict[type, Handler] = {
    events.Started: _started,
    events.ConfigLoaded: _config_loaded,
    events.HoldsRead: _holds_read,
    events.RowChanged: lifecycle.on_row_changed,
    events.ImageRequested: _requested,
    events.ImageDeletionRequested: _requested,
    events.RequestGarbled: _requested,
    events.CronCame: _cron_came,
    events.TimeCame: _time_came,
    events.DemandRead: _demand_read,
    events.TargetChecked: _target_checked,
    events.TargetSurveyed: surveys.on_surveyed,
    BuildStarted: lifecycle.on_build_started,
    BuildFinalized: lifecycle.on_build_finalized,
    events.BuildEventsMissed: unheard.on_missed,
    events.BuildEventsHeard: heard.on_heard,
    events.BuildsListed: unheard.on_listed,
    events.BuildsNotListed: unheard.on_not_listed,
    events.NodeSetOffline: offline.on_set,
    events.NodeNotSetOffline: offline.on_not_set,
    events.ServerCreated: _server_created,
    events.CreateFailed: _create_failed,
    events.ServersListed: _servers_listed,
    events.AddressesListed: _addresses_listed,
    events.ImagesListed: _images_listed,
    events.LimitsRead: _limits_read,
    events.ServerGone: _server_gone,
    events.ServerSeen: _server_seen,
    events.DeleteFailed: _delete_failed,
    events.AddressAttached: _address_attached,
    events.AddressGone: _address_gone,
    events.Connected: _connected,
    events.Prepared: _prepared,
    events.Registered: _registered,
    events.Assigned: _assigned,
    events.TestJobStarted: _nothing,
    events.Relabeled: _relabeled,
    events.SnapshotTaken: _snapshot_taken,
    events.StepFailed: _step_failed,
    events.Unregistered: _unregistered,
    events.UnregisterFailed: _unregister_failed,
    events.NodeProbed: lifecycle.on_probed,
    events.ImageGone: _image_gone,
    events.ImageDeleteFailed: _nothing,
    events.KeypairGone: _keypair_gone,
}

#: by the first part of a timer's key
TIMERS: dict[str, Handler] = {
    "boot": _boot_is_late,
    "launch": _launch_is_late,
    "build": _build_is_late,
    "done": _build_is_over,
    "hold": holds.on_due,
    "offline": offline.on_due,
    "builds": unheard.on_due,
    "delete": removal.push,
    "address": removal.push,
    "unregister": _node_part_is_due,
    "register": removal.on_register_late,
    "keypair": _image_part_is_due,
    "unimage": _image_part_is_due,
    "pause": _pause_is_over,
    "image": _image_may_be_built,
    "leak": _nothing,
    "confirm": _nothing,
    "limits": removal.on_limits_due,
}

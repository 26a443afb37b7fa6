"""Images: which to build when, how one is built, which go.

An image is built where it is missing, at the cron time, and when a person asks. The previous one
stays until the new one is proven, which is when a node made of it became ready.

::

    machines.py: CREATE .. CONNECT - up -> PREPARE -> SNAPSHOT -> SAVE -> READY
                                           (setup)    (asked for) (ACTIVE)  |
                                                          server, key pair go

Providers build side by side, each its images one after the other at each other's side: the edge
keeps each cloud's rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nodepool import naming
from nodepool.core import events, machines, removal
from nodepool.core.cleanup import STUCK_SECONDS
from nodepool.core.commands import CreateServer, PrepareImage, TakeSnapshot
from nodepool.core.events import Step
from nodepool.core.health import back_off
from nodepool.core.state import State
from nodepool.model import CloudImage, Machine, MachineKey, NodeState, Presence, SnapshotImage

#: seconds
TIMEOUTS = {Step.PREPARE: 4 * 3600.0, Step.SNAPSHOT: 600.0, Step.SAVE: 6 * 3600.0}
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0

_HERE = frozenset((NodeState.BUILDING, NodeState.READY))


def images_in_use(state: State) -> list[tuple[str, str]]:
    """(provider, image) that some label needs and that can be built from a base image here."""
    found: dict[tuple[str, str], None] = {}
    for label in state.config.labels.values():
        if not label.in_use:
            continue
        for provider in label.providers:
            recipe = state.find_recipe(provider, label.image)
            if recipe is not None and recipe.base_image and not recipe.pause:
                found[provider, label.image] = None
    return sorted(found)


def build_missing(state: State, now: float) -> None:
    """An image is missing if none is ready or being built."""
    there = {(each.provider, each.image) for each in state.images.values() if each.state in _HERE}
    for place in images_in_use(state):
        if place in there or state.timers.due_at(("image", place)) is not None:
            continue
        start(state, *place, now)


def begin_again(state: State, rows: Sequence[SnapshotImage], now: float) -> None:
    """Builds that a restart cut off, which somebody may have asked for."""
    cut_off = {(each.provider, each.image) for each in rows if each.state is NodeState.BUILDING}
    for place in images_in_use(state) if state.switches.images else ():
        if place in cut_off:
            request(state, *place, now)


def build_all(state: State, now: float) -> None:
    """The cron job: all that are in use and not being built already."""
    for place in images_in_use(state):
        request(state, *place, now)


def answer(state: State, event: events.Request, now: float) -> None:
    """What a person asked for, as far as it can be done; the request goes in any case."""
    match event:
        case events.ImageRequested(provider, image):
            request(state, provider, image, now)
        case events.ImageDeletionRequested(image_id) if image_id in state.images:
            remove = removal.forget_image if event.force else removal.remove_image
            remove(state, state.images[image_id], now)
    state.remove_request(event.request)


def request(state: State, provider: str, image: str, now: float) -> None:
    recipe = state.find_recipe(provider, image)
    busy = any(
        each.state is NodeState.BUILDING and (each.provider, each.image) == (provider, image)
        for each in state.images.values()
    )
    if recipe is not None and recipe.base_image and not busy:
        start(state, provider, image, now)


def start(state: State, provider: str, image: str, now: float) -> None:
    """The row first, with the names of all that will be made."""
    config = state.config.providers[provider]
    number = state.numbers.next_image()
    names: dict[str, str | int] = {
        "provider": provider,
        "image": image,
        "image_id": number,
        "timestamp": int(now),
    }
    host = naming.host_name(config.template_hostname, **names)
    newest = max(
        (
            each.version
            for each in state.images.values()
            if (each.provider, each.image) == (provider, image)
        ),
        default=0,
    )
    row = SnapshotImage(
        id=number,
        provider=provider,
        image=image,
        state=NodeState.BUILDING,
        state_at=now,
        hostname=host,
        version=max(int(now), newest + 1),
        machine=Machine(hostname=host, mark=state.mark(provider)),
        keypair=None if config.keypair else f"{naming.node_name(host)}-{number}",
    )
    state.save_image(row)
    key = MachineKey("image", number)
    command = CreateServer(
        key=key,
        provider=provider,
        image=image,
        hostname=host,
        owner=state.owner(provider, key),
        keypair=row.keypair,
    )
    machines.start(state, command, now)


def machine_up(state: State, image_id: int, now: float) -> None:
    image = state.images.get(image_id)
    if image is None or image.state is not NodeState.BUILDING:
        return
    recipe = state.find_recipe(image.provider, image.image)
    if recipe is None:
        fail(state, image_id, "the image left the configuration", now)
        return
    _enter(state, image_id, Step.PREPARE, now)
    state.call(PrepareImage(image, image.machine, recipe.setup, TIMEOUTS[Step.PREPARE]))


def on_prepared(state: State, image_id: int, now: float) -> None:
    image = state.images.get(image_id)
    if image is None or state.builds.get(image_id) is not Step.PREPARE:
        return
    recipe = state.find_recipe(image.provider, image.image)
    assert image.machine.server_id is not None
    _enter(state, image_id, Step.SNAPSHOT, now)
    state.save_image(replace(image, presence=Presence.ASKED))
    key = MachineKey("image", image_id)
    state.call(
        TakeSnapshot(
            image_id=image_id,
            provider=image.provider,
            server_id=image.machine.server_id,
            name=image.hostname,
            owner=state.owner(image.provider, key),
            meta=recipe.meta if recipe else (),
        )
    )


def on_snapshot_taken(state: State, event: events.SnapshotTaken, now: float) -> None:
    image = state.images.get(event.image_id)
    if image is None or image.presence is not Presence.ASKED:
        return
    state.save_image(replace(image, presence=Presence.EXISTS, external_id=event.external_id))
    if state.builds.get(image.id) is Step.SNAPSHOT:
        _enter(state, image.id, Step.SAVE, now)
    removal.push_image(state, image.id, now)


def on_listed(state: State, event: events.ImagesListed, now: float) -> None:
    """Progress of those being saved; what came of those nobody knew of."""
    listed = {image.id: image for image in event.images}
    marked = {
        image.owner.key.id: image
        for image in event.images
        if image.owner and image.owner == state.owner(event.provider, image.owner.key)
    }
    for row in [each for each in state.images.values() if each.provider == event.provider]:
        found = listed.get(row.external_id) if row.external_id else marked.get(row.id)
        if row.presence is Presence.ASKED:
            _resolve(state, row, found, event.asked_at, now)
        elif found is not None and state.builds.get(row.id) is Step.SAVE:
            _saved(state, row, found, now)


def _resolve(
    state: State, row: SnapshotImage, found: CloudImage | None, asked_at: float, now: float
) -> None:
    """The snapshot call is not answered, or its answer was lost."""
    if found is not None:
        on_snapshot_taken(state, events.SnapshotTaken(row.id, found.id), now)
    elif row.state is NodeState.DELETE and asked_at >= row.state_at + removal.DOUBT_SECONDS:
        state.save_image(replace(row, presence=Presence.GONE))
        removal.push_image(state, row.id, now)


def _saved(state: State, row: SnapshotImage, found: CloudImage, now: float) -> None:
    if found.status == "ACTIVE":
        del state.builds[row.id]
        state.timers.drop(("build", row.id))
        state.tries.pop(("image", (row.provider, row.image)), None)
        state.observer.image_ended(row, now - row.state_at, "")
        state.save_image(row.with_state(NodeState.READY, now))
        removal.push_image(state, row.id, now)
    elif found.status in ("ERROR", "DELETED", "KILLED"):
        fail(state, row.id, f"the cloud made it {found.status}", now)


def fail(state: State, image_id: int, text: str, now: float) -> None:
    """The row and all it names go; a new try waits longer each time."""
    image = state.images.get(image_id)
    if image is None or image.state is not NodeState.BUILDING:
        return
    key = ("image", (image.provider, image.image))
    pause = back_off(state.try_again(key), FIRST_PAUSE, LONGEST_PAUSE)
    state.timers.set(key, now + pause)
    state.observer.image_ended(image, now - image.state_at, text or "failed")
    removal.remove_image(state, image, now)


def on_step_failed(state: State, event: events.StepFailed, now: float) -> None:
    image_id = event.key.id
    if state.builds.get(image_id) is event.step:
        fail(state, image_id, event.text, now)


def on_deadline(state: State, image_id: int, now: float) -> None:
    step = state.builds.get(image_id)
    if step is not None:
        fail(state, image_id, f"took too long at step {step.value}", now)


def retire(state: State, now: float) -> None:
    """Contract 12.3: what is no longer configured; and all but the newest two, after their time.

    The newest proven one stays in any case: it is the previous one until the new one is proven.
    """
    places: dict[tuple[str, str], list[SnapshotImage]] = {}
    for image in list(state.images.values()):
        if image.state is NodeState.READY:
            places.setdefault((image.provider, image.image), []).append(image)
    used = {node.image_id for node in state.nodes.values() if node.id in state.launches}
    for place, images in places.items():
        if state.find_recipe(*place) is None:
            gone = images if place[0] in state.config.providers else []
        else:
            images.sort(key=lambda each: each.version, reverse=True)
            proven = next((each.id for each in images if each.proven), None)
            gone = [
                each
                for each in images[2:]
                if each.id != proven and now - each.state_at > STUCK_SECONDS
            ]
        for each in gone:
            if each.id not in used:
                removal.remove_image(state, each, now)


def _enter(state: State, image_id: int, step: Step, now: float) -> None:
    state.builds[image_id] = step
    state.timers.set(("build", image_id), now + TIMEOUTS[step])

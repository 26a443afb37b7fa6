"""Blame: whom launches that fail are put down to, where it is not the cloud (health.py).

A target that takes no nodes keeps the fewest, so all replacements would go there, and a ready
script that always fails would boot servers without end: both are paused (pauses.py).

====================  =============================================================
REGISTER, ASSIGN      the target
TEST                  the label at that target
PREPARE               the image while it is not proven, else the label in that cloud
CONNECT               likewise; of a proven image the cloud (machines.py)
====================  =============================================================
"""

from __future__ import annotations

from dataclasses import replace

from nodepool.config.values import NodepoolConfig
from nodepool.core.events import Step, TargetChecked
from nodepool.core.health import in_short
from nodepool.core.memory import Outage
from nodepool.core.pauses import Pause, Place
from nodepool.core.state import MAX_FAILURES, State
from nodepool.model import Node, SnapshotImage


def step_failed(state: State, node: Node, step: Step, text: str, now: float) -> None:
    """At a step of the node itself, in its time or over it."""
    if step in (Step.PREPARE, Step.CONNECT):
        image = state.images.get(node.image_id or 0)
        if image is None or not (
            _is_last_resort(state, image) or (image.proven and step is Step.PREPARE)
        ):
            return
    place = _place_of(node, step)
    pause = state.pauses.setdefault(place, Pause())
    if seconds := pause.went_wrong(step, now):
        said = f"{pause.failures[step]} launches in a row failed at step {step.value}: {text}"
        pause.reason = in_short(said)
        state.observer.launches_paused(place, said, seconds)
        state.timers.set(("pause", place), pause.stalled_until)


def test_failed(state: State, node: Node, text: str, now: float) -> None:
    """The test job told so."""
    image = state.images.get(node.image_id or 0)
    if image is not None and not image.proven and not _is_last_resort(state, image):
        image_failed(state, node)
    else:
        step_failed(state, node, Step.TEST, text, now)


def image_failed(state: State, node: Node) -> None:
    """Counts while no node of the image worked."""
    image = state.images.get(node.image_id or 0)
    if image is not None and not image.proven:
        state.save_image(replace(image, failures=image.failures + 1))


def _is_last_resort(state: State, image: SnapshotImage) -> bool:
    """It failed too often, and is launched all the same: there is no proven one."""
    if image.proven or image.failures < MAX_FAILURES:
        return False
    current = state.current_image(image.provider, image.image)
    return current is not None and current.id == image.id


def step_done(state: State, node: Node, step: Step) -> None:
    """A launch got past it."""
    place = _place_of(node, step)
    pause = state.pauses.get(place)
    if pause is not None and pause.went_well(step):
        _end(state, place)


def config_changed(state: State, former: NodepoolConfig) -> None:
    """What made launches fail may have been mended: that of a label in any file, a script say."""
    for place, pause in list(state.pauses.items()):
        name = place.target if place.label is None else None
        if name is not None and former.targets.get(name) == state.config.targets.get(name):
            continue
        if pause.stalls:
            _end(state, place)
        else:
            del state.pauses[place]


def target_checked(state: State, event: TargetChecked, now: float) -> None:
    """When it comes back the rest of its pause was for something that is over: a trial may go."""
    outage = state.offline.pop(event.target, None)
    if not event.online:
        since = outage.since if outage else now
        state.offline[event.target] = Outage(since, in_short(event.text))
    elif pause := state.pauses.get(Place(target=event.target)) if outage else None:
        pause.stalled_until = 0.0
    if event.online is (outage is not None):
        state.replan = True


def _place_of(node: Node, step: Step) -> Place:
    if step in (Step.REGISTER, Step.ASSIGN):
        return Place(target=node.target)
    if step is Step.TEST:
        return Place(node.label, target=node.target)
    return Place(node.label, provider=node.provider)


def _end(state: State, place: Place) -> None:
    del state.pauses[place]
    state.timers.drop(("pause", place))
    state.observer.launches_resumed(place)
    state.replan = True

"""Why nothing happens to an item at the moment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import islice

from zuul.core.dependencies import failing_need
from zuul.model.build import MergeState
from zuul.model.queue import QueueItem

#: items ahead that are looked at for the one that holds what follows; it is nearly always the first
_MOST_LOOKS = 30
#: jobs named of many
_MANY = 3


class WaitKind(Enum):
    """What an item waits for; values are words of status.json."""

    REPORT = "report"
    WINDOW = "window"
    NEED = "need"
    MERGE = "merge"
    MUTEX = "mutex"
    HOLD = "hold"
    WORKER = "worker"
    STOPPED = "stopped"
    BRAKE = "brake"
    AHEAD = "ahead"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class Waiting:
    kind: WaitKind
    #: a sentence's second half: "it waits, as ..."
    text: str


def find_wait(item: QueueItem, brake: str | None = None) -> Waiting | None:
    """What the item's next step depends on, if not on builds of its own that run.

    `brake`: what keeps it from merging, if something does.
    Kept with the item's status until the item is touched, so it may name nothing whose end does
    not touch the item.
    """
    build_set = item.build_set
    if item.report is not None:
        return _of_report(item)
    if build_set.canceled:
        return _of_need(item)
    if not item.active and (not build_set.builds or item.plan.runnable(build_set.builds)):
        return Waiting(WaitKind.WINDOW, "it is outside the window")
    if build_set.merge_state is MergeState.PENDING:
        return Waiting(WaitKind.MERGE, "a merger is to merge it")
    if build_set.merge_state is MergeState.NEW:
        return Waiting(WaitKind.MERGE, "what is ahead of it is to be merged first")
    if not item.live:
        return Waiting(WaitKind.BASE, "it is only here for the changes behind it")
    if item.plan.is_complete(build_set.builds):
        return _of_end(item, brake)
    return _of_jobs(item)


def _of_report(item: QueueItem) -> Waiting:
    text = "its report is being sent"
    if item.withdrawn is not None:
        text += f"; then it leaves: {item.withdrawn}"
    return Waiting(WaitKind.REPORT, text)


def _of_need(item: QueueItem) -> Waiting:
    needed = failing_need(item.queue, item.change) if item.queue is not None else None
    text = "a change that it needs is failing"
    return Waiting(WaitKind.NEED, f"{text}: {needed}" if needed is not None else text)


def _of_end(item: QueueItem, brake: str | None) -> Waiting | None:
    """All jobs have results."""
    queue = item.queue
    if queue is not None and queue.stopped is not None:
        return Waiting(WaitKind.STOPPED, f"the queue has stopped: {queue.stopped}")
    if item.live_ahead is not None:
        return Waiting(WaitKind.AHEAD, f"{item.live_ahead.change.key} is ahead of it")
    return None if brake is None else Waiting(WaitKind.BRAKE, brake)


def _of_jobs(item: QueueItem) -> Waiting | None:
    builds = item.build_set.builds
    if item.waiting_for:
        return Waiting(WaitKind.MUTEX, "a mutex is held: " + ", ".join(item.waiting_for))
    if item.plan.runnable(builds) and not item.chain_released:
        return Waiting(WaitKind.HOLD, _holder(item))
    idle = [
        build.job for build in builds.values() if build.result is None and build.started_at is None
    ]
    if idle:
        more = f" and {len(idle) - _MANY} more" if len(idle) > _MANY else ""
        return Waiting(WaitKind.WORKER, f"no worker has taken {', '.join(idle[:_MANY])}{more} yet")
    return None


def _holder(item: QueueItem) -> str:
    for ahead in islice(item.chain_ahead(), _MOST_LOOKS):
        if ahead.live and not ahead.plan.is_released(ahead.build_set.builds):
            jobs = ", ".join(ahead.plan.holding)
            return f"what follows {ahead.change.key} is held until this succeeds: {jobs}"
    return "a job of an item ahead holds it"

"""Builds that wait or may wait in a master's queue: looked for, taken out, given up."""

from __future__ import annotations

from math import inf
from typing import Final

from gearman_plugin_shim import runs
from gearman_plugin_shim.builds import (
    SEEK_SECONDS,
    cancel,
    end_build,
    enter,
    keep,
    post_next,
    seek_again,
    tell_start,
)
from gearman_plugin_shim.commands import CancelItem, SeekBuild, Severity
from gearman_plugin_shim.events import BuildSought, ItemCancelled, QueueSeen
from gearman_plugin_shim.model import BuildInfo, Outcome
from gearman_plugin_shim.state import Build, Health, Master, Phase, State

#: an item that left the queue may take that long to be seen as a build
_GONE_SECONDS: Final = 5.0
_GONE_LOOKS: Final = 3
_MAX_POSTS: Final = 2


def take_queue(state: State, master: Master, event: QueueSeen) -> None:
    """What waits in the queue; ours that do not may have begun, or been cancelled."""
    items = {item.uuid: item for item in event.items if item.uuid is not None}
    for build in state.builds_of(master):
        item = items.get(build.uuid)
        if build.phase is Phase.QUEUED:
            if item is not None:
                build.why, build.absent_since, build.absences = item.why, None, 0
                if build.row.queue_id != item.id:
                    keep(state, build, queue_id=item.id)
            elif event.asked_at > build.phase_since and not build.anonymous:
                build.seek_due = min(build.seek_due, state.now + master.settings.poll_seconds)
                state.wake(build.seek_due)
    for uuid, item in items.items():
        row = state.ended.get(uuid)
        if row is not None and row.master == master.name and uuid not in state.builds:
            # Given up while the master was away: it must not run now.
            state.notice(Severity.WARNING, "Item of an ended build cancelled", build=uuid)
            state.emit(CancelItem(master.name, uuid, row.job, item.id))


def take_sought(state: State, master: Master, event: BuildSought) -> None:
    """Where the UUID is."""
    build = state.builds.get(event.uuid)
    if build is None:
        return
    build.seek_out = False
    if event.failure is not None:
        seek_again(state, build)
        return
    for found in event.builds:
        runs.see_build(state, master, found, event.asked_at)
    if event.uuid not in state.builds or build.phase in (
        *(Phase.RUNNING, Phase.KEEPING, Phase.POSTING),
    ):
        return
    if event.builds:
        _ended_unseen(state, build, event.builds[0])
        return
    if event.item is not None:
        _found_in_queue(state, build, event.item.id)
    elif event.cancelled and build.phase is not Phase.SEEKING:
        end_build(state, build, Outcome.NEVER, text="its queue item was cancelled")
    elif event.asked_at >= build.phase_since:
        _not_found(state, build, event.asked_at)
    else:
        seek_again(state, build)


def _ended_unseen(state: State, build: Build, found: BuildInfo) -> None:
    """It had ended before anybody asked for its UUID."""
    keep(
        state,
        build,
        number=found.id.number,
        node=found.node,
        url=found.url,
        started_at=found.started_at,
        estimated_ms=found.estimated_ms,
    )
    tell_start(state, build)
    outcome = Outcome.LOST if found.result is None else Outcome.RESULT
    end_build(state, build, outcome, found.result, "it had ended before")


def _found_in_queue(state: State, build: Build, queue_id: int) -> None:
    if build.phase is Phase.SEEKING:
        enter(state, build, Phase.QUEUED)
    build.absent_since, build.absences = None, 0
    if build.row.queue_id != queue_id:
        keep(state, build, queue_id=queue_id)
    if build.phase is Phase.CANCELLING or build.row.stop_wanted:
        cancel(state, build)


def _not_found(state: State, build: Build, asked_at: float) -> None:
    if build.absent_since is None:
        build.absent_since = asked_at
    build.absences += 1
    if build.phase is Phase.SEEKING:
        if asked_at < build.phase_since + SEEK_SECONDS:
            seek_again(state, build)
            return
        waited_for = any(state.is_live(ref) for ref in build.refs)
        again = waited_for and build.parameters is not None and not build.row.stop_wanted
        if build.row.posts < _MAX_POSTS and again:
            state.notice(Severity.WARNING, "Build was not queued, asked again", build=build.uuid)
            post_next(state, build)
            return
        end_build(state, build, Outcome.LOST, text="the master did not queue it")
    elif build.absences >= _GONE_LOOKS and asked_at - build.absent_since >= _GONE_SECONDS:
        end_build(state, build, Outcome.NEVER, text=_why_never(build))
    else:
        seek_again(state, build)


def _why_never(build: Build) -> str:
    if build.row.stop_wanted:
        return "stopped in the queue"
    if build.phase is Phase.CANCELLING:
        return f"waited too long in the master's queue: {build.why}"
    return "its queue item was cancelled by somebody"


def take_cancelled(state: State, event: ItemCancelled) -> None:
    """The master took an item out of its queue, if there was one."""
    build = state.builds.get(event.uuid)
    if build is None:
        return
    build.cancel_out = False
    if build.phase is Phase.CANCELLING:
        if event.failure is None and not build.absences and not build.cancels:
            build.seek_due = state.now
            state.wake(state.now)
        else:
            seek_again(state, build)
        build.cancels += 1


def tick_builds(state: State, master: Master) -> None:
    """What time has come for, of the builds that do not run."""
    for build in state.builds_of(master):
        if build.keep_due <= state.now:
            keep(state, build)
        state.wake(build.keep_due)
        if master.health is not Health.UP or build.phase in (Phase.KEEPING, Phase.POSTING):
            continue
        if build.phase is Phase.QUEUED:
            stuck_at = build.phase_since + master.settings.queue_seconds
            if state.now >= stuck_at:
                where = {"build": build.uuid, "job": build.row.job, "why": build.why}
                state.notice(Severity.WARNING, "Build waits too long, cancelled", **where)
                cancel(state, build)
                continue
            state.wake(stuck_at)
        if build.phase is not Phase.RUNNING and not build.seek_out:
            if state.now >= build.seek_due:
                build.seek_out, build.seek_due = True, inf
                row = build.row
                state.emit(SeekBuild(row.master, row.uuid, row.job, row.queue_id))
            else:
                state.wake(build.seek_due)


def adopt(state: State, master: Master, build: Build) -> None:
    """A build of the journal, after a restart: find out what became of it."""
    row = build.row
    if row.number is not None:
        build.phase, build.bound_at = Phase.RUNNING, state.now
        runs.adopt_run(state, master, build)
        return
    enter(state, build, Phase.QUEUED if row.queue_id is not None else Phase.SEEKING)
    build.seek_due = state.now

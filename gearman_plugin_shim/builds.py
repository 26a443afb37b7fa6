"""Builds that Gearman asked for: from the job taken to its one terminal packet.

    KEEPING -> POSTING -> QUEUED -> RUNNING -> ended
       ^          |         |  ^
       |          v         v  |
       +------ SEEKING   CANCELLING

A build is seen to run by the looks at computers (runs.py), whatever phase it is in here. The row is
on disk before each request that may queue something; there are at most two of those, the second
only after a look that did not find the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any, Final

from gearman_plugin_shim import payload
from gearman_plugin_shim.commands import (
    CancelItem,
    CompleteJob,
    FailJob,
    KeepBuild,
    PostBuild,
    SendData,
    SendStatus,
    Severity,
)
from gearman_plugin_shim.events import BuildKept, BuildPosted, JobTaken, Poll
from gearman_plugin_shim.functions import declares_uuid
from gearman_plugin_shim.model import BuildRow, Job, JobRef, Outcome, PostKind
from gearman_plugin_shim.payload import PayloadError
from gearman_plugin_shim.state import WAITING, Build, Health, Master, Phase, State

#: after a request whose fate is not known, before another one may follow
SEEK_SECONDS: Final = 15.0
_SEEK_AGAIN_SECONDS: Final = 2.0
_KEEP_AGAIN_SECONDS: Final = 5.0
_DENIED_SECONDS: Final = 30.0
_MAX_DENIED_SECONDS: Final = 600.0


def take_build(state: State, master: Master, event: JobTaken) -> None:
    """A job that asks for a build was assigned to one of the master's links."""
    job = master.table.job_of(event.function) if master.table else None
    optional = job is not None and not declares_uuid(job)
    try:
        request = payload.parse_build(event.payload, event.unique, uuid_optional=optional)
    except PayloadError as error:
        where = {"function": event.function, "unique": event.unique, "reason": error}
        state.notice(Severity.ERROR, "Job cannot be used", master=master.name, **where)
        state.emit(FailJob(event.ref, str(error)))
        return
    if build := state.builds.get(request.uuid):
        _attach(state, build, event.ref, request.parameters)
        return
    row = state.ended.get(request.uuid)
    if row is not None and row.outcome is not Outcome.NEVER:
        state.notice(Severity.INFO, "Build has ended, told again", build=row.uuid, job=row.job)
        _tell_start(state, row, event.ref)
        _tell_end(state, row, event.ref, "the build was lost")
        return
    if job is None or master.health is not Health.UP:
        text = f"{event.function}: the master {master.name} does not have it now"
        state.notice(Severity.WARNING, "Job not to be built here", function=event.function)
        state.emit(FailJob(event.ref, text))
        return
    if _joins_foreign(state, request, event.ref):
        return
    state.ended.pop(request.uuid, None)
    build = Build(
        BuildRow(
            request.uuid,
            master.name,
            job.full_name,
            offline_wanted=payload.wants_offline(request.parameters),
            asked_at=state.now,
        ),
        Phase.KEEPING,
        request.parameters,
        [event.ref],
        event.ref.link,
        anonymous=optional,
    )
    state.builds[build.uuid] = build
    _warn_of_undeclared(state, master, job, request.parameters)
    post_next(state, build)


def _joins_foreign(state: State, request: payload.BuildRequest, ref: JobRef) -> bool:
    """Whether some master runs a build with this UUID that we did not ask for."""
    for master in state.masters.values():
        for run in master.runs.values():
            if run.info.uuid == request.uuid:
                row = BuildRow(
                    request.uuid,
                    master.name,
                    run.id.job,
                    number=run.id.number,
                    offline_wanted=payload.wants_offline(request.parameters),
                    asked_at=state.now,
                )
                state.builds[row.uuid] = Build(row, Phase.RUNNING, refs=[ref])
                # The next look binds them.
                run.identified, run.uuid = False, row.uuid
                return True
    return False


def post_next(state: State, build: Build) -> None:
    """Write the row; the request follows once it is on disk."""
    enter(state, build, Phase.KEEPING)
    keep(state, build, posts=build.row.posts + 1)


def take_kept(state: State, event: BuildKept) -> None:
    """The journal has a row, or failed to write it."""
    build = state.builds.get(event.uuid)
    if build is None:
        if event.error is not None and event.uuid in state.ended:
            state.unkept[event.uuid] = state.now + _KEEP_AGAIN_SECONDS
            state.wake(state.unkept[event.uuid])
        return
    if event.serial != build.serial:
        return
    if event.error is not None:
        state.notice(Severity.ERROR, "Journal failed", build=build.uuid, reason=event.error)
        if build.phase is Phase.KEEPING:
            end_build(state, build, _unposted(build), text=f"journal failed: {event.error}")
        else:
            build.keep_due = state.now + _KEEP_AGAIN_SECONDS
            state.wake(build.keep_due)
    elif build.phase is Phase.KEEPING:
        if build.row.stop_wanted or build.parameters is None:
            end_build(state, build, _unposted(build), text="stopped before it was asked for")
            return
        enter(state, build, Phase.POSTING)
        master = state.masters[build.row.master]
        job = master.table.jobs.get(build.row.job) if master.table else None
        # A job without parameters must not be given any.
        bare = job is not None and job.parameters == frozenset()
        parameters: Mapping[str, str] = {} if bare else build.parameters
        state.emit(PostBuild(master.name, build.uuid, build.row.job, parameters))


def _unposted(build: Build) -> Outcome:
    return Outcome.NEVER if build.row.posts <= 1 else Outcome.LOST


def take_posted(state: State, master: Master, event: BuildPosted) -> None:
    """The master answered the request for a build, or did not."""
    outcome = event.outcome
    build = state.builds.get(event.uuid)
    if outcome.kind is PostKind.ACCEPTED:
        master.denials = 0
    if build is None:
        row = state.ended.get(event.uuid)
        if row is not None and outcome.queue_id is not None and row.number is None:
            # Given up meanwhile: nobody waits for it.
            state.emit(CancelItem(master.name, event.uuid, row.job, outcome.queue_id))
        return
    if build.phase is not Phase.POSTING:
        return
    where: dict[str, Any] = {"build": build.uuid, "job": build.row.job, "master": master.name}
    if outcome.kind is PostKind.ACCEPTED:
        enter(state, build, Phase.QUEUED)
        keep(state, build, queue_id=outcome.queue_id)
        _hasten(state, master)
        if state.settings.early_data:
            tell(
                state, build, *(SendData(ref, payload.early_data(build.row)) for ref in build.refs)
            )
        if build.row.stop_wanted:
            cancel(state, build)
    elif outcome.kind is PostKind.REFUSED:
        state.notice(Severity.WARNING, "Build refused", **where, reason=outcome.reason)
        if outcome.status in (401, 403):
            _deny(state, master, outcome.reason)
        master.looks[Poll.JOBS].due = state.now
        state.wake(state.now)
        end_build(state, build, _unposted(build), text=f"{master.name}: {outcome.reason}")
    else:
        state.notice(Severity.WARNING, "Build may be queued", **where, reason=outcome.reason)
        if build.anonymous:
            end_build(state, build, Outcome.LOST, text="nobody knows whether it was queued")
            return
        seek(state, build)


def _deny(state: State, master: Master, reason: str) -> None:
    """Builds are forbidden: take nothing for a while, longer each time."""
    pause = min(_MAX_DENIED_SECONDS, _DENIED_SECONDS * 2**master.denials)
    master.denials = min(master.denials + 1, 10)
    master.denied_until = state.now + pause
    state.wake(master.denied_until)
    where = {"master": master.name, "reason": reason, "seconds": pause}
    state.notice(Severity.ERROR, "Master forbids builds, none is taken", **where)


def _hasten(state: State, master: Master) -> None:
    """Something is to be seen soon."""
    for poll in (Poll.COMPUTERS, Poll.QUEUE):
        look = master.looks[poll]
        look.due = min(look.due, state.now + master.settings.poll_seconds / 4)
        state.wake(look.due)


# Steps.


def enter(state: State, build: Build, phase: Phase) -> None:
    build.phase, build.phase_since = phase, state.now
    build.absent_since, build.absences, build.seek_due = None, 0, inf
    state.wake(state.now)


def seek(state: State, build: Build) -> None:
    """Find out whether the master has it."""
    enter(state, build, Phase.SEEKING)
    build.seek_due = state.now


def seek_again(state: State, build: Build) -> None:
    build.seek_due = state.now + _SEEK_AGAIN_SECONDS
    state.wake(build.seek_due)


def cancel(state: State, build: Build) -> None:
    """Take it out of the queue, and see that it is gone."""
    if build.phase is not Phase.CANCELLING:
        enter(state, build, Phase.CANCELLING)
    if build.cancel_out:
        return
    build.cancel_out = True
    row = build.row
    state.emit(CancelItem(row.master, row.uuid, row.job, row.queue_id))


def request_stop(state: State, build: Build) -> None:
    """Somebody wants a build ended that does not run yet."""
    if not build.row.stop_wanted:
        keep(state, build, stop_wanted=True)
    if build.phase is Phase.QUEUED:
        cancel(state, build)


def keep(state: State, build: Build, **changes: Any) -> None:
    """Change the row, here and on disk."""
    build.row = replace(build.row, **changes)
    state.serial += 1
    build.serial, build.keep_due = state.serial, inf
    state.emit(KeepBuild(build.row, build.serial))


def end_build(
    state: State, build: Build, outcome: Outcome, result: str | None = None, text: str = ""
) -> None:
    """The one end of a build: row, then one terminal packet to each job that waits."""
    build.parameters = None
    keep(state, build, outcome=outcome, result=result, finished_at=state.now)
    del state.builds[build.uuid]
    state.ended[build.uuid] = build.row
    while len(state.ended) > state.settings.remembered:
        state.ended.popitem(last=False)
    level = Severity.INFO if outcome is Outcome.RESULT else Severity.WARNING
    where = {"build": build.uuid, "job": build.row.job, "master": build.row.master}
    state.notice(
        level, "Build ended", **where, outcome=outcome.value, result=result or "-", reason=text
    )
    for ref in build.refs:
        if state.is_live(ref):
            _tell_end(state, build.row, ref, text)
    state.wake(state.now)


def tell(state: State, build: Build, *packets: SendData | SendStatus) -> None:
    state.emit(*(packet for packet in packets if state.is_live(packet.ref)))


def tell_start(state: State, build: Build) -> None:
    """It runs: say so to everybody who waits."""
    for ref in build.refs:
        if state.is_live(ref):
            _tell_start(state, build.row, ref)


def _attach(state: State, build: Build, ref: JobRef, parameters: Mapping[str, str]) -> None:
    """The UUID is known: one more waits for the same build."""
    state.notice(Severity.INFO, "Job joins its build", build=build.uuid, job=build.row.job)
    build.refs.append(ref)
    if build.parameters is None and build.phase in WAITING:
        build.parameters = parameters
    if build.phase is Phase.RUNNING:
        _tell_start(state, build.row, ref)


def _tell_start(state: State, row: BuildRow, ref: JobRef) -> None:
    if row.number is None:
        return
    state.emit(SendData(ref, payload.build_data(row)))
    began = state.now if row.started_at is None else row.started_at
    until = state.now if row.finished_at is None else row.finished_at
    state.emit(SendStatus(ref, max(0, int((until - began) * 1000)), row.estimated_ms))


def _tell_end(state: State, row: BuildRow, ref: JobRef, text: str) -> None:
    if row.number is None:
        state.emit(FailJob(ref, text or None))
    else:
        state.emit(CompleteJob(ref, payload.build_data(row, ended=True)))


def _warn_of_undeclared(
    state: State, master: Master, job: Job, parameters: Mapping[str, str]
) -> None:
    if job.parameters is None:
        return
    missing = parameters.keys() - job.parameters
    key = f"undeclared {job.full_name}"
    if missing and key not in master.warned:
        master.warned.add(key)
        names = ",".join(sorted(missing))
        state.notice(
            Severity.WARNING,
            "Job does not declare parameters, its builds will not see them",
            master=master.name,
            job=job.full_name,
            parameters=names,
        )

"""stop: and set_description: jobs that are done with a request or two."""

from __future__ import annotations

from gearman_plugin_shim.builds import request_stop
from gearman_plugin_shim.commands import (
    CompleteJob,
    DescribeBuild,
    FailJob,
    FetchBuild,
    Severity,
    StopBuild,
)
from gearman_plugin_shim.events import BuildDescribed, BuildFetched, BuildStopped, JobTaken
from gearman_plugin_shim.model import BuildId, Failure, FailureKind, JobRef
from gearman_plugin_shim.payload import Errand, PayloadError, parse_errand
from gearman_plugin_shim.runs import stop
from gearman_plugin_shim.state import Build, Master, Phase, State

STOP = "stop:"
DESCRIBE = "set_description:"


def functions_of(master: Master) -> frozenset[str]:
    """What the management link registers."""
    return frozenset({f"{STOP}{master.name}", f"{DESCRIBE}{master.name}"})


def take_errand(state: State, master: Master, event: JobTaken) -> None:
    """A job of the management link was assigned."""
    describes = event.function.startswith(DESCRIBE)
    try:
        errand = parse_errand(event.payload, with_html=describes)
    except PayloadError as error:
        where = {"function": event.function, "reason": error}
        state.notice(Severity.ERROR, "Job cannot be used", master=master.name, **where)
        state.emit(FailJob(event.ref, str(error)))
        return
    if describes:
        _describe(state, master, event.ref, errand)
    else:
        _stop(state, master, event.ref, errand)


def _describe(state: State, master: Master, ref: JobRef, errand: Errand) -> None:
    target, build = _target(state, master, errand)
    if build is None:
        state.emit(FailJob(ref, f"no build {errand.name} {errand.number or errand.uuid}"))
    else:
        state.emit(DescribeBuild(target.name, build, errand.html, ref))


def take_described(state: State, event: BuildDescribed) -> None:
    """The master has set the description, or not."""
    if event.failure is None:
        _answer(state, CompleteJob(event.ref, b"Description set"))
    else:
        _answer(state, FailJob(event.ref, _text(event.failure)))


def _stop(state: State, master: Master, ref: JobRef, errand: Errand) -> None:
    waiting = state.builds.get(errand.uuid) if errand.uuid else None
    if waiting is not None and waiting.phase is not Phase.RUNNING:
        request_stop(state, waiting)
        state.emit(CompleteJob(ref))
        return
    if waiting is None and errand.uuid in state.ended:
        state.emit(FailJob(ref))
        return
    target, build = _target(state, master, errand)
    if build is None:
        state.emit(FailJob(ref, f"no build {errand.name} {errand.number or errand.uuid}"))
        return
    run = target.runs.get(build)
    if run is not None and run.info.building:
        _stop_running(state, target, ref, build)
    elif run is not None or build in target.ended_runs:
        state.emit(FailJob(ref))
    else:
        _look_up(state, target, ref, build)


def _stop_running(state: State, master: Master, ref: JobRef, build: BuildId) -> None:
    run = master.runs[build]
    if run.stop_sent:
        # Interrupted already: the second time is told to have failed.
        state.emit(FailJob(ref))
        return
    master.stops.setdefault(build, []).append(ref)
    ours = state.builds.get(run.uuid) if run.uuid else None
    if ours is not None:
        request_stop(state, ours)
    stop(state, master, run)


def stop_build(state: State, master: Master, build: Build) -> None:
    """End a build of ours, wherever it is."""
    request_stop(state, build)
    if build.row.number is not None:
        run = master.runs.get(BuildId(build.row.job, build.row.number))
        if run is not None and run.info.building:
            stop(state, master, run)


def _look_up(state: State, master: Master, ref: JobRef, build: BuildId) -> None:
    """A build we know nothing of may run all the same."""
    master.stop_lookups.setdefault(build, []).append(ref)
    if build not in master.fetches:
        master.fetches.add(build)
        state.emit(FetchBuild(master.name, build))


def take_looked_up(state: State, master: Master, event: BuildFetched) -> None:
    """What became of the build that somebody wants stopped."""
    refs = master.stop_lookups.pop(event.id, [])
    if not refs:
        return
    if event.build is not None and event.build.building:
        master.stops.setdefault(event.id, []).extend(refs)
        state.emit(StopBuild(master.name, event.id))
        return
    text = None if event.failure is None else _text(event.failure)
    for ref in refs:
        _answer(state, FailJob(ref, text))


def take_stopped(state: State, master: Master, event: BuildStopped) -> None:
    """The master has taken a stop, or not."""
    run = master.runs.get(event.id)
    if event.failure is not None:
        where = {"job": event.id.job, "number": event.id.number, "reason": event.failure.reason}
        state.notice(Severity.WARNING, "Build not stopped", master=master.name, **where)
        if run is not None:
            run.stop_sent = False
    for ref in master.stops.pop(event.id, []):
        if event.failure is None:
            _answer(state, CompleteJob(ref))
        else:
            _answer(state, FailJob(ref, _text(event.failure)))


def _target(state: State, master: Master, errand: Errand) -> tuple[Master, BuildId | None]:
    """Which build is meant, and on which master."""
    if errand.number is not None:
        job = master.table.find(errand.name) if master.table else None
        name = job.full_name if job else errand.name
        return master, BuildId(name, errand.number)
    build = state.builds.get(errand.uuid or "")
    row = build.row if build else state.ended.get(errand.uuid or "")
    if row is not None and row.number is not None and row.master in state.masters:
        return state.masters[row.master], BuildId(row.job, row.number)
    for other in state.masters.values():
        for run in other.runs.values():
            if run.info.uuid == errand.uuid:
                return other, run.id
    return master, None


def _answer(state: State, command: CompleteJob | FailJob) -> None:
    if state.is_live(command.ref):
        state.emit(command)


def _text(failure: Failure) -> str:
    if failure.kind is FailureKind.NOT_FOUND:
        return "there is no such build"
    return failure.reason or failure.kind.value

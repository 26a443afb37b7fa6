"""Builds on a master, whoever asked for them: seen, told to subscribers, followed to their end.

Every build is published in order, once: onStarted when it is first known, onCompleted and
onFinalized when its result is. A build that ends before it is seen on an executor is found by the
numbers that the look at jobs brings.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Final

from gearman_plugin_shim import offline
from gearman_plugin_shim.builds import end_build, keep, tell_start
from gearman_plugin_shim.commands import (
    FetchBuild,
    PublishEvent,
    Severity,
    StopBuild,
)
from gearman_plugin_shim.events import BuildFetched, ComputersSeen, OfflineSet
from gearman_plugin_shim.model import BuildId, BuildInfo, FailureKind, Outcome
from gearman_plugin_shim.payload import event_json
from gearman_plugin_shim.state import Build, Health, Master, Phase, Run, RunPhase, State

_MAX_FETCHES: Final = 8
_FETCH_AGAIN_SECONDS: Final = 1.0
#: a master that answers so long after it told a bad result was not being stopped
_CONFIRM_SECONDS: Final = 1.0
#: an ended build without a result, or one that is not found, is lost after so long
_NO_RESULT_SECONDS: Final = 30.0
_NOT_FOUND_SECONDS: Final = 5.0
#: the end of a build waits so long for its node to be set offline
_HELD_SECONDS: Final = 15.0
#: the one result that a dying master does not make up
_GOOD: Final = "SUCCESS"


def take_running(state: State, master: Master, event: ComputersSeen) -> None:
    """What runs on the executors, and what no longer does."""
    seen = set()
    for computer in event.computers:
        for executor in computer.busy:
            info = replace(executor.build, node=computer.name)
            if event.detailed and info.parameters is None:
                info = replace(info, parameters={})
            if info.id.job:
                seen.add(info.id)
                see_build(state, master, info, event.asked_at, executor.index)
    for run in list(master.runs.values()):
        if run.id in seen or run.seen_at >= event.asked_at:
            continue
        if run.phase is RunPhase.RUNNING:
            run.phase, run.fetch_due = RunPhase.ENDING, state.now
        if run.bad_since is not None and event.asked_at >= run.bad_since + _CONFIRM_SECONDS:
            # The master lives on: the bad result is the build's own.
            finish(state, master, run)
    master.wants_details = any(
        not run.identified and run.id in seen for run in master.runs.values()
    )


def see_build(
    state: State, master: Master, info: BuildInfo, asked_at: float, executor: int = 0
) -> None:
    """A build was seen, running or ended."""
    if info.id in master.ended_runs:
        return
    run = master.runs.get(info.id)
    if run is None:
        run = master.runs[info.id] = Run(info.id, info, asked_at, executor=max(0, executor))
        if not info.building:
            run.phase = RunPhase.ENDING
    elif asked_at < run.seen_at or run.phase is RunPhase.HELD:
        return
    run.seen_at = asked_at
    run.info = _merged(run.info, info)
    if info.building:
        run.phase, run.alive_at = RunPhase.RUNNING, asked_at
        run.bad_since = run.doubtful_since = None
    _identify(state, master, run)
    if not info.building:
        _take_end(state, master, run)


def adopt_run(state: State, master: Master, build: Build) -> None:
    """A build of the journal that ran when the bridge ended."""
    row = build.row
    assert row.number is not None, "only a build that began"
    info = BuildInfo(BuildId(row.job, row.number), node=row.node, url=row.url)
    run = Run(info.id, info, -inf, executor=row.executor, uuid=row.uuid)
    run.start_published = row.start_published
    master.runs[run.id] = run


def _merged(old: BuildInfo, new: BuildInfo) -> BuildInfo:
    """The newer look, with what only the older one told."""
    return replace(
        new,
        parameters=old.parameters if new.parameters is None else new.parameters,
        node=old.node if new.node is None else new.node,
        started_at=old.started_at if new.started_at is None else new.started_at,
        estimated_ms=old.estimated_ms if new.estimated_ms < 0 else new.estimated_ms,
        url=new.url or old.url,
    )


def _identify(state: State, master: Master, run: Run) -> None:
    """Once its parameters are known: whose it is, and tell subscribers that it began."""
    if run.identified or run.info.parameters is None:
        return
    run.identified = True
    uuid = run.uuid or run.info.uuid
    build = state.builds.get(uuid) if uuid else _anonymous(state, master, run)
    publish(state, master, run, "onStarted")
    if build is not None:
        _bind(state, master, run, build)
    elif uuid is not None and uuid in state.ended:
        _take_orphan(state, master, run, uuid)


def _anonymous(state: State, master: Master, run: Run) -> Build | None:
    """A build of ours whose job does not carry the UUID: the first that comes."""
    for build in state.builds_of(master):
        waits = build.phase in (Phase.POSTING, Phase.QUEUED) and build.row.number is None
        if build.anonymous and waits and build.row.job == run.id.job:
            return build
    return None


def _bind(state: State, master: Master, run: Run, build: Build) -> None:
    row = build.row
    known = row.number is not None and (row.master, row.job, row.number) != (master.name, *run.id)
    if known or row.master != master.name:
        state.notice(Severity.ERROR, "Build runs twice, stopped", build=row.uuid, job=run.id.job)
        if run.info.building:
            stop(state, master, run)
        return
    run.uuid = build.uuid
    computer = master.computers.get(run.info.node or "")
    labels = computer.labels | ({computer.name} - {""}) if computer else frozenset[str]()
    build.phase = Phase.RUNNING
    build.bound_at = min(build.bound_at, state.now)
    build.seek_due = inf
    keep(
        state,
        build,
        job=run.id.job,
        number=run.id.number,
        node=run.info.node if run.info.node is not None else row.node,
        executor=run.executor,
        url=run.info.url or _url(master, run.id),
        node_labels=tuple(sorted(labels)) or row.node_labels,
        started_at=run.info.started_at,
        estimated_ms=run.info.estimated_ms,
        start_published=True,
    )
    where = {"build": row.uuid, "job": run.id.job, "number": run.id.number, "node": run.info.node}
    state.notice(Severity.INFO, "Build started", master=master.name, **where)
    tell_start(state, build)
    if row.stop_wanted:
        stop(state, master, run)
    offline.set_offline(state, master, build)


def _url(master: Master, build: BuildId) -> str | None:
    root = master.settings.url
    path = "/".join(f"job/{part}" for part in build.job.split("/"))
    return f"{root}/{path}/{build.number}/" if root else None


def _take_orphan(state: State, master: Master, run: Run, uuid: str) -> None:
    """A build of ours that has been given up, or one too many: nobody wants it."""
    row = state.ended[uuid]
    if (row.master, row.job, row.number) == (master.name, *run.id) and row.outcome is (
        Outcome.RESULT
    ):
        return
    if run.info.building:
        state.notice(Severity.WARNING, "Given up build runs, stopped", build=uuid, job=row.job)
        stop(state, master, run)


def stop(state: State, master: Master, run: Run) -> None:
    """Ask the master to interrupt it, once."""
    if not run.stop_sent:
        run.stop_sent = True
        state.emit(StopBuild(master.name, run.id))


# Ends.


def take_fetched(state: State, master: Master, event: BuildFetched) -> None:
    """What the master says of one build."""
    master.fetches.discard(event.id)
    run = master.runs.get(event.id)
    if run is None:
        return
    if event.build is not None:
        if event.build.building:
            run.fetch_due = state.now + 2 * _FETCH_AGAIN_SECONDS
        see_build(state, master, event.build, event.asked_at)
    elif event.failure is not None and event.failure.kind is FailureKind.NOT_FOUND:
        _doubt(state, master, run, _NOT_FOUND_SECONDS)
    else:
        run.fetch_due = state.now + 2 * _FETCH_AGAIN_SECONDS
    state.wake(run.fetch_due)


def _take_end(state: State, master: Master, run: Run) -> None:
    result = run.info.result
    if result is None:
        # A master that went away under a build will never give it a result.
        shaken = _is_shaken(state, master, run)
        _doubt(state, master, run, _NOT_FOUND_SECONDS if shaken else _NO_RESULT_SECONDS)
    elif result == _GOOD or (result == "ABORTED" and _is_stopped(state, run)):
        finish(state, master, run)
    elif _is_shaken(state, master, run):
        # Masters that are stopped fail what they run: that is no verdict on a change.
        finish(state, master, run, lost=True)
    else:
        run.phase = RunPhase.ENDING
        run.fetch_due = inf
        if run.bad_since is None:
            run.bad_since = state.now


def _is_shaken(state: State, master: Master, run: Run) -> bool:
    """Whether the master may have been stopped since the build was last seen to run."""
    build = state.builds.get(run.uuid) if run.uuid else None
    began_before = build is None or build.row.asked_at < master.shaken_at
    return run.alive_at < master.shaken_at and began_before


def _is_stopped(state: State, run: Run) -> bool:
    build = state.builds.get(run.uuid) if run.uuid else None
    return run.stop_sent or (build is not None and build.row.stop_wanted)


def _doubt(state: State, master: Master, run: Run, seconds: float) -> None:
    run.phase = RunPhase.ENDING
    if run.doubtful_since is None:
        run.doubtful_since = state.now
    if state.now - run.doubtful_since >= seconds:
        finish(state, master, run, lost=True)
    else:
        run.fetch_due = state.now + _FETCH_AGAIN_SECONDS
        state.wake(run.fetch_due)


def finish(state: State, master: Master, run: Run, *, lost: bool = False) -> None:
    """It has ended: once its node is offline, say so to everybody."""
    if run.info.parameters is None:
        # It vanished before anybody saw its parameters.
        run.info = replace(run.info, parameters={})
    _identify(state, master, run)
    if lost and run.info.result is not None:
        state.notice(Severity.WARNING, "Result not believed", job=run.id.job, number=run.id.number)
    run.phase, run.held_until = RunPhase.HELD, state.now + _HELD_SECONDS
    run.lost = lost
    state.wake(run.held_until)
    _release(state, master, run)


def _release(state: State, master: Master, run: Run) -> None:
    build = state.builds.get(run.uuid) if run.uuid else None
    if build is not None and offline.is_awaited(build) and state.now < run.held_until:
        return
    del master.runs[run.id]
    master.remember_end(run.id)
    for word in ("onStarted", "onCompleted", "onFinalized"):
        publish(state, master, run, word)
    if build is not None:
        offline.owe(state, master, build)
        result = None if run.lost else run.info.result
        outcome = Outcome.LOST if result is None else Outcome.RESULT
        end_build(state, build, outcome, result, "" if result else "the build was lost")


def publish(state: State, master: Master, run: Run, word: str) -> None:
    if word == "onStarted":
        if run.start_published:
            return
        run.start_published = True
    info = run.info if word != "onStarted" else replace(run.info, result=None)
    computer = master.computers.get(info.node) if info.node is not None else None
    text = event_json(
        word,
        info,
        root_url=master.settings.url,
        host_name=master.settings.host_name,
        node_description=computer.description if computer else None,
    )
    state.emit(PublishEvent(word, text, info.node))


def take_offline(state: State, master: Master, event: OfflineSet) -> None:
    """A node is offline, or is not; what was held for it may go."""
    if offline.take_answer(state, master, event):
        for run in list(master.runs.values()):
            if run.phase is RunPhase.HELD:
                _release(state, master, run)


# Time.


def tick_runs(state: State, master: Master) -> None:
    """What time has come for, of the builds on a master."""
    for run in list(master.runs.values()):
        if run.phase is RunPhase.HELD:
            if state.now >= run.held_until:
                _release(state, master, run)
            else:
                state.wake(run.held_until)
        elif run.phase is RunPhase.ENDING and run.id not in master.fetches:
            if run.bad_since is not None and _is_shaken(state, master, run):
                finish(state, master, run, lost=True)
            elif master.health is not Health.UP:
                continue
            elif state.now < run.fetch_due:
                state.wake(run.fetch_due)
            elif len(master.fetches) < _MAX_FETCHES:
                master.fetches.add(run.id)
                state.emit(FetchBuild(master.name, run.id))
    for build in state.builds_of(master):
        offline.set_offline(state, master, build)
    offline.tick_owed(state, master)

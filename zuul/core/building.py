"""Build sets of items: prepare a ref, launch jobs, take results, cancel, start over."""

from __future__ import annotations

from dataclasses import replace

from zuul.core.commands import (
    CancelBuild,
    DescribeBuild,
    LaunchBuild,
    MergeChanges,
    SeriesItem,
    UpdateRepo,
)
from zuul.core.descriptions import describe
from zuul.core.parameters import ParameterFunctionFailed, build_parameters, function_name
from zuul.core.state import Outstanding, State
from zuul.core.uploads import add_uploads
from zuul.model.build import (
    CANCELED,
    EXCEPTION,
    RETRY_LIMIT,
    SKIPPED,
    SUCCESS,
    Build,
    BuildData,
    BuildSet,
    MergeConflict,
    MergeState,
)
from zuul.model.change import Change, Ref
from zuul.model.job import NOOP, Job
from zuul.model.layout import MergeMode
from zuul.model.queue import QueueItem

# -- starting over -----------------------------------------------------------------------------


def cancel_builds(state: State, item: QueueItem) -> None:
    """Stop whatever the item's build set has out. The set stays, and launches nothing more."""
    build_set = item.build_set
    if build_set.canceled:
        return
    if build_set.request is not None:
        state.merges.pop(build_set.request, None)
        build_set.request = None
    state.mutexes.wait(item, ())
    for name, build in build_set.builds.items():
        if build.result is None:
            canceled = replace(build, result=CANCELED, canceled=True, ended_at=state.now)
            build_set.builds[name] = canceled
            retire(state, build)
            assert build.id is not None
            state.emit(CancelBuild(build.id))
    build_set.canceled = True
    item.frozen = None
    describe_builds(state, item)


def reset(state: State, item: QueueItem, reason: str) -> None:
    """Give the item a new build set: whatever it was tested on is no longer what it stands on."""
    state.touch(item)
    if item.build_set.is_untouched:
        return
    cancel_builds(state, item)
    item.build_set = BuildSet(previous=item.build_set.builds)
    item.failure_text = None
    state.observer.item_reset(item.pipeline, item.id, item.change, reason)


def reset_behind(state: State, item: QueueItem, reason: str) -> None:
    """Give a new build set to all built on the item; behind who asked for nothing nobody has."""
    for behind in list(item.chained_behind(lambda each: not each.build_set.is_untouched)):
        reset(state, behind, reason)


def retire(state: State, build: Build) -> None:
    """The build is over as far as we care: later news of it is not heard."""
    assert build.id is not None
    state.builds.pop(build.id, None)
    state.mutexes.release(build.id)


def describe_builds(state: State, item: QueueItem, reported: str | None = None) -> None:
    """Tell those who run the item's builds what they were about."""
    for build in item.build_set.builds.values():
        if build.id is not None and build.started_at is not None:
            state.emit(DescribeBuild(build.id, describe(item, build, reported)))


# -- the ref -----------------------------------------------------------------------------------


def prepare(state: State, item: QueueItem) -> bool:
    """Have the item's series merged; whether that is done and there is something to test."""
    build_set = item.build_set
    if build_set.merge_state is MergeState.NEW:
        _ask_for_ref(state, item)
    return build_set.merge_state is MergeState.COMPLETE and not build_set.unable_to_merge


def _ask_for_ref(state: State, item: QueueItem) -> None:
    build_set, change = item.build_set, item.change
    ahead = item.item_ahead
    if ahead is not None and isinstance(ahead.change, Change) and not ahead.build_set.series:
        return  # the item ahead asks first, and has us looked at again
    request = state.ids.new_id()
    precedence = state.pipeline_of(item).config.precedence
    if isinstance(change, Change):
        series = _series_item(state, item, change, request)
        build_set.series = series
        _name_changes(build_set, series, ahead)
        state.emit(MergeChanges(request, series, precedence))
    else:
        source = state.pipeline_of(item).config.source
        connection = change.key.connection if isinstance(change, Ref) else source
        state.emit(UpdateRepo(request, change.project, connection, precedence))
    build_set.request = request
    build_set.merge_state = MergeState.PENDING
    item.frozen = None
    state.merges[request] = Outstanding(item, build_set)
    for behind in item.items_behind:
        if behind.build_set.merge_state is MergeState.NEW:
            state.touch(behind)


def _series_item(state: State, item: QueueItem, change: Change, request: str) -> SeriesItem:
    project = state.layout.projects.get(change.project)
    ahead = item.item_ahead
    return SeriesItem(
        request=request,
        project=change.project,
        connection=change.key.connection,
        merge_mode=project.merge_mode if project else MergeMode.MERGE_RESOLVE,
        refspec=change.refspec,
        branch=change.branch,
        zuul_ref="Z" + state.ids.new_id(),
        number=change.key.number,
        patchset=change.key.patchset,
        ahead=_unmerged(ahead.build_set.series) if ahead else None,
    )


def _unmerged(series: SeriesItem | None) -> SeriesItem | None:
    return None if series is None or series.merged else series


def _name_changes(build_set: BuildSet, series: SeriesItem, ahead: QueueItem | None) -> None:
    """ZUUL_CHANGES and ZUUL_CHANGE_IDS: those of the item ahead and this one.

    Once the head of these has merged they are put together anew; that is once a merge.
    """
    known = ahead.build_set if ahead is not None and series.ahead is not None else None
    if known is not None and known.series_head is not None and not known.series_head.merged:
        build_set.series_head = known.series_head
        build_set.changes = f"{known.changes}^{_change_entry(series)}"
        build_set.change_ids = f"{known.change_ids} {series.number},{series.patchset}"
        return
    items = series.front_first()
    build_set.series_head = items[0]
    build_set.changes = "^".join(_change_entry(item) for item in items)
    build_set.change_ids = " ".join(f"{item.number},{item.patchset}" for item in items)


def _change_entry(item: SeriesItem) -> str:
    return f"{item.project}:{item.branch}:{item.refspec}"


def merge_again(state: State, item: QueueItem) -> bool:
    """Whether a merge that failed was asked for anew: the head of its series has merged since.

    A merger that made the whole series found that change in the branch already, and cherry-picking
    it once more is as good as a conflict. The next series leaves out what has merged.
    """
    build_set = item.build_set
    head = build_set.series_head
    if head is None or head is build_set.series or not head.merged:
        return False
    reset(state, item, "a change ahead has merged meanwhile")
    reset_behind(state, item, "a change ahead has merged meanwhile")
    return True


def take_merge(
    state: State,
    item: QueueItem,
    *,
    commit: str | None,
    tree: str | None = None,
    base_tree: str | None = None,
    zuul_url: str | None,
    conflict: MergeConflict | None = None,
    error: str | None = None,
) -> None:
    """The merger has answered; `error`: why there is nothing to test."""
    build_set = item.build_set
    build_set.request = None
    build_set.merge_state = MergeState.COMPLETE
    build_set.commit, build_set.tree, build_set.base_tree = commit, tree, base_tree
    build_set.zuul_url, build_set.conflict = zuul_url, conflict
    if error is not None:
        build_set.unable_to_merge = True
    skip_unreachable(item)
    state.touch(item)
    state.observer.merge_completed(item.pipeline, item.id, item.change, error is None, error)


# -- jobs --------------------------------------------------------------------------------------


def launch_jobs(state: State, item: QueueItem) -> None:
    """Launch what may run now. A job that ends at once may let its children run."""
    build_set = item.build_set
    assert not build_set.canceled
    while True:
        waiting: list[str] = []
        ended = False
        for job in item.plan.runnable(build_set.builds):
            if job.mutex is not None and not state.mutexes.is_free(job.mutex):
                waiting.append(job.mutex)
                continue
            ended = _launch(state, item, job) or ended
        if not ended:
            break
    state.mutexes.wait(item, tuple(dict.fromkeys(waiting)))


def _launch(state: State, item: QueueItem, job: Job) -> bool:
    """Launch one job; whether it has ended at once."""
    build_set = item.build_set
    item.frozen = None
    if job.name == NOOP:
        uuid = state.ids.new_id()
        end_build(state, item, Build(NOOP, uuid, SUCCESS, state.now, ended_at=state.now))
        return True
    for attempt in range(build_set.tries.get(job.name, 0), job.attempts):
        uuid = state.ids.new_id()
        try:
            parameters = build_parameters(
                item, job, uuid, lambda text: state.observer.problem(job.name, text)
            )
        except ParameterFunctionFailed as error:
            state.observer.problem(job.name, str(error))
            build_set.tries[job.name] = attempt + 1
            if attempt + 1 >= job.attempts:
                end_build(state, item, Build(job.name, uuid, EXCEPTION, ended_at=state.now))
                return True
            continue
        if job.swift:
            add_uploads(state, item, job, parameters)
        if job.mutex is not None:
            state.mutexes.take(job.mutex, uuid)
        build_set.builds[job.name] = Build(
            job.name, uuid, launched_at=state.now, parameters=parameters
        )
        state.builds[uuid] = Outstanding(item, build_set, job.name)
        precedence = state.pipeline_of(item).config.precedence
        function = function_name(job, parameters)
        state.emit(LaunchBuild(uuid, job.name, function, parameters, precedence))
        state.observer.build_launched(item.pipeline, item.id, item.change, uuid, job.name)
        return False
    end_build(state, item, Build(job.name, None, RETRY_LIMIT, ended_at=state.now))
    return True


def end_build(state: State, item: QueueItem, build: Build) -> None:
    """The build has a result; jobs that needed it to succeed are skipped."""
    item.build_set.builds[build.job] = build
    if build.result != SUCCESS:
        _skip_below(item, build.job)
    state.touch(item)


def _skip_below(item: QueueItem, job: str) -> None:
    for below in item.plan.below(job):
        item.build_set.builds.setdefault(below.name, Build(below.name, result=SKIPPED))


def skip_unreachable(item: QueueItem) -> None:
    """Skip what can no longer run: all jobs after a conflict, and those below a failed one."""
    builds = item.build_set.builds
    if item.build_set.unable_to_merge:
        for job in item.plan.jobs:
            builds.setdefault(job.name, Build(job.name, result=SKIPPED))
    for name, build in list(builds.items()):
        if build.result not in (None, SUCCESS):
            _skip_below(item, name)


# -- news of builds ----------------------------------------------------------------------------


def take_start(state: State, uuid: str, data: BuildData, at: float) -> None:
    """A worker took the build."""
    outstanding = state.builds.get(uuid)
    if outstanding is None:
        return
    item, name = outstanding.item, outstanding.job
    build = outstanding.build_set.builds[name]
    if build.started_at is not None:
        return
    estimate = state.times.estimate_seconds(name) or 0.0
    outstanding.build_set.builds[name] = replace(build, started_at=at, estimate=estimate, data=data)
    item.frozen = None
    state.observer.build_started(
        item.pipeline,
        item.id,
        item.change,
        uuid,
        name,
        wait=at - (build.launched_at or at),
        node_labels=data.node_labels,
        node_name=data.node_name,
    )


def take_update(state: State, uuid: str, data: BuildData) -> None:
    """A later packet of a running build; nothing to decide."""
    outstanding = state.builds.get(uuid)
    if outstanding is not None:
        builds = outstanding.build_set.builds
        builds[outstanding.job] = replace(builds[outstanding.job], data=data)
        outstanding.item.frozen = None


def take_end(
    state: State, uuid: str, result: str | None, data: BuildData | None, at: float
) -> None:
    """The build is over; without a result it is tried again, `attempts` times in all."""
    outstanding = state.builds.get(uuid)
    if outstanding is None:
        return
    item, build_set, name = outstanding.item, outstanding.build_set, outstanding.job
    build = build_set.builds[name]
    retire(state, build)
    started = build.started_at
    duration = None if started is None else max(0.0, at - started)
    if result is None:
        del build_set.builds[name]
        build_set.tries[name] = build_set.tries.get(name, 0) + 1
        state.touch(item)
    else:
        ended = replace(build, result=result, ended_at=at, data=data or build.data)
        end_build(state, item, ended)
        if duration is not None:
            state.times.record(name, duration, result)
    state.observer.build_completed(
        item.pipeline, item.id, item.change, uuid, name, result=result, duration=duration
    )

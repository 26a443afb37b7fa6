"""Reports on items: which reporters are told, and what follows from how that went."""

from __future__ import annotations

from zuul.core import building
from zuul.core.commands import SendReport, TestedState
from zuul.core.events import ReportCompleted
from zuul.core.leaving import dequeue, leave, note_merged, reset_rest, show_news
from zuul.core.messages import format_report
from zuul.core.pipeline import Pipeline
from zuul.core.state import OpenReport, State
from zuul.model.build import SKIPPED, SUCCESS
from zuul.model.change import Change, ChangeKey
from zuul.model.layout import ActionKind
from zuul.model.queue import ChangeQueue, QueueItem

#: how often in a row an item is tested again because its branch moved
MOST_BASE_MOVES = 5

DID_NOT_MERGE = "it did not merge"


def report_item(state: State, pipeline: Pipeline, item: QueueItem) -> None:
    """The item is done: say so. It leaves when the reporters have answered."""
    kind = _decide_kind(item)
    submit = None
    if pipeline.is_dependent and kind is ActionKind.SUCCESS:
        build_set = item.build_set
        submit = TestedState(build_set.commit, build_set.tree, build_set.base_tree)
    report = _send(state, pipeline, item, kind, submit)
    if report is None:
        _finish(state, pipeline, item, kind, ReportCompleted("", reported=False))
    else:
        item.report = report
        item.frozen = None


def report_dequeued(state: State, pipeline: Pipeline, queue: ChangeQueue, item: QueueItem) -> None:
    """The item has left as what it needs did not merge: say so; no answer matters."""
    if pipeline.is_dependent:
        _shrink(state, pipeline, queue)
    _send(state, pipeline, item, ActionKind.FAILURE, None)


def is_braked(state: State, pipeline: Pipeline, item: QueueItem) -> bool:
    """Whether the item would merge and must not: failures are told whatever is frozen."""
    return (
        pipeline.is_dependent
        and state.brakes.find(pipeline.name, item.change) is not None
        and _decide_kind(item) is ActionKind.SUCCESS
    )


def _decide_kind(item: QueueItem) -> ActionKind:
    if item.failure_text is not None:
        return ActionKind.FAILURE
    if item.plan.has_succeeded(item.build_set.builds):
        return ActionKind.SUCCESS
    return ActionKind.MERGE_FAILURE if item.build_set.unable_to_merge else ActionKind.FAILURE


def _send(
    state: State,
    pipeline: Pipeline,
    item: QueueItem,
    kind: ActionKind,
    submit: TestedState | None,
) -> str | None:
    """Send a final report; its id, or None if nobody is to be told."""
    shown = kind
    actions = pipeline.config.actions
    reporters = actions.get(kind, ())
    if kind is ActionKind.MERGE_FAILURE and kind not in actions:
        reporters = actions.get(ActionKind.FAILURE, ())
    if pipeline.disabled:
        shown, submit = ActionKind.DISABLED, None
        reporters = actions.get(ActionKind.DISABLED, ())
    _count(state, pipeline, kind)
    building.describe_builds(state, item, reported=kind.name)
    if not reporters:
        return None
    report = state.ids.new_id()
    state.reports[report] = OpenReport(item, kind, final=True)
    text = format_report(shown, item, pipeline.config, state.options)
    state.emit(
        SendReport(
            report=report,
            pipeline=pipeline.name,
            kind=shown,
            change=item.change,
            source=pipeline.config.source,
            reporters=reporters,
            message=text.message,
            submit=submit,
            summary=text.summary,
            jobs=text.jobs,
            zuul_ref=item.build_set.zuul_ref,
        )
    )
    return report


def _count(state: State, pipeline: Pipeline, kind: ActionKind) -> None:
    """Failures in a row; enough of them disable the pipeline after this report."""
    if kind is ActionKind.SUCCESS:
        pipeline.failures = 0
    elif kind is ActionKind.FAILURE:
        pipeline.failures += 1
        limit = pipeline.config.disable_after
        if limit is not None and pipeline.failures >= limit and not pipeline.disabled:
            pipeline.disabled = True
            state.observer.pipeline_disabled(pipeline.name, pipeline.failures)


# -- how it went ---------------------------------------------------------------------------------


def take_report(state: State, event: ReportCompleted) -> None:
    """The reporters have answered."""
    report = state.reports.pop(event.report, None)
    if report is None:
        return
    item = report.item
    action = report.kind.value
    state.observer.item_reported(item.pipeline, item.id, item.change, action, event.reported)
    if event.merged and isinstance(item.change.key, ChangeKey):
        for news in state.changes.mark_merged(item.change.key):
            show_news(state, news)
    if item.report != event.report:
        return  # a start report, or the item has left
    item.report = None
    item.frozen = None
    pipeline = state.pipeline_of(item)
    if event.base_moved and not event.merged:
        _test_again(state, pipeline, item)
    else:
        _finish(state, pipeline, item, report.kind, event)


def _test_again(state: State, pipeline: Pipeline, item: QueueItem) -> None:
    """The branch is not what the item was tested on: nothing was voted or submitted."""
    if _is_merged(item):
        note_merged(state, pipeline, item)
        return
    if item.withdrawn is not None:
        leave(state, item, item.withdrawn)
        return
    item.base_moves += 1
    if item.base_moves > MOST_BASE_MOVES:
        item.failure_text = (
            "The branch moved each time this change was about to merge; giving up after "
            f"{MOST_BASE_MOVES} new tests."
        )
        state.touch(item)
        return
    building.reset(state, item, "the branch has moved")
    building.reset_behind(state, item, "the branch has moved")


def _finish(
    state: State, pipeline: Pipeline, item: QueueItem, kind: ActionKind, event: ReportCompleted
) -> None:
    """The last word on the item: it leaves, and the queue draws its conclusions."""
    queue = item.queue
    assert queue is not None
    if pipeline.is_dependent:
        if event.merged and (wish := state.own_events.note_merged(item.change)):
            state.emit(wish)
        passed = kind is ActionKind.SUCCESS
        if event.tree_mismatch is not None:
            _stop(state, pipeline, queue, item, event.tree_mismatch)
        elif passed and event.merged and event.reported:
            _grow(state, pipeline, queue)
        elif _is_merged(item):
            if not passed:
                reset_rest(state, queue, item)
        else:
            item.failing_reasons += (DID_NOT_MERGE,)
            building.reset_behind(state, item, "the item ahead did not merge")
            _shrink(state, pipeline, queue)
    dequeue(state, item, _why(item, kind, event))


def _why(item: QueueItem, kind: ActionKind, event: ReportCompleted) -> str:
    """For the log: the outcome, and the jobs and changes to blame."""
    if event.merged:
        return "merged"
    if kind is ActionKind.SUCCESS and not item.failing_reasons:
        return "all jobs succeeded"
    build_set = item.build_set
    blamed = [
        f"{job.name} {build.result}"
        for job in item.plan.jobs
        if job.voting
        and (build := build_set.builds.get(job.name)) is not None
        and build.result not in (SUCCESS, SKIPPED)
        and not build.canceled
    ]
    conflict = build_set.conflict
    if conflict is not None:
        blamed.append(f"with {conflict.project} {conflict.number},{conflict.patchset}")
    return "; ".join((*item.failing_reasons, *blamed))


def _is_merged(item: QueueItem) -> bool:
    return isinstance(item.change, Change) and item.change.is_merged


def _stop(state: State, pipeline: Pipeline, queue: ChangeQueue, item: QueueItem, text: str) -> None:
    """What merged is not what was tested: nothing more goes in until someone has looked."""
    queue.stopped = text
    for other in queue:
        state.touch(other)
    reset_rest(state, queue, item)
    state.observer.alarm(pipeline.name, queue.name, text)


def _grow(state: State, pipeline: Pipeline, queue: ChangeQueue) -> None:
    before = queue.window
    for entered in queue.grow_window():
        state.touch(entered)
    if queue.window != before:
        state.observer.window_changed(pipeline.name, queue.name, queue.window)


def _shrink(state: State, pipeline: Pipeline, queue: ChangeQueue) -> None:
    before = queue.window
    queue.shrink_window()
    if queue.window != before:
        state.observer.window_changed(pipeline.name, queue.name, queue.window)

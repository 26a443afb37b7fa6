"""A new layout: items are carried over with what they have running.

Queues are refilled in their old order and the links of the tree are kept, so that a queue that
the new layout says nothing new about goes on as if nothing had happened: no build is repeated,
whoever was re-based past a failing item stays there, and its window stays as it is.
"""

from __future__ import annotations

from zuul.core import building
from zuul.core.commands import CancelBuild
from zuul.core.pipeline import Pipeline
from zuul.core.promote import arrange
from zuul.core.state import State
from zuul.model.build import SKIPPED
from zuul.model.layout import Layout
from zuul.model.plan import NO_JOBS
from zuul.model.queue import ChangeQueue, QueueItem


def load_layout(state: State, layout: Layout) -> None:
    """Replace the layout; also the first one."""
    old = state.pipelines
    state.agenda.clear()
    state.layout = layout
    state.reconfigured_at = state.now
    state.pipelines = {
        config.name: Pipeline(config, index) for index, config in enumerate(layout.pipelines)
    }
    for name, pipeline in old.items():
        new = state.pipelines.get(name)
        if new is None:
            for item in pipeline.items():
                _drop(state, item)
        else:
            _carry_over(state, pipeline, new)
    for pipeline in state.pipelines.values():
        for queue in pipeline.queues.values() if pipeline.is_dependent else ():
            arrange(state, pipeline, queue)
        for item in pipeline.items():
            state.touch(item)
        state.observer.current_changes(pipeline.name, pipeline.count)
    state.observer.reconfigured(tuple(state.pipelines))


def _carry_over(state: State, old: Pipeline, new: Pipeline) -> None:
    """A chain stays in one queue; its head goes where its project belongs now.

    Nothing goes from a pipeline that merges nothing into one that does: it was not asked for.
    """
    if new.is_dependent and not old.is_dependent:
        for item in old.items():
            _drop(state, item)
        return
    if new.is_dependent:
        _keep_windows(old, new)
    dropped: list[QueueItem] = []
    for queue in old.queues.values():
        private: ChangeQueue | None = None
        targets: dict[QueueItem, ChangeQueue] = {}
        for item in list(queue):
            target = targets.get(item.item_ahead) if item.item_ahead is not None else None
            if target is None and new.is_dependent:
                target = new.shared_queue(item.change.project)
            elif target is None:
                if private is None:
                    private = new.new_queue(queue.name)
                target = private
            if target is None or item.change.key in target.by_key:
                dropped.append(item)
            else:
                targets[item] = target
                _put(state, new, target, item)
    for item in dropped:
        # built on what is no longer there, whatever queue they are in now
        building.reset_behind(state, item, "the item ahead has no place in the new layout")
        for behind in list(item.items_behind):
            behind.attach(item.item_ahead)
        item.attach(None)
    for item in dropped:
        _drop(state, item)


def _keep_windows(old: Pipeline, new: Pipeline) -> None:
    """Of queues whose window is configured as before."""
    before = {queue.name: queue for queue in old.queues.values()}
    for queue in new.queues.values():
        known = before.get(queue.name)
        if known is not None and known.window_config == queue.window_config:
            queue.window = known.window


def _put(state: State, pipeline: Pipeline, queue: ChangeQueue, item: QueueItem) -> None:
    queue.append(item)
    pipeline.register(item)
    item.check_needs = True
    item.frozen = None
    if item.live:
        _plan_anew(state, pipeline, item)


def _plan_anew(state: State, pipeline: Pipeline, item: QueueItem) -> None:
    """Builds of jobs that are no longer the item's are cancelled and forgotten."""
    is_known = item.change.project in state.layout.projects
    item.plan = pipeline.plans.plan(item.change) if is_known else NO_JOBS
    builds = item.build_set.builds
    for name in [name for name in builds if name not in item.plan.by_name]:
        build = builds.pop(name)
        if build.result is None:
            assert build.id is not None
            building.retire(state, build)
            state.emit(CancelBuild(build.id))
    _forget_skipped(item)
    building.skip_unreachable(item)


def _forget_skipped(item: QueueItem) -> None:
    """What was skipped may run now that the job it waited for is gone."""
    builds = item.build_set.builds
    for name in [name for name, build in builds.items() if build.id is None]:
        if builds[name].result == SKIPPED:
            del builds[name]


def _drop(state: State, item: QueueItem) -> None:
    """The new layout has no place for the item; a report that is out is not waited for."""
    building.cancel_builds(state, item)
    item.report = None
    item.queue = None
    resident = state.now - item.enqueued_at
    reason = "the new layout has no place for it"
    state.observer.item_dequeued(item.pipeline, item.id, item.change, item.live, resident, reason)

"""One item, one look: the heart.

What the queue pass of the original does to every item for every event is done here to the items
on the agenda alone, front to back. An item is put there by whoever changes what its next step
depends on, and by nothing else:

    its own builds, merge, report, data      the event's handler
    what it builds on, or should             set_failing, dequeue, _move
    what it needs                            set_failing, dequeue, news of the change
    the window                               grow_window, dequeue
    a job ahead that holds it                _release
    a mutex                                  settle
    a freeze or a hold                       _brakes_changed
    the order of the queue                   _stand_anew
"""

from __future__ import annotations

from zuul.core import building, reporting
from zuul.core.dependencies import failing_need, unmet_reason
from zuul.core.leaving import dequeue, leave
from zuul.core.pipeline import Pipeline
from zuul.core.state import State
from zuul.model.change import Change
from zuul.model.queue import ChangeQueue, QueueItem

NEED_FAILING = "a needed change is failing"
CONFLICT = "it has a merge conflict"
JOB_FAILED = "at least one job failed"
BASE_MOVES = "the branch moved each time it was about to merge"

#: looks at one item in one settling; a look that puts the item back must have changed something
MOST_LOOKS = 200


def settle(state: State) -> None:
    """Look at items until there is none left to look at."""
    looks = 0
    items = sum(pipeline.count for pipeline in state.pipelines.values())
    while True:
        while state.agenda:
            item = state.agenda.pop()
            if item.queue is not None:
                process(state, item)
            looks += 1
            assert looks <= MOST_LOOKS * (items + 10), f"the queues do not settle: {item!r}"
        if not _offer_mutexes(state):
            return


def _offer_mutexes(state: State) -> bool:
    """Have the foremost waiter of each free mutex looked at; whether there was one."""
    offered = state.mutexes.offer(lambda item: _place(state, item))
    for item in offered:
        state.touch(item)
    return bool(offered)


def _place(state: State, item: QueueItem) -> tuple[int, int, int]:
    assert item.queue is not None
    return (state.pipeline_of(item).index, item.queue.index, item.order)


def process(state: State, item: QueueItem) -> None:
    """Take the item's next steps; the numbers are those of contract zuul.md 3.6."""
    if item.report is not None:
        return  # neither moves nor leaves
    pipeline, queue = state.pipeline_of(item), item.queue
    assert queue is not None
    # 1: can what it needs still be had?
    if item.check_needs:
        item.check_needs = False
        reason = unmet_reason(state.changes, pipeline, item)
        if reason is not None:
            _give_up(state, pipeline, queue, item, reason)
            return
    if item.live and not item.plan.jobs:
        leave(state, item, "it has no jobs")
        return
    # 3: is what it needs failing?
    if pipeline.is_dependent and failing_need(queue, item.change) is not None:
        building.cancel_builds(state, item)
        _look_at_result(state, pipeline, queue, item, (NEED_FAILING,))
        return
    # 4: does it stand on the right item?
    nearest = queue.nearest_non_failing(item)
    ahead = item.live_ahead
    if ahead is not nearest and not _is_merged(ahead):
        _move(state, item, nearest)
    elif item.build_set.canceled:
        building.reset(state, item, "what it needs is no longer failing")
    # 5: get on with it
    if item.active and building.prepare(state, item) and item.live and _is_released(item):
        building.launch_jobs(state, item)
    _release(state, item)
    reasons: tuple[str, ...] = (CONFLICT,) if item.build_set.unable_to_merge else ()
    if item.failure_text is not None:
        reasons += (BASE_MOVES,)
    _look_at_result(state, pipeline, queue, item, reasons)


def _is_merged(item: QueueItem | None) -> bool:
    return item is not None and isinstance(item.change, Change) and item.change.is_merged


def _look_at_result(
    state: State,
    pipeline: Pipeline,
    queue: ChangeQueue,
    item: QueueItem,
    reasons: tuple[str, ...],
) -> None:
    """Steps 6 to 9: does it fail, and is it done?"""
    if item.plan.has_failed(item.build_set.builds):
        reasons += (JOB_FAILED,)
    set_failing(state, item, reasons)
    if not item.live and not item.items_behind:
        leave(state, item, "it is a non-live item with no items behind")
        return
    if (
        item.live
        and item.live_ahead is None
        and not item.build_set.canceled
        and queue.stopped is None
        and item.plan.is_complete(item.build_set.builds)
        and not reporting.is_braked(state, pipeline, item)
    ):
        reporting.report_item(state, pipeline, item)


def set_failing(state: State, item: QueueItem, reasons: tuple[str, ...]) -> None:
    """Note why the item fails, if it does; if that is a turn, others stand elsewhere now."""
    if reasons != item.failing_reasons:
        item.failing_reasons = reasons
        item.frozen = None
    queue = item.queue
    assert queue is not None
    if queue.set_passing(item, item.live and not reasons):
        for follower in queue.until_next_passing(item):
            state.touch(follower)
        for dependant in state.pipeline_of(item).dependants(item):
            state.touch(dependant)


def _move(state: State, item: QueueItem, nearest: QueueItem | None) -> None:
    """Build on `nearest` from now on. What was behind the item stays, and is looked at in turn.

    before   A <- B <- C <- D     B fails     after C   A <- B <- D,  A <- C
                                              after D   A <- B,       A <- C <- D
    """
    for behind in list(item.items_behind):
        behind.attach(item.item_ahead)
        state.touch(behind)
    item.attach(nearest)
    building.reset(state, item, "the item ahead has changed")
    item.chain_released = False


def _is_released(item: QueueItem) -> bool:
    """Whether nothing ahead holds the item back; once released, it stays so."""
    if not item.chain_released:
        ahead = item.item_ahead
        item.chain_released = ahead is None or (
            ahead.chain_released and ahead.plan.is_released(ahead.build_set.builds)
        )
    return item.chain_released


def _release(state: State, item: QueueItem) -> None:
    """Let those behind go, if nothing holds them any more."""
    if not item.items_behind or not _is_released(item):
        return
    if item.live and not item.plan.is_released(item.build_set.builds):
        return
    for behind in item.items_behind:
        if not behind.chain_released:
            state.touch(behind)


def _give_up(
    state: State, pipeline: Pipeline, queue: ChangeQueue, item: QueueItem, reason: str
) -> None:
    """What the item needs cannot be had any more: it leaves, and is told so."""
    building.cancel_builds(state, item)
    building.reset_behind(state, item, "the item ahead was dequeued")
    item.unmet_need = reason
    dequeue(state, item, reason)
    if item.live:
        reporting.report_dequeued(state, pipeline, queue, item)

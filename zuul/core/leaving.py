"""Items that leave: what follows for those behind, and for those that needed them."""

from __future__ import annotations

from collections.abc import Iterable

from zuul.core import building
from zuul.core.changes import News, patchset_number
from zuul.core.pipeline import Pipeline
from zuul.core.state import State
from zuul.model.change import Change, ChangeKey
from zuul.model.queue import ChangeQueue, QueueItem


def dequeue(state: State, item: QueueItem, reason: str) -> None:
    """Take the item out. Its builds must have ended or been cancelled before."""
    pipeline, queue = state.pipeline_of(item), item.queue
    assert queue is not None
    if _is_merged(item) and item.build_set.series is not None:
        item.build_set.series.mark_merged()
    affected = list(item.items_behind)
    if item.item_ahead is not None:
        affected.append(item.item_ahead)
    for dependant in pipeline.dependants(item):
        dependant.check_needs = True
        affected.append(dependant)
    state.mutexes.wait(item, ())
    affected += queue.remove(item)
    pipeline.unregister(item)
    pipeline.drop_if_empty(queue)
    for other in affected:
        state.touch(other)
    resident = state.now - item.enqueued_at
    state.observer.item_dequeued(pipeline.name, item.id, item.change, item.live, resident, reason)
    state.observer.current_changes(pipeline.name, pipeline.count)


def leave(state: State, item: QueueItem, reason: str) -> None:
    """Take the item out without a report; all that was built on it starts over."""
    building.cancel_builds(state, item)
    building.reset_behind(state, item, f"the item ahead left: {reason}")
    dequeue(state, item, reason)


def withdraw(state: State, item: QueueItem, reason: str) -> None:
    """The item is no longer wanted. One whose report is out stays until that is back."""
    if item.report is not None:
        item.withdrawn = reason
        item.frozen = None
    else:
        leave(state, item, reason)


def withdraw_older(state: State, pipeline: Pipeline, key: ChangeKey) -> None:
    """A new patch set was uploaded: live items of older ones go."""
    newest = patchset_number(key.patchset)
    for item in pipeline.of_review(key.connection, key.number):
        assert isinstance(item.change, Change)
        if item.live and patchset_number(item.change.key.patchset) < newest:
            withdraw(state, item, "superseded by a new patch set")


def withdraw_abandoned(state: State, pipeline: Pipeline, key: ChangeKey) -> None:
    """The change was abandoned: live items of exactly this patch set go."""
    for item in pipeline.holding(key):
        if item.live:
            withdraw(state, item, "the change was abandoned")


def note_merged(state: State, pipeline: Pipeline, item: QueueItem) -> None:
    """The item's change has merged, and not by our doing: there is nothing left to gate.

    Those behind keep their builds if the item was next to merge and they were built on it: that
    is then what the branch holds. If not, the branch holds something that nobody was tested on.
    """
    if not pipeline.is_dependent or not item.live or item.report is not None:
        return
    queue = item.queue
    assert queue is not None
    building.cancel_builds(state, item)
    if item.live_ahead is not None or item.is_failing:
        reset_rest(state, queue, item)
    dequeue(state, item, "somebody else merged it")


def reset_rest(state: State, queue: ChangeQueue, item: QueueItem) -> None:
    """The branch is not what those after the item were tested on, wherever they are attached."""
    following = item.next
    while following is not None:
        if following.report is None:
            building.reset(state, following, "the branch is not what it was tested on")
        following = following.next


def show_news(state: State, news: News) -> None:
    """Show items what is new of their change, and look again at those that need it."""
    change = news.new
    for pipeline in state.pipelines.values():
        for item in pipeline.holding(change.key):
            pipeline.refresh(item, change)
            if news.old is None or news.old.needs != change.needs:
                item.check_needs = True
                state.touch(item)
        if news.matters_to_dependants:
            for dependant in pipeline.needing(change.key):
                dependant.check_needs = True
                state.touch(dependant)


def take_news(state: State, changes: Iterable[Change]) -> None:
    """What a server said of changes, whoever asked."""
    for news in state.changes.update(changes):
        show_news(state, news)
        if news.new.is_merged:
            for pipeline in state.pipelines.values():
                for item in pipeline.holding(news.new.key):
                    note_merged(state, pipeline, item)


def _is_merged(item: QueueItem) -> bool:
    return isinstance(item.change, Change) and item.change.is_merged

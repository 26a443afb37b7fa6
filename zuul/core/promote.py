"""A queue in another order: changes go first because somebody said so, or last as they may not
merge.

    before    A <- B <- C <- D     promote C, which needs B
    after     B <- C <- A <- D     A, B and C start again, and D as it stands on A, that does

Whoever keeps all that is ahead of it goes on as if nothing had happened. What is being reported
stays in front: it neither moves nor leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from zuul.core import building
from zuul.core.dependencies import failing_need, needs_of
from zuul.core.pipeline import Pipeline
from zuul.core.state import State
from zuul.errors import RequestError
from zuul.model.change import ChangeKey
from zuul.model.queue import ChangeQueue, QueueItem


def promote(state: State, pipeline: Pipeline, keys: Iterable[ChangeKey]) -> list[QueueItem]:
    """Put the changes first; gives those that stay behind, as they may not merge.

    Raises RequestError unless all are in one queue. A queue of an independent pipeline is one
    change on what it needs, and has no other order.
    """
    wanted = [_find(pipeline, key) for key in dict.fromkeys(keys)]
    first = wanted[0]
    for item in wanted:
        if item.queue is not first.queue:
            raise RequestError(
                f"Changes {first.change.key} and {item.change.key} are not in the same queue"
            )
    queue = first.queue
    assert queue is not None
    if not pipeline.is_dependent:
        return []
    arrange(state, pipeline, queue, wanted)
    if all(item in queue.braked or item.report is not None for item in queue):
        return []
    return [item for item in wanted if item in queue.braked]


def arrange(
    state: State, pipeline: Pipeline, queue: ChangeQueue, first: Sequence[QueueItem] = ()
) -> None:
    """Order a queue that merges: who goes first, the rest as they are, who may not merge last.

    So whoever is frozen or held keeps nobody waiting but those that need it.
    """
    queue.braked = braked = _find_braked(state, pipeline, queue)
    free = new_order(queue, [item for item in first if item not in braked])
    order = [item for item in free if item not in braked]
    order += [item for item in new_order(queue, first) if item in braked]
    start = next((i for i, item in enumerate(queue) if item is not order[i]), None)
    if start is not None:
        for entered in queue.reorder(order, start):
            state.touch(entered)
        _stand_anew(state, queue, order[start:])


def _find_braked(state: State, pipeline: Pipeline, queue: ChangeQueue) -> set[QueueItem]:
    """Who may not merge, or needs somebody who may not; needs stand ahead of who needs them."""
    braked: set[QueueItem] = set()
    for item in queue:
        if item.report is None and (
            state.brakes.find(pipeline.name, item.change) is not None
            or any(queue.by_key.get(key) in braked for key in needs_of(item.change))
        ):
            braked.add(item)
    return braked


def _find(pipeline: Pipeline, key: ChangeKey) -> QueueItem:
    item = pipeline.find_live(key) or next(iter(pipeline.holding(key)), None)
    if item is None:
        raise RequestError(f"Change {key} is not in pipeline {pipeline.name}")
    return item


def new_order(queue: ChangeQueue, wanted: Iterable[QueueItem]) -> list[QueueItem]:
    """Who is being reported, then each wanted item after what it needs, then the rest."""
    order = dict.fromkeys(item for item in queue if item.report is not None)
    for item in wanted:
        for needed in _needs_first(queue, item):
            order.setdefault(needed)
    for item in queue:
        order.setdefault(item)
    return list(order)


def _needs_first(queue: ChangeQueue, item: QueueItem) -> Iterator[QueueItem]:
    """What the item needs of the queue, directly or not, each after its own needs; then itself."""
    entered = {item}
    stack = [(item, iter(needs_of(item.change)))]
    while stack:
        current, needs = stack[-1]
        key = next(needs, None)
        if key is None:
            stack.pop()
            yield current
            continue
        needed = queue.by_key.get(key)
        if needed is not None and needed not in entered:
            entered.add(needed)
            stack.append((needed, iter(needs_of(needed.change))))


def _stand_anew(state: State, queue: ChangeQueue, items: Iterable[QueueItem]) -> None:
    """Have each item stand where the new order wants it; who stands on other things starts over."""
    moved: set[QueueItem] = set()
    for item in items:
        state.touch(item)
        if item.report is not None:
            continue
        nearest, ahead = queue.nearest_non_failing(item), item.item_ahead
        if ahead is nearest and ahead not in moved:
            continue
        moved.add(item)
        item.attach(nearest)
        item.chain_released = False
        if failing_need(queue, item.change) is not None:
            continue  # its builds are cancelled; it starts over when that has ended
        building.reset(state, item, "the queue has another order")
        item.failing_reasons = ()
        queue.set_passing(item, item.live)

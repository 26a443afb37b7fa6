"""What a change needs, and whether that can be met; over the change table."""

from __future__ import annotations

from collections.abc import Callable

from zuul.core.changes import ChangeTable
from zuul.core.pipeline import Pipeline
from zuul.model.change import Change, Changeish, ChangeKey
from zuul.model.queue import ChangeQueue, QueueItem


def needs_of(change: Changeish) -> tuple[ChangeKey, ...]:
    return change.needs if isinstance(change, Change) else ()


def find_cycle(
    changes: ChangeTable, start: Change, is_settled: Callable[[ChangeKey], bool]
) -> tuple[ChangeKey, ...] | None:
    """A circle among the unmerged needs of `start`, as a path; None if there is none.

    `is_settled`: keys behind which one need not look, as they are in the queue already.
    """
    path: list[ChangeKey] = [start.key]
    on_path = {start.key: 0}
    done: set[ChangeKey] = set()
    stack = [iter(start.needs)]
    while stack:
        key = next(stack[-1], None)
        if key is None:
            stack.pop()
            left = path.pop()
            del on_path[left]
            done.add(left)
            continue
        if key in on_path:
            return (*path[on_path[key] :], key)
        change = changes.find(key)
        if key in done or change is None or change.is_merged or is_settled(key):
            continue
        on_path[key] = len(path)
        path.append(key)
        stack.append(iter(change.needs))
    return None


def unmet_reason(changes: ChangeTable, pipeline: Pipeline, item: QueueItem) -> str | None:
    """Why a queued item can no longer merge or be tested; None while it can."""
    if pipeline.config.ignore_dependencies and not pipeline.is_dependent:
        return None
    assert item.queue is not None
    for key in needs_of(item.change):
        needed = changes.find(key)
        if needed is not None and needed.is_merged:
            continue
        if pipeline.is_dependent and (needed is None or not needed.is_current_patchset):
            return f"the needed change {key} is superseded"
        ahead = item.queue.by_key.get(key)
        if ahead is None or ahead.order > item.order:
            return f"the needed change {key} is not ahead of it in the queue"
    return None


def failing_need(queue: ChangeQueue, change: Changeish) -> ChangeKey | None:
    """The first change that this one needs and that is in the queue and fails."""
    for key in needs_of(change):
        needed = queue.by_key.get(key)
        if needed is not None and needed.is_failing:
            return key
    return None

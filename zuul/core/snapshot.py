"""What the pipelines look like at one moment, frozen.

Taking a snapshot is all that the scheduler's thread does for status.json. What an item looks like
is kept with the item until it changes; text, URLs and times are worked out by `zuul.core.status`
on the thread that asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zuul.core.state import State
from zuul.core.waiting import Waiting, find_wait
from zuul.model.brakes import Freeze, Hold
from zuul.model.build import Build, MergeConflict
from zuul.model.change import Changeish, Key
from zuul.model.plan import JobPlan
from zuul.model.queue import QueueItem


@dataclass(frozen=True, slots=True)
class ItemStatus:
    """One item."""

    change: Changeish
    pipeline: str
    live: bool
    active: bool
    item_ahead: Key | None
    items_behind: tuple[Key, ...]
    failing_reasons: tuple[str, ...]
    zuul_ref: str | None
    enqueued_at: float
    plan: JobPlan
    builds: Mapping[str, Build]
    conflict: MergeConflict | None
    #: why nothing happens to it at the moment; None while something does
    waiting: Waiting | None
    #: what will keep it from merging, or does
    brake: str | None


@dataclass(frozen=True, slots=True)
class QueueStatus:
    name: str
    #: 0 is unlimited
    window: int
    #: why nothing is reported any more
    stopped: str | None
    #: front to back
    items: tuple[ItemStatus, ...]


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    name: str
    description: str | None
    disabled: bool
    freezes: tuple[Freeze, ...]
    queues: tuple[QueueStatus, ...]


@dataclass(frozen=True, slots=True)
class StatusSnapshot:
    """Everything, in the layout's order."""

    taken_at: float
    #: None before the first layout
    reconfigured_at: float | None
    exiting: bool
    url_pattern: str | None
    #: all of them, whatever the layout has
    freezes: tuple[Freeze, ...]
    holds: tuple[Hold, ...]
    pipelines: tuple[PipelineStatus, ...]


def take_snapshot(state: State, now: float) -> StatusSnapshot:
    return StatusSnapshot(
        taken_at=now,
        reconfigured_at=state.reconfigured_at,
        exiting=state.exiting,
        url_pattern=state.options.url_pattern,
        freezes=tuple(state.brakes.freezes.values()),
        holds=tuple(state.brakes.holds.values()),
        pipelines=tuple(
            PipelineStatus(
                name=pipeline.name,
                description=pipeline.config.description,
                disabled=pipeline.disabled,
                freezes=(state.brakes.of_pipeline(pipeline.name) if pipeline.is_dependent else ()),
                queues=tuple(
                    QueueStatus(
                        queue.name,
                        queue.window,
                        queue.stopped,
                        tuple(item.frozen or _show(state, item) for item in queue),
                    )
                    for queue in pipeline.queues.values()
                ),
            )
            for pipeline in state.pipelines.values()
        ),
    )


def _show(state: State, item: QueueItem) -> ItemStatus:
    build_set = item.build_set
    brake = _find_brake(state, item)
    ahead = item.item_ahead
    item.frozen = status = ItemStatus(
        change=item.change,
        pipeline=item.pipeline,
        live=item.live,
        active=item.active,
        item_ahead=ahead.change.key if ahead is not None else None,
        items_behind=tuple(behind.change.key for behind in item.items_behind),
        failing_reasons=item.failing_reasons,
        zuul_ref=build_set.zuul_ref,
        enqueued_at=item.enqueued_at,
        plan=item.plan,
        builds=dict(build_set.builds),
        conflict=build_set.conflict,
        waiting=find_wait(item, brake),
        brake=brake,
    )
    return status


def _find_brake(state: State, item: QueueItem) -> str | None:
    if not item.live or not state.pipeline_of(item).is_dependent:
        return None
    brake = state.brakes.find(item.pipeline, item.change)
    return None if brake is None else brake.text

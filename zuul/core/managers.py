"""The policies of pipelines: what each asks of a change, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from zuul.core.pipeline import Pipeline
from zuul.core.state import State
from zuul.model.change import Change, Changeish, ChangeKey
from zuul.model.layout import Manager
from zuul.model.queue import ChangeQueue


@dataclass(frozen=True, slots=True)
class Refusal:
    """The change may not enter."""

    reason: str


class Policy(Protocol):
    """What differs between managers."""

    #: items of what is needed are tested and reported themselves
    live_ahead: bool

    def object_to(self, pipeline: Pipeline, change: Changeish) -> Refusal | None:
        """Why the change may not be enqueued in principle."""
        ...

    def find_queue(self, pipeline: Pipeline, change: Changeish) -> ChangeQueue | Refusal: ...

    def missing_needs(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change] | Refusal:
        """What must be enqueued ahead first."""
        ...

    def dependants(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        """What to enqueue behind."""
        ...


class Independent:
    """Each change by itself, on top of what it needs."""

    live_ahead = False

    def object_to(self, pipeline: Pipeline, change: Changeish) -> Refusal | None:
        return None

    def find_queue(self, pipeline: Pipeline, change: Changeish) -> ChangeQueue:
        return pipeline.new_queue(change.project)

    def missing_needs(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change] | Refusal:
        if pipeline.config.ignore_dependencies or not isinstance(change, Change):
            return []
        missing: list[Change] = []
        for key in change.needs:
            needed = state.changes.find(key)
            if needed is None:
                return _unknown(key)
            if not needed.is_merged and key not in queue.by_key:
                missing.append(needed)
        return missing

    def dependants(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        return []


class Dependent:
    """Changes of shared queues, each on top of all those ahead of it."""

    live_ahead = True

    def object_to(self, pipeline: Pipeline, change: Changeish) -> Refusal | None:
        if not isinstance(change, Change):
            return Refusal("only changes can be merged")
        if change.is_merged:
            return Refusal("the change is merged already")
        if not change.can_merge(pipeline.labels_voted):
            return Refusal("the change cannot be submitted now")
        return None

    def find_queue(self, pipeline: Pipeline, change: Changeish) -> ChangeQueue | Refusal:
        queue = pipeline.shared_queue(change.project)
        if queue is None:
            return Refusal(f"no queue for project {change.project}")
        return queue

    def missing_needs(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change] | Refusal:
        missing: list[Change] = []
        for key in change.needs if isinstance(change, Change) else ():
            needed = state.changes.find(key)
            if needed is None:
                return _unknown(key)
            if needed.is_merged:
                continue
            if pipeline.shared_queue(needed.project) is not queue:
                return Refusal(f"the needed change {key} is not of the same queue")
            if not needed.is_current_patchset:
                return Refusal(f"the needed change {key} is superseded")
            if key in queue.by_key:
                continue
            if not needed.can_merge(pipeline.labels_voted):
                return Refusal(f"the needed change {key} cannot be submitted now")
            missing.append(needed)
        return missing

    def dependants(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        return [
            behind
            for key in (change.needed_by if isinstance(change, Change) else ())
            if (behind := state.changes.find(key)) is not None
            and key not in queue.by_key
            and pipeline.shared_queue(behind.project) is queue
            and not behind.is_merged
            and behind.can_merge(pipeline.labels_voted)
        ]


def _unknown(key: ChangeKey) -> Refusal:
    return Refusal(f"nothing is known of the needed change {key}")


POLICIES: dict[Manager, Policy] = {
    Manager.INDEPENDENT: Independent(),
    Manager.DEPENDENT: Dependent(),
}

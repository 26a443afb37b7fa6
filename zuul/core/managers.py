"""The policies of pipelines: what each asks of a change, and where it goes."""

from __future__ import annotations

from typing import Protocol

from zuul.core.pipeline import Pipeline
from zuul.core.state import State
from zuul.model.change import Change, Changeish, ChangeKey
from zuul.model.layout import Manager
from zuul.model.queue import ChangeQueue


class Refused(Exception):
    """The change may not enter; the text says why."""


class Policy(Protocol):
    """What differs between managers."""

    #: items of what is needed are tested and reported themselves
    live_ahead: bool

    def admit(self, pipeline: Pipeline, change: Changeish) -> None:
        """Refused unless the change may be enqueued in principle."""
        ...

    def find_queue(self, pipeline: Pipeline, change: Changeish) -> ChangeQueue: ...

    def missing_needs(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        """What must be enqueued ahead first; Refused if something needed cannot be."""
        ...

    def dependants(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        """What to enqueue behind."""
        ...


class Independent:
    """Each change by itself, on top of what it needs."""

    live_ahead = False

    def admit(self, pipeline: Pipeline, change: Changeish) -> None:
        pass

    def find_queue(self, pipeline: Pipeline, change: Changeish) -> ChangeQueue:
        return pipeline.new_queue(change.project)

    def missing_needs(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        if pipeline.config.ignore_dependencies or not isinstance(change, Change):
            return []
        return [
            needed
            for key in change.needs
            if not (needed := _find(state, key)).is_merged and key not in queue.by_key
        ]

    def dependants(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        return []


class Dependent:
    """Changes of shared queues, each on top of all those ahead of it."""

    live_ahead = True

    def admit(self, pipeline: Pipeline, change: Changeish) -> None:
        if not isinstance(change, Change):
            raise Refused("only changes can be merged")
        if change.is_merged:
            raise Refused("the change is merged already")
        if not change.can_merge(pipeline.config.labels_voted()):
            raise Refused("the change cannot be submitted now")

    def find_queue(self, pipeline: Pipeline, change: Changeish) -> ChangeQueue:
        queue = pipeline.shared_queue(change.project)
        if queue is None:
            raise Refused(f"no queue for project {change.project}")
        return queue

    def missing_needs(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        missing: list[Change] = []
        for key in change.needs if isinstance(change, Change) else ():
            needed = _find(state, key)
            if needed.is_merged:
                continue
            if pipeline.shared_queue(needed.project) is not queue:
                raise Refused(f"the needed change {key} is not of the same queue")
            if not needed.is_current_patchset:
                raise Refused(f"the needed change {key} is superseded")
            if key in queue.by_key:
                continue
            if not needed.can_merge(pipeline.config.labels_voted()):
                raise Refused(f"the needed change {key} cannot be submitted now")
            missing.append(needed)
        return missing

    def dependants(
        self, state: State, pipeline: Pipeline, change: Changeish, queue: ChangeQueue
    ) -> list[Change]:
        labels = pipeline.config.labels_voted()
        return [
            behind
            for key in (change.needed_by if isinstance(change, Change) else ())
            if (behind := state.changes.find(key)) is not None
            and key not in queue.by_key
            and pipeline.shared_queue(behind.project) is queue
            and not behind.is_merged
            and behind.can_merge(labels)
        ]


def _find(state: State, key: ChangeKey) -> Change:
    change = state.changes.find(key)
    if change is None:
        raise Refused(f"nothing is known of the needed change {key}")
    return change


POLICIES: dict[Manager, Policy] = {
    Manager.INDEPENDENT: Independent(),
    Manager.DEPENDENT: Dependent(),
}

"""What people ask for: enqueue, dequeue, promote, freeze, hold. Each request is answered once.

A request that cannot be met is refused as a whole, before anything was changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zuul.core import leaving
from zuul.core.admission import Admission, enqueue
from zuul.core.commands import AnswerRequest, KeepBrakes
from zuul.core.pipeline import Pipeline
from zuul.core.promote import arrange, promote
from zuul.core.requests import (
    DequeueRequested,
    EnqueueRequested,
    FreezeRequested,
    HoldRequested,
    PromoteRequested,
    Request,
    UnfreezeRequested,
    UnholdRequested,
)
from zuul.core.state import State
from zuul.errors import RequestError
from zuul.model.brakes import Hold, describe_scope
from zuul.model.change import Change, ChangeKey, NullChange, Ref
from zuul.model.queue import QueueItem

#: changes that a message lists
MOST_LISTED = 20

#: pipeline requirements are waived, as ever (contract zuul.md 3.15)
BY_HAND = Admission(waive_requirements=True)


def take_request(state: State, event: Request) -> None:
    """Do what is asked and answer."""
    try:
        note = _HANDLERS[type(event)](state, event)
    except RequestError as refusal:
        state.emit(AnswerRequest(event.request, error=str(refusal)))
    else:
        state.emit(AnswerRequest(event.request, note=note))


def _find_pipeline(state: State, name: str) -> Pipeline:
    pipeline = state.pipelines.get(name)
    if pipeline is None:
        raise RequestError(f"Invalid pipeline: {name}")
    return pipeline


def _find_merging(state: State, name: str) -> Pipeline:
    pipeline = _find_pipeline(state, name)
    if not pipeline.is_dependent:
        merging = [p.name for p in state.pipelines.values() if p.is_dependent]
        raise RequestError(
            f"Pipeline {name} merges nothing that could be stopped"
            f"\npipelines that merge: {_listed(merging)}"
        )
    return pipeline


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = len(shown) - MOST_LISTED
    return " ".join(shown[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "") or "none"


# -- in and out ----------------------------------------------------------------------------------


def _enqueue(state: State, event: EnqueueRequested) -> str | None:
    """Compat: a change that may not enter is no error (test_124); the note says why it did not."""
    if state.exiting:
        raise RequestError("zuul-server is about to exit and takes nothing in")
    pipeline = _find_pipeline(state, event.pipeline)
    if event.project not in state.layout.projects:
        raise RequestError(f"Invalid project: {event.project}")
    subject = event.subject
    if subject.project != event.project:
        raise RequestError(f"Invalid change: {subject.key}\nit is of project {subject.project}")
    leaving.take_news(state, event.changes)
    if pipeline.find_live(subject.key) is not None:
        return f"{subject.key} is in pipeline {pipeline.name} already"
    refusal = enqueue(state, pipeline, subject, BY_HAND)
    return None if refusal is None else f"{subject.key} was not enqueued: {refusal.reason}"


def _dequeue(state: State, event: DequeueRequested) -> str | None:
    pipeline = _find_pipeline(state, event.pipeline)
    items = _find_items(pipeline, event)
    if not items:
        inside = _listed(
            str(item.change.key) or f"the timer's item of {item.change.project}"
            for item in pipeline.items()
            if item.live
        )
        raise RequestError(
            f"{_describe(event)} is not in pipeline {pipeline.name}"
            f"\nin pipeline {pipeline.name}: {inside}"
        )
    for item in items:
        leaving.withdraw(state, item, "dequeued by hand")
    if any(item.report is not None for item in items):
        return "its report is on the way, it leaves when that is done"
    return None


def _find_items(pipeline: Pipeline, event: DequeueRequested) -> list[QueueItem]:
    if event.change is not None:
        item = pipeline.find_live(ChangeKey(pipeline.config.source, *event.change))
        if item is None or event.project not in (None, item.change.project):
            return []
        return [item]
    return [
        item
        for item in pipeline.items()
        if item.live
        and item.change.project == event.project
        and (
            isinstance(item.change, NullChange)
            if event.tick
            else isinstance(item.change, Ref) and item.change.ref == event.ref
        )
    ]


def _describe(event: DequeueRequested) -> str:
    if event.change is not None:
        of = f" of project {event.project}" if event.project else ""
        return f"Change {','.join(event.change)}{of}"
    if event.tick:
        return f"An item of the timer for project {event.project}"
    return f"Ref {event.ref} of project {event.project}"


def _promote(state: State, event: PromoteRequested) -> str | None:
    pipeline = _find_pipeline(state, event.pipeline)
    if not event.changes:
        raise RequestError("No change is named")
    keys = [ChangeKey(pipeline.config.source, *each) for each in event.changes]
    behind = promote(state, pipeline, keys)
    if not behind:
        return None
    return f"may not merge and stay behind: {_listed(str(item.change.key) for item in behind)}"


# -- freezes and holds ---------------------------------------------------------------------------


def _freeze(state: State, event: FreezeRequested) -> str | None:
    freeze = event.freeze
    if freeze.pipeline is not None:
        _find_merging(state, freeze.pipeline)
    if freeze.project is not None and freeze.project not in state.layout.projects:
        raise RequestError(f"Invalid project: {freeze.project}")
    state.brakes.freezes[freeze.scope] = freeze
    return _brakes_changed(
        state,
        lambda item: (
            freeze.pipeline in (None, item.pipeline)
            and freeze.project in (None, item.change.project)
        ),
    )


def _unfreeze(state: State, event: UnfreezeRequested) -> str | None:
    scope = (event.pipeline, event.project)
    if state.brakes.freezes.pop(scope, None) is None:
        frozen = "; ".join(describe_scope(*each) for each in state.brakes.freezes) or "nothing"
        raise RequestError(f"{describe_scope(*scope)} is not frozen\nfrozen: {frozen}")
    _brakes_changed(state, lambda item: True)
    return None


def _hold(state: State, event: HoldRequested) -> str | None:
    hold = event.hold
    _find_merging(state, hold.pipeline)
    state.brakes.holds[hold.scope] = hold
    return _brakes_changed(state, lambda item: _is_of(item, hold))


def _unhold(state: State, event: UnholdRequested) -> str | None:
    hold = state.brakes.holds.pop((event.pipeline, event.number, event.patchset), None)
    if hold is None:
        number = Hold(event.pipeline, event.number, event.patchset, "").change
        held = _listed(
            each.change for each in state.brakes.holds.values() if each.pipeline == event.pipeline
        )
        raise RequestError(
            f"Change {number} is not held in pipeline {event.pipeline}"
            f"\nheld in pipeline {event.pipeline}: {held}"
        )
    _brakes_changed(state, lambda item: _is_of(item, hold))
    return None


def _is_of(item: QueueItem, hold: Hold) -> bool:
    key = item.change.key
    return (
        isinstance(item.change, Change)
        and isinstance(key, ChangeKey)
        and item.pipeline == hold.pipeline
        and key.number == hold.number
        and hold.patchset in (None, key.patchset)
    )


def _brakes_changed(state: State, concerns: Callable[[QueueItem], bool]) -> str | None:
    """Have the brakes kept and their items looked at; what is too late for a new brake."""
    brakes = state.brakes
    state.emit(KeepBrakes(tuple(brakes.freezes.values()), tuple(brakes.holds.values())))
    too_late = []
    for pipeline in state.pipelines.values():
        if pipeline.is_dependent:
            for item in filter(concerns, pipeline.items()):
                state.touch(item)
                if item.report is not None and not item.is_failing:
                    too_late.append(str(item.change.key))
            for queue in pipeline.queues.values():
                arrange(state, pipeline, queue)
    return f"being merged already: {_listed(too_late)}" if too_late else None


_HANDLERS: Mapping[type, Callable[[State, Any], str | None]] = {
    EnqueueRequested: _enqueue,
    DequeueRequested: _dequeue,
    PromoteRequested: _promote,
    FreezeRequested: _freeze,
    UnfreezeRequested: _unfreeze,
    HoldRequested: _hold,
    UnholdRequested: _unhold,
}

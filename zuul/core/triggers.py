"""From an event to the pipelines that want it."""

from __future__ import annotations

from zuul.core import admission, leaving
from zuul.core.events import TriggerReceived
from zuul.core.pipeline import Pipeline
from zuul.core.state import State
from zuul.model.change import Change, ChangeKey, NullChange
from zuul.model.layout import Layout
from zuul.model.matching import EventFilter
from zuul.model.trigger import ZUUL


class TriggerIndex:
    """The layout's filters by connection and event type: most events match no type at all."""

    def __init__(self, layout: Layout) -> None:
        filters: dict[tuple[str, str], dict[str, list[EventFilter]]] = {}
        for pipeline in layout.pipelines:
            for wanted in pipeline.filters:
                for kind in wanted.types:
                    by_pipeline = filters.setdefault((wanted.trigger, kind), {})
                    by_pipeline.setdefault(pipeline.name, []).append(wanted)
        self._filters = {key: tuple(found.items()) for key, found in filters.items()}

    def find(self, connection: str, kind: str) -> tuple[tuple[str, list[EventFilter]], ...]:
        """Filters by pipeline, in the layout's order."""
        return self._filters.get((connection, kind), ())


def take_trigger(state: State, index: TriggerIndex, received: TriggerReceived) -> None:
    """Withdraw what the event makes obsolete, enqueue what the filters want."""
    event, subject = received.event, received.subject
    state.observer.event_received(event)
    project = subject.project if subject is not None else event.project
    if project not in state.layout.projects:
        return
    if event.connection == ZUUL and isinstance(subject, Change):
        known = state.changes.find(subject.key) or subject
        if not known.is_open:
            return  # it has merged since the server was asked
    key = subject.key if subject is not None else event.change_key
    withdrawing = isinstance(key, ChangeKey) and event.type in (
        "patchset-created",
        "change-abandoned",
    )
    if withdrawing or event.forced_pipeline is not None:
        wanted = dict(index.find(event.connection, event.type))
        for pipeline in list(state.pipelines.values()):
            if isinstance(key, ChangeKey):
                _withdraw(state, pipeline, event.type, key)
            forced = event.forced_pipeline == pipeline.name
            if forced or pipeline.name in wanted:
                _offer(state, pipeline, wanted.get(pipeline.name, []), received, forced)
        return
    for name, filters in index.find(event.connection, event.type):
        _offer(state, state.pipelines[name], filters, received, False)


def _withdraw(state: State, pipeline: Pipeline, kind: str, key: ChangeKey) -> None:
    if kind == "patchset-created" and pipeline.config.dequeue_on_new_patchset:
        leaving.withdraw_older(state, pipeline, key)
    elif kind == "change-abandoned":
        leaving.withdraw_abandoned(state, pipeline, key)


def _offer(
    state: State,
    pipeline: Pipeline,
    filters: list[EventFilter],
    received: TriggerReceived,
    forced: bool,
) -> None:
    """Enqueue the subject if a filter wants it. A pipeline hears of its own source alone."""
    event, subject = received.event, received.subject
    if subject is None:
        return
    if subject.key.connection != pipeline.config.source and not isinstance(subject, NullChange):
        return
    if forced or any(wanted.matches(event, subject, state.now) for wanted in filters):
        admission.enqueue(state, pipeline, subject)

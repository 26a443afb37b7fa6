"""What the `zuul` trigger owes must hold after every event: in scenarios and simulations."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.engine import Engine
from zuul.core.commands import Command, FindOpenChanges
from zuul.core.events import LayoutLoaded, ReportCompleted, TriggerReceived
from zuul.core.pipeline import Pipeline
from zuul.model.change import Change, ChangeKey
from zuul.model.layout import PipelineConfig
from zuul.model.matching import EventFilter
from zuul.model.queue import QueueItem
from zuul.model.trigger import PARENT_CHANGE_ENQUEUED, PROJECT_CHANGE_MERGED, ZUUL, own_event


class Overheard:
    """Knows which items it has seen before, and what was being submitted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: set[str] = set()
        engine.watchers.append(self._after_commands)
        engine.checks.append(self._check)

    def _after_commands(self, commands: tuple[Command, ...]) -> None:
        """Of each merge that somebody cares for, and of nothing else, the project is looked up."""
        asked = [command for command in commands if isinstance(command, FindOpenChanges)]
        if len(self._engine.latest) != 1:
            return
        (event,) = self._engine.latest
        if asked:
            assert isinstance(event, ReportCompleted) and event.merged, f"why {asked}?"
        for command in asked:
            wanted = any(
                command.project in pipeline.trees
                for pipeline in self._engine.layout.pipelines
                if any(_filters(pipeline, PROJECT_CHANGE_MERGED))
            )
            assert wanted, f"nobody asked for {command}"

    def _check(self) -> None:
        state = self._engine.scheduler._state
        assert not state.own_events.waiting, "something was not told"
        fresh = [
            (pipeline, item)
            for pipeline in state.pipelines.values()
            for item in pipeline.items()
            if item.id not in self._seen
        ]
        self._seen.update(item.id for _, item in fresh)
        if any(isinstance(event, LayoutLoaded) for event in self._engine.latest):
            return
        for pipeline, item in fresh:
            self._check_children(pipeline, item)
        if len(self._engine.latest) == 1:
            self._check_open([item for _, item in fresh])

    def _check_children(self, entered: Pipeline, item: QueueItem) -> None:
        """Whoever needs what has come in stands where such changes are wanted, or was refused."""
        state = self._engine.scheduler._state
        if not isinstance(item.change, Change):
            return
        for key in item.change.needed_by:
            child = state.changes.find(key)
            if child is None or not child.is_open or not child.is_current_patchset:
                continue
            event = own_event(PARENT_CHANGE_ENQUEUED, child, 0.0, pipeline=entered.name)
            for pipeline in state.pipelines.values():
                wanted = any(
                    each.matches(event, child, state.now)
                    for each in _filters(pipeline.config, PARENT_CHANGE_ENQUEUED)
                )
                if wanted and pipeline.plans.plan(child).nodes:
                    inside = pipeline.find_live(key) is not None
                    assert inside or self._was_refused(pipeline.name, key), (
                        f"{key} needs {item}, and is not in {pipeline.name}"
                    )

    def _was_refused(self, pipeline: str, key: ChangeKey) -> bool:
        return any(
            seen.pipeline == pipeline and seen.change.key == key
            for seen in self._engine.observer.of("enqueue_refused")
        )

    def _check_open(self, fresh: list[QueueItem]) -> None:
        """A merge elsewhere brings in nothing that has merged itself."""
        (event,) = self._engine.latest
        if not isinstance(event, TriggerReceived) or event.event.type != PROJECT_CHANGE_MERGED:
            return
        table = self._engine.scheduler._state.changes
        for item in fresh:
            if item.live and isinstance(item.change, Change):
                known = table.find(item.change.key)
                assert known is not None and known.is_open, f"{item} has merged already"


def _filters(pipeline: PipelineConfig, kind: str) -> Iterator[EventFilter]:
    return (each for each in pipeline.filters if each.trigger == ZUUL and kind in each.types)

"""What people were promised must hold after every event: of requests, freezes and holds."""

from __future__ import annotations

from tests.support.engine import Engine
from zuul.core.commands import AnswerRequest, Command, SendReport
from zuul.core.events import Event
from zuul.core.requests import (
    DequeueRequested,
    FreezeRequested,
    HoldRequested,
    PromoteRequested,
    Request,
    UnfreezeRequested,
    UnholdRequested,
)
from zuul.model.brakes import Freeze, Hold
from zuul.model.change import Change, ChangeKey
from zuul.model.queue import QueueItem


class Promises:
    """Keeps its own books of what was asked for and granted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._freezes: dict[object, Freeze] = {}
        self._holds: dict[object, Hold] = {}
        engine.watchers.append(self._after_commands)
        engine.checks.append(self._check)

    def _after_commands(self, commands: tuple[Command, ...]) -> None:
        answers = {c.request: c for c in commands if isinstance(c, AnswerRequest)}
        asked = [event for event in self._engine.latest if isinstance(event, Request)]
        assert list(answers) == [event.request for event in asked], "each request is answered"
        for event in asked:
            if answers[event.request].error is None:
                self._note(event)
        for command in commands:
            if isinstance(command, SendReport) and command.submit is not None:
                self._check_brakes(command)

    def _note(self, event: Event) -> None:
        if isinstance(event, FreezeRequested):
            self._freezes[event.freeze.scope] = event.freeze
        elif isinstance(event, UnfreezeRequested):
            del self._freezes[event.pipeline, event.project]
        elif isinstance(event, HoldRequested):
            self._holds[event.hold.scope] = event.hold
        elif isinstance(event, UnholdRequested):
            del self._holds[event.pipeline, event.number, event.patchset]

    def _check_brakes(self, report: SendReport) -> None:
        change = report.change
        for freeze in self._freezes.values():
            elsewhere = freeze.pipeline not in (None, report.pipeline)
            assert elsewhere or freeze.project not in (None, change.project), (
                f"{change.key} is submitted, but {freeze.text}"
            )
        assert isinstance(change, Change)
        number, patchset = change.key.number, change.key.patchset
        for hold in self._holds.values():
            is_held = hold.pipeline == report.pipeline and hold.number == number
            assert not is_held or hold.patchset not in (None, patchset), (
                f"{change.key} is submitted, but it is held"
            )

    def _check(self) -> None:
        kept = self._engine.kept
        if kept is not None:
            assert list(kept.freezes) == list(self._freezes.values()), "freezes are not kept"
            assert list(kept.holds) == list(self._holds.values()), "holds are not kept"
        latest = self._engine.latest
        if len(latest) != 1 or not isinstance(latest[0], Request):
            return
        if self._engine.answers[latest[0].request].error is None:
            if isinstance(latest[0], PromoteRequested):
                self._check_order(latest[0])
            if isinstance(latest[0], PromoteRequested | FreezeRequested | HoldRequested):
                self._check_last()
            elif isinstance(latest[0], DequeueRequested):
                self._check_gone(latest[0])

    def _check_last(self) -> None:
        """Nobody waits behind who may not merge but those that need it, or may not either."""
        for pipeline in self._engine.scheduler._state.pipelines.values():
            for queue in pipeline.queues.values() if pipeline.is_dependent else ():
                stopped = None
                for item in queue:
                    # who was stopped may be failing, and so be reported by now
                    if item.report is None and self._is_braked(pipeline.name, item):
                        stopped = item
                    may_merge = item.report is None and item not in queue.braked
                    assert not (stopped and may_merge), f"{item} stands behind {stopped}"

    def _is_braked(self, pipeline: str, item: QueueItem) -> bool:
        change = item.change
        if not isinstance(change, Change):
            return False
        return any(
            freeze.pipeline in (None, pipeline) and freeze.project in (None, change.project)
            for freeze in self._freezes.values()
        ) or any(
            hold.pipeline == pipeline
            and hold.number == change.key.number
            and hold.patchset in (None, change.key.patchset)
            for hold in self._holds.values()
        )

    def _check_gone(self, event: DequeueRequested) -> None:
        """What was dequeued has left, unless it is being reported."""
        pipeline = self._engine.scheduler._state.pipelines[event.pipeline]
        if event.change is not None:
            item = pipeline.find_live(ChangeKey(pipeline.config.source, *event.change))
            assert item is None or (item.report and item.withdrawn), f"{item} was dequeued"

    def _check_order(self, event: PromoteRequested) -> None:
        """Who stands before the last promoted one is promoted too, needed, or being reported."""
        pipeline = self._engine.scheduler._state.pipelines[event.pipeline]
        if not pipeline.is_dependent:
            return
        found = [
            pipeline.find_live(ChangeKey(pipeline.config.source, *each)) for each in event.changes
        ]
        # who may not merge stays last all the same
        items = [
            item
            for item in found
            if item is not None and item.queue is not None and item not in item.queue.braked
        ]
        allowed = set(items)
        for item in items:
            allowed |= _needed(item)
        if not items or items[0].queue is None:
            return
        last = max(item.order for item in items)
        queue = list(items[0].queue)
        for item in queue:
            assert item.order > last or item in allowed or item.report is not None, (
                f"{item} stands before what was promoted"
            )
        reported = [item.report is not None for item in queue]
        assert reported == sorted(reported, reverse=True), "what is being reported stays in front"


def _needed(item: QueueItem) -> set[QueueItem]:
    """All items of the queue that the item needs, directly or not."""
    found: set[QueueItem] = set()
    waiting = [item]
    while waiting:
        current = waiting.pop()
        assert item.queue is not None
        for key in current.change.needs if isinstance(current.change, Change) else ():
            needed = item.queue.by_key.get(key)
            if needed is not None and needed not in found:
                found.add(needed)
                waiting.append(needed)
    return found

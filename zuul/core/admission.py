"""May this change enter a pipeline; what must come ahead of it, and what follows.

Enqueueing calls for itself: what a change needs goes ahead, what needs it goes behind, and both
bring their own. A chain may be thousands long, so the steps are generators that a loop drives
(`_run`) and not calls on Python's stack.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

from zuul.core.commands import SendReport
from zuul.core.dependencies import find_cycle
from zuul.core.managers import POLICIES, Policy, Refused
from zuul.core.messages import format_report
from zuul.core.pipeline import Pipeline
from zuul.core.state import OpenReport, State
from zuul.model.change import Change, Changeish
from zuul.model.layout import ActionKind
from zuul.model.queue import ChangeQueue, QueueItem

#: yields steps to do first, and is sent whether each succeeded
Step = Generator["Step", bool, bool]


@dataclass(frozen=True, slots=True)
class Admission:
    """How to enqueue."""

    #: no start report
    quiet: bool = False
    #: require and reject of the pipeline are waived
    waive_requirements: bool = False
    live: bool = True


def enqueue(
    state: State, pipeline: Pipeline, change: Changeish, how: Admission = Admission()
) -> bool:
    """Put the change into the pipeline with all that belongs to it; False if it was refused."""
    return _run(_Enqueuer(state, pipeline).add(change, how, None))


def _run(first: Step) -> bool:
    """Do a step and the steps it asks for, depth first."""
    stack = [first]
    answer: bool | None = None
    while stack:
        try:
            asked = stack[-1].send(answer) if answer is not None else next(stack[-1])
        except StopIteration as end:
            stack.pop()
            answer = bool(end.value)
        else:
            stack.append(asked)
            answer = None
    assert answer is not None
    return answer


class _Enqueuer:
    """One enqueueing into one pipeline."""

    def __init__(self, state: State, pipeline: Pipeline) -> None:
        self._state = state
        self._pipeline = pipeline
        self._policy: Policy = POLICIES[pipeline.config.manager]

    def add(self, change: Changeish, how: Admission, queue: ChangeQueue | None) -> Step:
        """Enqueue one change. `queue` None: find its queue, and look for cycles first."""
        state, pipeline = self._state, self._pipeline
        if how.live and pipeline.find_live(change.key) is not None:
            return True
        is_first = queue is None
        try:
            self._check(change, how)
            if queue is None:
                queue = self._policy.find_queue(pipeline, change)
                self._refuse_cycle(change, queue)
            missing = self._policy.missing_needs(state, pipeline, change, queue)
        except Refused as refusal:
            return self._refuse(change, str(refusal), queue if is_first else None)
        ahead = how if self._policy.live_ahead else Admission(True, True, live=False)
        for needed in missing:
            if needed.key not in queue.by_key and not (yield self.add(needed, ahead, queue)):
                reason = f"the needed change {needed.key} was refused"
                return self._refuse(change, reason, queue if is_first else None)
        if change.key in queue.by_key:
            return True
        self._append(change, how, queue)
        for behind in self._policy.dependants(state, pipeline, change, queue):
            yield self.add(behind, replace(how, live=True), None)
        return True

    def _check(self, change: Changeish, how: Admission) -> None:
        if how.live:
            self._policy.admit(self._pipeline, change)
        if not how.waive_requirements and not self._pipeline.config.requirements.matches(
            change, self._state.now
        ):
            raise Refused("the pipeline's requirements are not met")

    def _refuse_cycle(self, change: Changeish, queue: ChangeQueue) -> None:
        if not isinstance(change, Change):
            return
        cycle = find_cycle(self._state.changes, change, lambda key: key in queue.by_key)
        if cycle is not None:
            raise Refused("dependency cycle: " + " needs ".join(str(key) for key in cycle))

    def _refuse(self, change: Changeish, reason: str, queue: ChangeQueue | None) -> bool:
        """False. A queue that was made for the change goes, unless something is in it."""
        if queue is not None:
            self._pipeline.drop_if_empty(queue)
        self._state.observer.enqueue_refused(self._pipeline.name, change, reason)
        return False

    def _append(self, change: Changeish, how: Admission, queue: ChangeQueue) -> None:
        state, pipeline = self._state, self._pipeline
        item = QueueItem(
            state.ids.new_id(), pipeline.name, change, live=how.live, enqueued_at=state.now
        )
        if item.live:
            item.plan = pipeline.plans.plan(change)
        tail = queue.tail
        queue.append(item)
        item.attach(tail)
        pipeline.register(item)
        state.touch(item)
        state.observer.item_enqueued(pipeline.name, item.id, change, item.live)
        state.observer.current_changes(pipeline.name, pipeline.count)
        if item.live and not how.quiet and not pipeline.disabled:
            _report_start(state, pipeline, item)


def _report_start(state: State, pipeline: Pipeline, item: QueueItem) -> None:
    reporters = pipeline.config.actions.get(ActionKind.START, ())
    if not reporters:
        return
    report = state.ids.new_id()
    state.reports[report] = OpenReport(item, ActionKind.START, final=False)
    state.emit(
        SendReport(
            report=report,
            pipeline=pipeline.name,
            kind=ActionKind.START,
            change=item.change,
            source=pipeline.config.source,
            reporters=reporters,
            message=format_report(ActionKind.START, item, pipeline.config, state.options),
        )
    )

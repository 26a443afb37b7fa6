"""May this change enter a pipeline; what must come ahead of it, and what follows.

Enqueueing calls for itself: what a change needs goes ahead, what needs it goes behind, and both
bring their own. A chain may be thousands long, so the steps are generators that a loop drives
(`_run`) and not calls on Python's stack.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from zuul.core.commands import SendReport
from zuul.core.dependencies import find_cycle
from zuul.core.managers import POLICIES, Policy, Refusal
from zuul.core.messages import format_report
from zuul.core.pipeline import Pipeline
from zuul.core.promote import arrange
from zuul.core.state import OpenReport, State
from zuul.model.change import Change, Changeish, Key
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


#: how independent pipelines take what a change needs
NON_LIVE = Admission(quiet=True, waive_requirements=True, live=False)


def enqueue(
    state: State, pipeline: Pipeline, change: Changeish, how: Admission = Admission()
) -> Refusal | None:
    """Put the change into the pipeline with all that belongs to it; why not, if it was refused."""
    enqueuer = _Enqueuer(state, pipeline)
    entered = _run(enqueuer.add(change, how, None))
    for queue in enqueuer.disordered:
        arrange(state, pipeline, queue)
    if entered:
        return None
    return enqueuer.refusals[change.key]


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
        #: of all that were refused on the way
        self.refusals: dict[Key, Refusal] = {}
        #: queues in which somebody who may merge came behind somebody who may not
        self.disordered: dict[ChangeQueue, None] = {}

    def add(self, change: Changeish, how: Admission, queue: ChangeQueue | None) -> Step:
        """Enqueue one change. `queue` None: find its queue, and look for cycles first."""
        state, pipeline = self._state, self._pipeline
        if how.live and pipeline.find_live(change.key) is not None:
            return True
        refusal = self._object_to(change, how)
        if refusal is not None:
            return self._refuse(change, refusal, None)
        found = self._find_queue(change) if queue is None else queue
        if isinstance(found, Refusal):
            return self._refuse(change, found, None)
        made = found if queue is None else None
        missing = self._policy.missing_needs(state, pipeline, change, found)
        if isinstance(missing, Refusal):
            return self._refuse(change, missing, made)
        ahead = how if self._policy.live_ahead else NON_LIVE
        for needed in missing:
            if needed.key not in found.by_key and not (yield self.add(needed, ahead, found)):
                refusal = Refusal(f"the needed change {needed.key} was refused")
                return self._refuse(change, refusal, made)
        if change.key in found.by_key:
            return True
        self._append(change, how, found)
        for behind in self._policy.dependants(state, pipeline, change, found):
            yield self.add(behind, how, None)
        return True

    def _object_to(self, change: Changeish, how: Admission) -> Refusal | None:
        refusal = self._policy.object_to(self._pipeline, change) if how.live else None
        if refusal is not None or how.waive_requirements:
            return refusal
        if not self._pipeline.config.requirements.matches(change, self._state.now):
            return Refusal("the pipeline's requirements are not met")
        return None

    def _find_queue(self, change: Changeish) -> ChangeQueue | Refusal:
        """The change's queue, unless what it needs runs in a circle."""
        queue = self._policy.find_queue(self._pipeline, change)
        if isinstance(queue, Refusal) or not isinstance(change, Change):
            return queue
        cycle = find_cycle(self._state.changes, change, lambda key: key in queue.by_key)
        if cycle is None:
            return queue
        self._pipeline.drop_if_empty(queue)
        return Refusal("dependency cycle: " + " needs ".join(str(key) for key in cycle))

    def _refuse(self, change: Changeish, refusal: Refusal, made: ChangeQueue | None) -> bool:
        """False. A queue that was made for the change goes, unless something is in it."""
        if made is not None:
            self._pipeline.drop_if_empty(made)
        self.refusals[change.key] = refusal
        self._state.observer.enqueue_refused(self._pipeline.name, change, refusal.reason)
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
        if pipeline.is_dependent and (
            tail in queue.braked or state.brakes.find(pipeline.name, change) is not None
        ):
            self.disordered[queue] = None
        state.observer.item_enqueued(pipeline.name, item.id, change, item.live)
        state.observer.current_changes(pipeline.name, pipeline.count)
        state.own_events.note_enqueued(state.changes, pipeline.name, change, state.now)
        if item.live and not how.quiet and not pipeline.disabled:
            _report_start(state, pipeline, item)


def _report_start(state: State, pipeline: Pipeline, item: QueueItem) -> None:
    reporters = pipeline.config.actions.get(ActionKind.START, ())
    if not reporters:
        return
    report = state.ids.new_id()
    state.reports[report] = OpenReport(item, ActionKind.START, final=False)
    text = format_report(ActionKind.START, item, pipeline.config, state.options)
    state.emit(
        SendReport(
            report=report,
            pipeline=pipeline.name,
            kind=ActionKind.START,
            change=item.change,
            source=pipeline.config.source,
            reporters=reporters,
            message=text.message,
            summary=text.summary,
        )
    )

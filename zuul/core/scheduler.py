"""The scheduler's core: a function of (state, events, now) to commands.

It never waits, logs, reads a clock or makes an id of its own. A batch is applied event by event,
then the queues settle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from zuul.core import building, events, leaving, reporting
from zuul.core.commands import Command, StopProcess
from zuul.core.messages import ReportOptions
from zuul.core.operators import take_request
from zuul.core.own_events import OwnEvents
from zuul.core.ports import BuildTimes, IdSource, NoUploads, Observer, Uploads
from zuul.core.processing import settle
from zuul.core.reconfigure import load_layout
from zuul.core.requests import BrakesRestored, Request
from zuul.core.snapshot import StatusSnapshot, take_snapshot
from zuul.core.state import State
from zuul.core.triggers import TriggerIndex, take_trigger
from zuul.model.change import Change, Ref
from zuul.model.layout import Layout


class Scheduler:
    """Owns all pipelines. Not thread-safe: one thread calls it."""

    def __init__(
        self,
        ids: IdSource,
        times: BuildTimes,
        observer: Observer,
        options: ReportOptions,
        uploads: Uploads | None = None,
    ) -> None:
        self._state = State(ids, times, observer, options, uploads or NoUploads())
        self._index = TriggerIndex(self._state.layout)
        self._stopped = False

    def handle(self, batch: Sequence[events.Event], now: float) -> tuple[Command, ...]:
        """Apply the events in order, let the queues settle, and say what is to be done."""
        state = self._state
        state.now = now
        for event in batch:
            _HANDLERS[type(event)](self, event)
        settle(state)
        self._hear_own_events()
        if state.changes.wants_pruning:
            state.changes.prune(state.held_keys())
        if state.exiting and self.is_idle and not self._stopped:
            self._stopped = True
            state.emit(StopProcess())
        return state.take_commands()

    def snapshot(self, now: float) -> StatusSnapshot:
        """What the pipelines look like: frozen, for any thread to render."""
        return take_snapshot(self._state, now)

    @property
    def layout(self) -> Layout:
        return self._state.layout

    @property
    def is_idle(self) -> bool:
        """Nothing is out: no build, no merge, no report."""
        state = self._state
        return not state.builds and not state.merges and not state.reports

    @property
    def is_exiting(self) -> bool:
        """Triggers are refused."""
        return self._state.exiting

    def holds(self, connection: str, number: str) -> bool:
        """Whether some pipeline has an item of the review: news of it matter."""
        return any(p.of_review(connection, number) for p in self._state.pipelines.values())

    def _hear_own_events(self) -> None:
        """What has just been done may be what a pipeline waits for; and so on, while it is.

        After the queues have settled: an item that must go for another patch set of what it needs
        is gone by then, and does not stand in its own way.
        """
        waiting = self._state.own_events.waiting
        if waiting:
            while waiting:
                take_trigger(self._state, self._index, waiting.popleft())
            settle(self._state)

    # -- events --------------------------------------------------------------------------------

    def _on_trigger_received(self, event: events.TriggerReceived) -> None:
        if self._state.exiting:
            return
        leaving.take_news(self._state, event.changes)
        if isinstance(event.subject, Change):
            leaving.take_news(self._state, (event.subject,))
        take_trigger(self._state, self._index, event)

    def _on_changes_refreshed(self, event: events.ChangesRefreshed) -> None:
        leaving.take_news(self._state, event.changes)

    def _on_merge_completed(self, event: events.MergeCompleted) -> None:
        outstanding = self._state.merges.pop(event.request, None)
        if outstanding is None:
            return
        result = event.result
        error = None
        if not result.merged or result.commit is None:
            error = result.error or "conflict"
            if building.merge_again(self._state, outstanding.item):
                return
        building.take_merge(
            self._state,
            outstanding.item,
            commit=result.commit,
            tree=result.tree,
            base_tree=result.base_tree,
            zuul_url=result.zuul_url,
            conflict=result.conflict,
            error=error,
        )

    def _on_repo_updated(self, event: events.RepoUpdated) -> None:
        outstanding = self._state.merges.pop(event.request, None)
        if outstanding is None:
            return
        item = outstanding.item
        if event.error is not None:
            self._state.observer.problem(item.change.project, event.error)
        commit = item.change.newrev if isinstance(item.change, Ref) else None
        building.take_merge(self._state, item, commit=commit, zuul_url=event.zuul_url)

    def _on_build_started(self, event: events.BuildStarted) -> None:
        building.take_start(self._state, event.build, event.data, event.at)

    def _on_build_updated(self, event: events.BuildUpdated) -> None:
        building.take_update(self._state, event.build, event.data)

    def _on_build_completed(self, event: events.BuildCompleted) -> None:
        building.take_end(self._state, event.build, event.result, event.data, event.at)

    def _on_report_completed(self, event: events.ReportCompleted) -> None:
        reporting.take_report(self._state, event)

    def _on_layout_loaded(self, event: events.LayoutLoaded) -> None:
        if event.options is not None:
            self._state.options = event.options
        untold = self._state.own_events.waiting
        self._state.own_events = OwnEvents(event.layout)
        self._state.own_events.waiting.extend(untold)
        load_layout(self._state, event.layout)
        self._index = TriggerIndex(event.layout)

    def _on_request(self, event: Request) -> None:
        take_request(self._state, event)

    def _on_brakes_restored(self, event: BrakesRestored) -> None:
        self._state.brakes.restore(event.freezes, event.holds)

    def _on_graceful_exit_requested(self, event: events.GracefulExitRequested) -> None:
        self._state.exiting = True


_HANDLERS: Mapping[type, Callable[[Scheduler, Any], None]] = {
    events.TriggerReceived: Scheduler._on_trigger_received,
    events.ChangesRefreshed: Scheduler._on_changes_refreshed,
    events.MergeCompleted: Scheduler._on_merge_completed,
    events.RepoUpdated: Scheduler._on_repo_updated,
    events.BuildStarted: Scheduler._on_build_started,
    events.BuildUpdated: Scheduler._on_build_updated,
    events.BuildCompleted: Scheduler._on_build_completed,
    events.ReportCompleted: Scheduler._on_report_completed,
    events.LayoutLoaded: Scheduler._on_layout_loaded,
    events.GracefulExitRequested: Scheduler._on_graceful_exit_requested,
    BrakesRestored: Scheduler._on_brakes_restored,
    **dict.fromkeys(get_args(Request), Scheduler._on_request),
}

"""A scheduler among fakes: everything it asks for is kept until somebody lets it happen.

No threads, no sleeps. Scenarios let all happen at once (world.py); the simulation picks what
happens next by chance (tests/property/gate_world.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from tests.support.clock import FakeClock
from tests.support.fake_gearman import FakeGearman
from tests.support.fake_gerrit import CONNECTION, FakeChange, FakeGerrit
from tests.support.fake_merger import FakeMerger
from tests.support.fake_observer import FakeObserver
from tests.support.fake_reporters import FakeReporters
from tests.support.fake_times import FakeTimes
from tests.support.ids import SeededIds
from zuul.core.commands import (
    AnswerRequest,
    CancelBuild,
    Command,
    DescribeBuild,
    FindOpenChanges,
    KeepBrakes,
    LaunchBuild,
    MergeChanges,
    SendReport,
    StopProcess,
    UpdateRepo,
)
from zuul.core.events import Event, LayoutLoaded, MergeCompleted, RepoUpdated, TriggerReceived
from zuul.core.messages import ReportOptions
from zuul.core.ports import Observer, Uploads
from zuul.core.scheduler import Scheduler
from zuul.core.status import render
from zuul.drivers.timer import Schedule
from zuul.model.change import Changeish, NullChange, NullKey, Ref, RefKey
from zuul.model.layout import Layout, MergeMode
from zuul.model.trigger import PROJECT_CHANGE_MERGED, TriggerEvent, own_event

URL_PATTERN = (
    "http://logs.example.com/{change.number}/{change.patchset}/{pipeline.name}/{job.name}"
    "/{build.number}"
)
#: between two events
TICK_SECONDS = 0.01


def default_options() -> ReportOptions:
    return ReportOptions(url_pattern=URL_PATTERN, job_name_in_report=True)


class Engine:
    """The core, its fakes, and what is under way between them."""

    def __init__(
        self,
        layout: Layout,
        *,
        seed: int = 0,
        options: ReportOptions | None = None,
        observers: tuple[Observer, ...] = (),
        uploads: Uploads | None = None,
        scheduler: Callable[..., Scheduler] = Scheduler,
        remember: int | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.ids = SeededIds(seed)
        self.times = FakeTimes()
        self.observer = FakeObserver(*observers, keep=remember)
        self.gerrit = FakeGerrit()
        self.merger = FakeMerger(self.gerrit)
        self.gearman = FakeGearman(self.tell, lambda: self.clock.now)
        self.reporters = FakeReporters(self.gerrit, lambda: self.clock.now)
        #: what has happened, and the core was not told yet
        self.inbox: deque[Event] = deque()
        self.merges: list[MergeChanges | UpdateRepo] = []
        self.reports: list[SendReport] = []
        #: projects whose open changes are to be told of
        self.finds: list[FindOpenChanges] = []
        self.descriptions: dict[str, str] = {}
        self.timers = Schedule()
        #: what requests came to, by request
        self.answers: dict[str, AnswerRequest] = {}
        #: the brakes that a restart would find
        self.kept: KeepBrakes | None = None
        self.stopped = False
        #: the batch that the core has taken last
        self.latest: tuple[Event, ...] = ()
        #: called with each batch of commands, before anything becomes of them
        self.watchers: list[Callable[[tuple[Command, ...]], None]] = []
        #: called after each batch
        self.checks: list[Callable[[], None]] = []
        #: called with each report that merged its change
        self.landed: list[Callable[[SendReport], None]] = []
        self.layout = layout
        self.scheduler = scheduler(
            self.ids, self.times, self.observer, options or default_options(), uploads
        )
        self.load(layout)
        self.deliver()

    # Between the core and the fakes

    def tell(self, event: Event) -> None:
        """Something happened; the core hears of it at the next `deliver`."""
        self.inbox.append(event)

    def deliver(self) -> None:
        """Hand over what has happened, one event after the other."""
        while self.inbox:
            self.handle(self.inbox.popleft())

    def handle(self, *events: Event) -> tuple[Command, ...]:
        """One batch into the core, and what it asks for to the fakes."""
        for event in events:
            if isinstance(event, LayoutLoaded):
                self._adopt(event.layout)
        self.latest = events
        now = self.clock.advance(TICK_SECONDS)
        commands = tuple(self.scheduler.handle(events, now))
        for watch in self.watchers:
            watch(commands)
        for command in commands:
            self._take(command)
        for check in self.checks:
            check()
        return commands

    def _take(self, command: Command) -> None:
        if isinstance(command, LaunchBuild):
            self.gearman.launch(command)
        elif isinstance(command, CancelBuild):
            self.gearman.cancel(command.build)
        elif isinstance(command, DescribeBuild):
            self.descriptions[command.build] = command.html
        elif isinstance(command, MergeChanges | UpdateRepo):
            self.merges.append(command)
        elif isinstance(command, SendReport):
            self.reports.append(command)
        elif isinstance(command, FindOpenChanges):
            self.finds.append(command)
        elif isinstance(command, AnswerRequest):
            assert command.request not in self.answers, "a request is answered twice"
            self.answers[command.request] = command
        elif isinstance(command, KeepBrakes):
            self.kept = command
        else:
            assert isinstance(command, StopProcess), command
            self.stopped = True

    def load(self, layout: Layout) -> None:
        self.tell(LayoutLoaded(layout))

    def _adopt(self, layout: Layout) -> None:
        self.layout = layout
        self.timers.set_layout(layout, self.clock.now)
        self.gerrit.cherry_picked = {
            name
            for name, project in layout.projects.items()
            if project.merge_mode is MergeMode.CHERRY_PICK
        }

    def answer_merge(self, command: MergeChanges | UpdateRepo) -> None:
        self.merges.remove(command)
        if isinstance(command, UpdateRepo):
            self.tell(RepoUpdated(command.request, self.merger.url))
        else:
            self.tell(MergeCompleted(command.request, self.merger.merge(command)))

    def answer_report(self, command: SendReport) -> None:
        self.reports.remove(command)
        answer = self.reporters.execute(command)
        if answer.merged and answer.reported and not self.gerrit.twin:
            for notice in self.landed:
                notice(command)
        self.tell(answer)

    def answer_find(self, command: FindOpenChanges) -> None:
        """Tell of each open change, as the source would look it up."""
        self.finds.remove(command)
        for change in list(self.gerrit.changes.values()):
            if change.is_open and change.project == command.project:
                record = self.gerrit.lookup(change)
                event = own_event(PROJECT_CHANGE_MERGED, record, self.clock.now)
                self.tell(TriggerReceived(event, record, self.gerrit.closure(change)))

    # What Gerrit's stream tells

    def heard(
        self,
        kind: str,
        change: FakeChange,
        patchset: int | None = None,
        **fields: Any,
    ) -> None:
        """An event about a change, looked up as the source would do."""
        number = patchset or change.current.number
        record = self.gerrit.lookup(change, number)
        event = TriggerEvent(
            CONNECTION,
            kind,
            project=change.project,
            branch=change.branch,
            number=record.key.number,
            patchset=record.key.patchset,
            refspec=record.refspec,
            change_url=record.url,
            received_at=self.clock.now,
            **fields,
        )
        self.tell(TriggerReceived(event, record, self.gerrit.closure(change, number)))

    def heard_ref(self, project: str, ref: str, oldrev: str, newrev: str) -> None:
        event = TriggerEvent(
            CONNECTION,
            "ref-updated",
            project=project,
            ref=ref,
            oldrev=oldrev,
            newrev=newrev,
            received_at=self.clock.now,
        )
        url = f"https://review.example.com/gitweb?p={project}.git;a=commitdiff;h={newrev}"
        subject = Ref(RefKey(CONNECTION, project, ref, newrev), oldrev, url)
        self.tell(TriggerReceived(event, subject))

    def heard_tick(self, pipeline: str, project: str) -> None:
        """A timer of the pipeline went off."""
        event = TriggerEvent(
            "timer", "timer", project=project, forced_pipeline=pipeline, received_at=self.clock.now
        )
        subject: Changeish = NullChange(NullKey(CONNECTION, project))
        self.tell(TriggerReceived(event, subject))

    # Looking in

    def untold(self) -> list[Event]:
        """What has happened and the core does not know yet."""
        return list(self.inbox)

    def status(self) -> dict[str, Any]:
        """status.json as it would be served now."""
        return render(self.scheduler.snapshot(self.clock.now), self.clock.now, version="0")

"""The scenario language: changes, votes, builds, and what must come of them.

    a, b = world.change("org/project"), world.change("org/project")
    world.hold_builds()
    world.approve(a, b)
    world.finish("project-merge", FAILURE, a)
    world.release()
    world.expect_merged(b)

A verb lets everything happen that follows from it, until only held builds are left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from statsd import StatsClient

from tests.support.fake_gearman import FAILURE, SUCCESS, FakeBuild
from tests.support.fake_gerrit import MASTER, FakeChange
from tests.support.fake_statsd import FakeStatsd
from tests.support.layouts import Edit, load_layout
from tests.support.operators import ZEROS, Operators
from tests.support.outcome import Outcome
from zuul.core.messages import ReportOptions
from zuul.core.ports import Observer, Uploads
from zuul.daemon.observers import StatsObserver
from zuul.lib.stats import Stats
from zuul.model.change import Approval, normalize_label
from zuul.model.trigger import Account

#: more steps than any scenario takes
SETTLE_BOUND = 100_000
REVIEWER = "reviewer"


class World(Operators, Outcome):
    """An engine in which things happen by themselves."""

    def __init__(
        self,
        *edits: Edit,
        layout: str = "L0",
        options: ReportOptions | None = None,
        observers: tuple[Observer, ...] = (),
        uploads: Uploads | None = None,
    ) -> None:
        self._layout_name = layout
        #: builds in the Gearman queue do not start; running builds do not end
        self.queue_held = False
        self.builds_held = False
        self.merges_held = False
        self.reports_held = False
        self.statsd = FakeStatsd()
        stats = StatsObserver(Stats(cast(StatsClient, self.statsd)))
        super().__init__(
            load_layout(layout, *edits),
            options=options,
            observers=(stats, *observers),
            uploads=uploads,
        )

    def settle(self) -> None:
        """Let happen what can."""
        for _ in range(SETTLE_BOUND):
            if not self._step():
                return
        raise AssertionError("the world does not come to rest")

    def _step(self) -> bool:
        """Everything one can do next of one kind; False if nothing is left to do."""
        if self.inbox:
            self.deliver()
        elif self.merges and not self.merges_held:
            self.answer_merge(self.merges[0])
        elif self.reports and not self.reports_held:
            self.answer_report(self.reports[0])
        elif self.finds:
            self.answer_find(self.finds[0])
        elif self.gearman.queued and not self.queue_held:
            self.gearman.start(self.gearman.queued[0])
        elif self.gearman.running and not self.builds_held:
            build = self.gearman.running[0]
            self.gearman.finish(build, self.gearman.result_for(build))
        else:
            return False
        return True

    # Developers and reviewers

    def change(
        self,
        project: str = "org/project",
        branch: str = MASTER,
        *,
        needs: FakeChange | None = None,
        depends_on: FakeChange | Iterable[FakeChange] = (),
        files: Mapping[str, str] | Iterable[str] | None = None,
        ready: bool = True,
        change_id: str | None = None,
    ) -> FakeChange:
        """A new change that nobody has told Zuul of; `needs` is its git parent."""
        subject = chr(ord("A") + len(self.gerrit.changes) % 26)
        change = self.gerrit.create(
            project,
            branch,
            subject,
            _contents(files, subject),
            needs,
            _footers(depends_on),
            self.clock.now,
            change_id,
        )
        if ready:
            self.vote(change, "Code-Review", 2, event=False)
        return change

    def push(self, project: str = "org/project", branch: str = MASTER, **how: Any) -> FakeChange:
        """A new change, with its event."""
        change = self.change(project, branch, **how)
        self.created(change)
        return change

    def created(self, *changes: FakeChange, patchset: int | None = None) -> None:
        """The event of an upload that was made before."""
        for change in changes:
            self.heard("patchset-created", change, patchset, account=Account("user"))
        self.settle()

    def upload(
        self,
        change: FakeChange,
        *,
        needs: FakeChange | None = None,
        depends_on: FakeChange | Iterable[FakeChange] = (),
        files: Mapping[str, str] | Iterable[str] | None = None,
        event: bool = True,
    ) -> None:
        """A new patch set; it keeps the git parent unless `needs` says another."""
        parent = (needs, needs.current.number) if needs else change.current.git_parent
        contents = _contents(files, change.subject)
        self.gerrit.add_patchset(change, contents, parent, _footers(depends_on))
        if event:
            self.created(change)

    def vote(
        self,
        change: FakeChange,
        label: str,
        value: int,
        user: str = REVIEWER,
        *,
        email: str | None = None,
        age: float = 0,
        event: bool = True,
        patchset: int | None = None,
    ) -> None:
        """A vote, with its comment-added; `age` in seconds backdates what queries tell of it."""
        email = email or f"{user}@example.com"
        if patchset in (None, change.current.number):
            self.gerrit.set_vote(change, label, value, user, email, self.clock.now - age)
        if event:
            self._comment(change, f"{label}{value:+}", user, email, patchset, {label: value})
            self.settle()

    def approve(self, *changes: FakeChange, event: bool = True) -> None:
        """Approved +1; the events of all are in before anything else happens."""
        for change in changes:
            self.vote(change, "Approved", 1, event=False)
            if event:
                self._comment(change, "ok", REVIEWER, "r@example.com", None, {"Approved": 1})
        self.settle()

    def approved(self, count: int = 3) -> list[FakeChange]:
        """Changes of one project that could merge, and of which nobody has told Zuul."""
        changes = [self.change() for _ in range(count)]
        self.approve(*changes, event=False)
        return changes

    def comment(
        self,
        change: FakeChange,
        text: str = "recheck",
        user: str | None = REVIEWER,
        patchset: int | None = None,
    ) -> None:
        """A comment without a vote; user None: the event has no account."""
        self._comment(change, text, user, f"{user}@example.com", patchset, {})
        self.settle()

    def _comment(
        self,
        change: FakeChange,
        text: str,
        user: str | None,
        email: str,
        patchset: int | None,
        votes: Mapping[str, int],
    ) -> None:
        account = Account(user, email) if user else None
        approvals = tuple(
            Approval(normalize_label(label), value, user, email, self.clock.now)
            for label, value in votes.items()
        )
        self.heard(
            "comment-added",
            change,
            patchset,
            account=account,
            comment=text,
            approvals=approvals,
        )

    def abandon(self, change: FakeChange) -> None:
        change.status = "ABANDONED"
        self.heard("change-abandoned", change, account=Account("user"))
        self.settle()

    def restore(self, change: FakeChange) -> None:
        change.status = "NEW"
        self.heard("change-restored", change, account=Account("user"))
        self.settle()

    def merge_by_hand(self, *changes: FakeChange, event: bool = False) -> None:
        """Somebody submits without Zuul."""
        for change in changes:
            assert self.gerrit.submit(change), "it conflicts"
            if event:
                self.heard("change-merged", change, account=Account("admin"))
        self.settle()

    def ref_updated(
        self, project: str, ref: str = MASTER, newrev: str = "1" * 40, oldrev: str = ZEROS
    ) -> None:
        self.heard_ref(project, ref, oldrev, newrev)
        self.settle()

    # Workers

    def fails(self, job: str, change: FakeChange, result: str | None = FAILURE) -> None:
        """Every build of the job that has the change in it will end as `result`."""
        self.gearman.add_rule(job, result, str(change.key))

    def hold_builds(self) -> None:
        """Running builds wait for `release` or `finish`."""
        self.builds_held = True

    def hold_queue(self) -> None:
        """Builds wait in Gearman; `release_queue` lets them start."""
        self.queue_held = True

    def release(self, *jobs: str) -> None:
        """End the running builds of these jobs (regular expressions); without any, of all, and
        hold no longer."""
        if not jobs:
            self.builds_held = False
        for pattern in jobs:
            for build in self.gearman.matching(list(self.gearman.running), pattern):
                if not build.ended:
                    self.gearman.finish(build, self.gearman.result_for(build))
        self.settle()

    def release_queue(self, *jobs: str) -> None:
        """Start the queued builds of these jobs; without any, of all, and hold no longer."""
        if not jobs:
            self.queue_held = False
        for pattern in jobs:
            for build in self.gearman.matching(list(self.gearman.queued), pattern):
                if not build.ended:
                    self.gearman.start(build)
        self.settle()

    def finish(
        self, job: str, result: str | None = SUCCESS, change: FakeChange | None = None
    ) -> None:
        """End the one running build of the job (of the change)."""
        self.gearman.finish(self.build(job, change), result)
        self.settle()

    def lose_worker(self, job: str, change: FakeChange | None = None) -> None:
        """The worker of a build vanishes: the server tells that the build got lost."""
        self.finish(job, None, change)

    def build(self, job: str, change: FakeChange | None = None) -> FakeBuild:
        """The one build of the job (of the change) that is queued or running."""
        found = [
            build
            for build in self.gearman.queued + self.gearman.running
            if build.job == job and change in (None, self.change_of(build))
        ]
        assert len(found) == 1, f"{job}: {found or self.running}"
        return found[0]

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass, and timers go off as it does."""
        until = self.clock.now + seconds
        while (due := self.timers.next_at()) is not None and due <= until:
            self.clock.advance(max(0.0, due - self.clock.now))
            for tick in self.timers.take_due(self.clock.now):
                self.heard_tick(tick.pipeline, tick.project)
            self.settle()
        self.clock.advance(max(0.0, until - self.clock.now))

    # Operators

    def reload(self, *edits: Edit, layout: str | None = None) -> None:
        """SIGHUP after layout.yaml has become the fixture with these edits."""
        self.load(load_layout(layout or self._layout_name, *edits))
        self.settle()


def _contents(
    files: Mapping[str, str] | Iterable[str] | None, subject: str
) -> Mapping[str, str] | None:
    """Bare names get a content that no other change gives them."""
    if files is None or isinstance(files, Mapping):
        return files
    return dict.fromkeys(files, f"by {subject}")


def _footers(depends_on: FakeChange | Iterable[FakeChange]) -> tuple[str, ...]:
    if isinstance(depends_on, FakeChange):
        depends_on = (depends_on,)
    return tuple(change.change_id for change in depends_on)

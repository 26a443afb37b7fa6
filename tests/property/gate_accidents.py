"""What can happen to a gate, on ordinary days and others; each by chance, by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.property.gate_layouts import LAYOUTS, PROJECTS
from tests.support.fake_gearman import FAILURE, SUCCESS, FakeBuild
from tests.support.fake_gerrit import FakeChange
from tests.support.world import World
from zuul.core.commands import MergeChanges, UpdateRepo
from zuul.core.events import (
    BuildCompleted,
    BuildStarted,
    BuildUpdated,
    ChangesRefreshed,
    Event,
    MergeCompleted,
    ReportCompleted,
    RepoUpdated,
    TriggerReceived,
)
from zuul.model.build import BuildData, MergeResult
from zuul.model.change import ChangeKey
from zuul.model.trigger import PROJECT_CHANGE_MERGED, own_event

#: changes that developers have open at a time: quiet, ordinary and busy worlds
OPEN_CHANGES = (4, 10, 10, 25)
FILES = ("file-1", "file-2", "file-3", "file-4")
BRANCHES = ("master", "master", "master", "stable")
RESULTS = (SUCCESS,) * 16 + (FAILURE, FAILURE, None, "UNSTABLE", "ABORTED", "\0 \N{SNOWMAN}")


class Accidents(World):
    """A world in which a person or a machine does one thing at a time."""

    random: Random
    #: one of OPEN_CHANGES
    most_open: int
    #: off: no accidents any more
    faults: bool
    #: events that the core has taken
    handled: int

    def chance(self, probability: float) -> bool:
        return self.faults and self.random.random() < probability

    def open_changes(self) -> list[FakeChange]:
        return [change for change in self.gerrit.changes.values() if change.is_open]

    def some_change(self) -> FakeChange | None:
        changes = self.open_changes()
        return self.random.choice(changes) if changes else None

    def create_change(self) -> None:
        changes = self.open_changes()
        if len(changes) >= self.most_open:
            return
        project, branch = self.random.choice(PROJECTS), self.random.choice(BRANCHES)
        kin = [c for c in changes if (c.project, c.branch) == (project, branch)]
        needs = self.random.choice(kin) if kin and self.random.random() < 0.3 else None
        change = self.change(
            project,
            branch,
            needs=needs,
            depends_on=self.some_targets(),
            files=self.some_files(),
            ready=self.random.random() < 0.9,
        )
        if not self.chance(0.05):
            self.created(change)

    def some_targets(self) -> list[FakeChange]:
        changes = self.open_changes()
        count = self.random.choice((0, 0, 0, 1, 1, 2))
        return self.random.sample(changes, min(count, len(changes)))

    def some_files(self) -> dict[str, str]:
        names = self.random.sample(FILES, self.random.choice((1, 1, 2)))
        own = f"own-{self.random.randrange(1000)}"
        text = f"{self.random.randrange(1 << 30)}"
        return {name: text for name in [*names, own] if name == own or self.random.random() < 0.3}

    def approve_change(self) -> None:
        change = self.some_change()
        if change is not None:
            if self.random.random() < 0.5:
                self.vote(change, "Code-Review", 2, event=False)
            self.approve(change)

    def withdraw_vote(self) -> None:
        change = self.some_change()
        if change is not None:
            label = self.random.choice(("Code-Review", "Approved"))
            value = self.random.choice((0, -1 if label == "Approved" else -2))
            self.vote(change, label, value)

    def upload_patchset(self) -> None:
        change = self.some_change()
        if change is None:
            return
        targets = self.some_targets() if self.random.random() < 0.5 else ()
        self.upload(
            change, depends_on=[t for t in targets if t is not change], files=self.some_files()
        )
        if self.random.random() < 0.7:
            self.vote(change, "Code-Review", 2, event=False)

    def abandon_change(self) -> None:
        change = self.some_change()
        if change is not None:
            self.abandon(change)

    def restore_change(self) -> None:
        gone = [c for c in self.gerrit.changes.values() if c.status == "ABANDONED"]
        if gone:
            self.restore(self.random.choice(gone))

    def recheck(self) -> None:
        change = self.some_change()
        if change is not None:
            older = self.random.randrange(1, change.current.number + 1)
            self.comment(change, "recheck", patchset=older)

    def refresh(self) -> None:
        """The stream was down: changes are looked up again, without an event."""
        change = self.some_change()
        if change is not None:
            self.tell(ChangesRefreshed(self.gerrit.closure(change)))

    def merge_by_force(self) -> None:
        change = self.some_change()
        if change is None:
            return
        parent = change.current.git_parent
        if parent and parent[0].status != "MERGED":
            return
        if self.gerrit.submit(change) and not self.chance(0.3):
            self.heard("change-merged", change)

    def push_past_review(self) -> None:
        project, branch = self.random.choice(PROJECTS), self.random.choice(BRANCHES)
        before = self.gerrit.head(project, branch)
        after = self.gerrit.push(project, self.some_files(), branch)
        self.heard_ref(project, branch, before.sha, after.sha)

    def toggle_refusal(self) -> None:
        change = self.some_change()
        if change is not None:
            change.refuses_submit = not change.refuses_submit

    def toggle_gerrit(self) -> None:
        self.reporters.gerrit_is_down = not self.reporters.gerrit_is_down and self.chance(0.3)

    def reconfigure(self) -> None:
        self.load(self.random.choice(LAYOUTS))

    def promote_some(self) -> None:
        """Mostly what is queued, in any order; now and then what is not."""
        changes = self.open_changes()
        queued = [c for c in changes if self._is_queued(c)]
        if queued and not self.chance(0.1):
            changes = queued
        if changes:
            some = self.random.sample(changes, min(self.random.choice((1, 1, 2, 3)), len(changes)))
            self.promote(*some, pipeline=self.random.choice(("gate", "gate", "gate", "check")))

    def _is_queued(self, change: FakeChange) -> bool:
        gate = self.scheduler._state.pipelines.get("gate")
        return gate is not None and gate.find_live(change.key) is not None

    def dequeue_one(self) -> None:
        change = self.some_change()
        if change is not None:
            self.dequeue(change, self.random.choice(("gate", "gate", "check")))

    def enqueue_one(self) -> None:
        change = self.some_change()
        if change is not None:
            self.enqueue(change, self.random.choice(("gate", "gate", "check", "silent")))

    def toggle_freeze(self) -> None:
        frozen = list(self.scheduler._state.brakes.freezes)
        if frozen and self.random.random() < 0.7:
            self.unfreeze(*self.random.choice(frozen))
        else:
            pipeline = self.random.choice((None, "gate", "gate", "check"))
            self.freeze(pipeline, self.random.choice((None, *PROJECTS)))

    def toggle_hold(self) -> None:
        holds = list(self.scheduler._state.brakes.holds.values())
        if holds and self.random.random() < 0.5:
            hold = self.random.choice(holds)
            patchset = None if hold.patchset is None else int(hold.patchset)
            self.unhold(self.gerrit.changes[int(hold.number)], patchset=patchset)
            return
        change = self.some_change()
        if change is not None:
            self.hold(change, patchset=self.random.choice((None, change.current.number)))

    def merge_next(self) -> None:
        if self.merges:
            self.answer_merge(self.random.choice(self.merges))

    def merge_fails(self) -> None:
        """The merger breaks down, or another takes over that has nothing to build on."""
        if self.random.random() < 0.5:
            self.merger.take_over(f"http://merger-{self.handled}.example.com/p")
        elif self.merges:
            command = self.random.choice(self.merges)
            self.merges.remove(command)
            self.tell(_broken(command))

    def report_next(self) -> None:
        if not self.reports:
            return
        command = self.random.choice(self.reports)
        # reports on one change keep their order
        command = next(r for r in self.reports if r.change.key == command.change.key)
        self.answer_report(command)
        change = command.change
        if not isinstance(change.key, ChangeKey):
            return
        fake = self.gerrit.changes[int(change.key.number)]
        if fake.status == "MERGED" and self.random.random() < 0.7:
            self.heard("change-merged", fake)

    def find_next(self) -> None:
        """The open changes of a project are told of; by an index that lags, also the merged one."""
        if not self.finds:
            return
        command = self.finds[0]
        self.answer_find(command)
        if self.chance(0.3):
            merged = self.gerrit.lookup(self.gerrit.changes[int(command.merged.number)])
            stale = replace(merged, status="NEW", is_open=True)
            event = own_event(PROJECT_CHANGE_MERGED, stale, self.clock.now)
            self.tell(TriggerReceived(event, stale, (stale,)))

    def tick(self) -> None:
        self.heard_tick("post", self.random.choice(PROJECTS))

    def start_build(self) -> None:
        if self.gearman.queued:
            self.gearman.start(self.random.choice(self.gearman.queued))

    def finish_build(self) -> None:
        if self.gearman.running:
            build = self.random.choice(self.gearman.running)
            self.gearman.finish(build, self.random.choice(RESULTS) if self.faults else SUCCESS)

    def lose_queue(self) -> None:
        """The Gearman server starts anew: all its builds get lost."""
        for build in list(self.gearman.queued):
            self.gearman.start(build)
        for build in list(self.gearman.running):
            self.gearman.finish(build, None)

    def tell_nonsense(self) -> None:
        """Answers to what nobody asked, and news of builds that have ended."""
        now = self.clock.now
        ended: list[FakeBuild] = self.gearman.history[-5:]
        uuid = self.random.choice(ended).uuid if ended else "f" * 32
        for event in (
            BuildStarted(uuid, BuildData(), now),
            BuildUpdated(uuid, BuildData(number="7")),
            BuildCompleted("0" * 32, SUCCESS, None, now),
            BuildCompleted(uuid, FAILURE, None, now),
            MergeCompleted("0" * 32, MergeResult(merged=True, commit="0" * 40)),
            RepoUpdated("0" * 32, None),
            ReportCompleted("0" * 32, reported=True, merged=True),
        ):
            self.tell(event)

    #: what can happen, and how often
    ACTIONS: tuple[tuple[Callable[[Accidents], None], int], ...] = (
        (create_change, 10),
        (approve_change, 14),
        (merge_next, 24),
        (report_next, 24),
        (find_next, 4),
        (tick, 2),
        (start_build, 36),
        (finish_build, 40),
        (recheck, 2),
        (upload_patchset, 3),
        (abandon_change, 2),
        (restore_change, 2),
        (withdraw_vote, 2),
        (refresh, 2),
        (merge_by_force, 1),
        (push_past_review, 3),
        (toggle_refusal, 1),
        (toggle_gerrit, 2),
        (merge_fails, 1),
        (lose_queue, 1),
        (reconfigure, 1),
        (promote_some, 3),
        (dequeue_one, 1),
        (enqueue_one, 2),
        (toggle_freeze, 2),
        (toggle_hold, 2),
        (tell_nonsense, 1),
    )


def _broken(command: MergeChanges | UpdateRepo) -> Event:
    if isinstance(command, UpdateRepo):
        return RepoUpdated(command.request, None, error="the merger broke down")
    return MergeCompleted(command.request, MergeResult(merged=False, error="the merger broke down"))

"""The gate in a world of accidents, by seed.

    python -m tests.property.gate_world --seed 7 --events 10000

runs worlds of some hundred events each, one after the other; a world that breaks an invariant
prints the one line that replays it. What can go wrong is the table at the end of `GateWorld`.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from random import Random

from tests.property.gate_layouts import LAYOUTS, PROJECTS
from tests.support.engine import Engine
from tests.support.fake_gearman import FAILURE, SUCCESS, FakeBuild
from tests.support.fake_gerrit import FakeChange
from tests.support.invariants import watch
from tests.support.world import World
from zuul.core.commands import MergeChanges, UpdateRepo
from zuul.core.events import (
    BuildCompleted,
    BuildStarted,
    BuildUpdated,
    ChangesRefreshed,
    Event,
    LayoutLoaded,
    MergeCompleted,
    ReportCompleted,
    RepoUpdated,
    TriggerReceived,
)
from zuul.core.scheduler import Scheduler
from zuul.model.build import BuildData, MergeResult
from zuul.model.change import ChangeKey

#: changes that developers have open at a time
OPEN_CHANGES = 10
#: events handed to the core before a world is drained and the next one begins
EVENTS_PER_WORLD = 400
FILES = ("file-1", "file-2", "file-3", "file-4")
BRANCHES = ("master", "master", "master", "stable")
RESULTS = (SUCCESS,) * 16 + (FAILURE, FAILURE, None, "UNSTABLE", "ABORTED", "\0 \N{SNOWMAN}")
DRAIN_BOUND = 20_000


class GateWorld(World):
    """A world in which chance decides what happens next."""

    def __init__(
        self, seed: int, *, scheduler: Callable[..., Scheduler] = Scheduler, faults: bool = True
    ) -> None:
        self.random = Random(f"gate {seed}")
        self.faults = faults
        self.handled = 0
        #: what was done last, for whoever has to find out
        self.steps: deque[str] = deque(maxlen=40)
        Engine.__init__(self, LAYOUTS[0], seed=seed, scheduler=scheduler, remember=100)
        self._layout_name = "simulation"
        self.gearman.is_stubborn = lambda: self.chance(0.2)
        watch(self)

    def settle(self) -> None:
        """Nothing happens by itself here."""

    def chance(self, probability: float) -> bool:
        return self.faults and self.random.random() < probability

    # What is handed over, and in which order

    def handle(self, *events: Event) -> tuple:
        self.handled += len(events)
        self.clock.advance(self.random.random() * 20)
        return super().handle(*events)

    def deliver_one(self) -> None:
        """Some event of the inbox; but what concerns one change keeps its order."""
        index = self.random.randrange(min(len(self.inbox), 6)) if self.faults else 0
        subject = _subject(self.inbox[index])
        if subject is not None:
            index = next(i for i, e in enumerate(self.inbox) if _subject(e) == subject)
        event = self.inbox[index]
        del self.inbox[index]
        if self.chance(0.03):
            self.tell(event)
        batch = [event]
        if self.inbox and self.chance(0.1):
            batch.append(self.inbox.popleft())
        self.steps += [f"  {_brief(told)}" for told in batch]
        self.handle(*batch)

    # One step

    def step(self) -> None:
        """Let one thing happen, and the core hear of some."""
        actions = [action for action, weight in self._actions for _ in range(weight)]
        action = self.random.choice(actions)
        self.steps.append(action.__name__)
        action(self)
        while self.inbox and (len(self.inbox) > 8 or self.random.random() < 0.7):
            self.deliver_one()

    def run(self, events: int) -> None:
        while self.handled < events:
            self.step()
        self.drain()
        self.prove_alive()

    def drain(self) -> None:
        """No more accidents: all that is under way ends, and nothing must be left."""
        self.faults = False
        self.reporters.gerrit_is_down = False
        for _ in range(DRAIN_BOUND):
            if self.inbox:
                self.deliver_one()
            elif not self._advance():
                break
        else:
            raise AssertionError("the world does not come to rest")
        self.expect_drained()

    def _advance(self) -> bool:
        if self.merges:
            self.answer_merge(self.merges[0])
        elif self.reports:
            self.answer_report(self.reports[0])
        elif self.gearman.queued:
            self.gearman.start(self.gearman.queued[0])
        elif self.gearman.running:
            self.gearman.finish(self.gearman.running[0], SUCCESS)
        else:
            return False
        return True

    def expect_drained(self) -> None:
        self.expect_idle()
        state = self.scheduler._state
        assert not state.builds, state.builds
        assert not state.merges, state.merges
        assert not state.reports, state.reports
        assert all(build.ended for build in self.gearman.builds.values())
        mutexes = {job.mutex for job in self.layout.jobs.values() if job.mutex}
        assert all(state.mutexes.is_free(mutex) for mutex in mutexes)

    def prove_alive(self) -> None:
        """After all that, an approved change of every project still merges."""
        self.load(LAYOUTS[0])
        fresh = [self.change(project, files=[f"fresh-{project}"]) for project in PROJECTS]
        self.approve(*fresh)
        self.drain()
        self.expect_merged(*fresh)

    # Accidents and ordinary days

    def open_changes(self) -> list[FakeChange]:
        return [change for change in self.gerrit.changes.values() if change.is_open]

    def some_change(self) -> FakeChange | None:
        changes = self.open_changes()
        return self.random.choice(changes) if changes else None

    def create_change(self) -> None:
        changes = self.open_changes()
        if len(changes) >= OPEN_CHANGES:
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
    _actions: tuple[tuple[Callable[[GateWorld], None], int], ...] = (
        (create_change, 10),
        (approve_change, 14),
        (merge_next, 24),
        (report_next, 24),
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
        (tell_nonsense, 1),
    )


def _subject(event: Event) -> object:
    """What an event is about, where events about one thing keep their order."""
    if isinstance(event, TriggerReceived) and event.subject is not None:
        key = event.subject.key
        return key.number if isinstance(key, ChangeKey) else None
    return None


def _brief(event: Event) -> str:
    """An event in a few words, for the last lines before a failure."""
    if isinstance(event, TriggerReceived):
        about = event.subject.key if event.subject else None
        return f"{event.event.type} {about}"
    if isinstance(event, LayoutLoaded):
        return f"layout {LAYOUTS.index(event.layout)}"
    return re.sub(r"(data|worker)=\w*\(.*?\)(, )?|, \w+=None|'", "", repr(event))


def _broken(command: MergeChanges | UpdateRepo) -> Event:
    if isinstance(command, UpdateRepo):
        return RepoUpdated(command.request, None, error="the merger broke down")
    return MergeCompleted(command.request, MergeResult(merged=False, error="the merger broke down"))


def run_world(
    seed: int,
    events: int = EVENTS_PER_WORLD,
    scheduler: Callable[..., Scheduler] = Scheduler,
) -> GateWorld:
    """One world; on trouble AssertionError with the line that replays it."""
    world = GateWorld(seed, scheduler=scheduler)
    try:
        world.run(events)
    except Exception as problem:
        text = "\n".join(
            (
                f"python -m tests.property.gate_world --seed {seed} --events {events}",
                f"{type(problem).__name__}: {problem}",
                *world.steps,
            )
        )
        raise AssertionError(text) from problem
    return world


def world_seed(seed: int, number: int) -> int:
    """Worlds of a long run have seeds of their own, so that each can be replayed alone."""
    return seed if number == 0 else seed * 1_000_000 + number


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=10_000, help="handed to the core, in all")
    options = parser.parse_args(arguments)
    started, done, merged, number = time.monotonic(), 0, 0, 0
    while done < options.events:
        budget = min(EVENTS_PER_WORLD, options.events - done)
        try:
            world = run_world(world_seed(options.seed, number), budget)
        except AssertionError as problem:
            traceback.print_exception(problem.__cause__)
            print(problem)
            return 1
        number += 1
        done += world.handled
        merged += sum(c.status == "MERGED" for c in world.gerrit.changes.values())
        if number % 10 == 0 or done >= options.events:
            seconds = time.monotonic() - started
            print(f"{number} worlds, {done} events, {merged} merged, {seconds:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

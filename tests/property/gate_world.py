"""The gate in a world of accidents, by seed.

    python -m tests.property.gate_world --seed 7 --events 10000

runs worlds of some hundred events each, one after the other; a world that breaks an invariant
prints the one line that replays it. What can go wrong is the table at the end of gate_accidents.py.
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

from tests.property.gate_accidents import OPEN_CHANGES, Accidents
from tests.property.gate_layouts import LAYOUTS, PROJECTS
from tests.support.engine import Engine
from tests.support.fake_gearman import SUCCESS
from tests.support.invariants import watch
from zuul.core.events import (
    Event,
    LayoutLoaded,
    TriggerReceived,
)
from zuul.core.requests import Request
from zuul.core.scheduler import Scheduler
from zuul.model.change import ChangeKey

#: events handed to the core before a world is drained and the next one begins
EVENTS_PER_WORLD = 400
DRAIN_BOUND = 20_000


class GateWorld(Accidents):
    """A world in which chance decides what happens next."""

    def __init__(self, seed: int, *, scheduler: Callable[..., Scheduler] = Scheduler) -> None:
        self.random = Random(f"gate {seed}")
        self.faults = True
        self.most_open = self.random.choice(OPEN_CHANGES)
        self.handled = 0
        #: what was done last, for whoever has to find out
        self.steps: deque[str] = deque(maxlen=40)
        Engine.__init__(self, LAYOUTS[0], seed=seed, scheduler=scheduler, remember=100)
        self._layout_name = "simulation"
        self.gearman.is_stubborn = lambda: self.chance(0.2)
        watch(self)

    def settle(self) -> None:
        """Nothing happens by itself here."""

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
        if self.chance(0.03) and not isinstance(event, Request):
            self.tell(event)
        batch = [event]
        if self.inbox and self.chance(0.1):
            batch.append(self.inbox.popleft())
        self.steps += [f"  {_brief(told)}" for told in batch]
        self.handle(*batch)

    # One step

    def step(self) -> None:
        """Let one thing happen, and the core hear of some."""
        actions = [action for action, weight in self.ACTIONS for _ in range(weight)]
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
        while self.inbox:
            self.deliver_one()
        self.release_brakes()
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
        elif self.finds:
            self.answer_find(self.finds[0])
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

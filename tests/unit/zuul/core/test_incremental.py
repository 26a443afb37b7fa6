"""Looking only at what changed must come to the same as looking at everything."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import check_config, gate_config, tree
from zuul.core import commands, events
from zuul.core.processing import settle
from zuul.core.requests import (
    DequeueRequested,
    FreezeRequested,
    HoldRequested,
    PromoteRequested,
    UnfreezeRequested,
    UnholdRequested,
)
from zuul.model.brakes import Freeze, Hold
from zuul.model.build import BuildData, MergeConflict, MergeResult
from zuul.model.change import Approval, Change
from zuul.model.job import Job
from zuul.model.layout import Layout, WindowConfig

TREES = {
    "p": tree(
        (Job("merge", hold_following_changes=True), ["unit", Job("lock", mutex="m")]),
        Job("style", voting=False),
    ),
    "q": tree("q-unit", Job("q-lock", mutex="m")),
    "r": tree(),
}


class Chaos(Gate):
    """Everything is answered late, in any order, and sometimes badly."""

    def __init__(self, seed: int, window: int) -> None:
        self.random = random.Random(seed)
        pipelines = (
            gate_config(dict(TREES), window=WindowConfig(start=window, floor=1)),
            check_config(dict(TREES)),
        )
        super().__init__(*pipelines, merging=False, reporting=False)
        self.other = replace(self.layout, pipelines=tuple(reversed(pipelines)))
        self.count = 0
        self.live: list[Change] = []

    def send(self, *batch: events.Event) -> list[commands.Command]:
        issued = super().send(*batch)
        self.look_at_everything()
        return issued

    def look_at_everything(self) -> None:
        """Nothing must come of it."""
        state = self.scheduler._state
        shown = self.status()
        for pipeline in state.pipelines.values():
            for queue in pipeline.queues.values():
                passing = []
                for item in queue:
                    ahead = item.item_ahead
                    assert ahead is None or item in ahead.items_behind
                    assert all(behind.item_ahead is item for behind in item.items_behind)
                    if item.live and not item.is_failing:
                        passing.append(item.order)
                    item.check_needs = True
                    state.touch(item)
                assert passing == queue._passing
                active = [item.active for item in queue]
                assert active == sorted(active, reverse=True)
                if queue.window:
                    assert sum(active) == min(queue.window, len(queue))
        before = self.status()
        assert shown == before, "what was kept of an item is not what is there"
        settle(state)
        assert state.take_commands() == ()
        assert self.status() == before

    def step(self) -> None:
        actions = [self.new_change, self.build_ends, self.build_ends, self.build_ends]
        actions += [self.merge_ends, self.merge_ends, self.report_ends, self.report_ends]
        if self.random.random() < 0.1:
            actions = [self.new_patchset, self.abandon, self.reload, self.merged_by_hand]
            actions += [self.promote, self.dequeue, self.turn_brake]
        self.random.choice(actions)()

    def new_change(self) -> None:
        self.count += 1
        project = self.random.choice(["p", "p", "q", "r"])
        needs = ()
        if self.live and self.random.random() < 0.4:
            needs = (self.random.choice(self.live).key,)
        change = make_change(self.count, project, needs=needs)
        self.live.append(change)
        self.upload(change)
        self.approve_again(change)

    def approve_again(self, change: Change) -> None:
        self.hear("comment-added", change, approvals=(Approval("approved", 1),))

    def new_patchset(self) -> None:
        if self.live:
            old = self.live.pop(self.random.randrange(len(self.live)))
            number = int(old.key.patchset) + 1
            new = make_change(int(old.key.number), old.project, number, needs=old.needs)
            self.changes[old.key] = replace(self.changes[old.key], is_current_patchset=False)
            self.live.append(new)
            self.upload(new)
            self.approve_again(new)

    def abandon(self) -> None:
        if self.live:
            self.hear("change-abandoned", self.live.pop(self.random.randrange(len(self.live))))

    def merged_by_hand(self) -> None:
        if self.live:
            change = self.live.pop(self.random.randrange(len(self.live)))
            self.mark_merged(change)
            self.hear("change-merged", change)

    def mark_merged(self, change: Change) -> None:
        known = self.changes[change.key]
        self.changes[change.key] = replace(known, status="MERGED", is_open=False)

    def promote(self) -> None:
        if self.live:
            chosen = self.random.choices(self.live, k=2)
            ids = tuple((change.key.number, change.key.patchset) for change in chosen)
            self.send(PromoteRequested(self.ids.new_id(), "gate", ids))

    def dequeue(self) -> None:
        if self.live:
            key = self.random.choice(self.live).key
            pipeline = self.random.choice(["gate", "check"])
            self.send(
                DequeueRequested(self.ids.new_id(), pipeline, None, (key.number, key.patchset))
            )

    def turn_brake(self) -> None:
        brakes = self.scheduler._state.brakes
        for freeze in list(brakes.freezes.values()):
            self.send(UnfreezeRequested(self.ids.new_id(), freeze.pipeline, freeze.project))
            return
        for hold in list(brakes.holds.values()):
            self.send(UnholdRequested(self.ids.new_id(), "gate", hold.number, hold.patchset))
            return
        if self.live and self.random.random() < 0.5:
            number = self.random.choice(self.live).key.number
            self.send(HoldRequested(self.ids.new_id(), Hold("gate", number, None, "why")))
        else:
            project = self.random.choice([None, "p", "q"])
            self.send(FreezeRequested(self.ids.new_id(), Freeze("gate", project, "why")))

    def reload(self) -> None:
        layout: Layout = self.random.choice([self.layout, self.other])
        self.send(events.LayoutLoaded(layout))

    def build_ends(self) -> None:
        if not self.builds:
            return
        build = self.builds.pop(self.random.choice(list(self.builds)))
        result = self.random.choice(["SUCCESS"] * 12 + ["FAILURE", None])
        data = BuildData(number=1)
        if self.random.random() < 0.5:
            self.send(events.BuildStarted(build.build, data, self.now))
        self.send(events.BuildCompleted(build.build, result, data, self.now))

    def merge_ends(self) -> None:
        if not self.open_merges:
            return
        command = self.open_merges.pop(self.random.randrange(len(self.open_merges)))
        if self.random.random() < 0.1:
            result = MergeResult(False, conflict=MergeConflict("p", "1", "1"))
        else:
            result = MergeResult(True, "c", "http://m", "m", "t", "b")
        self.send(events.MergeCompleted(command.request, result))

    def report_ends(self) -> None:
        if not self.open_reports:
            return
        command = self.open_reports.pop(self.random.randrange(len(self.open_reports)))
        answer = self.report_answer(command)
        if command.submit is not None:
            chance = self.random.random()
            if chance < 0.15:
                answer = replace(answer, merged=False)
            elif chance < 0.3:
                answer = replace(answer, merged=None, base_moved=True)
            else:
                assert isinstance(command.change, Change)
                self.mark_merged(command.change)
        self.send(answer)

    def calm_down(self) -> None:
        """Everything ends well from now on."""
        brakes = self.scheduler._state.brakes
        while brakes.freezes or brakes.holds:
            self.turn_brake()
        for _ in range(100000):
            if self.builds:
                build = self.builds.pop(next(iter(self.builds)))
                self.send(events.BuildCompleted(build.build, "SUCCESS", None, self.now))
            elif self.open_merges:
                self.send(*self.answer_merges())
            elif self.open_reports:
                self.send(self.report_answer(self.open_reports.pop(0)))
            else:
                return
        raise AssertionError("it never ends")


@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_overlooked(seed: int, window: int) -> None:
    chaos = Chaos(seed, window)
    for _ in range(150):
        chaos.step()
    chaos.calm_down()
    assert chaos.numbers("gate") == []
    assert chaos.numbers("check") == []
    assert chaos.scheduler.is_idle
    state = chaos.scheduler._state
    assert not state.mutexes._holders
    assert not state.mutexes._waiters

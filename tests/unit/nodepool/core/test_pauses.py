"""Launches that fail for no fault of the cloud: who is paused for them, and who goes on."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.pauses import Place
from nodepool.core.steps import Step
from nodepool.model import MachineKey, Node, NodeState
from tests.unit.nodepool.core.site import GEARMAN, Site, ready_image

CONFIG = (
    """\
labels:
  - {name: a, image: i, min-ready: 0, ready-script: r.sh, providers: [{name: p}, {name: q}]}
  - {name: b, image: i, min-ready: 0, providers: [{name: p}, {name: q}]}
providers:
  - {name: p, max-servers: 30, images: [{name: i, min-ram: 1, base-image: b}]}
  - {name: q, max-servers: 30, images: [{name: i, min-ram: 1, base-image: b}]}
targets:
  - {name: t, jenkins: {url: 'http://t', user: u, apikey: k}}
  - {name: u, jenkins: {url: 'http://u', user: u, apikey: k}}
"""
    + GEARMAN
)
ONE_TARGET = CONFIG.replace("  - {name: u, jenkins: {url: 'http://u', user: u, apikey: k}}\n", "")
ONLY_P = ONE_TARGET.replace(", {name: q}", "")
WITH_TEST_JOB = CONFIG.replace("apikey: k", "apikey: k, test-job: tt")
ASSIGNING = CONFIG.replace("t, jenkins:", "t, assign-via-gearman: true, jenkins:")

Fails = Callable[[Node], bool]


def nobody(node: Node) -> bool:
    return False


def at_t(node: Node) -> bool:
    return node.target == "t"


def in_p(node: Node) -> bool:
    return node.provider == "p"


class Shop(Site):
    """A site whose clouds work; every second all that can happen does."""

    def __init__(self, text: str = CONFIG, **more: object) -> None:
        super().__init__(text, **more)  # type: ignore[arg-type]
        self.launched: list[Node] = []
        self.fails: dict[Step, Fails] = {}

    def want(self, **jobs: int) -> None:
        self.tell(events.DemandRead(jobs, self.now))

    def come_up(self) -> None:
        """All servers, until their targets are told of them."""
        for provider in self.config.providers:
            self.list(provider)
        self.connect()
        self.prepare()

    def turn(self) -> None:
        self.launched += [self.rows[key.id] for key in self.create() if key.index == 0]
        for provider in self.config.providers:
            self.list(provider)
        for connect in self.take(commands.Connect):
            self.answer(connect.key.id, Step.CONNECT, events.Connected(connect.key))
        for prepare in self.take(commands.PrepareNode):
            done = events.Prepared("node", prepare.node.id)
            self.answer(prepare.node.id, Step.PREPARE, done)
        for register in self.take(commands.RegisterNode):
            done_too = events.Registered(register.node.id)
            self.answer(register.node.id, Step.REGISTER, done_too)
        for assign in self.take(commands.AssignNode):
            self.answer(assign.node.id, Step.ASSIGN, events.Assigned(assign.node.id, None))
        for test in self.take(commands.StartTestJob):
            status = "FAILURE" if self.fails.get(Step.TEST, nobody)(test.node) else "SUCCESS"
            self.finish_build(test.node, "tt", status)
        for relabel in self.take(commands.RelabelNode):
            self.tell(events.Relabeled(relabel.node.id))
        for call in self.take(commands.DeleteServer):
            self.servers.pop(call.server_id, None)
            self.tell(events.ServerGone(call.provider, call.server_id))
        for unregister in self.take(commands.UnregisterNode):
            self.tell(events.Unregistered(unregister.node_id))
        self.wait(1)

    def answer(self, node_id: int, step: Step, event: events.Event) -> None:
        if self.fails.get(step, nobody)(self.rows[node_id]):
            event = events.StepFailed(MachineKey("node", node_id), step, "error.unknown", "500")
        self.tell(event)

    def pause(self) -> None:
        """Wanted launches fail, those that replace the first failures too, until none goes."""
        self.turn()
        self.turn()
        assert self.told("launches_paused")
        assert self.take(commands.CreateServer) == []

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.turn()

    def ready(self) -> Counter[str]:
        return Counter(
            f"{node.label}@{node.target}"
            for node in self.rows.values()
            if node.state is NodeState.READY
        )

    def told(self, hook: str) -> list[Place]:
        return [each[1] for each in self.observer.told if each[0] == hook]


# -- targets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "step"),
    [(CONFIG, Step.REGISTER), (ASSIGNING, Step.ASSIGN)],
    ids=["jenkins", "gearman"],
)
def test_a_target_that_refuses_nodes_is_given_fewer_and_fewer(text: str, step: Step) -> None:
    shop = Shop(text)
    shop.fails[step] = at_t
    shop.want(a=4, b=4)
    shop.run(60)
    assert shop.ready() == {"a@u": 4, "b@u": 4}
    began = len(shop.launched)
    for round_ in range(60):  # there is work all the time
        for node in list(shop.rows.values()):
            if node.state is NodeState.READY:
                shop.start_build(node)
                shop.finish_build(node)
        shop.want(a=4 + round_ % 2, b=4)
        shop.run(60)
    there = Counter(node.target for node in shop.launched[began:])
    assert there["u"] > 400
    assert 10 < there["t"] < 40
    assert set(shop.told("launches_paused")) == {Place(target="t")}
    assert shop.told("launches_resumed") == []
    shop.fails.clear()
    for more in range(20):
        shop.want(a=5 + more)
        shop.run(10)
    assert shop.told("launches_resumed") == [Place(target="t")]
    assert shop.ready()["a@t"] > 5


def test_a_target_that_does_not_answer_is_paused_too() -> None:
    shop = Shop(ONE_TARGET)
    shop.want(a=3)
    shop.create()
    shop.come_up()
    shop.take(commands.RegisterNode)
    assert shop.take(commands.CreateServer) == []
    shop.wait(300)
    assert shop.told("launches_paused") == [Place(target="t")]
    assert shop.take(commands.CreateServer) == []
    shop.wait(5)  # no event: the pause's end is enough
    assert len(shop.take(commands.CreateServer)) == 1


def test_one_launch_goes_alone_until_its_fate_is_known() -> None:
    shop = Shop(ONE_TARGET)
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=4, b=4)
    shop.pause()
    assert len(shop.launched) == 8 + 2
    shop.wait(5)
    assert len(shop.create()) == 1  # of both labels
    shop.wait(60)
    shop.want(a=5, b=5)
    assert shop.take(commands.CreateServer) == []
    shop.fails.clear()
    shop.turn()
    assert shop.told("launches_resumed") == [Place(target="t")]
    assert len(shop.take(commands.CreateServer)) == 9


def test_a_trial_that_tells_nothing_is_followed_by_another() -> None:
    shop = Shop(ONE_TARGET)
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=3)
    shop.pause()
    shop.wait(5)
    (key,) = shop.create()
    shop.person(key.id, NodeState.DELETE)
    assert len(shop.take(commands.CreateServer)) == 1
    assert shop.told("launches_paused") == [Place(target="t")]


def test_launches_that_began_before_a_pause_may_end_it() -> None:
    shop = Shop(ONE_TARGET)
    shop.want(a=4)
    shop.create()
    shop.come_up()
    *bad, good = shop.take(commands.RegisterNode)
    for call in bad:
        key = MachineKey("node", call.node.id)
        shop.tell(events.StepFailed(key, Step.REGISTER, "error.unknown", "500"))
    assert len(shop.take(commands.CreateServer)) == 2  # before the third failed
    shop.tell(events.Registered(good.node.id))
    assert shop.told("launches_resumed") == [Place(target="t")]
    assert len(shop.take(commands.CreateServer)) == 1


def test_a_build_that_is_quicker_than_the_answer_tells_that_the_target_works() -> None:
    shop = Shop(ONE_TARGET)
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=3)
    shop.pause()
    shop.wait(5)
    (key,) = shop.create()
    shop.come_up()
    shop.start_build(shop.rows[key.id])
    assert shop.told("launches_resumed") == [Place(target="t")]


def test_a_test_job_that_fails_says_nothing_of_its_target() -> None:
    shop = Shop(ONE_TARGET.replace("apikey: k", "apikey: k, test-job: tt"))
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=3)
    shop.pause()
    shop.fails = {Step.TEST: at_t}
    shop.wait(5)
    shop.turn()
    assert shop.told("launches_resumed") == [Place(target="t")]


def test_a_failure_now_and_then_is_nothing() -> None:
    shop = Shop(ONE_TARGET)
    turns = itertools.cycle((True, True, False))
    shop.fails[Step.REGISTER] = lambda node: next(turns)
    shop.want(a=20)
    shop.run(60)
    assert shop.ready() == {"a@t": 20}
    assert shop.told("launches_paused") == []


def test_a_target_that_is_configured_anew_is_tried_at_once() -> None:
    shop = Shop(ONE_TARGET)
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=5)
    shop.pause()
    shop.tell(events.ConfigLoaded(parse_config(ONE_TARGET.replace("30", "31"), "f")))
    assert shop.take(commands.CreateServer) == []
    shop.tell(events.ConfigLoaded(parse_config(ONE_TARGET.replace("apikey: k", "apikey: l"), "f")))
    assert len(shop.take(commands.CreateServer)) == 5
    assert shop.told("launches_resumed") == [Place(target="t")]


def test_a_target_that_comes_back_is_tried_at_once_but_gently() -> None:
    shop = Shop(ONE_TARGET)
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=5)
    shop.run(60)
    assert shop.create() == []
    shop.tell(events.TargetChecked("t", online=False))
    assert shop.create() == []
    shop.tell(events.TargetChecked("t", online=True))
    assert len(shop.create()) == 1


# -- labels ----------------------------------------------------------------------------------------


def test_a_ready_script_that_fails_in_one_cloud_takes_no_work_from_the_other() -> None:
    shop = Shop()
    shop.fails[Step.PREPARE] = lambda node: node.label == "a" and node.provider == "p"
    shop.want(a=10, b=10)
    shop.run(1800)
    assert shop.ready().total() == 20
    broken = Counter(f"{node.label}@{node.provider}" for node in shop.launched)
    assert broken["a@p"] < 10
    assert broken["b@p"] > 4
    assert set(shop.told("launches_paused")) == {Place("a", provider="p")}


def test_a_ready_script_that_always_fails_is_tried_less_and_less() -> None:
    shop = Shop()
    shop.fails[Step.PREPARE] = lambda node: node.label == "a"
    shop.want(a=10, b=10)
    shop.run(3600)
    assert shop.ready().total() == 10
    assert 30 < Counter(node.label for node in shop.launched)["a"] < 90
    places = {Place("a", provider="p"), Place("a", provider="q")}
    assert set(shop.told("launches_paused")) == places
    shop.fails.clear()
    shop.run(130)
    assert set(shop.told("launches_resumed")) == places
    assert shop.ready().total() == 20


def test_any_other_configuration_may_mend_a_script() -> None:
    shop = Shop()
    shop.fails[Step.PREPARE] = lambda node: True
    shop.want(a=10)
    shop.run(60)
    assert shop.take(commands.CreateServer) == []
    shop.tell(events.ConfigLoaded(parse_config(CONFIG.replace("r.sh", "s.sh"), "f")))
    assert len(shop.take(commands.CreateServer)) == 10
    assert len(shop.told("launches_resumed")) == 2


def images(**changes: object) -> tuple[commands.SnapshotImage, ...]:
    """A new one in p; q has a proven one."""
    new = replace(ready_image(501, version=2), proven=False)
    return new, replace(ready_image(502, "q"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("step", [Step.CONNECT, Step.PREPARE, Step.TEST])
def test_an_unproven_image_is_to_blame_while_there_is_another(step: Step) -> None:
    shop = Shop(WITH_TEST_JOB, images=(*images(), ready_image(500)))
    shop.fails[step] = lambda node: node.image_id == 501
    shop.want(a=8)
    shop.run(60)
    ready = [node for node in shop.rows.values() if node.state is NodeState.READY]
    assert {node.image_id for node in ready} == {500, 502}
    assert len(ready) == 8
    assert shop.pool.images[501].failures >= 3
    assert shop.told("launches_paused") == []


@pytest.mark.parametrize("step", [Step.CONNECT, Step.PREPARE, Step.TEST])
def test_an_unproven_image_that_is_the_only_one_is_tried_less_and_less(step: Step) -> None:
    shop = Shop(ONLY_P.replace("apikey: k", "apikey: k, test-job: tt"), images=images()[:1])
    shop.fails[step] = in_p
    shop.want(a=8)
    shop.run(1800)
    assert 15 < len(shop.launched) < 50
    shop.fails.clear()
    shop.run(200)
    assert shop.pool.images[501].proven
    assert shop.ready() == {"a@t": 8}


def test_logins_that_work_end_the_pause_of_those_that_did_not() -> None:
    shop = Shop(ONLY_P, images=images()[:1])
    shop.fails[Step.CONNECT] = in_p
    shop.want(a=8)
    shop.run(60)
    shop.wait(120)
    assert len(shop.create()) == 1
    shop.list()
    shop.connect()
    assert shop.told("launches_resumed") == [Place("a", provider="p")]
    assert len(shop.take(commands.CreateServer)) == 7  # and none waits for another event


def test_late_failures_of_an_image_that_is_launched_no_more_count_for_nothing() -> None:
    shop = Shop(images=(*images(), ready_image(500)))
    shop.fails[Step.PREPARE] = lambda node: node.image_id == 501
    shop.want(a=20)
    shop.turn()
    assert shop.pool.images[501].failures == 10
    assert shop.told("launches_paused") == []


def test_a_label_that_is_paused_may_try_a_target_that_is() -> None:
    shop = Shop(ONLY_P)
    shop.fails[Step.REGISTER] = at_t
    shop.want(a=3)
    shop.pause()
    shop.fails[Step.PREPARE] = in_p
    shop.run(600)
    assert set(shop.told("launches_paused")) == {Place(target="t"), Place("a", provider="p")}
    shop.fails.clear()
    shop.run(150)
    assert set(shop.told("launches_resumed")) == {Place(target="t"), Place("a", provider="p")}
    assert shop.ready() == {"a@t": 3}


def test_a_test_job_that_fails_at_one_target_takes_no_work_from_the_other() -> None:
    shop = Shop(WITH_TEST_JOB)
    shop.fails[Step.TEST] = lambda node: at_t(node) and node.label == "a"
    shop.want(a=8, b=8)
    shop.run(1800)
    assert set(shop.told("launches_paused")) == {Place("a", target="t")}
    assert shop.ready() == {"a@u": 8, "b@t": 4, "b@u": 4}
    assert Counter(f"{node.label}@{node.target}" for node in shop.launched)["a@t"] < 8
    shop.fails.clear()
    shop.want(a=16, b=8)
    shop.run(10)
    assert shop.told("launches_resumed") == [Place("a", target="t")]


def test_a_test_job_that_succeeds_lets_others_follow_at_once() -> None:
    shop = Shop(ONLY_P.replace("apikey: k", "apikey: k, test-job: tt"))
    shop.fails[Step.TEST] = at_t
    shop.want(a=8)
    shop.run(60)
    shop.wait(120)
    (key,) = shop.create()
    for step in (shop.list, shop.connect, shop.prepare, shop.register):
        step()
    assert shop.take(commands.CreateServer) == []
    shop.finish_build(shop.rows[key.id], "tt")
    assert shop.told("launches_resumed") == [Place("a", target="t")]
    assert len(shop.take(commands.CreateServer)) == 7


def test_a_test_job_that_never_ends_counts_as_one_that_fails() -> None:
    shop = Shop(WITH_TEST_JOB)
    shop.want(a=8)
    shop.create()
    shop.come_up()
    shop.register()
    shop.take(commands.StartTestJob)
    shop.wait(300)
    assert set(shop.told("launches_paused")) == {Place("a", target="t"), Place("a", target="u")}

"""Targets that refuse nodes are given fewer and fewer, and are tried again."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.pauses import Place
from nodepool.core.steps import Step
from nodepool.model import MachineKey, NodeState
from tests.unit.nodepool.core.shop import (
    ASSIGNING,
    CONFIG,
    ONE_TARGET,
    Shop,
    at_t,
    paused,
    with_test_job,
)


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
    shop = paused(a=4, b=4)
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
    shop = paused(a=3)
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
    shop = paused(a=3)
    shop.wait(5)
    (key,) = shop.create()
    shop.come_up()
    shop.start_build(shop.rows[key.id])
    assert shop.told("launches_resumed") == [Place(target="t")]


def test_a_test_job_that_fails_says_nothing_of_its_target() -> None:
    shop = Shop(with_test_job(ONE_TARGET))
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
    shop = paused(a=5)
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

"""Labels whose launches fail for no fault of the cloud: which are paused, and who goes on."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.pauses import Place
from nodepool.core.steps import Step
from nodepool.model import NodeState
from tests.unit.nodepool.core.shop import CONFIG, ONLY_P, Shop, at_t, in_p, with_test_job
from tests.unit.nodepool.core.site import ready_image


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
    shop = Shop(with_test_job(CONFIG), images=(*images(), ready_image(500)))
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
    shop = Shop(with_test_job(ONLY_P), images=images()[:1])
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
    shop = Shop(with_test_job(CONFIG))
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
    shop = Shop(with_test_job(ONLY_P))
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
    shop = Shop(with_test_job(CONFIG))
    shop.want(a=8)
    shop.create()
    shop.come_up()
    shop.register()
    shop.take(commands.StartTestJob)
    shop.wait(300)
    assert set(shop.told("launches_paused")) == {Place("a", target="t"), Place("a", target="u")}

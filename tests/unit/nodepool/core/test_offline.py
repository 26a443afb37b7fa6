"""A build began on a node: it gets no second one, whether its job asks for that or not."""

from __future__ import annotations

import pytest

from nodepool.core import commands, events
from nodepool.core.build_events import BuildFinalized
from nodepool.core.offline import MOST_TRIES
from nodepool.model import NodeState
from tests.unit.nodepool.core.site import CONFIG, Site

TEST_JOB = CONFIG.replace("apikey: k}", "apikey: k, test-job: tt}")
CALL = commands.SetNodeOffline(1, "t", "one-p-1")


def ready(text: str = CONFIG, **more: dict[str, int]) -> Site:
    site = Site(text, **more)
    site.launch()
    return site


def plain() -> Site:
    """A plain job's build began."""
    site = ready()
    site.start_build(site.node, offline_wanted=False)
    return site


def survey(site: Site, *, idle: bool, offline: bool = False) -> None:
    site.now += 30
    computers = {"one-p-1": events.Computer(idle, offline, spent=offline)}
    site.tell(events.TargetSurveyed("t", computers, site.now))


def asked(site: Site) -> list[commands.SetNodeOffline]:
    return site.take(commands.SetNodeOffline)


def test_the_node_of_a_plain_job_is_set_offline_at_once_and_once() -> None:
    site = plain()
    assert asked(site) == [CALL]
    site.tell(events.NodeSetOffline(1))
    site.start_build(site.rows[1], offline_wanted=False)
    survey(site, idle=False, offline=True)
    site.finish_build(site.rows[1])
    survey(site, idle=True, offline=True)
    assert asked(site) == []


def test_a_job_that_has_it_done_costs_no_call() -> None:
    site = ready()
    site.start_build(site.node)
    survey(site, idle=False, offline=True)
    site.finish_build(site.rows[1])
    survey(site, idle=True, offline=True)
    assert asked(site) == []


def test_but_if_it_was_not_done_nodepool_does_it() -> None:
    site = ready()
    site.start_build(site.node)
    survey(site, idle=False)
    assert asked(site) == [CALL]


def test_a_build_that_a_survey_found() -> None:
    site = ready()
    survey(site, idle=False)
    assert asked(site) == [CALL]
    site = ready()
    survey(site, idle=False, offline=True)
    assert asked(site) == []


def test_a_build_of_whose_start_nobody_heard() -> None:
    site = ready()
    site.tell(BuildFinalized("one-p-1", "job", "SUCCESS"))
    assert asked(site) == [CALL]
    assert site.rows[1].delete_at is not None


def test_the_failure_that_holds_a_node_does_too() -> None:
    site = ready(holds={"job": 1})
    site.tell(BuildFinalized("one-p-1", "job", "FAILURE"))
    assert site.rows[1].state is NodeState.HOLD
    assert asked(site) == [CALL]


def test_a_node_that_waits_for_its_end_is_not_left_online() -> None:
    site = ready()
    site.start_build(site.node)
    site.finish_build(site.rows[1])
    survey(site, idle=True)
    assert asked(site) == [CALL]


def test_a_test_job_leaves_its_node_online() -> None:
    site = ready(TEST_JOB)
    assert site.states() == ["test"]
    site.start_build(site.node, "tt", offline_wanted=False)
    site.tell(BuildFinalized("one-p-1", "tt", "SUCCESS"))
    assert len(site.take(commands.RelabelNode)) == 1
    assert asked(site) == []


def test_a_held_node_is_left_to_its_holder() -> None:
    site = plain()
    site.person(1, NodeState.HOLD)
    asked(site)
    site.tell(events.NodeNotSetOffline(1, "500"))
    site.start_build(site.rows[1], offline_wanted=False)
    survey(site, idle=False)
    site.wait(600)
    assert asked(site) == []


def test_it_is_tried_again_a_few_times() -> None:
    site = plain()
    tries = 0
    while asked(site):
        tries += 1
        site.tell(events.NodeNotSetOffline(1, "500"))
        site.wait(61)
    assert tries == MOST_TRIES
    survey(site, idle=False)
    assert asked(site) == []


def test_it_is_tried_again_if_no_answer_comes() -> None:
    site = plain()
    asked(site)
    site.wait(89)
    assert asked(site) == []
    site.wait(1)
    assert asked(site) == [CALL]


def test_what_somebody_took_into_use_again_stays_so() -> None:
    site = plain()
    asked(site)
    site.tell(events.NodeSetOffline(1))
    survey(site, idle=False, offline=False)
    assert asked(site) == []


def test_a_node_that_goes_is_forgotten() -> None:
    site = plain()
    asked(site)
    site.person(1, NodeState.DELETE)
    site.tell(events.NodeNotSetOffline(1, "404"))
    site.wait(600)
    assert asked(site) == []
    assert ("offline", 1) not in site.pool._state.tries


def test_so_is_one_that_was_set_offline() -> None:
    site = plain()
    asked(site)
    site.tell(events.NodeSetOffline(1))
    assert site.pool._state.set_offline == {1}
    site.person(1, NodeState.DELETE)
    site.tell(events.NodeSetOffline(1))
    assert site.pool._state.set_offline == set()


@pytest.mark.parametrize("kind", [events.NodeSetOffline, events.NodeNotSetOffline])
def test_an_answer_for_a_node_that_is_no_more(
    kind: type[events.NodeSetOffline | events.NodeNotSetOffline],
) -> None:
    site = ready()
    site.tell(kind(99))
    site.wait(600)
    assert asked(site) == []


def test_without_a_jenkins_nobody_is_asked() -> None:
    text = CONFIG.replace("    jenkins: {url: 'http://t', user: u, apikey: k}\n", "")
    site = ready(text)
    site.start_build(site.node, offline_wanted=False)
    assert asked(site) == []

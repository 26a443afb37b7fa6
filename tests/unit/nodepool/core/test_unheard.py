"""Builds that nobody heard of, found in their target's list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.build_events import ListedBuild
from nodepool.core.commands import ReadBuilds, WantedBuilds
from nodepool.core.surveys import LIST_PATIENCE
from nodepool.core.unheard import ANSWER_SECONDS, MARGIN
from nodepool.model import Machine, Node, NodeState, Presence
from tests.unit.nodepool.core.site import CONFIG, Site

NAME = "n-1"
NODE = Node(
    id=1,
    provider="p",
    label="one",
    target="t",
    state=NodeState.READY,
    state_at=800.0,
    machines=(Machine(NAME, Presence.EXISTS, "s-1", "192.0.2.1"),),
    nodename=NAME,
    registered=True,
)
USED = replace(NODE, state=NodeState.USED, job="job")
TEST_JOB = CONFIG.replace("apikey: k}", "apikey: k, test-job: tt}")


def build(status: str | None = "SUCCESS", **more: Any) -> ListedBuild:
    values: dict[str, Any] = {"started_at": 900.0, "seconds": 50.0, **more}
    return ListedBuild(NAME, values.pop("job", "job"), 7, building=False, status=status, **values)


RUNS = ListedBuild(NAME, "job", 8, 950.0, building=True)


def adopted(node: Node = NODE, text: str = CONFIG, **more: Any) -> Site:
    """Nodepoold was away, and comes back to a node."""
    return Site(text, nodes=(node,), **more)


def listed(site: Site, *builds: ListedBuild, unsure: frozenset[str] = frozenset()) -> None:
    site.tell(events.BuildsListed("t", builds, unsure))


def asked(site: Site) -> list[WantedBuilds]:
    """What the one question that is out asks for."""
    return [each for call in site.take(ReadBuilds) for each in call.wanted]


def survey(site: Site, seconds: float = 30, *, idle: bool = True) -> None:
    site.wait(seconds)
    computer = events.Computer(idle, offline=True, spent=True)
    site.tell(events.TargetSurveyed("t", {NAME: computer}, site.now))


# -- when ------------------------------------------------------------------------------------------


def test_a_restart_asks_for_builds_on_ready_nodes_since_they_are() -> None:
    site = adopted()
    assert site.take(ReadBuilds) == [ReadBuilds("t", (WantedBuilds(NAME, 800.0 - MARGIN, None),))]


@pytest.mark.parametrize(
    "node",
    [
        USED,
        replace(USED, delete_at=2000.0),
        replace(NODE, state=NodeState.HOLD),
        replace(NODE, state=NodeState.DELETE),
        replace(NODE, state=NodeState.BUILDING),
        replace(NODE, registered=False),
        replace(NODE, target="gone"),
    ],
)
def test_of_others_it_does_not_ask(node: Node) -> None:
    assert asked(adopted(node)) == []


def test_so_does_a_line_that_was_down() -> None:
    site = adopted()
    asked(site)
    listed(site)
    site.wait(500)
    site.tell(events.BuildEventsMissed(site.now - 40))
    assert asked(site) == [WantedBuilds(NAME, site.now - 40 - MARGIN)]


def test_a_node_that_is_ready_since_then_is_asked_for_since_then() -> None:
    site = adopted()
    asked(site)
    listed(site)
    site.wait(500)
    site.tell(events.BuildEventsMissed(100.0))
    assert asked(site) == [WantedBuilds(NAME, 800.0 - MARGIN)]


def test_a_node_that_is_being_added_may_have_had_one() -> None:
    site = Site()
    site.create()
    site.list()
    site.connect()
    site.prepare()
    site.tell(events.BuildEventsMissed(site.now))
    assert [each.nodename for each in asked(site)] == ["one-p-1"]


def test_one_question_is_out_at_a_time() -> None:
    site = adopted()
    asked(site)
    for since in (990.0, 980.0, 995.0):
        site.tell(events.BuildEventsMissed(since))
    assert asked(site) == []
    listed(site)
    assert asked(site) == []
    site.wait(2)
    assert asked(site) == [WantedBuilds(NAME, 980.0 - MARGIN)]
    listed(site)
    site.wait(600)
    assert asked(site) == []


def test_a_question_that_failed_is_asked_again_later_and_later() -> None:
    site = adopted()
    pauses = []
    for _ in range(6):
        assert asked(site)
        site.tell(events.BuildsNotListed("t", "500"))
        start = site.now
        while not any(isinstance(call, ReadBuilds) for call in site.calls):
            site.wait(1)
        pauses.append(site.now - start)
    assert pauses == [5, 10, 20, 40, 60, 60]
    assert asked(site) == [WantedBuilds(NAME, 800.0 - MARGIN)]
    listed(site, build())
    assert site.rows[1].delete_at is not None


def test_so_is_one_that_was_not_answered() -> None:
    site = adopted()
    asked(site)
    site.wait(ANSWER_SECONDS - 1)
    assert asked(site) == []
    site.wait(1)
    assert asked(site)


def test_what_a_failed_question_asked_is_not_lost_to_a_later_moment() -> None:
    site = adopted()
    asked(site)
    site.tell(events.BuildEventsMissed(995.0))
    site.tell(events.BuildsNotListed("t", "500"))
    site.wait(10)
    assert asked(site) == [WantedBuilds(NAME, 800.0 - MARGIN)]


def test_a_target_that_left_the_configuration_is_not_asked() -> None:
    site = adopted()
    asked(site)
    text = CONFIG.replace("name: t", "name: other")
    site.tell(events.ConfigLoaded(parse_config(text, "site")))
    site.tell(events.BuildsNotListed("t", "left the configuration"))
    site.tell(events.BuildEventsMissed(990.0))
    site.wait(2)
    assert asked(site) == []


def test_answers_that_nobody_waits_for_are_passed_over() -> None:
    site = adopted()
    asked(site)
    listed(site)
    listed(site, build())
    site.tell(events.BuildsListed("stranger", (build(),)))
    site.tell(events.BuildsNotListed("stranger"))
    assert site.rows[1].state is NodeState.READY


# -- what is found ---------------------------------------------------------------------------------


def test_a_build_that_came_and_went_ends_its_node() -> None:
    site = adopted()
    listed(site, build(branch="master"))
    assert site.rows[1].state is NodeState.USED
    assert site.rows[1].delete_at == site.now + 60
    assert site.rows[1].job == "job"
    (told,) = [each for each in site.observer.told if each[0] == "job_ended"]
    assert told[2:] == ("job", "master", 50.0)
    assert site.observer.counts["event_made_up"] == 1
    assert len(site.take(commands.SetNodeOffline)) == 1
    site.wait(60)
    assert site.rows[1].state is NodeState.DELETE


def test_one_whose_job_has_the_node_set_offline_costs_no_call() -> None:
    site = adopted()
    listed(site, build(offline_wanted=True))
    assert site.take(commands.SetNodeOffline) == []


def test_its_failure_holds_the_node() -> None:
    site = adopted(holds={"job": 1})
    listed(site, build("FAILURE"))
    assert (site.rows[1].state, site.rows[1].job) == (NodeState.HOLD, "job")


def test_one_without_a_result_holds_nothing() -> None:
    site = adopted(holds={"job": 1})
    listed(site, build(None))
    assert site.rows[1].state is NodeState.USED
    assert site.rows[1].delete_at is not None
    assert len(site.take(commands.SetNodeOffline)) == 1


def test_one_that_runs_uses_its_node() -> None:
    site = adopted()
    listed(site, RUNS)
    assert (site.rows[1].is_busy, site.rows[1].job) == (True, "job")
    assert len(site.take(commands.SetNodeOffline)) == 1


def test_a_second_one_that_runs_is_let_end() -> None:
    """It can not be undone; its node goes after it."""
    site = adopted()
    listed(site, RUNS, build())
    assert site.rows[1].is_busy
    site.finish_build(site.rows[1])
    assert site.rows[1].delete_at is not None


def test_none_leaves_the_node_as_it_is() -> None:
    site = adopted()
    listed(site)
    site.wait(600)
    assert site.states()[0] == "ready"


def test_a_node_whose_builds_cannot_be_told_is_replaced() -> None:
    site = adopted()
    listed(site, unsure=frozenset((NAME, "stranger")))
    assert site.rows[1].delete_at is not None
    assert len(site.take(commands.SetNodeOffline)) == 1


def test_the_answer_of_a_test_job_is_not_lost() -> None:
    site = adopted(replace(NODE, state=NodeState.TEST, state_at=900.0), TEST_JOB)
    assert asked(site) == [WantedBuilds(NAME, 900.0 - MARGIN)]
    listed(site, build(job="tt"))
    site.tell(events.Relabeled(site.take_one(commands.RelabelNode).node.id))
    assert site.states()[0] == "ready"
    assert site.take(commands.SetNodeOffline) == []


def test_what_was_heard_meanwhile_counts() -> None:
    site = adopted(holds={"job": 1})
    site.start_build(site.rows[1], "other")
    listed(site, build("FAILURE"))
    assert (site.rows[1].is_busy, site.rows[1].job) == (True, "other")


def test_a_node_that_becomes_ready_meanwhile_is_told_of_its_build() -> None:
    site = Site()
    site.create()
    site.list()
    site.connect()
    site.prepare()
    site.tell(events.BuildEventsMissed(site.now))
    (wanted,) = asked(site)
    site.register()
    assert site.states() == ["ready"]
    listed(site, replace(RUNS, nodename=wanted.nodename))
    assert (site.rows[1].is_busy, site.rows[1].job) == (True, "job")


def test_a_build_that_was_heard_of_is_no_news() -> None:
    site = adopted()
    site.start_build(site.rows[1])
    site.finish_build(site.rows[1])
    before = site.rows[1]
    listed(site, build("FAILURE"))
    assert site.rows[1] == before
    assert site.observer.counts["event_made_up"] == 0


# -- the end of a build that was heard of ----------------------------------------------------------


def test_a_build_that_ended_meanwhile_has_its_own_result() -> None:
    site = adopted(USED, holds={"job": 1})
    survey(site, 0)
    assert asked(site) == [WantedBuilds(NAME, 800.0 - MARGIN, "job")]
    listed(site, build("FAILURE"))
    assert site.rows[1].state is NodeState.HOLD


def test_a_result_that_is_not_there_yet_is_asked_for_again() -> None:
    site = adopted(USED, holds={"job": 1})
    survey(site, 0)
    assert asked(site)
    listed(site, build(None))
    assert site.rows[1].is_busy
    site.wait(2)
    assert asked(site) == [WantedBuilds(NAME, 800.0 - MARGIN, "job")]
    listed(site, build("FAILURE"))
    assert site.rows[1].state is NodeState.HOLD


def test_its_end_waits_for_the_list_but_not_for_ever() -> None:
    site = adopted(USED)
    survey(site, 0)
    for _ in range(3):
        survey(site, 30)
        assert site.rows[1].is_busy
    survey(site, LIST_PATIENCE - 90)
    assert site.rows[1].delete_at is not None


def test_a_list_without_it_leaves_the_end_to_the_next_survey() -> None:
    site = adopted(USED)
    survey(site, 0)
    listed(site)
    assert site.rows[1].is_busy
    survey(site, 20)
    assert site.rows[1].delete_at is not None


def test_a_spent_node_waits_for_its_result_too() -> None:
    site = adopted(holds={"job": 1})
    asked(site)
    survey(site, 0)
    survey(site, 30)
    assert site.rows[1].state is NodeState.READY
    listed(site, build("FAILURE"))
    assert site.rows[1].state is NodeState.HOLD


def test_the_job_of_a_build_that_a_survey_found_is_learnt() -> None:
    site = adopted(replace(USED, job=None))
    survey(site, 0)
    assert asked(site) == [WantedBuilds(NAME, 800.0 - MARGIN)]
    listed(site, RUNS)
    assert site.rows[1].job == "job"


def test_a_list_that_lags_behind_changes_nothing() -> None:
    site = adopted(USED)
    survey(site, 0)
    before = site.rows[1]
    listed(site, RUNS)
    assert site.rows[1] == before

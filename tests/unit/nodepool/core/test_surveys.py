"""Surveys of a target: what they tell of builds and nodes, beside what was heard."""

from __future__ import annotations

from nodepool.core import events
from nodepool.model import NodeState
from tests.unit.nodepool.core.site import Site, ready


def survey(site: Site, *names: str, idle: bool = True) -> None:
    computers = {name: events.Computer(idle=idle) for name in names}
    site.now += 30
    site.tell(events.TargetSurveyed("t", computers, site.now))


def test_a_survey_finds_a_build_that_nobody_told_of() -> None:
    site = ready()
    survey(site, "one-p-1", idle=False)
    assert site.states() == ["used", "building"]
    assert site.observer.counts["event_made_up"] == 1


def test_a_survey_finds_a_build_that_ended_in_silence() -> None:
    site = ready()
    site.start_build(site.node)
    survey(site, "one-p-1")
    assert site.rows[1].delete_at is None
    site.tell(events.BuildsListed("t", ()))
    survey(site, "one-p-1")
    assert site.rows[1].delete_at is not None
    site.wait(60)
    assert site.rows[1].state is NodeState.DELETE


def test_a_survey_that_sees_the_build_again_forgets_the_doubt() -> None:
    site = ready()
    site.start_build(site.node)
    survey(site, "one-p-1")
    survey(site, "one-p-1", idle=False)
    survey(site, "one-p-1")
    assert site.rows[1].delete_at is None


def test_a_survey_finds_a_build_that_came_and_went_unheard() -> None:
    site = ready()
    spent = {site.node.nodename: events.Computer(idle=True, offline=True, spent=True)}
    for _ in range(2):
        site.wait(21)
        assert site.rows[1].delete_at is None
        site.tell(events.TargetSurveyed("t", spent, site.now))
        site.tell(events.BuildsListed("t", ()))
    assert site.rows[1].state is NodeState.USED
    assert site.rows[1].delete_at == site.now + 60
    assert site.states() == ["used", "building"]


def test_a_node_that_somebody_took_offline_stays_ready() -> None:
    site = ready()
    offline = {site.node.nodename: events.Computer(idle=True, offline=True)}
    for _ in range(3):
        site.wait(21)
        site.tell(events.TargetSurveyed("t", offline, site.now))
    assert site.states() == ["ready"]


def test_a_survey_older_than_the_news_says_nothing() -> None:
    site = ready()
    site.now += 100
    site.start_build(site.node)
    computers = {"one-p-1": events.Computer(idle=True)}
    for asked_at in (site.now - 1, site.now + 10, site.now + 19):
        site.tell(events.TargetSurveyed("t", computers, asked_at))
    assert site.rows[1].delete_at is None


def test_a_ready_node_that_its_target_forgot_goes() -> None:
    site = ready()
    survey(site)
    assert site.rows[1].state is NodeState.DELETE


def test_an_end_that_was_forged_is_undone_by_a_survey() -> None:
    site = ready()
    site.start_build(site.node)
    site.finish_build(site.rows[1])
    survey(site, "one-p-1", idle=False)
    assert site.rows[1].is_busy
    site.wait(600)
    assert site.rows[1].state is NodeState.USED
    site.finish_build(site.rows[1])
    site.wait(60)
    assert site.rows[1].state is NodeState.DELETE

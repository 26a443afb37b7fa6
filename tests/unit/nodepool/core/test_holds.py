"""Held nodes and max-hold-age: when they go by themselves."""

from __future__ import annotations

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.model import Node, NodeState, Presence
from tests.unit.nodepool.core.site import CONFIG, Site

HOUR = 3600.0
LIMITED = CONFIG + "max-hold-age: 3600\n"


def ready(text: str = LIMITED, holds: dict[str, int] | None = None) -> Site:
    site = Site(text, holds=holds)
    site.launch()
    return site


def held(text: str = LIMITED) -> Site:
    site = ready(text)
    site.person(1, NodeState.HOLD, "look at it")
    site.launch()
    return site


def load(site: Site, text: str) -> None:
    site.tell(events.ConfigLoaded(parse_config(text, "site")))


def is_held(site: Site, number: int = 1) -> bool:
    return number in site.rows and site.rows[number].state is NodeState.HOLD


def test_a_held_node_goes_when_its_time_is_over() -> None:
    site = held()
    held_at = site.rows[1].state_at
    site.wait(held_at + HOUR - site.now - 1)
    assert is_held(site)
    site.wait(1)
    assert (site.rows[1].state, site.rows[1].comment) == (
        NodeState.DELETE,
        "Held for longer than max-hold-age",
    )
    told = [each for each in site.observer.told if each[0] == "hold_ended"]
    assert [(each[1].comment, each[2]) for each in told] == [("look at it", HOUR)]
    assert [call.server_id for call in site.take(commands.DeleteServer)] == ["s-node-1-0"]
    assert site.take_one(commands.UnregisterNode).node_id == 1


def test_so_does_one_that_a_failure_holds() -> None:
    site = ready(holds={"job": 1})
    site.start_build(site.node)
    site.finish_build(site.rows[1], status="FAILURE")
    assert is_held(site)
    site.wait(HOUR)
    assert not is_held(site)


@pytest.mark.parametrize("text", [CONFIG, CONFIG + "max-hold-age: 0\n"])
def test_without_the_key_it_stays_for_ever(text: str) -> None:
    site = held(text)
    site.wait(1e8)
    assert is_held(site)


def test_to_hold_it_again_begins_its_time_anew() -> None:
    site = held()
    site.wait(HOUR / 2)
    site.person(1, NodeState.HOLD, "still")
    again = site.now
    site.wait(HOUR - 1)
    assert (site.rows[1].state, site.rows[1].state_at) == (NodeState.HOLD, again)
    assert site.rows[1].comment == "still"
    site.wait(1)
    assert not is_held(site)


def test_one_held_for_a_job_counts_on_when_it_is_held_again() -> None:
    site = ready(holds={"job": 1})
    site.start_build(site.node)
    site.finish_build(site.rows[1], status="FAILURE")
    site.person(1, NodeState.HOLD)
    assert site.rows[1].job == "job"


def test_a_deletion_ends_it_before_its_time() -> None:
    site = held()
    site.person(1, NodeState.DELETE)
    site.delete()
    assert 1 not in site.rows
    site.wait(2 * HOUR)
    assert site.observer.counts["hold_ended"] == 0


def test_a_reload_makes_it_longer_or_shorter() -> None:
    site = held()
    load(site, CONFIG + "max-hold-age: 7200\n")
    site.wait(HOUR)
    assert is_held(site)
    load(site, CONFIG)
    site.wait(10 * HOUR)
    assert is_held(site)
    load(site, LIMITED)
    site.wait(0)
    assert not is_held(site)


def test_a_restart_counts_from_the_hold() -> None:
    site = held()
    site.wait(HOUR / 2)
    again = Site(LIMITED, nodes=tuple(site.rows.values()))
    again.now = site.now
    again.wait(site.rows[1].state_at + HOUR - site.now - 1)
    assert is_held(again)
    again.wait(1)
    assert not is_held(again)


def test_what_outlasted_its_time_while_nobody_was_there_goes_at_once() -> None:
    node = Node(
        *(1, "p", "one", "t", NodeState.HOLD, -9 * HOUR),
        machines=(commands.Machine("one-p-1", Presence.EXISTS, "s-node-1-0"),),
        nodename="one-p-1",
    )
    site = Site(LIMITED, nodes=(node,))
    site.wait(0)
    assert site.rows[1].state is NodeState.DELETE

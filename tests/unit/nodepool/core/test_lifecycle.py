"""What builds make of a node after its launch: its use, its replacement, holds, its end."""

from __future__ import annotations

import pytest

from nodepool.core import commands, events
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.model import NodeState
from tests.unit.nodepool.core.site import CONFIG, GEARMAN, ready


def test_a_started_build_uses_the_node_and_its_replacement_comes_at_once() -> None:
    site = ready()
    site.start_build(site.node)
    assert site.states() == ["used", "building"]
    assert len(site.take(commands.CreateServer)) == 1


def test_so_it_does_with_gearman_before_gearman_is_asked() -> None:
    site = ready(CONFIG + GEARMAN)
    site.start_build(site.node)
    assert site.states() == ["used", "building"]
    site.tell(events.DemandRead({"one": 1}, site.now))
    assert site.states() == ["used", "building"]


def test_a_job_that_waited_has_its_node_already() -> None:
    site = ready(CONFIG + GEARMAN)
    site.tell(events.DemandRead({"one": 1}, site.now))
    assert len(site.rows) == 2
    site.start_build(site.rows[1])
    assert len(site.rows) == 2


def test_a_finished_build_is_no_demand_any_more() -> None:
    site = ready(CONFIG + GEARMAN)
    site.start_build(site.node)
    site.launch()
    site.now += 1
    site.tell(events.DemandRead({"one": 1}, site.now))
    site.finish_build(site.rows[1])
    assert len(site.rows) == 2


def test_a_finished_build_ends_the_node_after_a_minute() -> None:
    site = ready()
    site.start_build(site.node)
    site.now += 100
    site.finish_build(site.rows[1])
    site.finish_build(site.rows[1])  # told twice
    assert site.observer.counts["job_ended"] == 1
    site.wait(59)
    assert site.take(commands.DeleteServer) == []
    site.wait(1)
    assert site.rows[1].state is NodeState.DELETE
    assert site.take(commands.DeleteServer)[0].server_id == "s-node-1-0"
    site.servers.clear()
    site.list()
    assert site.take_one(commands.ConfirmGone).server_id == "s-node-1-0"
    site.tell(events.Unregistered(1))
    assert 1 in site.rows
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert 1 not in site.rows
    assert site.observer.counts["node_removed"] == 1


def test_a_target_may_give_its_nodes_another_time() -> None:
    site = ready(CONFIG + "    delete-delay: 2\n")
    site.start_build(site.node)
    site.finish_build(site.rows[1])
    site.wait(1)
    assert site.rows[1].state is NodeState.USED
    site.wait(1)
    assert site.rows[1].state is NodeState.DELETE


def test_events_of_unknown_nodes_are_nothing() -> None:
    site = ready()
    site.tell(BuildStarted("stranger", "job"))
    site.tell(BuildFinalized("stranger", "job", "SUCCESS"))
    assert site.states() == ["ready"]


def test_a_lost_start_does_not_keep_the_node() -> None:
    site = ready()
    site.finish_build(site.node)
    assert site.rows[1].delete_at is not None
    assert site.rows[1].state is NodeState.USED


@pytest.mark.parametrize("state", [NodeState.HOLD, NodeState.DELETE])
def test_a_node_marked_for_deletion_stays_so(state: NodeState) -> None:
    """A held one as well."""
    site = ready()
    site.person(1, state, "mine")
    site.start_build(site.rows[1])
    site.finish_build(site.rows[1])
    site.wait(100)
    assert site.rows[1].state is state


def test_a_hold_within_the_minute_before_deletion_counts() -> None:
    site = ready()
    site.start_build(site.node)
    site.finish_build(site.rows[1])
    site.person(1, NodeState.HOLD, "look at it")
    site.wait(3600)
    assert (site.rows[1].state, site.rows[1].comment) == (NodeState.HOLD, "look at it")
    site.tell(events.CronCame("cleanup"))
    site.wait(36000)
    site.tell(events.CronCame("cleanup"))
    assert site.rows[1].state is NodeState.HOLD


def test_a_held_node_is_replaced_and_keeps_its_room() -> None:
    site = ready(CONFIG.replace("max-servers: 10", "max-servers: 2"))
    site.person(1, NodeState.HOLD, "look at it")
    assert site.states() == ["hold", "building"]
    site.launch()
    site.start_build(site.rows[2])
    assert site.states() == ["hold", "used"]


@pytest.mark.parametrize(
    ("status", "held"),
    [("FAILURE", True), ("UNSTABLE", True), (None, True), ("SUCCESS", False), ("ABORTED", False)],
)
def test_hold_on_failure(status: str | None, held: bool) -> None:
    site = ready(holds={"job": 1})
    site.start_build(site.node)
    site.finish_build(site.rows[1], status=status)
    assert (site.rows[1].state is NodeState.HOLD) is held
    if held:
        assert site.rows[1].comment == "Automatically held after failing job"


def test_hold_on_failure_has_a_limit_and_a_whole_name() -> None:
    site = ready(holds={"job": 1, "job-2": 1})
    for number, (job, state) in enumerate(
        [("job", "hold"), ("job", "used"), ("job-2", "hold"), ("other", "used")], start=1
    ):
        site.start_build(site.rows[number], job)
        site.launch()
        site.finish_build(site.rows[number], job, "FAILURE")
        assert site.rows[number].state.word == state

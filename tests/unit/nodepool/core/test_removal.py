"""Nodes on their way out: each part by itself, until it is proven gone."""

from __future__ import annotations

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.model import Fault, NodeState
from tests.unit.nodepool.core.site import CONFIG, GEARMAN, Site, ready


def deleted() -> Site:
    text = CONFIG + GEARMAN
    site = ready(text)
    site.tell(events.ConfigLoaded(parse_config(text.replace("min-ready: 1", "min-ready: 0"), "s")))
    site.person(1, NodeState.DELETE)
    return site


def test_a_node_that_a_person_deletes_is_replaced_and_goes() -> None:
    site = ready()
    site.person(1, NodeState.DELETE)
    assert site.states() == ["delete", "building"]
    site.delete()
    site.launch()
    assert {number: node.state for number, node in site.rows.items()} == {2: NodeState.READY}
    assert list(site.servers) == ["s-node-2-0"]


def test_a_target_that_never_answered_is_told_to_forget_all_the_same() -> None:
    site = Site()
    site.create()
    site.list()
    site.connect()
    site.prepare()
    site.take_one(commands.RegisterNode)
    site.person(1, NodeState.DELETE)
    site.wait(299)
    assert site.take(commands.UnregisterNode) == []
    site.wait(1)
    site.take_one(commands.UnregisterNode)


def test_a_held_launch_whose_create_is_never_answered_can_be_deleted() -> None:
    site = Site()
    site.person(1, NodeState.HOLD)
    site.take(commands.CreateServer)
    site.person(1, NodeState.DELETE)
    site.now += 3600 + 300
    site.list()
    assert 1 not in site.rows


def test_a_dead_jenkins_keeps_the_row_not_the_server() -> None:
    site = deleted()
    site.take_one(commands.UnregisterNode)
    site.tell(events.UnregisterFailed(1, "down"))
    site.take_one(commands.DeleteServer)
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert site.node.room == 0
    pauses = []
    for _ in range(4):
        before = site.now
        while not site.take(commands.UnregisterNode):
            site.wait(1)
        pauses.append(site.now - before)
        site.tell(events.UnregisterFailed(1, "down"))
    assert pauses == [5, 10, 20, 40]
    site.tell(events.Unregistered(1))
    assert site.rows == {}


def test_a_cloud_that_refuses_to_delete_is_asked_again_and_again() -> None:
    site = deleted()
    site.tell(events.Unregistered(1))
    for _ in range(20):
        assert site.take(commands.DeleteServer)
        site.tell(events.DeleteFailed("p", "s-node-1-0", Fault.REFUSED, "409"))
        site.wait(300)
    assert site.states() == ["delete"]
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert site.rows == {}


def test_a_delete_that_came_to_nothing_is_repeated() -> None:
    site = deleted()
    site.take_one(commands.DeleteServer)
    site.list()
    assert site.take(commands.ConfirmGone) == []
    site.wait(118)
    assert site.take(commands.DeleteServer) == []
    site.wait(1)
    site.take_one(commands.DeleteServer)


def test_absence_from_a_list_proves_nothing() -> None:
    site = ready()
    site.servers.clear()
    site.list()
    assert site.states() == ["ready"]
    site.take_one(commands.ConfirmGone)
    site.tell(events.ServerSeen("p", "s-node-1-0"))
    assert site.states() == ["ready"]
    site.list()
    site.take_one(commands.ConfirmGone)
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert site.rows[1].state is NodeState.DELETE


def test_lists_ask_no_question_that_still_waits_for_its_turn() -> None:
    site = ready()
    site.servers.clear()
    for _ in range(5):
        site.list()
    site.take_one(commands.ConfirmGone)
    # No answer comes, since the cloud gave none: it is asked again, less and less often.
    site.wait(30)
    site.list()
    site.take_one(commands.ConfirmGone)
    site.wait(30)
    site.list()
    assert site.take(commands.ConfirmGone) == []
    site.wait(30)
    site.list()
    site.take_one(commands.ConfirmGone)


def test_a_list_asked_for_before_the_server_was_says_nothing() -> None:
    site = Site()
    asked_at = site.now
    site.now += 5
    site.create()
    site.tell(events.ServersListed("p", (), asked_at))
    assert site.take(commands.ConfirmGone) == []


def test_a_list_older_than_the_proof_is_no_leak() -> None:
    site = deleted()
    asked_at = site.now
    site.now += 1
    site.tell(events.Unregistered(1))
    site.tell(events.ServerGone("p", "s-node-1-0"))
    site.calls.clear()
    site.tell(events.ServersListed("p", tuple(site.servers.values()), asked_at))
    assert site.calls == []


def test_a_node_of_a_provider_that_left_waits_for_it() -> None:
    site = ready()
    site.tell(events.ConfigLoaded(parse_config("targets: [{name: t}]", "s")))
    site.person(1, NodeState.DELETE)
    assert site.take(commands.DeleteServer) == []
    site.tell(events.ConfigLoaded(site.config))
    site.tell(events.CronCame("cleanup"))
    assert len(site.take(commands.DeleteServer)) == 1

"""What is dead, lost, leaked, too old or left by a restart goes; nothing foreign does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.core import commands, events
from nodepool.model import Fault, MachineKey, NodeState, Owner, Presence, Server
from tests.unit.nodepool.core.site import HOST_KEYS, KEY, Site, ready


def test_the_check_deletes_ready_nodes_that_do_not_answer() -> None:
    site = ready()
    site.tell(events.CronCame("check"))
    probe = site.take_one(commands.ProbeNode)
    assert (probe.address, probe.host_keys) == ("192.0.2.1", HOST_KEYS)
    site.tell(events.NodeProbed(1, alive=True))
    assert site.states() == ["ready"]
    site.start_build(site.node)
    site.tell(events.NodeProbed(1, alive=False))
    assert site.rows[1].state is NodeState.USED
    site = ready()
    site.tell(events.NodeProbed(1, alive=False, text="another host key"))
    assert site.rows[1].state is NodeState.DELETE
    assert site.rows[1].comment == "SSH check failed: another host key"


def test_the_check_records_host_keys_where_none_are_known() -> None:
    site = ready()
    node = site.node.with_machine(0, replace(site.node.machines[0], host_keys=()))
    site = Site(nodes=(node,))
    site.tell(events.CronCame("check"))
    assert site.take_one(commands.ProbeNode).host_keys == ()
    site.tell(events.NodeProbed(1, True, HOST_KEYS))
    assert site.node.machines[0].host_keys == HOST_KEYS
    site.tell(events.NodeProbed(1, True, ("ssh-rsa other",)))
    assert site.node.machines[0].host_keys == HOST_KEYS


def in_doubt() -> Site:
    site = Site()
    site.take(commands.CreateServer)
    site.tell(events.CreateFailed(KEY, Fault.UNKNOWN, "no answer"))
    assert site.rows[1].state is NodeState.DELETE
    return site


def test_a_create_without_an_answer_is_found_in_a_list() -> None:
    site = in_doubt()
    site.stray("late")
    site.list()
    assert site.take_one(commands.DeleteServer).server_id == "late"
    site.tell(events.ServerGone("p", "late"))
    assert 1 not in site.rows


def test_a_create_without_an_answer_is_given_up_after_its_time() -> None:
    site = in_doubt()
    site.list()
    assert 1 in site.rows
    site.now += 300
    site.list()
    assert 1 not in site.rows
    site.stray("later")
    site.list()
    assert site.take_one(commands.DeleteServer).server_id == "later"
    assert site.observer.counts["server_leaked"] == 1


@pytest.mark.parametrize(
    "owner",
    [
        None,
        Owner("p", MachineKey("node", 77), "theirs"),
        Owner("p", MachineKey("node", 77), None),
        Owner("q", MachineKey("node", 77), "ours"),
        Owner("p", MachineKey("node", 1), "theirs"),
        Owner("p", MachineKey("image", 1), None),
    ],
)
def test_nothing_foreign_is_touched(owner: Owner | None) -> None:
    site = ready()
    site.servers["x"] = Server("x", "ERROR", owner=owner)
    for _ in range(5):
        site.list()
        site.now += 1000
        site.tell(events.CronCame("cleanup"))
    assert site.calls == []
    assert site.states() == ["ready"]


@pytest.mark.parametrize(
    "key", [MachineKey("node", 77), MachineKey("image", 78), MachineKey("node", 1, 1)]
)
def test_a_server_of_ours_without_a_row_goes(key: MachineKey) -> None:
    site = ready()
    site.stray("left", key)
    site.list()
    assert site.take_one(commands.DeleteServer) == commands.DeleteServer("p", "left")
    assert site.observer.counts["server_leaked"] == 1
    assert site.states() == ["ready"]


def test_a_second_server_for_one_machine_is_a_leak() -> None:
    site = ready()
    site.stray("twin")
    site.list()
    assert site.take_one(commands.DeleteServer).server_id == "twin"
    assert site.states() == ["ready"]


def test_what_is_too_long_in_a_state_goes() -> None:
    site = ready()
    site.start_build(site.node)
    site.launch()
    site.now += 28799
    site.tell(events.CronCame("cleanup"))
    assert site.states() == ["used", "ready"]
    site.now += 100
    site.tell(events.CronCame("cleanup"))
    assert (site.rows[1].state, site.rows[2].state) == (NodeState.DELETE, NodeState.READY)


def restart(site: Site) -> Site:
    return Site(nodes=tuple(site.rows.values()))


def test_a_restart_deletes_launches_and_takes_up_the_rest() -> None:
    site = ready()
    site.start_build(site.node)
    site.finish_build(site.rows[1])
    after = restart(site)
    assert after.rows[1].delete_at == 1000 + 60 + 1
    assert after.rows[2].state is NodeState.DELETE
    after.wait(62)
    assert after.rows[1].state is NodeState.DELETE
    assert after.take_one(commands.DeleteServer).server_id == "s-node-1-0"


def test_who_took_a_node_is_told_after_a_restart_that_it_goes() -> None:
    site = Site()
    site.launch()
    taken = replace(site.node, manager="zl01", registered=False, state=NodeState.DELETE)
    site = Site(nodes=(taken,))
    assert site.take_one(commands.RevokeNode) == commands.RevokeNode("zl01", "one-p-1")


def test_a_restart_between_row_and_answer_leaves_no_server_behind() -> None:
    site = restart(Site())
    assert site.rows[1].machines[0].presence is Presence.ASKED
    site.stray("late")
    site.list(status="BUILD")
    assert [call.server_id for call in site.take(commands.DeleteServer)] == ["late"]

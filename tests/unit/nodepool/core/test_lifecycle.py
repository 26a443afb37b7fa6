"""Builds, holds, deletions, surveys: a node's life after its launch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.model import Fault, FloatingIp, MachineKey, NodeState, Owner, Presence, Server
from tests.unit.nodepool.core.site import CONFIG, GEARMAN, HOST_KEYS, Site, ready_image


def ready(text: str = CONFIG, holds: dict[str, int] | None = None) -> Site:
    site = Site(text, holds=holds)
    site.launch()
    assert site.states() == ["ready"]
    return site


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
    site.tell(events.BuildStarted("stranger", "job"))
    site.tell(events.BuildFinalized("stranger", "job", "SUCCESS"))
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


# -- removal ---------------------------------------------------------------------------------------


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


# -- doubts, leaks, strangers ----------------------------------------------------------------------

KEY = MachineKey("node", 1)


def in_doubt() -> Site:
    site = Site()
    site.take(commands.CreateServer)
    site.tell(events.CreateFailed(KEY, Fault.UNKNOWN, "no answer"))
    assert site.rows[1].state is NodeState.DELETE
    return site


def test_a_create_without_an_answer_is_found_in_a_list() -> None:
    site = in_doubt()
    site.servers["late"] = Server("late", "ACTIVE", owner=Owner("p", KEY, "ours"))
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
    site.servers["later"] = Server("later", "ACTIVE", owner=Owner("p", KEY, "ours"))
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
    site.servers["left"] = Server("left", "ACTIVE", owner=Owner("p", key, "ours"))
    site.list()
    assert site.take_one(commands.DeleteServer) == commands.DeleteServer("p", "left")
    assert site.observer.counts["server_leaked"] == 1
    assert site.states() == ["ready"]


def test_a_leaked_server_goes_with_its_floating_ip() -> None:
    site = ready()
    owner = Owner("p", MachineKey("node", 77), "ours")
    site.servers["left"] = Server("left", "ACTIVE", owner=owner, has_floating_ip=True)
    site.list()
    assert site.take_one(commands.DeleteServer).has_unknown


def test_a_second_server_for_one_machine_is_a_leak() -> None:
    site = ready()
    site.servers["twin"] = Server("twin", "ACTIVE", owner=Owner("p", KEY, "ours"))
    site.list()
    assert site.take_one(commands.DeleteServer).server_id == "twin"
    assert site.states() == ["ready"]


def test_a_list_older_than_the_proof_is_no_leak() -> None:
    site = deleted()
    asked_at = site.now
    site.now += 1
    site.tell(events.Unregistered(1))
    site.tell(events.ServerGone("p", "s-node-1-0"))
    site.calls.clear()
    site.tell(events.ServersListed("p", tuple(site.servers.values()), asked_at))
    assert site.calls == []


def test_only_our_own_unused_addresses_go() -> None:
    site = ready()
    mine, gone = Owner("p", KEY, "ours"), Owner("p", MachineKey("node", 77), "ours")
    addresses = (
        FloatingIp("attached", "s", gone),
        FloatingIp("in-the-making", None, mine),
        FloatingIp("foreign", None, None),
        FloatingIp("theirs", None, Owner("p", MachineKey("node", 77), "theirs")),
        FloatingIp("left", None, gone),
    )
    site.tell(events.AddressesListed("p", addresses, site.now))
    assert site.calls == [commands.DeleteAddress("p", "left")]


def test_the_configured_id_is_the_mark() -> None:
    text = CONFIG.replace("max-servers: 10", "max-servers: 10\n    nodepool-id: mine")
    site = Site(text)
    assert site.take_one(commands.CreateServer).owner.nodepool_id == "mine"
    site.servers["x"] = Server("x", "ACTIVE", owner=Owner("p", MachineKey("node", 77), "ours"))
    site.list()
    assert site.take(commands.DeleteServer) == []


def with_floating_ip() -> Site:
    """A node that is ready, and is to go."""
    site = Site()
    site.create()
    for _ in range(3):
        site.list(public_v4=None)
    site.tell(events.AddressAttached(KEY, "f-1", "198.51.100.1"))
    site.connect()
    site.prepare()
    site.register()
    site.take(commands.AttachAddress)
    site.person(1, NodeState.DELETE)
    site.tell(events.Unregistered(1))
    site.calls = [each for each in site.calls if isinstance(each, commands.DeleteServer)]
    assert site.take_one(commands.DeleteServer).floating_ip == "f-1"
    return site


def test_a_floating_ip_that_went_before_its_server_is_not_asked_for_again() -> None:
    site = with_floating_ip()
    site.tell(events.AddressGone("p", "f-1"))
    assert site.rows[1].machines[0].floating_ip is None
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert 1 not in site.rows
    assert site.take(commands.DeleteAddress) == []


def test_a_floating_ip_that_outlives_its_server_keeps_the_row() -> None:
    site = with_floating_ip()
    site.tell(events.ServerGone("p", "s-node-1-0"))
    wanted = commands.DeleteAddress("p", "f-1", "s-node-1-0")
    assert site.take(commands.DeleteAddress) == [wanted]
    assert site.rows[1].room == 0
    site.tell(events.CronCame("cleanup"))
    assert site.take(commands.DeleteAddress) == [], "once at a time"
    site.wait(35)
    assert site.take(commands.DeleteAddress) == [wanted], "again, as nothing came of it"
    # killed here: the row knows it still
    after = Site(nodes=(site.rows[1],))
    assert after.take(commands.DeleteAddress) == [wanted]
    after.tell(events.AddressGone("other", "f-1"))
    assert 1 in after.rows
    after.tell(events.AddressGone("p", "f-1"))
    assert 1 not in after.rows
    after.wait(2000)
    assert after.take(commands.DeleteAddress) == []


def test_a_floating_ip_that_came_after_its_server_had_gone_goes() -> None:
    site = Site()
    site.create()
    for _ in range(3):
        site.list(public_v4=None)
    site.person(1, NodeState.DELETE)
    site.tell(events.AddressAttached(KEY, "f-1", "198.51.100.1"))
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert site.take_one(commands.DeleteAddress).floating_ip == "f-1"


def test_the_floating_ip_of_an_image_build_keeps_the_row() -> None:
    machine = replace(ready_image().machine, floating_ip="f-1", server_id="s")
    image = replace(ready_image(), machine=machine, keypair="k")
    site = Site(images=(image,))
    assert site.take_one(commands.DeleteAddress) == commands.DeleteAddress("p", "f-1", "s")
    assert site.take(commands.DeleteKeypair) == []
    site.tell(events.AddressGone("p", "f-1"))
    assert site.take_one(commands.DeleteKeypair).name == "k"
    assert site.pool.images[500].machine.floating_ip is None


OTHER_ID = CONFIG.replace("max-servers: 10", "max-servers: 10\n    nodepool-id: mine")


def test_a_server_that_a_row_names_is_ours_under_any_mark() -> None:
    site = Site()
    site.create()
    site.tell(events.ConfigLoaded(parse_config(OTHER_ID, "site")))
    site.list()
    assert site.take_one(commands.Connect).key == KEY
    assert site.take(commands.DeleteServer) == []
    assert site.take(commands.CreateServer) == []


def test_a_create_that_is_not_answered_is_found_by_the_mark_it_was_given() -> None:
    site = Site()
    create = site.take_one(commands.CreateServer)
    asked = site.node
    late = Server("late", "ACTIVE", public_v4="192.0.2.1", owner=create.owner)
    site.tell(events.ConfigLoaded(parse_config(OTHER_ID, "site")))
    site.servers["late"] = late
    site.list()
    assert site.node.machines[0].server_id == "late"
    assert site.take_one(commands.Connect).key == KEY
    # and after a restart, where nothing but the row knows it
    site = Site(OTHER_ID, nodes=(asked,))
    site.servers["late"] = late
    site.list()
    assert site.take_one(commands.DeleteServer) == commands.DeleteServer("p", "late")


def test_what_is_made_for_a_server_is_marked_as_it_is() -> None:
    site = Site()
    site.create()
    site.tell(events.ConfigLoaded(parse_config(OTHER_ID, "site")))
    for _ in range(3):
        site.list(public_v4=None)
    assert site.take_one(commands.AttachAddress).owner == Owner("p", KEY, "ours")


def test_a_mark_that_is_neither_todays_nor_the_rows_is_let_be() -> None:
    site = Site(OTHER_ID)
    site.take(commands.CreateServer)
    for number, (key, mark) in enumerate(
        ((KEY, "ours"), (MachineKey("node", 77), "ours"), (KEY, "theirs"), (KEY, None))
    ):
        name = f"x{number}"
        site.servers[name] = Server(name, "ACTIVE", owner=Owner("p", key, mark))
    site.list()
    assert site.calls == []
    assert site.node.machines[0].server_id is None


# -- age and restart -------------------------------------------------------------------------------


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
    site.servers["late"] = Server("late", "BUILD", owner=Owner("p", KEY, "ours"))
    site.list(status="BUILD")
    assert [call.server_id for call in site.take(commands.DeleteServer)] == ["late"]


def test_a_node_of_a_provider_that_left_waits_for_it() -> None:
    site = ready()
    site.tell(events.ConfigLoaded(parse_config("targets: [{name: t}]", "s")))
    site.person(1, NodeState.DELETE)
    assert site.take(commands.DeleteServer) == []
    site.tell(events.ConfigLoaded(site.config))
    site.tell(events.CronCame("cleanup"))
    assert len(site.take(commands.DeleteServer)) == 1

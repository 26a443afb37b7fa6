"""One node's launch, step by step, and every way it may fail."""

from __future__ import annotations

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.core.machines import ADDRESS_TIMEOUT
from nodepool.model import Fault, MachineKey, NodeState, Owner, Presence
from tests.unit.nodepool.core.site import CONFIG, HOST_KEYS, Site

KEY = MachineKey("node", 1)


def test_a_launch_from_row_to_ready() -> None:
    site = Site()
    assert (site.node.state, site.node.machines[0].presence) == (
        NodeState.BUILDING,
        Presence.ASKED,
    )
    (create,) = site.calls
    assert create == commands.CreateServer(
        key=KEY,
        provider="p",
        image="i",
        hostname="one-p-1",
        owner=Owner("p", KEY, "ours"),
        az="az2",
        external_id="image-500",
    )
    site.create()
    assert site.node.machines[0].server_id == "s-node-1-0"
    site.list(status="BUILD")
    assert site.calls == []
    site.list()
    connect = site.take_one(commands.Connect)
    assert (connect.address, connect.username, connect.timeout_seconds) == (
        "192.0.2.1",
        "jenkins",
        60.0,
    )
    site.tell(events.Connected(KEY, HOST_KEYS))
    prepare = site.take_one(commands.PrepareNode)
    assert prepare.ready_script == "r.sh"
    assert prepare.node.machines[0].host_keys == HOST_KEYS
    assert prepare.node.machines[0].ip_private == "10.0.0.1"
    site.tell(events.Prepared("node", 1))
    register = site.take_one(commands.RegisterNode)
    assert (register.label, register.user_home) == ("one", "/home/jenkins")
    assert site.node.registered
    assert site.node.state is NodeState.BUILDING
    site.now += 100
    site.tell(events.Registered(1))
    assert site.node.state is NodeState.READY
    ended = site.observer.told[-1]
    assert (ended[0], *ended[2:]) == ("launch_ended", "ready", 2.0, "")  # two lists, to SSH
    assert site.observer.counts["launch_ended ready"] == 1
    assert site.calls == []


def test_answers_that_come_twice_or_late_change_nothing() -> None:
    site = Site()
    site.launch()
    for event in (
        events.ServerCreated(KEY, "s-node-1-0"),
        events.Connected(KEY, ("ssh-rsa other",)),
        events.Prepared("node", 1),
        events.Registered(1),
        events.StepFailed(KEY, Step.CONNECT),
        events.StepFailed(KEY, Step.PREPARE),
        events.CreateFailed(KEY, Fault.REFUSED),
        events.Connected(MachineKey("node", 99)),
        events.Prepared("image", 99),
        events.AddressAttached(MachineKey("node", 99), "f", "a"),
    ):
        site.tell(event)
    assert site.states() == ["ready"]
    assert site.node.machines[0].host_keys == HOST_KEYS
    assert site.calls == []


def test_an_ipv6_address_if_preferred_and_there() -> None:
    preferred = CONFIG.replace("max-servers: 10", "max-servers: 10\n    ipv6-preferred: true")
    for text, v6, expected in (
        (preferred, "2001:db8::1", "2001:db8::1"),
        (preferred, None, "192.0.2.1"),
        (CONFIG, "2001:db8::1", "192.0.2.1"),
    ):
        site = Site(text)
        site.create()
        site.list(public_v6=v6)
        assert site.take_one(commands.Connect).address == expected


@pytest.mark.parametrize(("pool", "lists"), [("\n    pool: ext", 1), ("", 3)])
def test_a_floating_ip_for_a_server_without_a_public_address(pool: str, lists: int) -> None:
    site = Site(CONFIG.replace("max-servers: 10", f"max-servers: 10{pool}"))
    site.create()
    for _ in range(lists):
        assert site.calls == []
        site.list(public_v4=None)
    attach = site.take_one(commands.AttachAddress)
    assert attach.server_id == "s-node-1-0"
    site.list(public_v4=None)
    assert site.calls == []
    site.tell(events.AddressAttached(KEY, "fip-1", "198.51.100.1"))
    assert site.take_one(commands.Connect).address == "198.51.100.1"
    site.tell(events.StepFailed(KEY, Step.CONNECT, "error.ssh"))
    delete = site.take_one(commands.DeleteServer)
    assert (delete.floating_ip, delete.has_unknown) == ("fip-1", False)


def test_a_floating_ip_whose_answer_was_lost_is_looked_for() -> None:
    site = Site()
    site.create()
    for _ in range(3):
        site.list(public_v4=None)
    site.take_one(commands.AttachAddress)
    # killed here: the row alone tells that there may be one
    after = Site(nodes=(site.node,), images=())
    assert after.take_one(commands.DeleteServer).has_unknown


def test_no_floating_ip_is_looked_for_where_none_was_asked_for() -> None:
    for addresses in ({}, {"public_v4": None, "private_v4": None}):
        site = Site()
        site.create()
        site.list(**addresses)
        site.person(1, NodeState.DELETE)
        assert not site.take_one(commands.DeleteServer).has_unknown


def test_a_cloud_without_any_floating_ip_fails_the_launch() -> None:
    site = Site()
    site.create()
    for _ in range(3):
        site.list(public_v4=None)
    site.tell(events.StepFailed(KEY, Step.ADDRESS, "error.network", "none"))
    assert failed(site) == "error.network"


def failed(site: Site) -> str:
    (key,) = [each for each in site.observer.counts if each.startswith("launch_ended")]
    assert site.rows[1].state is NodeState.DELETE
    return key.split(" ")[1]


def test_servers_that_fail() -> None:
    site = Site()
    site.create()
    site.list(status="ERROR")
    assert failed(site) == "error.status"
    site = Site()
    site.create()
    site.servers.clear()
    site.list()
    site.tell(events.ServerGone("p", "s-node-1-0"))
    assert site.observer.counts["launch_ended error.unknown"] == 1
    assert 1 not in site.rows


def test_an_address_may_show_up_some_lists_after_active() -> None:
    site = Site()
    site.create()
    for _ in range(25):
        site.list(public_v4=None, private_v4=None)
    assert site.pool.providers_to_watch() == {"p"}
    assert site.calls == []
    site.list()
    assert site.take_one(commands.Connect).address == "192.0.2.1"
    site.wait(ADDRESS_TIMEOUT)  # its time for an address is no more
    assert site.observer.counts["launch_ended error.ssh"] == 1


def test_a_server_that_has_no_address_after_a_while_fails() -> None:
    site = Site()
    site.create()
    for _ in range(30):
        site.list(public_v4=None, private_v4=None)
        assert site.states() == ["building"]
    site.list(public_v4=None, private_v4=None)
    assert failed(site) == "error.network"
    assert "no address at all" in str(site.rows[1].comment)


def test_two_more_lists_have_to_show_that_there_is_no_address() -> None:
    site = Site()
    site.create()
    site.list(public_v4=None, private_v4=None)
    site.now += 100
    site.list(public_v4=None, private_v4=None)
    assert site.states() == ["building"]
    site.list(public_v4=None, private_v4=None)
    assert failed(site) == "error.network"


def test_a_server_that_is_not_listed_again_after_it_had_no_address() -> None:
    site = Site()
    site.create()
    site.now += 3590  # what is left of its time to become ACTIVE does not matter any more
    site.list(public_v4=None)
    site.wait(ADDRESS_TIMEOUT - 1)
    assert site.states() == ["building"]
    site.wait(1)
    assert failed(site) == "error.network"
    assert "at step address" in str(site.rows[1].comment)


@pytest.mark.parametrize(
    ("until", "seconds", "stat_key"),
    [
        ("create", 3600, "error.unknown"),
        ("boot", 3600, "error.unknown"),
        ("address", 600, "error.ipadd"),
        ("connect", 120, "error.ssh"),
        ("prepare", 1800, "error.unknown"),
        ("register", 300, "error.unknown"),
    ],
)
def test_every_step_ends(until: str, seconds: float, stat_key: str) -> None:
    pool = "\n    pool: ext" if until == "address" else ""
    site = Site(CONFIG.replace("max-servers: 10", f"max-servers: 10{pool}"))
    if until != "create":
        site.create()
    if until == "address":
        site.list(public_v4=None)
    elif until != "boot":
        site.list()
    if until in ("prepare", "register"):
        site.connect()
    if until == "register":
        site.prepare()
    site.wait(seconds - 5)
    assert site.rows[1].state is NodeState.BUILDING
    site.wait(5)
    assert failed(site) == stat_key


@pytest.mark.parametrize(
    ("step", "stat_key"), [(Step.CONNECT, "error.auth"), (Step.PREPARE, "error.unknown")]
)
def test_steps_that_fail(step: Step, stat_key: str) -> None:
    site = Site()
    site.create()
    site.list()
    if step is Step.PREPARE:
        site.connect()
    site.tell(events.StepFailed(KEY, step, stat_key, "no luck"))
    assert failed(site) == stat_key
    assert site.rows[1].comment == "Launch failed: no luck"
    assert [call.server_id for call in site.take(commands.DeleteServer)] == ["s-node-1-0"]
    assert site.rows[2].state is NodeState.BUILDING


def test_a_set_of_machines_succeeds_and_fails_as_one() -> None:
    text = CONFIG.replace("min-ready: 1", "min-ready: 1, subnodes: 2")
    site = Site(text)
    assert [call.hostname for call in site.take(commands.CreateServer)] == [
        "one-p-1",
        "one-p-1-1",
        "one-p-1-2",
    ]
    site = Site(text)
    keys = site.create()
    site.list()
    for key in keys[:2]:
        site.tell(events.Connected(key))
    assert site.take(commands.PrepareNode) == []
    site.tell(events.Connected(keys[2]))
    assert len(site.take_one(commands.PrepareNode).node.machines) == 3
    site = Site(text)
    keys = site.create()
    site.list()
    site.tell(events.StepFailed(keys[1], Step.CONNECT, "error.ssh"))
    assert site.rows[1].state is NodeState.DELETE
    assert len(site.take(commands.DeleteServer)) == 3


def launches(site: Site) -> list[tuple[int, str, float]]:
    """What was told of ends: machine, key, seconds."""
    found = []
    for name, *arguments in site.observer.told:
        if name == "subnode_launched":
            _, index, key, seconds = arguments
            found.append((index, key, seconds))
        elif name == "launch_ended":
            _, key, seconds, _ = arguments
            found.append((0, key, seconds))
    return found


def test_each_machine_of_a_set_counts_with_its_own_time() -> None:
    site = Site(CONFIG.replace("min-ready: 1", "min-ready: 1, subnodes: 2"))
    keys = site.create()
    site.list()
    for index in (1, 0, 2):
        site.now += 10
        site.tell(events.Connected(keys[index]))
    site.prepare()
    site.now += 100
    site.register()
    assert launches(site) == [(1, "ready", 11.0), (2, "ready", 31.0), (0, "ready", 21.0)]


def test_what_is_not_up_when_its_set_fails_fails_with_it() -> None:
    site = Site(CONFIG.replace("min-ready: 1", "min-ready: 1, subnodes: 3"))
    keys = site.create()
    site.list()
    site.tell(events.Connected(keys[1]))
    site.now += 10
    site.tell(events.StepFailed(keys[2], Step.CONNECT, "error.ssh"))
    site.tell(events.Connected(keys[3]))
    assert launches(site) == [
        (1, "ready", 1.0),
        (2, "error.ssh", 11.0),
        (3, "error.ssh", 11.0),
        (0, "error.ssh", 11.0),
    ]


def test_a_target_without_jenkins_gets_its_nodes_at_once() -> None:
    site = Site(CONFIG[: CONFIG.index("    jenkins:")])
    site.launch()
    assert (site.states(), site.node.registered) == (["ready"], False)


def test_assignment_by_gearman() -> None:
    text = CONFIG[: CONFIG.index("    jenkins:")] + "    assign-via-gearman: true\n"
    site = Site(text)
    site.launch()
    assert site.states() == ["building"]
    assert site.take_one(commands.AssignNode).user_home == "/home/jenkins"
    site.tell(events.Assigned(1, "zl01"))
    assert (site.states(), site.node.manager) == (["ready"], "zl01")
    site.person(1, NodeState.DELETE)
    assert site.take_one(commands.RevokeNode) == commands.RevokeNode("zl01", "one-p-1")


def test_a_node_that_is_taken_on_its_way_out_is_revoked() -> None:
    text = CONFIG[: CONFIG.index("    jenkins:")] + "    assign-via-gearman: true\n"
    site = Site(text)
    site.launch()
    site.take_one(commands.AssignNode)
    site.person(1, NodeState.DELETE)
    assert site.take(commands.RevokeNode) == []  # nobody has it yet
    site.tell(events.Assigned(1, "zl01"))
    assert site.take_one(commands.RevokeNode) == commands.RevokeNode("zl01", "one-p-1")


def with_test_job() -> Site:
    site = Site(CONFIG.replace("apikey: k", "apikey: k, test-job: tt"))
    site.create()
    site.list()
    site.connect()
    site.prepare()
    assert site.take_one(commands.RegisterNode).label is None
    site.tell(events.Registered(1))
    assert site.states() == ["test"]
    assert site.take_one(commands.StartTestJob).job == "tt"
    return site


def test_a_test_job_that_succeeds() -> None:
    site = with_test_job()
    site.start_build(site.node, "tt")
    assert site.states() == ["test"]
    site.finish_build(site.node, "tt")
    site.take_one(commands.RelabelNode)
    site.tell(events.Relabeled(1))
    assert site.states() == ["ready"]


def test_a_test_job_that_fails() -> None:
    site = with_test_job()
    site.finish_build(site.node, "tt", "FAILURE")
    assert site.rows[1].delete_at == site.now + 60
    site.wait(60)
    assert site.rows[1].state is NodeState.DELETE


def test_a_test_job_that_never_ends() -> None:
    site = with_test_job()
    site.wait(300)
    assert site.rows[1].state is NodeState.DELETE


def test_a_build_may_be_quicker_than_the_answer() -> None:
    site = Site()
    site.create()
    site.list()
    site.connect()
    site.prepare()
    site.start_build(site.rows[1])
    assert site.rows[1].state is NodeState.USED
    site.register()
    site.wait(600)
    assert site.rows[1].state is NodeState.USED


def test_a_launch_whose_label_left_the_file() -> None:
    site = Site()
    site.create()
    site.list()
    empty = CONFIG[CONFIG.index("providers:\n") :]
    site.tell(events.ConfigLoaded(parse_config(empty, "site")))
    site.connect()
    assert failed(site) == "error.unknown"

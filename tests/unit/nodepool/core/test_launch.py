"""One node's launch, step by step, and every way it may fail."""

from __future__ import annotations

import pytest

from nodepool.config import parse_config
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.model import Fault, MachineKey, NodeState, Owner, Presence
from tests.unit.nodepool.core.site import CONFIG, HOST_KEYS, KEY, Site, failed, provider_with

NO_JENKINS = CONFIG[: CONFIG.index("    jenkins:")]


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
    site = Site(provider_with("pool: ext") if until == "address" else CONFIG)
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


def test_a_target_without_jenkins_gets_its_nodes_at_once() -> None:
    site = Site(NO_JENKINS)
    site.launch()
    assert (site.states(), site.node.registered) == (["ready"], False)


def test_assignment_by_gearman() -> None:
    site = Site(NO_JENKINS + "    assign-via-gearman: true\n")
    site.launch()
    assert site.states() == ["building"]
    assert site.take_one(commands.AssignNode).user_home == "/home/jenkins"
    site.tell(events.Assigned(1, "zl01"))
    assert (site.states(), site.node.manager) == (["ready"], "zl01")
    site.person(1, NodeState.DELETE)
    assert site.take_one(commands.RevokeNode) == commands.RevokeNode("zl01", "one-p-1")


def test_a_node_that_is_taken_on_its_way_out_is_revoked() -> None:
    site = Site(NO_JENKINS + "    assign-via-gearman: true\n")
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

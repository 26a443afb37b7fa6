"""The SSH edge on machines of the sandbox cloud: logins, host keys, files, scripts, faults."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from nodepool.config.values import CloudConfig, NodepoolConfig, ProviderConfig
from nodepool.core import commands, events
from nodepool.drivers import ssh_edge
from nodepool.drivers.provider_keys import KeyRing
from nodepool.drivers.ssh import Login, Session
from nodepool.drivers.ssh_edge import SshEdge
from nodepool.drivers.ssh_hosts import HostKeys
from nodepool.errors import LaunchError
from nodepool.model import Machine, MachineKey, Node, NodeState, SnapshotImage
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nova_client import Client, wait_for
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_settings import Times
from zuul.lib.secret import Secret

pytestmark = pytest.mark.integration
KEY = MachineKey("node", 7)
SETUP = """#!/bin/sh
echo "secret is $NODEPOOL_SECRET"
echo "set up $1 by $(cat /opt/nodepool-scripts/name)" > /opt/marker
"""
READY = """#!/bin/sh
echo "$1 $(cat /etc/nodepool/role) $NODEPOOL_SECRET" > /root/ready
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[SandboxCloud]:
    times = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)
    with SandboxCloud(tmp_path / "cloud", quota=50, times=times) as cloud:
        yield cloud


@pytest.fixture
def client(cloud: SandboxCloud, tmp_path: Path) -> Client:
    return Client(cloud, tmp_path / "client")


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing()


@pytest.fixture
def hosts() -> HostKeys:
    return HostKeys()


@pytest.fixture
def edge(inbox: Inbox, keys: KeyRing, hosts: HostKeys, tmp_path: Path) -> Iterator[SshEdge]:
    scripts = tmp_path / "scripts"
    (scripts / "folder").mkdir(parents=True)
    (scripts / "setup.sh").write_text(SETUP)
    (scripts / "name").write_text("me")
    provider = ProviderConfig("sandbox", CloudConfig(region_name="One"), 1)
    environment = {"NODEPOOL_SECRET": "s3cr3t; echo '$HOME'", "OTHER": "x"}
    edge = SshEdge(inbox, keys, hosts, environment=environment, retry_seconds=0.1)
    edge.configure(
        NodepoolConfig(
            "test",
            Secret("sqlite://"),
            script_dir=str(scripts),
            providers=MappingProxyType({"sandbox": provider}),
        )
    )
    edge.start()
    yield edge
    edge.stop()


def address_of(server: Any) -> str:
    return str(server.addresses["private"][0]["addr"])


def connect(client: Client, server: Any, **more: Any) -> commands.Connect:
    words = {"timeout_seconds": 20.0, "username": "root", "keypair": None, **more}
    return commands.Connect(KEY, address_of(server), private_key=str(client.key_file), **words)


def test_a_login_waits_until_ssh_is_there(
    edge: SshEdge, inbox: Inbox, client: Client, cloud: SandboxCloud
) -> None:
    cloud.set_times(ssh=0.5)
    edge.submit(connect(client, client.boot()))
    assert inbox.expect(events.Connected).key == KEY


@pytest.mark.parametrize(
    ("kind", "stat_key"),
    [("refused", "error.ssh"), ("reset", "error.ssh"), ("denied", "error.auth")],
)
def test_a_login_that_never_works(
    edge: SshEdge, inbox: Inbox, client: Client, cloud: SandboxCloud, kind: str, stat_key: str
) -> None:
    cloud.faults.boot(ssh=kind)
    edge.submit(connect(client, client.boot(), timeout_seconds=0.5))
    failed = inbox.expect(events.StepFailed)
    assert (failed.key, failed.step, failed.stat_key) == (KEY, events.Step.CONNECT, stat_key)


def test_a_mute_server_holds_nobody_for_long(
    edge: SshEdge,
    inbox: Inbox,
    client: Client,
    cloud: SandboxCloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nodepool.drivers.ssh.LOGIN_SECONDS", 0.3)
    cloud.faults.boot(ssh="mute")
    edge.submit(connect(client, client.boot(), timeout_seconds=0.5))
    assert inbox.expect(events.StepFailed).stat_key == "error.ssh"


@pytest.mark.parametrize("lies", [False, True])
def test_host_keys_are_those_of_the_console(
    edge: SshEdge,
    inbox: Inbox,
    hosts: HostKeys,
    client: Client,
    cloud: SandboxCloud,
    lies: bool,
) -> None:
    cloud.faults.boot(wrong_console_keys=lies)
    server = client.boot()
    reads = []

    def console() -> str:
        reads.append(1)
        return str(server.get_console_output())

    hosts.expect(KEY, console)
    edge.submit(connect(client, server))
    if lies:
        failed = inbox.expect(events.StepFailed)
        assert failed.stat_key == "error.ssh"
        assert "host key" in failed.text
    else:
        told = inbox.expect(events.Connected).host_keys
        assert set(told) == set(cloud.host_keys("node"))
    assert reads == [1]


def test_a_first_host_key_is_kept_from_try_to_try(
    edge: SshEdge, inbox: Inbox, hosts: HostKeys, client: Client, cloud: SandboxCloud
) -> None:
    server, reads = client.boot(), []
    hosts.expect(KEY, lambda: reads.append(1) or "no keys here")
    # It answers, and lets nobody in.
    edge.submit(connect(client, server, username="nobody"))
    wait_for(lambda: reads)
    cloud.change_host_keys("node")
    assert "host key" in inbox.expect(events.StepFailed).text
    assert hosts.take(KEY) == ()


def test_a_first_host_key_is_handed_on(
    edge: SshEdge, inbox: Inbox, hosts: HostKeys, client: Client, cloud: SandboxCloud
) -> None:
    edge.submit(connect(client, client.boot()))
    (kept,) = inbox.expect(events.Connected).host_keys
    assert kept in cloud.host_keys("node")
    assert hosts.take(KEY) == ()


def test_a_node_and_its_subnode_are_prepared(
    edge: SshEdge, inbox: Inbox, client: Client, cloud: SandboxCloud
) -> None:
    machines = []
    for name in ("main", "sub"):
        server = client.boot(name)
        address = address_of(server)
        wait_for(lambda address=address: close(client.login(address, "root")))
        folder = cloud.root_of(name) / "opt/nodepool-scripts"
        folder.mkdir(parents=True)
        (cloud.root_of(name) / "etc/nodepool").mkdir(parents=True)
        (folder / "ready.sh").write_text(READY)
        (folder / "ready.sh").chmod(0o755)
        machines.append(Machine(name, server_id=server.id, ip=address, ip_private="10.0.0.9"))
    node = Node(7, "sandbox", "l", "t", NodeState.BUILDING, 0.0, tuple(machines), az="zone")
    call = commands.PrepareNode(node, "root", str(client.key_file), "ready.sh", 20.0)
    edge.submit(call)
    assert inbox.expect(events.Prepared) == events.Prepared("node", 7)
    roots = [cloud.root_of(name) for name in ("main", "sub")]
    secret = "s3cr3t; echo '$HOME'"
    assert (roots[0] / "root/ready").read_text() == f"main primary {secret}\n"
    assert (roots[1] / "root/ready").read_text() == f"sub sub {secret}\n"
    files = roots[1] / "etc/nodepool"
    assert (files / "primary_node").read_text() == f"{machines[0].ip}\n"
    assert (files / "sub_nodes").read_text() == (files / "node").read_text()
    assert (files / "sub_nodes_private").read_text() == "10.0.0.9\n"
    assert (files / "provider").read_text() == (
        "NODEPOOL_PROVIDER=sandbox\nNODEPOOL_CLOUD=\nNODEPOOL_REGION=One\nNODEPOOL_AZ=zone\n"
    )
    assert (files / "uuid").read_text() == f"{machines[1].server_id}\n"
    assert (files / "id_rsa").read_text() == (roots[0] / "etc/nodepool/id_rsa").read_text()
    assert (files / "id_rsa").stat().st_mode & 0o777 == 0o600
    edge.submit(replace(call, ready_script="none.sh"))
    failed = inbox.expect(events.StepFailed)
    assert (failed.key, failed.step) == (KEY, events.Step.PREPARE)
    assert "status 127" in failed.text
    other = replace(machines[1], host_keys=tuple(cloud.host_keys("main")))
    edge.submit(replace(call, node=node.with_machine(1, other)))
    assert "host key" in inbox.expect(events.StepFailed).text


def close(session: Any) -> bool:
    if session is not None:
        session.close()
    return session is not None


def test_a_script_that_never_ends_is_ended(
    edge: SshEdge,
    inbox: Inbox,
    client: Client,
    cloud: SandboxCloud,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = client.boot()
    wait_for(lambda: close(client.login(address_of(server), "root")))
    root = cloud.root_of("node")
    for folder in ("etc/nodepool", "opt/nodepool-scripts"):
        (root / folder).mkdir(parents=True)
    script = root / "opt/nodepool-scripts/ready.sh"
    script.write_text("#!/bin/sh\nseq 60\nsleep 50\n")
    script.chmod(0o755)
    machine = Machine("node", ip=address_of(server))
    node = Node(7, "sandbox", "l", "t", NodeState.BUILDING, 0.0, (machine,))
    edge.submit(commands.PrepareNode(node, "root", str(client.key_file), "ready.sh", 1.0))
    assert "took longer" in inbox.expect(events.StepFailed).text
    said = [line for line in caplog.messages if line.startswith("Ready script")]
    assert said == [f"Ready script of node 7.0 said: {number}" for number in range(11, 61)]


def test_an_image_is_prepared_with_a_key_made_for_it(
    edge: SshEdge,
    inbox: Inbox,
    keys: KeyRing,
    client: Client,
    cloud: SandboxCloud,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    client.nova.keypairs.create("pair", keys.make("pair"))
    server = client.boot("template", key_name="pair")
    image = SnapshotImage(3, "sandbox", "bare", NodeState.BUILDING, 0.0, "template", 1)
    key = MachineKey("image", 3)
    prepare = commands.PrepareImage(image, Machine(ip=address_of(server)), "setup.sh", 20.0)
    edge.submit(prepare)
    assert inbox.expect(events.StepFailed).key == key
    edge.submit(replace(connect(client, server, keypair="pair", username=None), key=key))
    inbox.expect(events.Connected)
    other = replace(prepare.machine, host_keys=("ssh-ed25519 another",))
    edge.submit(replace(prepare, machine=other))
    assert "host key" in inbox.expect(events.StepFailed).text
    edge.submit(prepare)
    assert inbox.expect(events.Prepared) == events.Prepared("image", 3)
    assert (cloud.root_of("template") / "opt/marker").read_text() == "set up template by me\n"
    lines = [r.getMessage() for r in caplog.records if r.name.startswith("nodepool.image.build")]
    assert len(lines) == 1, "the script's own words"
    ours = ("nodepool.SshEdge", "nodepool.HostKeys", "paramiko", "zuul")
    others = [r for r in caplog.records if r.name.startswith(ours)]
    assert others
    for record in others:
        assert "s3cr3t" not in record.getMessage()
        assert "PRIVATE KEY" not in record.getMessage()


def test_a_node_is_probed(
    edge: SshEdge, inbox: Inbox, hosts: HostKeys, client: Client, cloud: SandboxCloud
) -> None:
    server = client.boot()
    call = commands.ProbeNode(7, address_of(server), "root", str(client.key_file), 20.0)
    edge.submit(call)
    probed = inbox.expect(events.NodeProbed)
    assert probed.alive
    assert set(probed.host_keys) < set(cloud.host_keys("node"))
    call = replace(call, host_keys=probed.host_keys)
    edge.submit(call)
    assert inbox.expect(events.NodeProbed) == events.NodeProbed(7, True)
    # What a node shows that lets nobody in is not kept either.
    edge.submit(replace(call, username="nobody", host_keys=(), timeout_seconds=0.0))
    assert not inbox.expect(events.NodeProbed).alive
    assert hosts.take(KEY) == ()
    cloud.vanish("node")
    edge.submit(replace(call, timeout_seconds=0.2))
    probed = inbox.expect(events.NodeProbed)
    assert not probed.alive
    assert "does not answer" in probed.text


def test_launches_do_not_wait_for_probes(
    edge: SshEdge, inbox: Inbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many nodes are dead: here each try on them takes until the test is over."""
    over = threading.Event()
    log_in = ssh_edge.Session

    def session(login: Login, hosts: HostKeys) -> Session:
        if login.address == "dead":
            over.wait(60)
            raise LaunchError("dead")
        return log_in(login, hosts)

    monkeypatch.setattr(ssh_edge, "Session", session)
    try:
        for number in range(100, 300):
            edge.submit(commands.ProbeNode(number, "dead", "root", str(client.key_file), 0.0))
        edge.submit(connect(client, client.boot()))
        assert inbox.expect(events.Connected).key == KEY
    finally:
        over.set()
    assert not inbox.expect(events.NodeProbed).alive


def test_a_node_with_another_host_key_is_not_trusted(
    edge: SshEdge,
    inbox: Inbox,
    client: Client,
    cloud: SandboxCloud,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = client.boot()
    call = commands.ProbeNode(7, address_of(server), "root", str(client.key_file), 20.0)
    call = replace(call, host_keys=tuple(cloud.host_keys("node")))
    edge.submit(call)
    assert inbox.expect(events.NodeProbed).alive
    cloud.change_host_keys("node")
    edge.submit(call)
    probed = inbox.expect(events.NodeProbed)
    assert not probed.alive
    assert "shows a host key that is not its: ssh-ed25519 SHA256:" in probed.text
    (record,) = [r for r in caplog.records if r.name == "nodepool.SshEdge"]
    assert (record.levelname, probed.text in record.getMessage()) == ("ERROR", True)


@pytest.mark.parametrize("text", [None, "no key"])
def test_a_private_key_that_is_none(
    edge: SshEdge, inbox: Inbox, client: Client, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
    call = replace(connect(client, client.boot()), private_key=str(path), timeout_seconds=0.1)
    edge.submit(call)
    failed = inbox.expect(events.StepFailed)
    assert failed.stat_key == "error.auth"
    assert str(path) in failed.text

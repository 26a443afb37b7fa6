"""The SSH edge on machines of the sandbox cloud: logins, host keys, probes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from nodepool.core import commands, events
from nodepool.drivers import ssh_edge
from nodepool.drivers.ssh import Login, Session
from nodepool.drivers.ssh_edge import SshEdge
from nodepool.drivers.ssh_hosts import HostKeys
from nodepool.errors import LaunchError
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_ssh.calls import KEY, address_of, connect
from tests.integration.nova_client import Client, wait_for
from tests.sandbox.nova import SandboxCloud

pytestmark = pytest.mark.integration


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

"""The SSH edge on machines of the sandbox cloud: files and scripts."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from nodepool.core import commands, events
from nodepool.drivers.provider_keys import KeyRing
from nodepool.drivers.ssh_edge import SshEdge
from nodepool.model import Machine, MachineKey, Node, NodeState, SnapshotImage
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_ssh.calls import KEY, address_of, connect
from tests.integration.nova_client import Client, wait_for
from tests.sandbox.nova import SandboxCloud

pytestmark = pytest.mark.integration

READY = """#!/bin/sh
echo "$1 $(cat /etc/nodepool/role) $NODEPOOL_SECRET" > /root/ready
"""


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

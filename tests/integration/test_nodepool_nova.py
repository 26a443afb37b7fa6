"""The cloud edge on the sandbox cloud: commands in, events out, calls counted, faults."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nodepool.config.values import CloudConfig, ProviderConfig
from nodepool.config.values import Network as NetworkConfig
from nodepool.core import commands, events
from nodepool.drivers.nova import NovaProvider
from nodepool.drivers.provider_edge import CloudCall, CloudEdge
from nodepool.drivers.provider_keys import KeyRing
from nodepool.model import Fault, MachineKey, Owner
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nova_client import provider_of, wait_for
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_model import Network
from tests.sandbox.nova_settings import Times

pytestmark = pytest.mark.integration
KEY = MachineKey("node", 7, 1)
OWNER = Owner("sandbox", KEY, "pool-1")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[SandboxCloud]:
    times = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)
    with SandboxCloud(tmp_path / "cloud", quota=5, times=times, ssh=False) as cloud:
        yield cloud


@pytest.fixture
def config(cloud: SandboxCloud) -> ProviderConfig:
    return replace(provider_of(cloud), pool="public")


@pytest.fixture
def edge(config: ProviderConfig, inbox: Inbox) -> Iterator[CloudEdge]:
    edge = CloudEdge(inbox, NovaProvider, KeyRing(), list_every=0.05)
    edge.configure({"sandbox": config})
    yield edge
    edge.stop()


def create(**more: Any) -> commands.CreateServer:
    return commands.CreateServer(KEY, "sandbox", "bare", "node-7", OWNER, **more)


def boot(edge: CloudEdge, inbox: Inbox) -> str:
    edge.submit(create())
    return inbox.wait(events.ServerCreated).server_id


def test_a_server_from_its_create_to_its_404(
    edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud
) -> None:
    server_id = boot(edge, inbox)
    listed = inbox.wait(
        events.ServersListed, lambda e: any(s.status == "ACTIVE" for s in e.servers)
    )
    (server,) = listed.servers
    assert (server.id, server.name, server.owner) == (server_id, "node-7", OWNER)
    assert server.public_v4 == server.private_v4 == cloud.server("node-7").address
    edge.submit(commands.ConfirmGone("sandbox", server_id))
    assert inbox.wait(events.ServerSeen).server_id == server_id
    edge.submit(commands.DeleteServer("sandbox", server_id))
    inbox.wait(events.ServersListed, lambda e: e.servers == ())
    edge.submit(commands.ConfirmGone("sandbox", server_id))
    assert inbox.wait(events.ServerGone).server_id == server_id
    edge.submit(commands.DeleteServer("sandbox", "no-such-server"))
    assert inbox.wait(events.ServerGone).server_id == "no-such-server"
    assert cloud.servers() == []


@pytest.mark.parametrize("by", ["net_id", "net_label", "name"])
def test_a_network_is_found_by_each_of_its_names(
    edge: CloudEdge, inbox: Inbox, config: ProviderConfig, cloud: SandboxCloud, by: str
) -> None:
    other = Network("other", cloud.cloud.networks[0].project_id, "10.9")
    cloud.cloud.networks.append(other)
    called = other.id if by == "net_id" else "other"
    networks = (NetworkConfig(**{by: called, "public": by == "name"}),)
    edge.configure({"sandbox": replace(config, networks=networks)})
    boot(edge, inbox)
    listed = inbox.wait(
        events.ServersListed, lambda e: any(s.status == "ACTIVE" for s in e.servers)
    )
    assert str(listed.servers[0].private_v4).startswith("10.9.")
    assert bool(listed.servers[0].public_v4) is (by == "name")


def test_each_call_is_timed(config: ProviderConfig, inbox: Inbox, cloud: SandboxCloud) -> None:
    tasks: list[tuple[str, str, float]] = []
    provider = partial(NovaProvider, on_task=lambda *task: tasks.append(task))
    edge = CloudEdge(inbox, provider, KeyRing(), list_every=0.05)
    edge.configure({"sandbox": replace(config, pool=None)})
    try:
        edge.submit(commands.DeleteServer("sandbox", boot(edge, inbox)))
        edge.submit(commands.DeleteServer("sandbox", "no-such-server"))
        inbox.wait(events.ServerGone)
    finally:
        edge.stop()
    named = {task for _, task, _ in tasks}
    assert {"CreateServerTask", "DeleteServerTask", "ListServersTask", "FindImageTask"} <= named
    assert {provider for provider, _, _ in tasks} == {"sandbox"}
    assert all(0 < seconds < 30 for _, _, seconds in tasks)


def test_calls_of_a_nodes_life_are_few(
    config: ProviderConfig, inbox: Inbox, cloud: SandboxCloud
) -> None:
    edge = CloudEdge(inbox, NovaProvider, KeyRing(), list_every=0.2)
    edge.configure({"sandbox": replace(config, pool=None)})
    try:
        edge.submit(commands.DeleteServer("sandbox", boot(edge, inbox)))
        edge.submit(commands.DeleteServer("sandbox", boot(edge, inbox)))
        wait_for(lambda: len(cloud.requests.of("servers.delete")) == 2)
        assert len(cloud.requests.of("servers.create")) == 2
        found = len(cloud.requests.of("(flavors|images|token).*"))
        assert found <= 5, "flavors, images and tokens are asked for once"
        assert cloud.requests.of("servers.get") == []
    finally:
        edge.stop()


@pytest.mark.parametrize(
    ("knobs", "fault"),
    [
        ({"status": 403, "message": "Quota exceeded for instances: 1"}, Fault.QUOTA),
        ({"status": 413, "message": "Quota exceeded for ram"}, Fault.QUOTA),
        ({"status": 403, "message": "Policy doesn't allow it"}, Fault.REFUSED),
        ({"status": 409}, Fault.REFUSED),
        ({"status": 413, "retry_after": 1.0}, Fault.THROTTLED),
        ({"status": 429, "retry_after": 1.0}, Fault.THROTTLED),
        ({"status": 400, "message": "Can not find requested image"}, Fault.IMPOSSIBLE),
        ({"status": 404, "message": "Image not found"}, Fault.IMPOSSIBLE),
        ({"status": 500}, Fault.UNKNOWN),
        ({"silent": True}, Fault.UNKNOWN),
        ({"reset": True}, Fault.UNKNOWN),
        ({"garbage": True}, Fault.UNKNOWN),
    ],
)
def test_a_create_that_fails(
    edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud, knobs: dict[str, Any], fault: Fault
) -> None:
    cloud.faults.add("servers.create", times=1, **knobs)
    edge.submit(create())
    failed = inbox.wait(events.CreateFailed)
    assert (failed.key, failed.fault) == (KEY, fault)
    assert len(cloud.requests.of("servers.create")) <= 1, "it is the core that tries again"
    assert boot(edge, inbox)


def test_a_failed_login_leaves_no_doubt(
    config: ProviderConfig, inbox: Inbox, cloud: SandboxCloud
) -> None:
    # One list: each that fails would hold the create back for longer.
    edge = CloudEdge(inbox, NovaProvider, KeyRing(), list_every=600.0)
    edge.configure({"sandbox": config})
    try:
        inbox.wait(events.AddressesListed)
        cloud.expire_tokens()
        cloud.faults.add("token", status=500)
        edge.submit(create(az="nova"))
        failed = inbox.wait(events.CreateFailed)
        assert failed.fault in (Fault.REFUSED, Fault.UNKNOWN)
        assert cloud.servers() == []
    finally:
        edge.stop()


def test_the_accounts_quota_is_read(edge: CloudEdge, inbox: Inbox) -> None:
    assert inbox.wait(events.LimitsRead).room == 5
    boot(edge, inbox)
    edge.submit(commands.ReadLimits("sandbox"))
    assert inbox.wait(events.LimitsRead).room == 4


def test_floating_ips_come_and_go(edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud) -> None:
    server_id = boot(edge, inbox)
    inbox.wait(events.ServersListed, lambda e: any(s.status == "ACTIVE" for s in e.servers))
    edge.submit(commands.AttachAddress(KEY, "sandbox", server_id, OWNER))
    attached = inbox.wait(events.AddressAttached)
    assert attached.address in cloud.floating_ips()
    listed = inbox.wait(
        events.ServersListed, lambda e: any(s.public_v4 == attached.address for s in e.servers)
    )
    assert listed.servers[0].private_v4 != attached.address
    edge.submit(commands.DeleteAddress("sandbox", attached.floating_ip))
    edge.submit(commands.DeleteServer("sandbox", server_id))
    inbox.wait(events.ServersListed, lambda e: e.servers == ())
    assert cloud.floating_ips() == {}


def test_a_floating_ip_that_is_in_use_again_stays(
    edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud
) -> None:
    server_id = boot(edge, inbox)
    edge.submit(commands.AttachAddress(KEY, "sandbox", server_id, OWNER))
    attached = inbox.wait(events.AddressAttached)
    edge.submit(commands.DeleteAddress("sandbox", attached.floating_ip))
    wait_for(lambda: cloud.requests.of("floatingips.get"))
    # On the same lane, so that it comes after whatever the first one does.
    edge.submit(commands.DeleteAddress("sandbox", attached.floating_ip))
    wait_for(lambda: len(cloud.requests.of("floatingips.get")) == 2)
    assert attached.address in cloud.floating_ips()
    assert cloud.requests.of("floatingips.delete") == []


@pytest.mark.parametrize("clean", [True, False])
def test_floating_ips_are_looked_after_without_a_pool(
    edge: CloudEdge, inbox: Inbox, config: ProviderConfig, cloud: SandboxCloud, clean: bool
) -> None:
    server_id = boot(edge, inbox)
    inbox.wait(events.ServersListed, lambda e: any(s.status == "ACTIVE" for s in e.servers))
    edge.submit(commands.AttachAddress(KEY, "sandbox", server_id, OWNER))
    inbox.wait(events.AddressAttached)
    edge.configure({"sandbox": replace(config, pool=None, clean_floating_ips=clean)})
    # As of a server that another nodepool made: which address it has is not known.
    edge.submit(commands.DeleteServer("sandbox", server_id))
    inbox.wait(events.ServersListed, lambda e: e.servers == ())
    assert len(cloud.floating_ips()) == (0 if clean else 1)


def test_left_over_floating_ips_are_listed_without_a_pool(
    config: ProviderConfig, inbox: Inbox
) -> None:
    edge = CloudEdge(inbox, NovaProvider, KeyRing(), list_every=0.05)
    edge.configure({"sandbox": replace(config, pool=None, clean_floating_ips=True)})
    try:
        assert inbox.wait(events.AddressesListed).addresses == ()
    finally:
        edge.stop()


def test_images_and_key_pairs(edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud) -> None:
    key = MachineKey("image", 3)
    owner = Owner("sandbox", key, "pool-1")
    edge.submit(replace(create(keypair="template-3"), key=key, owner=owner))
    server_id = inbox.wait(events.ServerCreated).server_id
    assert cloud.keypairs() == ["template-3"]
    inbox.wait(events.ServersListed, lambda e: any(s.status == "ACTIVE" for s in e.servers))
    edge.submit(commands.TakeSnapshot(3, "sandbox", server_id, "snap", owner, (("a", "b"),)))
    image_id = inbox.wait(events.SnapshotTaken).external_id
    listed = inbox.wait(
        events.ImagesListed,
        lambda e: any(i.id == image_id and i.status == "ACTIVE" for i in e.images),
    )
    assert next(i.owner for i in listed.images if i.id == image_id) == owner
    edge.submit(commands.DeleteKeypair(3, "sandbox", "template-3"))
    inbox.wait(events.KeypairGone)
    assert cloud.keypairs() == []
    edge.submit(commands.DeleteImage(3, "sandbox", image_id))
    inbox.wait(events.ImageGone)
    assert [image.name for image in cloud.images()] == ["base"]


@pytest.mark.parametrize("status", [409, 500])
def test_a_refused_delete_is_told(
    edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud, status: int
) -> None:
    server_id = boot(edge, inbox)
    cloud.faults.add("servers.delete", times=1, status=status)
    edge.submit(commands.DeleteServer("sandbox", server_id))
    failed = inbox.wait(events.DeleteFailed)
    assert failed.fault is (Fault.REFUSED if status == 409 else Fault.UNKNOWN)


def test_servers_that_go_wrong_are_listed(
    edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud
) -> None:
    cloud.faults.boot(times=1, error="No valid host")
    boot(edge, inbox)
    inbox.wait(events.ServersListed, lambda e: any(s.status == "ERROR" for s in e.servers))
    cloud.faults.boot(times=1, no_address=True)
    other = boot(edge, inbox)
    listed = inbox.wait(
        events.ServersListed,
        lambda e: any(s.id == other and s.status == "ACTIVE" for s in e.servers),
    )
    assert next(s.public_v4 for s in listed.servers if s.id == other) is None
    cloud.vanish(other)
    inbox.wait(events.ServersListed, lambda e: all(s.id != other for s in e.servers))


def test_a_cloud_that_does_not_answer_is_listed_again(
    edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.faults.add("servers.list", times=2, status=503)
    wait_for(lambda: "can be listed again" in caplog.text or caplog.set_level("INFO"))
    assert caplog.text.count("cannot be listed") == 1
    inbox.wait(events.ServersListed)


def test_another_configuration_of_the_same_cloud_keeps_the_client(
    edge: CloudEdge, inbox: Inbox, config: ProviderConfig, cloud: SandboxCloud
) -> None:
    inbox.wait(events.LimitsRead)
    edge.configure({"sandbox": replace(config, max_servers=2)})
    boot(edge, inbox)
    assert len(cloud.requests.of("token")) == 1
    edge.configure({})
    edge.submit(create())
    assert inbox.wait(events.CreateFailed).fault is Fault.REFUSED


def test_a_provider_without_an_address_says_so(inbox: Inbox, config: ProviderConfig) -> None:
    edge = CloudEdge(inbox, NovaProvider, KeyRing())
    edge.configure({"sandbox": replace(config, cloud=CloudConfig(cloud="named", rate=0.0))})
    try:
        edge.submit(create(external_id="image"))
        failed = inbox.wait(events.CreateFailed)
        assert failed.fault is Fault.REFUSED
        assert "no auth-url" in failed.text
    finally:
        edge.stop()


def test_nothing_secret_is_logged(
    edge: CloudEdge, inbox: Inbox, cloud: SandboxCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    boot(edge, inbox)
    cloud.faults.add("servers.create", times=1, status=500)
    call: CloudCall = create(keypair="pair")
    edge.submit(call)
    inbox.wait(events.CreateFailed)
    assert "CreateServer failed in provider sandbox" in caplog.text
    for word in ("demopw", "adminPass", "PRIVATE KEY", "gAAAA"):
        assert word not in caplog.text

"""Floating IPs of providers that name no pool, on sandbox clouds of several kinds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodepool.core import commands, events
from nodepool.drivers.nova import NovaProvider
from nodepool.drivers.nova_rows import write_mark
from nodepool.drivers.provider_edge import CloudEdge
from nodepool.drivers.provider_keys import KeyRing
from nodepool.drivers.server_watch import ServerWatch
from nodepool.model import MachineKey, Owner
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nova_client import provider_of
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_model import Network
from tests.sandbox.nova_settings import Times

pytestmark = pytest.mark.integration
KEY = MachineKey("node", 7)
OWNER = Owner("sandbox", KEY, "pool-1")
TIMES = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)


class Site:
    """A cloud, its edge, and what the edge tells."""

    def __init__(self, cloud: SandboxCloud, edge: CloudEdge, inbox: Inbox) -> None:
        self.cloud, self.edge, self.inbox = cloud, edge, inbox

    def boot(self) -> str:
        self.edge.submit(commands.CreateServer(KEY, "sandbox", "bare", "node-7", OWNER))
        server_id = self.inbox.wait(events.ServerCreated).server_id
        self.inbox.wait(
            events.ServersListed, lambda e: any(s.status == "ACTIVE" for s in e.servers)
        )
        return server_id

    def attach(self, server_id: str) -> events.AddressAttached:
        self.edge.submit(commands.AttachAddress(KEY, "sandbox", server_id, OWNER))
        return self.inbox.wait(events.AddressAttached)

    def refused(self, server_id: str) -> events.StepFailed:
        self.edge.submit(commands.AttachAddress(KEY, "sandbox", server_id, OWNER))
        return self.inbox.wait(events.StepFailed)

    def delete(self, server_id: str, **more: Any) -> None:
        self.edge.submit(commands.DeleteServer("sandbox", server_id, **more))
        self.inbox.wait(events.ServersListed, lambda e: e.servers == ())

    def floating(self) -> list[tuple[str, str]]:
        """Network and description of each address."""
        ips = self.cloud.cloud.floating_ips
        return self.cloud.call(lambda: [(ip.network.name, ip.description) for ip in ips.values()])

    def count(self, kind: str) -> int:
        return len(self.cloud.requests.of(kind))


@contextlib.contextmanager
def site_on(folder: Path, **options: Any) -> Iterator[Site]:
    with SandboxCloud(folder, quota=5, times=TIMES, ssh=False, **options) as cloud:
        inbox = Inbox()
        edge = CloudEdge(inbox, NovaProvider, KeyRing(), list_every=0.05)
        edge.configure({"sandbox": provider_of(cloud)})
        try:
            yield Site(cloud, edge, inbox)
        finally:
            edge.stop()


def test_it_comes_from_the_one_external_network(tmp_path: Path) -> None:
    with site_on(tmp_path) as site:
        server_id = site.boot()
        attached = site.attach(server_id)
        assert attached.address in site.cloud.floating_ips()
        assert site.floating() == [("public", write_mark(OWNER))]
        site.delete(server_id, floating_ip=attached.floating_ip)
        assert site.floating() == []


@pytest.mark.parametrize("neutron", [True, False])
def test_of_several_networks_it_is_the_first_by_name_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, neutron: bool
) -> None:
    with site_on(tmp_path, neutron=neutron) as site:
        cloud = site.cloud.cloud
        other = Network("ext", cloud.admin_id, "127.20", external=True)
        site.cloud.call(lambda: cloud.networks.append(other))
        server_id = site.boot()
        site.attach(server_id)
        site.attach(server_id)
        assert [name for name, _ in site.floating()] == ["ext", "ext"]
        assert caplog.text.count("several networks for floating IPs (ext, public)") == 1


def test_a_cloud_without_any_says_so(tmp_path: Path) -> None:
    with site_on(tmp_path, floating_pool=None) as site:
        failed = site.refused(site.boot())
        assert failed.stat_key == "error.network"
        assert "no public address, its provider no pool, and the cloud none" in failed.text


@pytest.mark.parametrize("options", [{}, {"descriptions": False}, {"neutron": False}])
def test_one_whose_answer_was_lost_goes_with_its_server(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with site_on(tmp_path, **options) as site:
        server_id = site.boot()
        site.attach(server_id)
        site.delete(server_id, has_unknown=True)
        assert site.floating() == []


def test_nodes_without_one_cost_no_call_for_it(tmp_path: Path) -> None:
    with site_on(tmp_path) as site:
        site.inbox.wait(events.AddressesListed)
        site.delete(site.boot())
        kinds = ("networks.list", "ports.list", "floatingips.get", "floatingips.list")
        assert [site.count(kind) for kind in kinds] == [0, 0, 0, 1]


def test_where_nova_has_them_alone(tmp_path: Path) -> None:
    with site_on(tmp_path, neutron=False) as site:
        server_id = site.boot()
        attached = site.attach(server_id)
        assert site.cloud.floating_ips() == {attached.address: server_id}
        site.delete(server_id, floating_ip=attached.floating_ip)
        assert site.floating() == []
        edge, config = site.edge, provider_of(site.cloud)
        edge.configure({"sandbox": replace(config, pool="other")})
        failed = site.refused(site.boot())
        assert "pool not found" in failed.text


def test_one_of_nova_that_cannot_be_attached_is_deleted_at_once(tmp_path: Path) -> None:
    with site_on(tmp_path, neutron=False) as site:
        failed = site.refused("no-such-server")
        assert failed.stat_key == "error.network"
        assert site.count("floatingips.create") == 1
        assert site.floating() == []


def test_an_account_that_may_not_look_may_still_delete(tmp_path: Path) -> None:
    with site_on(tmp_path) as site:
        server_id = site.boot()
        site.cloud.faults.add("floatingips.list", status=403)
        site.delete(server_id, has_unknown=True)


def test_a_server_goes_before_a_floating_ip_that_its_row_knows(tmp_path: Path) -> None:
    with site_on(tmp_path, descriptions=False) as site:
        server_id = site.boot()
        attached = site.attach(server_id)
        site.cloud.faults.add("floatingips.delete", times=1, status=503)
        site.delete(server_id, floating_ip=attached.floating_ip)
        assert site.cloud.floating_ips() == {attached.address: None}
        site.edge.submit(commands.DeleteAddress("sandbox", attached.floating_ip, server_id))
        gone = site.inbox.wait(events.AddressGone)
        assert gone == events.AddressGone("sandbox", attached.floating_ip)
        assert site.floating() == []


@pytest.mark.parametrize("descriptions", [True, False])
def test_a_server_goes_before_one_that_no_row_knows_if_it_is_marked(
    tmp_path: Path, descriptions: bool
) -> None:
    with site_on(tmp_path, descriptions=descriptions) as site:
        server_id = site.boot()
        site.attach(server_id)
        site.edge.configure({"sandbox": replace(provider_of(site.cloud), pool="public")})
        site.cloud.faults.add("floatingips.list", times=1, status=503)
        site.edge.submit(commands.DeleteServer("sandbox", server_id))
        if descriptions:
            site.inbox.wait(events.ServersListed, lambda e: e.servers == ())
            assert list(site.cloud.floating_ips().values()) == [None]
        else:
            site.inbox.wait(events.DeleteFailed)
            assert [each.id for each in site.cloud.servers()] == [server_id]


def test_what_is_left_of_its_own_server_does_not_keep_a_floating_ip(tmp_path: Path) -> None:
    with site_on(tmp_path) as site:
        server_id = site.boot()
        attached = site.attach(server_id)
        for owner, left in (("other", 1), (server_id, 0)):
            site.edge.submit(commands.DeleteAddress("sandbox", attached.floating_ip, owner))
            site.inbox.wait(events.AddressGone)
            assert len(site.floating()) == left


def test_they_are_listed_while_some_of_ours_are_there(tmp_path: Path) -> None:
    with SandboxCloud(tmp_path, quota=5, times=TIMES, ssh=False) as cloud:
        inbox, provider = Inbox(), NovaProvider(provider_of(cloud))
        watch = ServerWatch("sandbox", provider, inbox, rest_every=0.0)
        asked = cloud.requests

        def look() -> int:
            watch.look()
            return len(asked.of("floatingips.list"))

        assert [look(), look()] == [1, 1], "once at the start, as a kill may have left some"
        project = cloud.cloud.users["demo"].project
        network = next(each for each in cloud.cloud.networks if each.external)

        def make(owner: Owner) -> None:
            cloud.cloud.new_floating_ip(project, network, write_mark(owner))

        cloud.call(lambda: make(replace(OWNER, provider="other")))
        again = ServerWatch("sandbox", provider, inbox, rest_every=0.0)
        again.look()
        again.look()
        assert look() == 2
        cloud.call(lambda: make(OWNER))
        watch.expect_addresses()
        assert look() == 3
        left = inbox.wait(events.AddressesListed, lambda e: len(e.addresses) == 2).addresses[1]
        assert (left.owner, left.is_attached) == (OWNER, False)
        later = ServerWatch("sandbox", provider, inbox, rest_every=0.0)
        later.look()
        later.look()
        assert look() == 6
        provider.close()

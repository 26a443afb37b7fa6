"""nodepool's floating IPs on both OpenStacks: neutron's and, by its old calls, nova's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nodepool.config.values import CloudConfig, ProviderConfig
from nodepool.drivers.nova import NovaProvider
from nodepool.drivers.nova_addresses import Addresses, NeutronAddresses, NovaAddresses
from nodepool.drivers.nova_calls import Calls
from nodepool.drivers.nova_finds import Finds
from nodepool.model import MachineKey, Owner
from tests.contract.nova_site import NovaSite, wait_for
from zuul.lib.secret import Secret

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
OWNER = Owner("p", MachineKey("node", 7), "ours")


def cloud_of(site: NovaSite) -> CloudConfig:
    account = site.account
    return CloudConfig(
        auth_url=account.auth_url,
        username=account.username,
        password=Secret(account.password),
        project_name=account.project_name,
        region_name=account.region,
        rate=0.0,
        api_timeout=30.0,
    )


@pytest.fixture
def calls(nova_site: NovaSite) -> Iterator[Calls]:
    calls = Calls("p", cloud_of(nova_site))
    yield calls
    calls.close()


@pytest.fixture(params=[NeutronAddresses, NovaAddresses])
def addresses(request: pytest.FixtureRequest, calls: Calls) -> Addresses:
    found: Addresses = request.param(calls, Finds("p", calls))
    return found


def test_one_without_a_pool_comes_and_goes(nova_site: NovaSite, addresses: Addresses) -> None:
    server = nova_site.boot()
    made, address = addresses.attach(server.id, OWNER, None)
    assert address.startswith("127.20.")
    marked = isinstance(addresses, NeutronAddresses)
    assert made.owner == (OWNER if marked else None)
    (listed,) = addresses.all()
    assert (listed.id, listed.server_id, listed.owner) == (made.id, server.id, made.owner)
    addresses.delete(made.id, only_unattached=True)
    addresses.delete(made.id, only_unattached=True, or_of="other")
    assert [each.id for each in addresses.all()] == [made.id]
    assert addresses.delete_of("other") == ()
    assert addresses.delete_of(server.id) == (made.id,)
    assert addresses.all() == ()
    addresses.delete(made.id)
    addresses.delete(made.id, only_unattached=True)


def test_its_own_server_does_not_keep_one(nova_site: NovaSite, addresses: Addresses) -> None:
    server = nova_site.boot()
    made, _ = addresses.attach(server.id, OWNER, None)
    addresses.delete(made.id, only_unattached=True, or_of=server.id)
    assert addresses.all() == ()


def test_one_whose_server_went_is_unattached_and_marked(
    nova_site: NovaSite, addresses: Addresses
) -> None:
    server = nova_site.boot()
    made, _ = addresses.attach(server.id, OWNER, "public")
    server.delete()
    wait_for(lambda: not nova_site.nova().servers.list())
    (left,) = addresses.all()
    assert (left.id, left.is_attached, left.owner) == (made.id, False, made.owner)
    addresses.delete(left.id, only_unattached=True)
    assert addresses.all() == ()


def test_a_server_with_one_is_listed_as_such(nova_site: NovaSite, calls: Calls) -> None:
    provider = NovaProvider(ProviderConfig("p", cloud_of(nova_site), max_servers=1))
    try:
        server = nova_site.boot()
        (row,) = provider.list_servers()
        assert not row.has_floating_ip
        # By nova: the real one here is not told of what neutron does by itself.
        _, address = NovaAddresses(calls, Finds("p", calls)).attach(server.id, OWNER, None)
        row = wait_for(
            lambda: next((s for s in provider.list_servers() if s.has_floating_ip), None)
        )
        assert row.public_v4 == address
        assert len(provider.delete_addresses_of(server.id)) == 1
    finally:
        provider.close()

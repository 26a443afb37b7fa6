"""What nodepool expects of an OpenStack, with novaclient and keystoneauth, on both clouds."""

from __future__ import annotations

import contextlib
import json

import novaclient
import pytest
from keystoneauth1 import exceptions as keystone_errors
from novaclient import api_versions
from novaclient import exceptions as nova_errors

from nodepool.config.values import CloudConfig
from nodepool.drivers.nova_calls import Calls
from nodepool.errors import ProviderRefused
from tests.contract.nova_site import INSTANCES, PUBLIC_KEY, NovaSite, wait_for
from zuul.lib.secret import Secret

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

OWNER = {"nodepool": json.dumps({"provider_name": "p", "node_id": 7}), "groups": '["p", "i"]'}


def test_a_wrong_password_is_told_at_login(nova_site: NovaSite) -> None:
    account = nova_site.account
    wrong = type(account)(
        account.auth_url, account.username, "wrong", account.project_name, account.project_id
    )
    with pytest.raises(keystone_errors.Unauthorized):
        wrong.nova().servers.list()


@pytest.mark.parametrize("how", ["id", "name"])
def test_an_application_credential_logs_in(nova_site: NovaSite, how: str) -> None:
    account, session = nova_site.account, nova_site.session
    asked = {"application_credential": {"name": nova_site.name("nodepool")}}
    path = f"/users/{session.get_user_id()}/application_credentials"
    made = nova_site.ask("POST", path, "identity", json=asked).json()["application_credential"]
    entry = {
        "auth_url": account.auth_url,
        "region_name": account.region,
        "application_credential_secret": Secret(made["secret"]),
    }
    if how == "id":
        entry["application_credential_id"] = made["id"]
    else:
        entry |= {"application_credential_name": made["name"], "username": account.username}
    for auth_url in (account.auth_url, account.auth_url.removesuffix("/v3")):
        calls = Calls("p", CloudConfig(**{**entry, "auth_url": auth_url}))
        found = calls.do("ListServersTask", "servers", calls.nova.servers.list)
        assert isinstance(found, list)
    wrong = Calls("p", CloudConfig(**{**entry, "application_credential_secret": Secret("wrong")}))
    with pytest.raises(ProviderRefused, match="401"):
        wrong.do("ListServersTask", "servers", wrong.nova.servers.list)


def test_the_endpoints_are_in_the_catalogue(nova_site: NovaSite) -> None:
    for service in ("compute", "image", "network", "identity"):
        url = nova_site.session.get_endpoint(
            service_type=service, region_name=nova_site.account.region, interface="public"
        )
        assert url is not None
    with pytest.raises(keystone_errors.EndpointNotFound):
        nova_site.session.get_endpoint(service_type="compute", region_name="Nowhere")


def test_the_newest_microversion_is_found(nova_site: NovaSite) -> None:
    nova = nova_site.nova("2.1")
    assert nova.versions.get_current().version == "2.104"
    found = api_versions.discover_version(nova, api_versions.APIVersion("2.latest"))
    assert found == api_versions.APIVersion(novaclient.API_MAX_VERSION.get_string())


@pytest.mark.parametrize("version", ["2.1", "2.35", "2.67", "2.93"])
def test_a_server_lives(nova_site: NovaSite, version: str) -> None:
    nova = nova_site.nova(version)
    words = {"nics": "auto"} if version > "2.37" else {}
    server = nova.servers.create(
        "node-1", nova_site.image, nova_site.flavor, meta=OWNER, config_drive=True, **words
    )
    assert nova.servers.get(server.id).status == "BUILD"
    server = nova_site.settled(server.id, version)
    assert server.status == "ACTIVE"
    assert server.metadata == OWNER
    assert server.config_drive == "True"
    (addresses,) = server.addresses.values()
    assert [row["OS-EXT-IPS:type"] for row in addresses] == ["fixed"]
    assert addresses[0]["addr"].startswith("127.10.")
    assert [row.id for row in nova.servers.list()] == [server.id]
    server.delete()
    wait_for(lambda: not nova.servers.list())
    with pytest.raises(nova_errors.NotFound):
        nova.servers.get(server.id)
    with pytest.raises(nova_errors.NotFound):
        nova.servers.delete(server.id)


def test_a_server_that_is_being_deleted_may_be_deleted_again(nova_site: NovaSite) -> None:
    server = nova_site.boot()
    server.delete()
    with contextlib.suppress(nova_errors.NotFound):
        server.delete()
    wait_for(lambda: not nova_site.nova().servers.list())


def test_a_building_server_may_be_deleted(nova_site: NovaSite) -> None:
    nova = nova_site.nova("2.67")
    server = nova.servers.create("early", nova_site.image, nova_site.flavor, nics="auto")
    server.delete()
    wait_for(lambda: not nova.servers.list())


def test_names_need_not_be_unique(nova_site: NovaSite) -> None:
    one, two = nova_site.boot(name="same"), nova_site.boot(name="same")
    found = nova_site.nova().servers.list(search_opts={"name": "^same$"})
    assert {row.id for row in found} == {one.id, two.id}


def test_metadata_comes_with_the_list(nova_site: NovaSite) -> None:
    server = nova_site.boot(meta=OWNER)
    (row,) = nova_site.nova().servers.list()
    assert (row.id, row.metadata) == (server.id, OWNER)


def test_lists_come_in_pages(nova_site: NovaSite) -> None:
    ids = {nova_site.boot(nics="none").id for _ in range(3)}
    nova = nova_site.nova("2.67")
    first = nova.servers.list(limit=2)
    rest = nova.servers.list(limit=2, marker=first[-1].id)
    assert [len(first), len(rest)] == [2, 1]
    assert {row.id for row in first + rest} == ids
    assert {row.id for row in nova.servers.list(limit=-1)} == ids


def test_deleted_servers_are_told_to_who_asks_for_changes(nova_site: NovaSite) -> None:
    server = nova_site.boot()
    server.delete()
    wait_for(lambda: not nova_site.nova().servers.list())
    since = {"changes-since": "2020-01-01T00:00:00Z"}
    found = {row.id: row.status for row in nova_site.nova().servers.list(search_opts=since)}
    assert found[server.id] == "DELETED"


def test_the_quota_is_a_403_that_says_what_is_used(nova_site: NovaSite) -> None:
    nova = nova_site.nova("2.67")
    for _ in range(INSTANCES):
        nova_site.boot(nics="none")
    limits = {row.name: row.value for row in nova.limits.get().absolute}
    assert limits["maxTotalInstances"] == limits["totalInstancesUsed"] == INSTANCES
    assert limits["totalRAMUsed"] == INSTANCES * 512
    with pytest.raises(nova_errors.Forbidden, match="Quota exceeded for instances: Requested 1"):
        nova.servers.create("more", nova_site.image, nova_site.flavor, nics="none")


def test_a_snapshot_is_an_image_that_boots(nova_site: NovaSite) -> None:
    server = nova_site.boot()
    name = nova_site.name("template")
    image_id = nova_site.snapshot(server, name, {"image_type": "snapshot", "made_by": "us"})
    image = nova_site.nova().glance.find_image(name)
    assert image.id == image_id
    row = nova_site.ask("GET", f"/images/{image_id}").json()["image"]
    assert (row["status"], row["progress"]) == ("ACTIVE", 100)
    assert row["metadata"]["made_by"] == "us"
    server.delete()
    wait_for(lambda: not nova_site.nova().servers.list())
    assert nova_site.nova().glance.find_image(image_id).status == "active"
    assert nova_site.boot(image=image).status == "ACTIVE"
    gone = nova_site.ask("DELETE", f"/v2/images/{image_id}", "image")
    assert gone.status_code == 204
    with pytest.raises(nova_errors.NotFound):
        nova_site.nova().glance.find_image(image_id)


def test_a_busy_server_refuses_with_409(nova_site: NovaSite) -> None:
    nova = nova_site.nova("2.67")
    server = nova.servers.create("early", nova_site.image, nova_site.flavor, nics="auto")
    with pytest.raises(nova_errors.Conflict, match="while it is in vm_state building"):
        server.create_image("too-early")


def test_an_image_that_is_not_there_is_400_at_create(nova_site: NovaSite) -> None:
    nova = nova_site.nova("2.67")
    absent = "11111111-1111-1111-1111-111111111111"
    with pytest.raises(nova_errors.BadRequest, match="Can not find requested image"):
        nova.servers.create("x", absent, nova_site.flavor, nics="auto")


@pytest.mark.parametrize("version", ["2.1", "2.67"])
def test_keypairs_are_imported_or_made(nova_site: NovaSite, version: str) -> None:
    nova = nova_site.nova(version)
    mine = nova.keypairs.create("mine", PUBLIC_KEY)
    assert mine.public_key == PUBLIC_KEY
    made = nova.keypairs.create("made")
    assert made.private_key.startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert {row.name for row in nova.keypairs.list()} == {"mine", "made"}
    with pytest.raises(nova_errors.Conflict):
        nova.keypairs.create("mine", PUBLIC_KEY)
    with pytest.raises(nova_errors.BadRequest):
        nova.keypairs.create("with.dot", PUBLIC_KEY)
    server = nova_site.boot(key_name="mine")
    assert server.key_name == "mine"
    nova.keypairs.delete("mine")
    nova.keypairs.delete("made")
    with pytest.raises(nova_errors.NotFound):
        nova.keypairs.delete("mine")
    assert nova_site.nova().servers.get(server.id).key_name == "mine"


def test_floating_ips_of_old(nova_site: NovaSite) -> None:
    server = nova_site.boot()
    body = {"pool": "public"}
    ip = nova_site.ask("POST", "/os-floating-ips", json=body).json()["floating_ip"]
    assert (ip["instance_id"], ip["fixed_ip"]) == (None, None)
    act = f"/servers/{server.id}/action"
    words = {"addFloatingIp": {"address": ip["ip"]}}
    assert nova_site.ask("POST", act, json=words).status_code == 202
    (row,) = nova_site.ask("GET", "/os-floating-ips").json()["floating_ips"]
    assert (row["instance_id"], row["ip"]) == (server.id, ip["ip"])
    (addresses,) = nova_site.nova().servers.get(server.id).addresses.values()
    kinds = {each["OS-EXT-IPS:type"]: each["addr"] for each in addresses}
    assert kinds["floating"] == ip["ip"]
    server.delete()
    wait_for(lambda: not nova_site.nova().servers.list())
    (row,) = nova_site.ask("GET", "/os-floating-ips").json()["floating_ips"]
    assert row["instance_id"] is None
    gone = nova_site.ask("DELETE", f"/os-floating-ips/{row['id']}")
    assert gone.status_code == 202


def test_networks_are_found_by_name(nova_site: NovaSite) -> None:
    network = nova_site.nova().neutron.find_network("private")
    server = nova_site.boot(nics=[{"net-id": network.id}])
    assert server.status == "ACTIVE"
    ports = nova_site.ask("GET", f"/v2.0/ports?device_id={server.id}", "network").json()["ports"]
    assert [port["network_id"] for port in ports] == [network.id]
    with pytest.raises(nova_errors.NotFound):
        nova_site.nova().neutron.find_network("nope")


def test_the_zones_are_told(nova_site: NovaSite) -> None:
    zones = nova_site.nova().availability_zones.list(detailed=False)
    assert [zone.zoneName for zone in zones] == ["nova"]


def test_the_console_is_text(nova_site: NovaSite) -> None:
    server = nova_site.boot()
    assert isinstance(server.get_console_output(), str)
    assert len(server.get_console_output(length=1).splitlines()) <= 1


def test_a_session_renews_a_token_that_is_refused(nova_site: NovaSite) -> None:
    nova = nova_site.account.nova()
    nova.flavors.list()
    nova.client.session.auth.auth_ref._auth_token = "gone"
    assert nova.flavors.list()

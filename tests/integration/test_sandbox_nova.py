"""The sandbox cloud's own side: its faults, its counters, its way through a restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from keystoneauth1 import exceptions as keystone_errors
from novaclient import exceptions as nova_errors

from tests.integration.nova_client import Client, wait_for
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_process import CloudProcess
from tests.sandbox.nova_settings import Times


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[SandboxCloud]:
    times = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)
    with SandboxCloud(tmp_path / "cloud", quota=50, times=times, ssh=False) as cloud:
        yield cloud


@pytest.fixture
def client(cloud: SandboxCloud, tmp_path: Path) -> Client:
    return Client(cloud, tmp_path / "client")


# -- faults of requests ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, nova_errors.Forbidden),
        (409, nova_errors.Conflict),
        (413, nova_errors.OverLimit),
        (429, nova_errors.RateLimit),
        (500, nova_errors.ClientException),
        (503, nova_errors.ClientException),
    ],
)
def test_a_create_may_be_refused(
    cloud: SandboxCloud, client: Client, status: int, error: type[Exception]
) -> None:
    cloud.faults.add("servers.create", times=1, status=status, message="No.", retry_after=7)
    with pytest.raises(error, match=r"No\.") as told:
        client.create()
    assert told.value.code == status
    assert cloud.servers() == []
    assert client.create()


def test_too_many_requests_tell_when_to_come_back(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.limit("servers.create", count=1, seconds=60, status=413)
    client.create()
    with pytest.raises(nova_errors.OverLimit) as told:
        client.create()
    assert 50 <= told.value.retry_after <= 60
    cloud.faults.clear()
    client.create()


def test_a_rate_limit_lets_pass_what_it_says(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.limit("limits", count=2, seconds=0.3)
    for _ in range(2):
        client.nova.limits.get()
    with pytest.raises(nova_errors.RateLimit):
        client.nova.limits.get()

    def passes() -> bool:
        try:
            return client.nova.limits.get() is not None
        except nova_errors.RateLimit:
            return False

    wait_for(passes)


def test_an_answer_may_never_come(cloud: SandboxCloud, tmp_path: Path) -> None:
    client = Client(cloud, tmp_path / "client", timeout=0.3)
    cloud.faults.add("servers.list", silent=True)
    with pytest.raises(keystone_errors.ConnectTimeout):
        client.nova.servers.list()
    cloud.faults.clear()
    assert client.nova.servers.list() == []


def test_a_connection_may_be_cut(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.add("servers.create", times=1, reset=True)
    with pytest.raises(keystone_errors.ConnectFailure):
        client.create()
    assert cloud.servers() == []


def test_a_deed_may_be_done_and_its_answer_lost(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.add("servers.create", times=1, reset=True, after=True)
    with pytest.raises(keystone_errors.ConnectFailure):
        client.create("orphan", meta={"nodepool": "x"})
    assert [(row.name, row.metadata) for row in cloud.servers()] == [("orphan", {"nodepool": "x"})]


def test_answers_may_be_slow_or_no_json(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.delays["servers.*"] = 0.2
    began = time.monotonic()
    client.nova.servers.list()
    assert time.monotonic() - began >= 0.2
    cloud.faults.delays.clear()
    cloud.faults.add("flavors.list", times=1, garbage=True)
    # What novaclient makes of it.
    with pytest.raises(TypeError):
        client.nova.flavors.list()


def test_logins_may_fail_and_tokens_end(cloud: SandboxCloud, client: Client) -> None:
    cloud.expire_tokens()
    assert client.nova.servers.list() == []
    assert cloud.requests.statuses["servers.list", 401] == 1
    cloud.faults.add("token", status=500, times=1)
    with pytest.raises(keystone_errors.InternalServerError):
        cloud.account().nova().servers.list()


# -- faults of servers -------------------------------------------------------------------------


def test_a_server_may_go_to_error(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot("bad-.*", times=1, error="No valid host was found.")
    server = client.create("bad-1")
    wait_for(lambda: client.status(server) == "ERROR")
    found = client.nova.servers.get(server.id)
    assert found.fault["message"] == "No valid host was found."
    assert found.fault["code"] == 500
    client.boot("bad-2")


def test_a_server_may_never_boot(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot("slow", stuck=True)
    server = client.create("slow")
    client.boot("quick")
    assert client.status(server) == "BUILD"
    server.delete()
    wait_for(lambda: [row.name for row in cloud.servers()] == ["quick"])


def test_a_server_may_have_no_address(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot(no_address=True)
    assert client.boot().addresses == {}


def test_a_server_may_vanish(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot("lost", vanishes_after=0.05)
    server = client.create("lost")
    wait_for(lambda: not client.nova.servers.list())
    with pytest.raises(nova_errors.NotFound):
        client.nova.servers.get(server.id)
    other = client.boot("other")
    cloud.vanish("other")
    with pytest.raises(nova_errors.NotFound):
        other.delete()


def test_a_delete_may_do_nothing_for_a_while(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot("sticky", times=1, delete_ignored_seconds=0.3)
    server = client.boot("sticky")
    server.delete()
    assert client.status(server) == "ACTIVE"

    def gone() -> bool:
        try:
            server.delete()
        except nova_errors.NotFound:
            return True
        return False

    began = time.monotonic()
    wait_for(gone)
    assert time.monotonic() - began >= 0.2


def test_a_delete_may_be_refused_for_a_while(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot("sticky", delete_ignored_seconds=3600, delete_status=409)
    server = client.boot("sticky")
    with pytest.raises(nova_errors.Conflict):
        server.delete()
    assert client.status(server) == "ACTIVE"


def test_chance_is_drawn_from_a_seed(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot(error="unlucky", chance=0.5)
    for number in range(12):
        client.create(f"n{number}")
    wait_for(lambda: all(row.status != "BUILD" for row in cloud.servers()))
    outcomes = [row.status for row in cloud.servers()]
    assert outcomes.count("ERROR") == 7


def test_a_burst_over_the_quota_may_end_in_error(cloud: SandboxCloud, client: Client) -> None:
    cloud.set_quota("demo", instances=1)
    client.boot()
    with pytest.raises(nova_errors.Forbidden, match="Quota exceeded for instances"):
        client.create()
    cloud.faults.late_quota = True
    server = client.create()
    assert client.status(server) == "ERROR"


def test_snapshots_may_fail_or_hang(cloud: SandboxCloud, client: Client) -> None:
    server = client.boot()
    for outcome, status in (("error", "error"), ("stuck", "saving")):
        cloud.faults.snapshot = outcome
        image = server.create_image(f"snap-{outcome}")

        def told(image: str = image, status: str = status) -> bool:
            return client.nova.glance.find_image(image).status == status

        wait_for(told)
        wait_for(lambda: client.nova.servers.get(server.id).status == "ACTIVE")
        if outcome == "error":
            wait_for(lambda: cloud.server("node").task_state is None)


def test_only_so_many_boot_at_once(cloud: SandboxCloud, client: Client) -> None:
    cloud.times.boot, cloud.times.builders = 0.1, 2
    began = time.monotonic()
    for number in range(6):
        client.create(f"n{number}")
    wait_for(lambda: all(row.status == "ACTIVE" for row in cloud.servers()))
    assert time.monotonic() - began >= 0.3


def test_what_others_have_is_not_seen(cloud: SandboxCloud, client: Client) -> None:
    cloud.add_user("other", "pw", "elsewhere")
    theirs = cloud.add_foreign_server("theirs", project="elsewhere")
    cloud.add_foreign_server("ours, by hand", {"owner": "somebody"})
    assert [row.name for row in client.nova.servers.list()] == ["ours, by hand"]
    with pytest.raises(nova_errors.NotFound):
        client.nova.servers.delete(theirs)
    other = cloud.account("other").nova("2.67").servers.list()
    assert [row.name for row in other] == ["theirs"]
    wait_for(lambda: client.nova.servers.list()[0].status == "ACTIVE")


# -- counters, restarts ------------------------------------------------------------------------


def test_requests_are_counted_by_kind(cloud: SandboxCloud, client: Client) -> None:
    cloud.requests.clear()
    server = client.boot()
    client.nova.servers.list()
    server.create_image("snap")
    wait_for(lambda: cloud.server("node").task_state is None)
    server.delete()
    counts = cloud.requests.counts
    kinds = ("servers.create", "servers.list", "servers.createImage", "servers.delete")
    assert [counts[kind] for kind in kinds] == [1, 1, 1, 1]
    assert cloud.requests.of("servers.create")[0].status == 202
    assert cloud.requests.refused() == 0


def test_it_comes_back_with_what_it_had(cloud: SandboxCloud, client: Client) -> None:
    cloud.faults.boot("slow", boot_seconds=0.5)
    kept, slow = client.boot("kept"), client.create("slow")
    cloud.stop()
    cloud.stop()
    with pytest.raises(keystone_errors.ConnectFailure):
        client.nova.servers.list()
    cloud.start()
    assert {row.id for row in client.nova.servers.list()} == {kept.id, slow.id}
    wait_for(lambda: client.status(slow) == "ACTIVE")
    kept.delete()
    wait_for(lambda: [row.name for row in cloud.servers()] == ["slow"])


def test_two_thousand_servers_are_held(cloud: SandboxCloud, client: Client) -> None:
    cloud.set_quota("demo", instances=-1)
    cloud.times.boot = (0.0, 0.5)
    threads = threading.active_count()
    path = "/servers"
    row = {
        "name": "many",
        "imageRef": client.image.id,
        "flavorRef": client.flavor.id,
        "networks": "auto",
        "min_count": 2000,
        "max_count": 2000,
    }
    client.nova.client.post(path, body={"server": row})
    wait_for(lambda: all(row.status == "ACTIVE" for row in cloud.servers()))
    cloud.requests.clear()
    found = client.nova.servers.list(limit=-1)
    assert len({server.id for server in found}) == 2000
    assert len({server.addresses["private"][0]["addr"] for server in found}) == 2000
    assert cloud.requests.counts["servers.list"] == 3
    assert threading.active_count() <= threads + 1


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    options = ("--no-ssh", "--quota", "3", "--boot-seconds", "0:0.05", "--region", "Here")
    with CloudProcess(tmp_path / "cloud", *options) as cloud:
        assert cloud.account().region == "Here"
        nova = cloud.account().nova("2.67")
        cloud.call("faults.boot", "bad", error="No valid host")
        cloud.call("add_image", "ready", {"etc/motd": "hello"})
        image, flavor = nova.glance.find_image("ready"), nova.flavors.list()[0]
        for name in ("good", "bad"):
            nova.servers.create(name, image, flavor, nics="auto")
        wait_for(lambda: all(row["status"] != "BUILD" for row in cloud.call("servers")))
        outcomes = {row["name"]: row["status"] for row in cloud.call("servers")}
        assert outcomes == {"good": "ACTIVE", "bad": "ERROR"}
        assert cloud.call("requests")["counts"]["servers.create"] == 2
        cloud.call("set_quota", "demo", instances=2)
        with pytest.raises(nova_errors.Forbidden):
            nova.servers.create("more", image, flavor, nics="auto")
        assert cloud.call("requests")["refused"] == 1
        assert cloud.call("totals") == {"created": 2, "most": 2}
        with pytest.raises(LookupError):
            cloud.call("vanish", "nobody")
        cloud.kill()
        with pytest.raises(requests.ConnectionError):
            cloud.call("servers")


def test_a_program_that_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 2"):
        CloudProcess(tmp_path, "--nonsense").start()

"""What a sandbox Jenkins can do wrong, each thing once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.sandbox.jenkins import SandboxJenkins

pytestmark = pytest.mark.integration

SECONDS = 20.0
SUBMIT = "job/j/buildWithParameters"


@pytest.fixture
def master(tmp_path: Path) -> Iterator[SandboxJenkins]:
    with SandboxJenkins(tmp_path / "home", crumbs=False) as master:
        master.add_job("j", "true")
        yield master


def submit(master: SandboxJenkins, uuid: str = "u", timeout: float = SECONDS) -> requests.Response:
    form = {"ZUUL_UUID": uuid, "delay": "0sec"}
    return requests.post(master.url + SUBMIT, data=form, allow_redirects=False, timeout=timeout)


def read(master: SandboxJenkins, path: str = "api/json") -> requests.Response:
    return requests.get(master.url + path, timeout=SECONDS)


def uuids(master: SandboxJenkins, count: int = 1) -> list[str]:
    """Of all builds, once there are so many."""
    return [build.uuid for build in master.wait_for(lambda builds: len(builds) >= count)]


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500])
def test_an_error_instead_of_a_build(master: SandboxJenkins, status: int) -> None:
    master.faults.add("buildWithParameters", status=status, times=1)
    assert submit(master, "refused").status_code == status
    assert submit(master, "taken").status_code == 201
    assert uuids(master) == ["taken"]


def test_an_error_after_the_build_was_queued(master: SandboxJenkins) -> None:
    master.faults.add("buildWithParameters", status=500, after=True, times=1)
    assert submit(master).status_code == 500
    assert uuids(master) == ["u"]


@pytest.mark.parametrize("after", [False, True])
def test_a_reset_before_and_after(master: SandboxJenkins, after: bool) -> None:
    master.faults.add("buildWithParameters", reset=True, after=after, times=1)
    with pytest.raises(requests.ConnectionError):
        submit(master, "cut")
    assert submit(master, "whole").status_code == 201
    assert uuids(master, 1 + after) == (["cut", "whole"] if after else ["whole"])


def test_a_time_out_after_queueing(master: SandboxJenkins) -> None:
    master.faults.add("buildWithParameters", delay_after=30, times=1)
    with pytest.raises(requests.Timeout):
        submit(master, timeout=0.3)
    assert uuids(master) == ["u"]


def test_slow_answers(master: SandboxJenkins) -> None:
    def seconds(path: str = "api/json") -> float:
        started = time.monotonic()
        read(master, path)
        return time.monotonic() - started

    # The best of several: the machine may be slow for a moment, too.
    slow = master.faults.add("computer/api/json", delay=0.4)
    assert min(seconds() for _ in range(5)) < 0.4
    assert seconds("computer/api/json") >= 0.4
    master.faults.remove(slow)
    assert min(seconds("computer/api/json") for _ in range(5)) < 0.4


def test_pages_instead_of_json_and_half_of_it(master: SandboxJenkins) -> None:
    whole = read(master).content
    master.faults.add("^/api/json", html=True, times=1)
    answer = read(master)
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (200, "text/html")
    master.faults.add("^/api/json", truncate=40, times=1)
    assert read(master).content == whole[:40]
    assert read(master).content == whole


def test_lying_locations(master: SandboxJenkins) -> None:
    for location in ("http://elsewhere/queue/item/77/", "/queue/item/1/", ""):
        master.faults.add("buildWithParameters", location=location, times=1)
        assert submit(master, location).headers.get("Location", "") == location
    assert sorted(uuids(master, 3)) == ["", "/queue/item/1/", "http://elsewhere/queue/item/77/"]


def test_a_result_that_comes_late(master: SandboxJenkins) -> None:
    master.faults.result_lag_seconds = 0.4
    submit(master)
    [build] = master.wait_for(lambda builds: builds and not builds[0].building)
    assert build.result is None
    master.wait_for(lambda builds: builds[0].result == "SUCCESS")


def test_a_node_that_is_known_late(master: SandboxJenkins) -> None:
    master.faults.node_lag_seconds = 0.3
    submit(master)
    master.wait_for(lambda builds: builds)
    found = set()
    deadline = time.monotonic() + SECONDS
    while "" not in found and time.monotonic() < deadline:
        found.add(read(master, "job/j/1/api/json?tree=builtOn").json()["builtOn"])
    assert found == {None, ""}


def test_requests_are_counted(master: SandboxJenkins) -> None:
    master.requests.clear()
    for _ in range(3):
        read(master)
    submit(master)
    assert master.requests.counts == {"GET /api/json": 3, f"POST /{SUBMIT}": 1}
    assert [row.status for row in master.requests.matching("build")] == [201]
    assert master.requests.rate(60) == 4 / 60


def test_health_comes_back(master: SandboxJenkins) -> None:
    master.faults.add("", status=500)
    master.faults.set(queue_stuck=True, rules=[{"path": "x", "status": 404}])
    assert master.faults.rules[0].status == 404
    with pytest.raises(KeyError):
        master.faults.set(nonsense=1)
    master.faults.clear()
    assert (master.faults.rules, master.faults.queue_stuck) == ([], False)
    assert read(master).status_code == 200


def test_it_may_believe_to_live_elsewhere(tmp_path: Path) -> None:
    with SandboxJenkins(tmp_path / "proxied", root_url="https://ci.example.org/jenkins/") as master:
        master.add_job("j")
        [job] = read(master).json()["jobs"]
        assert job["url"] == "https://ci.example.org/jenkins/job/j/"

"""kill -9 of the bridge while builds flow: each runs once and every submitter hears its result.

BRIDGE_KILL_SEED=N repeats the moments of another run, as far as processes let themselves repeat.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.sandbox.jenkins_people import ZUUL_PARAMETERS
from tests.sandbox.jenkins_process import JenkinsProcess
from tests.support.processes import Process, wait_for
from zuul.daemon.gearman_child import GearmanChild
from zuul.lib.gearman import ClientJob, GearmanClient, Outcome
from zuul.lib.modes import make_folder

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(90)]

MASTERS = ("alpha", "beta")
KILLS = 6
#: jobs by how a build of them ends, and how many are submitted; `once` takes its node out of use
BUILDS: Mapping[str, int] = {"many": 26, "fails": 8, "alone": 6, "once": 4}
RESULTS: Mapping[str, str] = {
    "many": "SUCCESS",
    "fails": "FAILURE",
    "alone": "SUCCESS",
    "once": "SUCCESS",
}
SETUP = {
    "nodes": {
        "big": {"labels": "any", "executors": 4},
        **{f"single{number}": {"labels": "single"} for number in range(4)},
    },
    "jobs": {
        "many": {"script": "sleep 1", "labels": "any"},
        "fails": {"script": "sleep 0.5\nexit 1", "labels": "any"},
        "alone": {"script": "sleep 0.4", "labels": "any", "concurrent": False},
        "once": {"script": "sleep 1.5", "labels": "single"},
    },
}
BUILD_TREE = "jobs[name,builds[number,building,result,builtOn,actions[parameters[name,value]]]]"
NODE_TREE = "computer[displayName,temporarilyOffline]"


class Bridge:
    """The bridge as a process, killed and started again on the same journal."""

    def __init__(self, folder: Path, gearman_port: int, urls: Mapping[str, str]) -> None:
        self.journal = folder / "journal.sqlite"
        self._folder = folder
        self._conf = folder / "shim.conf"
        self._conf.write_text(
            f"[gearman]\nserver = 127.0.0.1\nport = {gearman_port}\n"
            "[publisher]\nbind = tcp://127.0.0.1:*\n"
            f"[shim]\nstate_dir = {folder}\npidfile = {folder / 'shim.pid'}\n"
            + "".join(f"[master {name}]\nurl = {url}\n" for name, url in urls.items())
        )
        self._process: Process | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gearman_plugin_shim.cmd", "-c", str(self._conf), "-d"]
        self._process = Process.start("bridge", command, self._folder)

    def kill(self) -> None:
        """SIGKILL; it must have been alive until now."""
        assert self._process is not None
        assert self._process.popen.poll() is None, f"it ended by itself\n{self._process.log()}"
        self._process.kill()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()

    def log(self) -> str:
        assert self._process is not None
        return self._process.log(20_000)

    def rows(self) -> dict[str, dict[str, Any]]:
        """What the journal has, by UUID."""
        if not self.journal.exists():
            return {}
        with contextlib.closing(sqlite3.connect(self.journal, timeout=10)) as connection:
            found = connection.execute("SELECT uuid, finished_at, state FROM shim_build").fetchall()
        return {uuid: {"finished_at": at, **json.loads(state)} for uuid, at, state in found}


class Submitter:
    """Submits each build until it is told a result, as a scheduler does."""

    def __init__(self, port: int) -> None:
        self.client = GearmanClient("submitter", "127.0.0.1", port)
        self.results: dict[str, list[str]] = {}
        self.jobs: dict[str, str] = {}
        self._again: queue.SimpleQueue[str] = queue.SimpleQueue()

    def submit(self, uuid: str, job: str) -> None:
        self.jobs[uuid] = job
        offline = "1" if job == "once" else "0"
        parameters = {"ZUUL_UUID": uuid, "OFFLINE_NODE_WHEN_COMPLETE": offline}
        self.client.submit(f"build:{job}", json.dumps(parameters).encode(), self, key=uuid)

    def submit_again(self) -> None:
        """What ended without a result since the last call."""
        while not self._again.empty():
            uuid = self._again.get()
            self.submit(uuid, self.jobs[uuid])

    def is_done(self) -> bool:
        self.submit_again()
        return self.jobs.keys() == self.results.keys()

    # JobListener, on the client's thread.

    def job_created(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_data(self, job: ClientJob, data: bytes) -> None:
        """Not of interest."""

    def job_status(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """Not of interest."""

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        result = json.loads(data).get("result") if outcome is Outcome.COMPLETE else None
        if result is None:
            self._again.put(job.key)
        else:
            self.results.setdefault(job.key, []).append(result)


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[dict[str, JenkinsProcess]]:
    setup: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(yaml.safe_dump(SETUP))
    for row in setup["jobs"].values():
        row["parameters"] = list(ZUUL_PARAMETERS)
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(
                JenkinsProcess(tmp_path / name, setup=yaml.safe_dump(setup), modern=name == "alpha")
            )
            for name in MASTERS
        }


@pytest.fixture(params=["embedded", pytest.param("gearmand", marks=pytest.mark.real)])
def gearman_port(request: pytest.FixtureRequest) -> Iterator[int]:
    if request.param == "gearmand":
        yield request.getfixturevalue("gearmand")
        return
    server = GearmanChild("127.0.0.1", 0, None)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def test_kill_at_random_moments(
    tmp_path: Path, gearman_port: int, masters: dict[str, JenkinsProcess]
) -> None:
    seed = int(os.environ.get("BRIDGE_KILL_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"BRIDGE_KILL_SEED={seed}")  # shown if the test fails
    folder = tmp_path / "bridge"
    make_folder(folder)
    bridge = Bridge(folder, gearman_port, {name: each.url for name, each in masters.items()})
    submitter = Submitter(gearman_port)
    try:
        assert submitter.client.wait_connected(10)
        bridge.start()
        interrupted = kill_while_building(random.Random(seed), bridge, submitter)
        wait_for(submitter.is_done, "results of all builds", 60, lambda: missing(submitter, bridge))
        wait_for(lambda: is_settled(bridge), "an end in every row", 10, lambda: str(bridge.rows()))
        expect_each_built_once(submitter, masters)
        expect_nodes_offline(masters, bridge)
    except BaseException:
        print(bridge.log())
        raise
    finally:
        submitter.client.close()
        bridge.close()
    rows = bridge.rows()
    assert rows.keys() == submitter.jobs.keys()
    assert {row["outcome"] for row in rows.values()} == {"result"}
    assert {uuid: row["result"] for uuid, row in rows.items()} == {
        uuid: RESULTS[job] for uuid, job in submitter.jobs.items()
    }
    assert interrupted, "no kill came while a build ran"


def kill_while_building(dice: random.Random, bridge: Bridge, submitter: Submitter) -> int:
    """Submit all, a few at a time, with the kills in between; how many builds those interrupted."""
    interrupted = 0
    jobs = [job for job, count in BUILDS.items() for _ in range(count)]
    dice.shuffle(jobs)
    names = {f"uuid{number:03d}-{dice.getrandbits(32):08x}": job for number, job in enumerate(jobs)}
    waiting = list(names.items())
    share = -(-len(waiting) // KILLS)
    for _ in range(KILLS):
        # From before its first look at a master to well within the builds.
        until = time.monotonic() + dice.uniform(0.5, 4.0)
        moments = sorted(dice.uniform(0.0, 3.0) for _ in range(share))
        began = time.monotonic()
        while (now := time.monotonic()) < until:
            while moments and now >= began + moments[0] and waiting:
                moments.pop(0)
                submitter.submit(*waiting.pop())
            submitter.submit_again()
            time.sleep(0.005)
        bridge.kill()
        interrupted += sum(row["finished_at"] is None for row in bridge.rows().values())
        time.sleep(dice.uniform(0.0, 1.0))
        bridge.start()
    for uuid, job in waiting:
        submitter.submit(uuid, job)
    return interrupted


def is_settled(bridge: Bridge) -> bool:
    return all(row["finished_at"] is not None for row in bridge.rows().values())


def missing(submitter: Submitter, bridge: Bridge) -> str:
    open_ones = submitter.jobs.keys() - submitter.results.keys()
    return f"{open_ones}\n{ {uuid: bridge.rows().get(uuid) for uuid in open_ones} }\n{bridge.log()}"


def expect_each_built_once(submitter: Submitter, masters: Mapping[str, JenkinsProcess]) -> None:
    built: dict[str, list[str | None]] = {}
    for build in builds_on(masters):
        assert not build["building"], build
        built.setdefault(str(build["uuid"]), []).append(build["result"])
    wanted = {uuid: [RESULTS[job]] for uuid, job in submitter.jobs.items()}
    assert built == wanted
    assert submitter.results == wanted


def expect_nodes_offline(masters: Mapping[str, JenkinsProcess], bridge: Bridge) -> None:
    """The node of every build that asked for it is offline, and no other."""
    used = {(str(b["master"]), str(b["builtOn"])) for b in builds_on(masters) if b["job"] == "once"}
    assert len(used) == BUILDS["once"], f"a node was used again: {used}"

    def offline() -> set[tuple[str, str]]:
        return {
            (name, computer["displayName"])
            for name, master in masters.items()
            for computer in ask(master, "computer/api/json", NODE_TREE)["computer"]
            if computer["temporarilyOffline"]
        }

    wait_for(lambda: offline() == used, "offline nodes", 15, lambda: f"{offline()}\n{bridge.log()}")


def builds_on(masters: Mapping[str, JenkinsProcess]) -> list[dict[str, Any]]:
    """Every build of every master."""
    found = []
    for name, master in masters.items():
        for job in ask(master, "api/json", BUILD_TREE)["jobs"]:
            for build in job["builds"]:
                values = {
                    each["name"]: each["value"]
                    for action in build["actions"]
                    for each in (action or {}).get("parameters", ())
                }
                uuid = values.get("ZUUL_UUID")
                found.append({**build, "master": name, "job": job["name"], "uuid": uuid})
    return found


def ask(master: JenkinsProcess, path: str, tree: str) -> dict[str, Any]:
    answer = requests.get(master.url + path, {"tree": tree}, timeout=10)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found

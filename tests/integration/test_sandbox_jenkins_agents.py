"""The sandbox Jenkins builds on servers of the sandbox cloud, over SSH."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
import requests

from tests.integration.nova_client import Client, wait_for
from tests.sandbox.jenkins import SandboxJenkins
from tests.sandbox.jenkins_agents import Agents
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_settings import Times

pytestmark = pytest.mark.integration


@dataclass
class Place:
    jenkins: SandboxJenkins
    client: Client

    def register(self, name: str, address: str, home: str = "/root") -> None:
        """As nodepool does."""
        node = {
            "name": name,
            "numExecutors": 1,
            "remoteFS": home,
            "labelString": "bare",
            "mode": "EXCLUSIVE",
            "launcher": {
                "stapler-class": "hudson.plugins.sshslaves.SSHLauncher",
                "host": address,
                "port": 22,
                "username": "root",
                "privatekey": str(self.client.key_file),
            },
        }
        form = {"name": name, "type": "hudson.slaves.DumbSlave", "json": json.dumps(node)}
        url = f"{self.jenkins.url}computer/doCreateItem"
        answer = requests.post(url, form, timeout=10, allow_redirects=False)
        assert answer.status_code == 302, answer.text

    def computer(self, name: str) -> dict[str, Any]:
        url = f"{self.jenkins.url}computer/{name}/api/json"
        found: dict[str, Any] = requests.get(url, timeout=10).json()
        return found

    def serve(self, name: str) -> str:
        """A server that is a node of the master; its id."""
        server = self.client.boot(name)
        (addresses,) = server.addresses.values()
        self.register(name, addresses[0]["addr"])
        wait_for(lambda: not self.computer(name)["offline"])
        return str(server.id)

    def result(self) -> str:
        def look() -> str | None:
            builds = self.jenkins.builds("job")
            return builds[0].result if builds else None

        return wait_for(look)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    times = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)
    with (
        SandboxCloud(tmp_path / "cloud", quota=5, times=times) as cloud,
        SandboxJenkins(tmp_path / "jenkins", quiet_seconds=0, crumbs=False, agents=True) as jenkins,
    ):
        yield Place(jenkins, Client(cloud, tmp_path / "client"))


def test_a_build_runs_on_the_server(place: Place) -> None:
    place.serve("bare-1")
    script = 'hostname; pwd; echo "name is $WHO"; touch /opt/was-here'
    place.jenkins.add_job("job", script, labels="bare", parameters=["WHO"])
    place.jenkins.start_build("job", WHO="Ada L.")
    assert place.result() == "SUCCESS"
    log = place.jenkins.console("job", 1)
    assert "\nbare-1\n/root/workspace/job\n" in log.replace("+ pwd\n", "")
    assert "\nname is Ada L.\n" in log
    assert (place.client.cloud.root_of("bare-1") / "opt/was-here").exists()


def test_a_step_that_fails(place: Place) -> None:
    place.serve("bare-1")
    place.jenkins.add_job("job", "exit 3", labels="bare", parameters=[])
    place.jenkins.start_build("job")
    assert place.result() == "FAILURE"


def test_a_server_that_goes_takes_its_build_with_it(place: Place) -> None:
    server = place.serve("bare-1")
    place.jenkins.add_job("job", "echo here; sleep 60", labels="bare", parameters=[])
    place.jenkins.start_build("job")
    wait_for(lambda: "\nhere\n" in place.jenkins.console("job", 1))
    place.client.nova.servers.delete(server)
    assert place.result() == "FAILURE"
    assert place.computer("bare-1")["offline"]
    place.jenkins.remove_node("bare-1")


def test_a_master_comes_back_to_its_nodes(place: Place) -> None:
    place.serve("bare-1")
    place.jenkins.stop()
    place.jenkins.start()
    wait_for(lambda: not place.computer("bare-1")["offline"])


def test_a_node_that_nobody_can_enter_stays_offline(place: Place) -> None:
    place.register("nobody", "127.10.250.250")
    assert place.computer("nobody")["offline"]


def test_a_node_that_goes_as_its_login_fails_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def drop_it_then() -> int:
        loop = asyncio.get_running_loop()
        refused = loop.create_future()
        tries = 0

        async def connect(*_: object, **__: object) -> None:
            nonlocal tries
            tries += 1
            await refused

        monkeypatch.setattr(asyncssh, "connect", connect)
        agents = Agents(SimpleNamespace())  # type: ignore[arg-type]
        login = SimpleNamespace(host="h", port=22, username="root", key_file="k", home="/root")
        node = SimpleNamespace(name="n", login=login, connected=False)
        agents.keep(node)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        refused.set_exception(ConnectionRefusedError())
        await asyncio.sleep(0)
        await asyncio.wait_for(agents.close(), 5)
        return tries

    assert asyncio.run(drop_it_then()) == 1

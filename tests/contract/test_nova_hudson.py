"""A real Hudson of 2011 logs into a server of the sandbox cloud over SSH and builds on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from nodepool.config.values import JenkinsConfig
from nodepool.core.commands import RegisterNode
from nodepool.core.events import Computer
from nodepool.drivers.target_jenkins import TargetJenkins
from tests.contract.nova_site import wait_for
from tests.integration.nodepool_targets import node_of
from tests.sandbox.nova import SandboxCloud
from tests.support.real_hudson import RealHudson, RealHudsonUnavailable
from tests.support.services import unavailable
from zuul.lib.secret import Secret

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

HOME = "/home/jenkins"


@pytest.fixture(scope="module")
def hudson() -> Iterator[RealHudson]:
    master = RealHudson(executors=0, quiet_seconds=0)
    try:
        try:
            master.start()
        except RealHudsonUnavailable as lack:
            unavailable(str(lack))
        yield master
    finally:
        master.close()


@pytest.fixture
def target(hudson: RealHudson) -> Iterator[TargetJenkins]:
    jenkins = TargetJenkins("main", JenkinsConfig(hudson.url, "nodepool", Secret("a-token")))
    yield jenkins
    jenkins.close()


def test_it_builds_on_a_server(hudson: RealHudson, target: TargetJenkins, tmp_path: Path) -> None:
    """As nodepool does it: the node gets its label while it is connected, and keeps its agent."""
    key = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    key_file = tmp_path / "id_rsa"
    key_file.write_bytes(key.export_private_key("pkcs1-pem"))
    key_file.chmod(0o600)
    files = {"home/jenkins/.ssh/authorized_keys": key.export_public_key().decode()}
    hudson.add_job("on-a-node", "hostname; pwd; touch /opt/was-here", labels="bare", parameters=())
    with SandboxCloud(tmp_path / "cloud") as cloud:
        cloud.add_image("ready", files)
        nova = cloud.account().nova("2.67")
        image, flavor = nova.glance.find_image("ready"), nova.flavors.list()[0]
        server = nova.servers.create("bare-1", image, flavor, nics="auto")
        wait_for(lambda: nova.servers.get(server.id).status == "ACTIVE")
        address = cloud.server("bare-1").address
        assert address is not None
        node = node_of(ip=address, nodename="bare-1")
        call = RegisterNode(node, None, "jenkins", str(key_file), HOME)
        until = time.monotonic() + 60.0
        target.create_node(call, until)
        computer = "computer/bare-1/api/json"
        wait_for(lambda: not hudson.get(computer)["offline"])
        target.relabel_node("bare-1", "bare", call, until)
        assert target.survey()["bare-1"] == Computer(idle=True, offline=False)
        hudson.post("job/on-a-node/build?delay=0sec")
        wait_for(lambda: [b for b in hudson.builds("on-a-node") if b["result"] == "SUCCESS"])
        (build,) = hudson.builds("on-a-node")
        assert build["builtOn"] == "bare-1"
        assert (cloud.root_of("bare-1") / "opt/was-here").exists()
        assert (cloud.root_of("bare-1") / "home/jenkins/workspace/on-a-node").is_dir()
        server.delete()
        wait_for(lambda: target.survey()["bare-1"].offline)
        target.delete_node("bare-1", time.monotonic() + 60.0)
        assert "bare-1" not in target.survey()
        wait_for(lambda: not cloud.servers())

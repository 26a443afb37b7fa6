"""A real Hudson of 2011 logs into a server of the sandbox cloud over SSH and builds on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.contract.nova_site import wait_for
from tests.sandbox.nova import SandboxCloud
from tests.support.real_hudson import RealHudson, RealHudsonUnavailable
from tests.support.services import unavailable

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


def register(hudson: RealHudson, name: str, address: str, key_file: Path) -> None:
    """As nodepool registers a node: one executor, one label, for tied jobs only, over SSH."""
    node = {
        "name": name,
        "nodeDescription": "Dynamic single use bare label node",
        "numExecutors": 1,
        "remoteFS": HOME,
        "labelString": "bare",
        "mode": "EXCLUSIVE",
        "type": "hudson.slaves.DumbSlave$DescriptorImpl",
        "retentionStrategy": {"stapler-class": "hudson.slaves.RetentionStrategy$Always"},
        "nodeProperties": {"stapler-class-bag": "true"},
        "launcher": {
            "stapler-class": "hudson.plugins.sshslaves.SSHLauncher",
            "host": address,
            "port": "22",
            "username": "jenkins",
            "password": "",
            "privatekey": str(key_file),
            "jvmOptions": "",
        },
    }
    form = {"name": name, "type": str(node["type"]), "json": json.dumps(node)}
    hudson.post("computer/doCreateItem", form)


def test_it_builds_on_a_server(hudson: RealHudson, tmp_path: Path) -> None:
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
        register(hudson, "bare-1", address, key_file)
        computer = "computer/bare-1/api/json"
        wait_for(lambda: not hudson.get(computer)["offline"])
        hudson.post("job/on-a-node/build?delay=0sec")
        wait_for(lambda: [b for b in hudson.builds("on-a-node") if b["result"] == "SUCCESS"])
        (build,) = hudson.builds("on-a-node")
        assert build["builtOn"] == "bare-1"
        assert (cloud.root_of("bare-1") / "opt/was-here").exists()
        assert (cloud.root_of("bare-1") / "home/jenkins/workspace/on-a-node").is_dir()
        server.delete()
        wait_for(lambda: hudson.get(computer)["offline"])
        wait_for(lambda: not cloud.servers())

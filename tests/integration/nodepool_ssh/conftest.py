"""A sandbox cloud and the SSH edge on its machines, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

from nodepool.config.values import CloudConfig, NodepoolConfig, ProviderConfig
from nodepool.drivers.provider_keys import KeyRing
from nodepool.drivers.ssh_edge import SshEdge
from nodepool.drivers.ssh_hosts import HostKeys
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nova_client import Client
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_settings import Times
from zuul.lib.secret import Secret

SETUP = """#!/bin/sh
echo "secret is $NODEPOOL_SECRET"
echo "set up $1 by $(cat /opt/nodepool-scripts/name)" > /opt/marker
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[SandboxCloud]:
    times = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)
    with SandboxCloud(tmp_path / "cloud", quota=50, times=times) as cloud:
        yield cloud


@pytest.fixture
def client(cloud: SandboxCloud, tmp_path: Path) -> Client:
    return Client(cloud, tmp_path / "client")


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing()


@pytest.fixture
def hosts() -> HostKeys:
    return HostKeys()


@pytest.fixture
def edge(inbox: Inbox, keys: KeyRing, hosts: HostKeys, tmp_path: Path) -> Iterator[SshEdge]:
    scripts = tmp_path / "scripts"
    (scripts / "folder").mkdir(parents=True)
    (scripts / "setup.sh").write_text(SETUP)
    (scripts / "name").write_text("me")
    provider = ProviderConfig("sandbox", CloudConfig(region_name="One"), 1)
    environment = {"NODEPOOL_SECRET": "s3cr3t; echo '$HOME'", "OTHER": "x"}
    edge = SshEdge(inbox, keys, hosts, environment=environment, retry_seconds=0.1)
    edge.configure(
        NodepoolConfig(
            "test",
            Secret("sqlite://"),
            script_dir=str(scripts),
            providers=MappingProxyType({"sandbox": provider}),
        )
    )
    edge.start()
    yield edge
    edge.stop()

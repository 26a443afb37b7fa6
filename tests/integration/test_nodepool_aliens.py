"""nodepool alien-list and alien-image-list on the sandbox cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nodepool.cmd.nodepool import main
from nodepool.core.commands import SaveImage, SaveNode
from nodepool.model import Machine, NodeState, Presence
from tests.integration.nodepool_store_world import Site, new_image, new_node
from tests.integration.nova_client import Client, wait_for
from tests.sandbox.nova import SandboxCloud
from tests.sandbox.nova_settings import Times

pytestmark = pytest.mark.integration

CONFIG = """
labels: [{{name: label, image: precise, providers: [{{name: cloud}}]}}]
providers:
  - name: down
    max-servers: 0
    auth-url: http://127.0.0.1:1/v3
    username: nobody
    password: nothing
    project-name: nowhere
    images: []
  - name: cloud
    max-servers: 2
    auth-url: {cloud.auth_url}
    username: {cloud.username}
    password: {cloud.password}
    project-name: {cloud.project_name}
    region-name: {cloud.region}
    rate: 0.001
    images: [{{name: precise, min-ram: 1, base-image: base}}]
targets: [{{name: jenkins}}]
"""


@dataclass
class Place:
    """A cloud, a database, and nodepool.yaml that names both."""

    client: Client
    site: Site
    file: Path
    capsys: pytest.CaptureFixture[str]

    def rows(self, *arguments: str, status: int = 0) -> Any:
        secure = self.file.with_name("secure.conf")
        words = ["-c", str(self.file), "-s", str(secure), *arguments, "--json"]
        assert main(words) == status
        return json.loads(self.capsys.readouterr().out)

    def snapshot(self, server: Any, name: str) -> str:
        image = str(self.client.nova.servers.create_image(server, name))
        wait_for(lambda: self.client.nova.glance.find_image(name).status.lower() == "active")
        return image


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    times = Times(boot=0.02, ssh=0.0, delete=0.02, snapshot=0.02)
    with SandboxCloud(tmp_path / "cloud", quota=5, times=times, ssh=False) as cloud:
        file = tmp_path / "nodepool.yaml"
        file.write_text(CONFIG.format(cloud=cloud.account()))
        url = f"sqlite:///{tmp_path}/nodepool.sqlite"
        file.with_name("secure.conf").write_text(f"[database]\ndburi={url}\n")
        site = Site(url)
        try:
            yield Place(Client(cloud, tmp_path / "client"), site, file, capsys)
        finally:
            site.database.close()


def test_servers_that_no_row_knows(place: Place) -> None:
    ours, theirs = place.client.boot("ours"), place.client.boot("theirs")
    machine = Machine("ours", Presence.EXISTS, ours.id)
    node = replace(new_node(place.site), machines=(machine,))
    place.site.store.commit([SaveNode(node, None)])
    (row,) = place.rows("alien-list", "cloud")
    assert (row["provider"], row["hostname"], row["server_id"]) == ("cloud", "theirs", theirs.id)
    assert row["ip"]


def test_a_provider_that_cannot_be_asked_is_told_of_and_left_out(place: Place) -> None:
    theirs = place.client.boot("theirs")
    (row,) = place.rows("alien-list", status=1)
    assert row["server_id"] == theirs.id
    assert (
        main(
            [
                "-c",
                str(place.file),
                "-s",
                str(place.file.with_name("secure.conf")),
                "alien-image-list",
                "down",
            ]
        )
        == 1
    )
    told = place.capsys.readouterr().err
    assert told.startswith("down is left out: login before list of images")
    assert "nothing" not in told


def test_snapshots_that_no_row_knows(place: Place) -> None:
    server = place.client.boot("theirs")
    known, unknown = place.snapshot(server, "known"), place.snapshot(server, "unknown")
    image = replace(new_image(place.site), state=NodeState.READY, external_id=known)
    place.site.store.commit([SaveImage(image)])
    rows = place.rows("alien-image-list", "cloud")
    assert [(each["name"], each["image_id"]) for each in rows] == [("unknown", unknown)]

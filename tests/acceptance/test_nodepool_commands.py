"""The nodepool command beside a nodepoold at work: what is asked for is done, and waited for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from nodepool.cmd.nodepool import main
from nodepool.config.values import JenkinsConfig
from nodepool.drivers.target_jenkins import TargetJenkins
from tests.integration.nodepool_targets import node_of, register
from tests.support.nodepool_files import LABEL, TOKEN, USER
from tests.support.nodepool_site import NodepoolSite
from tests.support.processes import wait_for
from zuul.lib.secret import Secret

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

RELOADED = "Configuration read again"


class Desk:
    """A person at the command line of a site."""

    def __init__(self, site: NodepoolSite, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self.said = ""
        self._capsys = capsys

    def rows(self, *words: object, status: int = 0) -> Any:
        files = ["-c", str(self.site.yaml_path), "-s", str(self.site.secure_path)]
        ended = main([*files, *map(str, words), "--json"])
        out, self.said = self._capsys.readouterr()
        assert ended == status, self.said
        return json.loads(out) if out else None


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with NodepoolSite(tmp_path / "site") as site:
        yield Desk(site, capsys)


def test_a_day_of_an_operator(desk: Desk) -> None:
    site = desk.site
    (first,) = site.wait_for_nodes(1)

    (old,) = desk.rows("image-list")
    (new,) = desk.rows("image-update", "all", LABEL)
    assert "is being built" in desk.said
    assert new["id"] > old["id"]
    assert new["state"] == "ready"
    desk.rows("image-delete", old["id"], "--now")
    assert [row["id"] for row in desk.rows("image-list")] == [new["id"]]

    (row,) = desk.rows("hold", first.id, "--reason", "a look")
    assert (row["state"], row["comment"]) == ("hold", "a look")
    (second,) = site.wait_for_nodes(1)
    states = {row["id"]: row["state"] for row in desk.rows("list")}
    assert states == {first.id: "hold", second.id: "ready"}

    assert desk.rows("alien-list") == []
    site.cloud.call("add_foreign_server", "theirs")
    assert [row["hostname"] for row in desk.rows("alien-list", "sandbox")] == ["theirs"]

    assert desk.rows("alien-computer-list") == []
    left_behind = add_computer(site)
    assert [row["nodename"] for row in desk.rows("alien-computer-list")] == [left_behind]
    names = (second.nodename, left_behind)
    rows = desk.rows("alien-computer-delete", "alpha", *names, status=1)
    assert [row["nodename"] for row in rows] == [left_behind]
    assert f"{second.nodename} stays: it is of node {second.id}" in desk.said

    desk.rows("delete", first.id, "--now")
    assert desk.said.endswith(f"Node {first.id} is gone.\n")
    assert {row["name"] for row in site.servers()} == {second.nodename, "theirs"}
    assert set(site.jenkins_nodes("alpha")) == {second.nodename}

    site.nodepoold.stop()
    desk.rows("delete", second.id, "--now", status=1)
    assert "No nodepoold runs; it is done when one does" in desk.said
    site.start_nodepoold()
    site.wait_until_gone([second.nodename])


def add_computer(site: NodepoolSite) -> str:
    """An entry in Jenkins as Nodepool 0.x left them; its name."""
    url = f"http://127.0.0.1:{site.masters['alpha']}/"
    node = node_of(8123456)
    with closing(TargetJenkins("alpha", JenkinsConfig(url, USER, Secret(TOKEN)))) as jenkins:
        jenkins.create_node(register(node), time.monotonic() + 30)
    return node.nodename


def test_a_hold_ends_by_itself_unless_it_is_said_again(desk: Desk) -> None:
    site = desk.site
    (node,) = site.wait_for_nodes(1)
    desk.rows("hold", node.id, "--reason", "a look")
    site.yaml["max-hold-age"] = 20
    site.write_config()
    wait_for(lambda: site.nodepoold.has_said(RELOADED), "reload", 30, site.explain)
    assert [row["state"] for row in desk.rows("list") if row["id"] == node.id] == ["hold"]
    desk.rows("hold", node.id)
    again_at = time.time()
    site.wait_until_gone([node.nodename])
    # The row has whole seconds.
    assert time.time() - again_at >= 19, "the second hold gave it no more time"
    assert site.nodepoold.has_said("Node was held for long enough")


def test_an_image_of_a_provider_that_left_the_file_goes_by_force(desk: Desk) -> None:
    site = desk.site
    site.wait_for_nodes(1)
    providers, wanted = site.yaml["providers"], site.yaml["labels"][0]["providers"]
    providers.append({**deepcopy(providers[0]), "name": "former"})
    wanted.append({"name": "former"})
    site.write_config()

    def built() -> Any:
        rows = desk.rows("image-list")
        return [row for row in rows if (row["provider"], row["state"]) == ("former", "ready")]

    (image,) = wait_for(built, "an image there", 60, site.explain)
    providers.pop()
    wanted.pop()
    before = site.nodepoold.log().count(RELOADED)
    site.write_config()
    wait_for(lambda: site.nodepoold.log().count(RELOADED) > before, "reload", 30, site.explain)

    desk.rows("image-delete", image["id"], "--now", "--timeout", 2, status=1)
    assert "still has in former: its image" in desk.said
    desk.rows("image-delete", image["id"], "--now", "--force")
    assert f"May stay in former, as no row knows of it then: its image ({image['image_id']})" in (
        desk.said
    )
    assert f"Image {image['id']} is gone.\n" in desk.said
    assert image["id"] not in [row["id"] for row in desk.rows("image-list")]
    assert site.nodepoold.has_said("Image forgotten by request")

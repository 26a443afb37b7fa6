"""A node's life, from nothing to nothing: nodepoold as a process, between real neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nodepool_site import NodepoolSite
from tests.support.processes import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NodepoolSite]:
    with NodepoolSite(tmp_path / "site", jobs={"unit": "sleep 2"}) as site:
        yield site


def test_a_node_is_launched_used_replaced_and_deleted(site: NodepoolSite) -> None:
    (node,) = site.wait_for_nodes(1)
    assert set(site.jenkins_nodes("alpha")) == {node.nodename}
    assert node.nodename in site.page("/node-list").text
    assert site.page("/image-list.json").json()[0]["state"] == "ready"

    build = site.submit("unit")
    # Its replacement is asked for while it builds.
    wait_for(lambda: site.nodes("building"), "a replacement", 30, site.explain)
    (busy,) = site.nodes("used")
    assert (busy.id, busy.job, busy.delete_at) == (node.id, "unit", None)
    assert site.wait_for_build(build) == "SUCCESS"
    assert build.nodename == node.nodename
    site.wait_until_gone([node.nodename])
    (replacement,) = site.wait_for_nodes(1)
    site.expect_servers([replacement])


def test_a_killed_nodepoold_comes_back_from_its_rows(site: NodepoolSite) -> None:
    (node,) = site.wait_for_nodes(1)
    build = site.submit("unit")
    wait_for(lambda: site.nodes("building"), "a replacement", 30, site.explain)
    # Its launch is cut off, and the end of the build is told to nobody.
    site.nodepoold.kill()
    (cut_off,) = site.nodes("building")
    assert site.wait_for_build(build) == "SUCCESS"
    site.start_nodepoold()
    site.wait_until_gone([node.nodename, cut_off.nodename])
    site.expect_servers(site.wait_for_nodes(1))

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
    assert site.nodepoold.log(100_000).count("Image built") == 1

    build = site.submit("unit")
    # Its replacement is asked for while it builds.
    wait_for(lambda: site.nodes("building"), "a replacement", 30, site.explain)
    (busy,) = site.nodes("used")
    assert (busy.id, busy.job, busy.delete_at) == (node.id, "unit", None)
    assert site.wait_for_build(build) == "SUCCESS"
    assert build.nodename == node.nodename

    wait_for(lambda: site.nodes("used")[0].delete_at, "the end of its time", 30, site.explain)
    # Killed in its last minute, it goes when somebody is back who knows of it.
    site.nodepoold.kill()
    site.expire("used")
    site.start_nodepoold()
    site.wait_until_gone([node.nodename])
    (replacement,) = site.wait_for_nodes(1)
    wait_for(
        lambda: {server["name"] for server in site.servers()} == {replacement.nodename},
        "one server",
        60,
        site.explain,
    )

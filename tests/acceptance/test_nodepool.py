"""A node's life, from nothing to nothing: nodepoold as a process, between real neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool.model import Node
from tests.support.nodepool_site import NodepoolSite
from tests.support.processes import wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NodepoolSite]:
    with NodepoolSite(tmp_path / "site", jobs={"unit": "sleep 2", "long": "sleep 8"}) as site:
        yield site


def test_a_node_is_launched_used_replaced_and_deleted_also_over_a_kill(site: NodepoolSite) -> None:
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

    # Killed in the middle of a launch, it comes back from its rows, before the build has ended. The
    # create call was answered: of one that was not, its server is looked out for five minutes long.
    build = site.submit("long")
    (cut_off,) = wait_for(lambda: being_booted(site), "a replacement", 30, site.explain)
    site.nodepoold.kill()
    site.start_nodepoold()
    site.wait_until_gone([cut_off.nodename])
    assert site.wait_for_build(build) == "SUCCESS"
    site.wait_until_gone([replacement.nodename])
    site.expect_servers(site.wait_for_nodes(1))


def being_booted(site: NodepoolSite) -> list[Node]:
    return [node for node in site.nodes("building") if node.machines[0].server_id]

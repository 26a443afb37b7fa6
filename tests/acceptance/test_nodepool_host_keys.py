"""Host keys over a restart: nodepoold knows its machines again, and trusts no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nodepool_site import NodepoolSite

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NodepoolSite]:
    site = NodepoolSite(tmp_path / "site", min_ready=2)
    try:
        site.start(nodepoold=False)
        site.yaml["cron"] = {"check": "* * * * * */2"}
        site.write_config()
        site.start_nodepoold()
        yield site
    finally:
        site.stop()


def test_after_a_restart_a_node_that_shows_another_host_key_is_not_trusted(
    site: NodepoolSite,
) -> None:
    same, other = site.wait_for_nodes(2)
    for node in (same, other):
        told = site.cloud.call("host_keys", node.machines[0].server_id)
        assert set(node.machines[0].host_keys) == set(told), "as the console says"
    site.nodepoold.kill()
    site.cloud.call("change_host_keys", other.machines[0].server_id)
    daemon = site.start_nodepoold()
    daemon.wait_for_words("not trusted", 60)
    site.wait_until_gone([other.nodename])
    assert daemon.has_said(f"node {other.id}.0 is not trusted, it shows a host key that is not its")
    # The other was asked at the same time, and is again and again.
    kept, _ = site.wait_for_nodes(2)
    assert kept == same
    assert not daemon.has_said(f"node {same.id}.0 is not trusted")

"""Build events that ZeroMQ did not bring: nodepoold as a process asks the bridge for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool.model import Node
from tests.support.nodepool_site import NodepoolSite
from tests.support.processes import find_free_port, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

#: a poll, and time for slow machines; the surveys know of no results
SOON = 20.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NodepoolSite]:
    site = NodepoolSite(tmp_path / "site", jobs={"good": "sleep 1", "bad": "sleep 1; exit 1"})
    try:
        site.start(nodepoold=False)
        site.yaml["zmq-publishers"] = [f"tcp://127.0.0.1:{find_free_port()}"]
        site.write_config()
        site.start_nodepoold()
        yield site
    finally:
        site.stop()


def wait_for_hold(site: NodepoolSite, nodename: str) -> Node:
    def look() -> Node | None:
        return next((n for n in site.nodes("hold") if n.nodename == nodename), None)

    return wait_for(look, f"hold of {nodename}", SOON, site.explain)


def test_results_are_known_though_zeromq_is_deaf(site: NodepoolSite) -> None:
    site.wait_for_nodes(1)
    site.people.add_job("bad", 3)
    good = site.submit("good")
    assert site.wait_for_build(good) == "SUCCESS"
    site.nodepoold.wait_for_words("Build succeeded", SOON)
    site.wait_until_gone([str(good.nodename)])

    site.wait_for_nodes(1)
    bad = site.submit("bad")
    assert site.wait_for_build(bad) == "FAILURE"
    held = wait_for_hold(site, str(bad.nodename))
    assert (held.job, held.comment) == ("bad", "Automatically held after failing bad")

    # A bridge that begins anew counts from 1 again.
    site.processes["gearman-plugin-shim"].stop()
    site.start_bridge()
    site.wait_for_nodes(1)
    bad = site.submit("bad")
    assert site.wait_for_build(bad) == "FAILURE"
    wait_for_hold(site, str(bad.nodename))
    assert site.nodepoold.has_said("began anew")

    # A nodepoold that was away hears of what happened meanwhile, and believes nothing old.
    (ready,) = site.wait_for_nodes(1)
    site.nodepoold.kill()
    bad = site.submit("bad")
    assert site.wait_for_build(bad) == "FAILURE"
    assert bad.nodename == ready.nodename
    site.start_nodepoold()
    wait_for_hold(site, ready.nodename)
    assert len(site.nodes("hold")) == 3
    assert not site.nodepoold.has_said("Traceback")

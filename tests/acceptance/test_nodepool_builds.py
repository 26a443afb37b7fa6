"""No node serves two builds: nodepoold as a process, killed or deaf while plain jobs are built.

The bridge's histories are not asked for here: what nodepoold learns comes from Jenkins.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from nodepool.core.unheard import MARGIN
from nodepool.db.schema import HEARD, NODE
from nodepool.model import Node, NodeState
from tests.support.nodepool_build import Build
from tests.support.nodepool_site import NodepoolSite
from tests.support.processes import find_free_port, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

JOBS = {"unit": "sleep 2", "quick": "true", "bad": "sleep 1; exit 1"}
#: a list of builds, and time for slow machines
SOON = 30.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[NodepoolSite]:
    # One node at a time: none is there to take a build instead of a used one.
    site = NodepoolSite(tmp_path / "site", jobs=JOBS, max_servers=1, delete_delay=12.0)
    try:
        site.start(nodepoold=False)
        site.yaml.pop("event-histories", None)
        site.write_config()
        yield site
    finally:
        site.stop()


def submit(site: NodepoolSite, job: str) -> Build:
    """A build that does not ask for its node to be set offline."""
    return site.submit(job, OFFLINE_NODE_WHEN_COMPLETE="")


def wait_until_offline(site: NodepoolSite, nodename: str) -> None:
    """Before it is gone."""

    def offline() -> bool:
        return bool(site.jenkins_nodes("alpha")[nodename]["temporarilyOffline"])

    wait_for(offline, f"{nodename} offline", SOON, site.explain)


def expect_another(site: NodepoolSite, job: str, nodename: str) -> None:
    """The next build runs on another node, while the first is deleted."""
    build = submit(site, job)
    site.wait_for_build(build)
    assert build.nodename not in (None, nodename)
    site.wait_until_gone([nodename])
    assert not site.nodepoold.has_said("Traceback")


def ready(site: NodepoolSite) -> Node:
    (node,) = site.wait_for_nodes(1)
    wait_for(
        lambda: not site.jenkins_nodes("alpha")[node.nodename]["offline"],
        "the master's agent",
        SOON,
        site.explain,
    )
    return node


def test_plain_jobs_one_after_the_other(site: NodepoolSite) -> None:
    site.start_nodepoold()
    node = ready(site)
    builds = [submit(site, "unit") for _ in range(2)]
    assert [site.wait_for_build(build) for build in builds] == ["SUCCESS"] * 2
    names = {build.nodename for build in builds}
    assert len(names) == 2, "two builds on one node"
    assert node.nodename in names
    site.wait_until_gone(map(str, names))


def test_a_plain_job_while_nodepoold_was_dead(site: NodepoolSite) -> None:
    site.start_nodepoold()
    node = ready(site)
    site.nodepoold.kill()
    build = submit(site, "quick")
    assert site.wait_for_build(build) == "SUCCESS"
    assert build.nodename == node.nodename
    row = site.jenkins_nodes("alpha")[node.nodename]
    assert (row["idle"], row["offline"]) == (True, False), "it looks as if nothing had been"

    site.start_nodepoold()
    wait_until_offline(site, node.nodename)
    assert site.nodepoold.has_said("Build succeeded")
    expect_another(site, "quick", node.nodename)


def test_a_restart_asks_for_what_came_since_the_last_one(site: NodepoolSite) -> None:
    """And not since the node is ready, which may be long ago."""
    started_at = time.time()
    site.start_nodepoold()
    node = ready(site)
    wait_for(
        lambda: heard(site, "target") >= node.state_at and heard(site, "publisher") >= started_at,
        "what was heard to be saved",
        SOON,
        site.explain,
    )
    site.nodepoold.kill()
    with site.database.write() as connection:
        day_ago = NODE.update().where(NODE.c.id == node.id)
        connection.execute(day_ago.values(state_time=int(node.state_at - 86_400)))
    build = submit(site, "quick")
    assert site.wait_for_build(build) == "SUCCESS"
    assert build.nodename == node.nodename

    former = site.nodepoold.log_path.read_text()
    site.start_nodepoold()
    wait_until_offline(site, node.nodename)
    log = site.nodepoold.log_path.read_text()[len(former) :]
    assert "Build succeeded" in log
    asked = re.search(r"ReadBuilds of target alpha: nodes=1 since=(\S+)", log)
    assert asked is not None, log
    # To the second.
    assert started_at - MARGIN - 1 <= float(asked[1]) <= time.time() - MARGIN + 1


def heard(site: NodepoolSite, kind: str) -> float:
    """Up to when all was, as the database has it; 0: it does not say."""
    with site.database.read() as connection:
        moments = sa.select(sa.func.min(HEARD.c.heard_until)).where(HEARD.c.kind == kind)
        return float(connection.scalar(moments) or 0)


def test_a_failure_while_nodepoold_was_dead_holds_its_node(site: NodepoolSite) -> None:
    """One that began before, and one that nobody heard of at all."""
    site.start_nodepoold()
    site.wait_for_nodes(1)
    site.people.add_job("bad", 2)
    for begins_before in (True, False):
        node = ready(site)
        build = None
        if begins_before:
            build = submit(site, "bad")
            wait_for(lambda: site.nodes("used"), "the start", SOON, site.explain)
        site.nodepoold.kill()
        build = build or submit(site, "bad")
        assert site.wait_for_build(build) == "FAILURE"
        site.start_nodepoold()
        wait_for(
            lambda n=node: [each for each in site.nodes("hold") if each.id == n.id],
            "the hold",
            60,
            site.explain,
        )
        wait_until_offline(site, node.nodename)
        assert [each.job for each in site.nodes("hold")] == ["bad"]
        site.people.set_state(node.id, NodeState.DELETE, time.time())


def test_a_plain_job_of_which_nobody_tells(site: NodepoolSite) -> None:
    """Too short for a survey, and the publisher is not there."""
    site.yaml["zmq-publishers"] = [f"tcp://127.0.0.1:{find_free_port()}"]
    site.write_config()
    site.start_nodepoold()
    node = ready(site)
    build = submit(site, "quick")
    assert site.wait_for_build(build) == "SUCCESS"
    assert build.nodename == node.nodename
    # Half a minute without a connection, and the list.
    wait_for(
        lambda: [each for each in site.nodes("used", "delete") if each.id == node.id],
        "the end of its node",
        60,
        site.explain,
    )
    wait_until_offline(site, node.nodename)
    expect_another(site, "quick", node.nodename)

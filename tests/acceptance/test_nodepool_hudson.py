"""A real Hudson of 2011 builds on nodepool's nodes: it is given one, logs in, builds, loses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.nodepool_files import LABEL
from tests.support.nodepool_site import NodepoolSite
from tests.support.processes import wait_for
from tests.support.real_hudson import RealHudson, RealHudsonUnavailable
from tests.support.services import unavailable

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

#: tells where it ran, and leaves a trace in the server's own files
SCRIPT = "hostname\ncat /etc/nodepool/role\ntouch /opt/was-here"


class HudsonSite(NodepoolSite):
    """With one master, which is real."""

    def __init__(self, folder: Path) -> None:
        # One node at a time: none is there to take a build instead of a used one.
        super().__init__(folder, jobs={"unit": SCRIPT}, max_servers=1, delete_delay=5.0)
        self.hudson = RealHudson(executors=0, quiet_seconds=0, port=self.masters["alpha"])

    @contextmanager
    def _master(self, name: str) -> Iterator[RealHudson]:  # type: ignore[override]
        try:
            self.hudson.start()
            for job, script in self.jobs.items():
                self.hudson.add_job(job, script, labels=LABEL)
            yield self.hudson
        finally:
            self.hudson.close()

    def builds(self) -> list[dict[str, Any]]:
        return self.hudson.builds("unit")

    def console(self, number: int) -> str:
        return (self.hudson.home / f"jobs/unit/builds/{number}/log").read_text()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[HudsonSite]:
    site = HudsonSite(tmp_path / "site")
    try:
        try:
            site.start()
        except RealHudsonUnavailable as lack:
            unavailable(str(lack))
        yield site
    finally:
        site.stop()
        site.hudson.close()


def test_it_builds_on_a_node_and_the_node_goes(site: HudsonSite) -> None:
    (node,) = site.wait_for_nodes(1, seconds=90)
    wait_for(
        lambda: not site.jenkins_nodes("alpha")[node.nodename]["offline"],
        "the master's agent",
        90,
        site.explain,
    )
    (server,) = [each for each in site.servers() if each["name"] == node.nodename]
    build = site.submit("unit")
    assert site.wait_for_build(build, 90) == "SUCCESS"
    assert build.nodename == node.nodename

    (row,) = site.builds()
    assert row["builtOn"] == node.nodename
    lines = site.console(row["number"]).splitlines()
    assert node.nodename in lines
    assert "primary" in lines
    # The node has some seconds before it goes.
    assert (Path(server["folder"]) / "opt/was-here").exists()
    site.wait_until_gone([node.nodename])
    assert node.nodename not in {each.nodename for each in site.wait_for_nodes(1)}


def test_a_plain_job_that_is_queued_twice_runs_on_two_nodes(site: HudsonSite) -> None:
    """Nobody asks for its node to be set offline; Hudson would give it the second build at once."""
    (node,) = site.wait_for_nodes(1, seconds=90)
    builds = [site.submit("unit", OFFLINE_NODE_WHEN_COMPLETE="") for _ in range(2)]
    assert [site.wait_for_build(build, 120) for build in builds] == ["SUCCESS"] * 2
    nodes = [row["builtOn"] for row in site.builds()]
    assert len(set(nodes)) == 2, "two builds on one node"
    assert node.nodename in nodes
    site.wait_until_gone(nodes)

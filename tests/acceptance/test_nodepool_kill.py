"""kill -9 of nodepoold on the way of nodes through their lives: nothing is lost, nothing leaks.

NODEPOOL_KILL_SEED=N repeats the moments of another run, as far as processes let themselves repeat.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from nodepool.errors import StoreError
from nodepool.model import Node, NodeState, SnapshotImage
from tests.support.nodepool_build import Build
from tests.support.nodepool_files import LABEL
from tests.support.nodepool_site import NodepoolSite
from tests.support.processes import Process, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(420)]

BUILDS = 6
READY = 2
#: three nodes of two machines: no room for a replacement before a used one is gone
SERVERS = 6
#: seconds between what a daemon is waited for and its end
MOST_SECONDS = 1.0


class KillSite(NodepoolSite):
    """Two masters; nodes of two machines, which go as soon as they were used."""

    def __init__(self, folder: Path) -> None:
        masters = ("alpha", "beta")
        jobs = {"unit": "sleep 1"}
        super().__init__(folder, jobs=jobs, masters=masters, min_ready=READY, max_servers=SERVERS)

    def begin(self) -> None:
        self.start(nodepoold=False)
        self.yaml["labels"][0]["subnodes"] = 1
        for target in self.yaml["targets"]:
            target["delete-delay"] = 0.5
        self.write_config()

    def _run(self, name: str, *arguments: object) -> Process:
        hasty = {"nodepool.cmd.nodepoold": "tests.support.hasty_nodepoold"}
        return super()._run(name, *(hasty.get(str(each), each) for each in arguments))

    def switch_off(self) -> None:
        """Want no nodes any more, and no image."""
        self.yaml["labels"][0]["min-ready"] = -1
        self.write_config()

    def clear(self) -> bool:
        """Have deleted what is ready, also what was on its way; whether nothing is left."""
        nodes, images = self.nodes(), self.people.images()
        for row in (*nodes, *images):
            if row.state is NodeState.READY and isinstance(row, Node):
                self.people.set_state(row.id, NodeState.DELETE, time.time())
            elif row.state is NodeState.READY:
                self.people.request_image_deletion(row.id)
        return not nodes and not images

    def differences(self) -> list[str]:
        """Between what the rows say that there is and what is there."""
        nodes, images = self.nodes(), self.people.images()
        found = [f"row {row}" for row in (*nodes, *images) if row.state is not NodeState.READY]
        machines = [machine for node in nodes for machine in node.machines]
        ids = {machine.server_id for machine in machines}
        found += differ("servers", {each["id"] for each in self.servers()}, ids)
        found += differ("floating addresses", set(self.cloud.call("floating_ips")), set())
        snapshots = {each["id"] for each in self.cloud.call("images") if each["name"] != "base"}
        found += differ("images", snapshots, {each.external_id for each in images})
        found += differ("key pairs", set(self.cloud.call("keypairs")), set())
        for master in self.masters:
            names = {node.nodename for node in nodes if node.target == master}
            found += differ(f"computers of {master}", set(self.jenkins_nodes(master)), names)
        return found


def differ(what: str, found: set[str | None], wanted: set[str | None]) -> list[str]:
    extra = [f"{what}: too much: {each}" for each in found - wanted]
    return extra + [f"{what}: missing: {each}" for each in wanted - found]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[KillSite]:
    site = KillSite(tmp_path / "site")
    try:
        site.begin()
        yield site
    finally:
        site.stop()


def test_kill_at_random_moments(site: KillSite) -> None:
    seed = int(os.environ.get("NODEPOOL_KILL_SEED", random.SystemRandom().randrange(1_000_000)))
    replay = f"NODEPOOL_KILL_SEED={seed} pytest {__file__}"
    print(replay)  # shown if the test fails
    builds = [site.submit("unit") for _ in range(BUILDS)]
    kill_on_the_way(random.Random(seed), site, builds)
    site.start_nodepoold()
    wait_for(lambda: all(build.outcome for build in builds), "end of all builds", 90, site.explain)
    assert [build.result for build in builds] == ["SUCCESS"] * BUILDS
    used = {build.nodename for build in builds}
    assert len(used) == BUILDS, "two builds on one node"

    wait_for(lambda: len(ready(site)) >= READY, "nodes for the next builds", 60, site.explain)
    await_order(site)
    assert not used & {node.nodename for node in site.nodes()}

    site.switch_off()
    wait_for(site.clear, "end of all", 90, site.explain)
    await_order(site)
    assert site.servers() == []


def kill_on_the_way(rng: random.Random, site: KillSite, builds: list[Build]) -> None:
    """Ten times, each a random time after something that the daemon was waited for."""

    def ended(count: int) -> bool:
        return sum(build.outcome is not None for build in builds) >= count

    def is_building() -> bool:
        return any(image.state is NodeState.BUILDING for image in images(site))

    moments: list[tuple[str, Callable[[], object]]] = [
        *[("an image being built", is_building)] * 2,
        *[("a node being launched", lambda: site.nodes("building"))] * 2,
        ("a node that is ready", lambda: site.nodes("ready")),
        ("a node in use", lambda: site.nodes("used")),
        *[(f"end of {count} builds", partial(ended, count)) for count in range(1, 5)],
    ]
    for what, came in moments:
        daemon = site.start_nodepoold()
        wait_for(came, what, 90, site.explain)
        time.sleep(rng.uniform(0, MOST_SECONDS))
        assert daemon.popen.poll() is None, f"it ended by itself\n{daemon.log()}"
        daemon.kill()


def images(site: KillSite) -> list[SnapshotImage]:
    """None before there are tables."""
    try:
        return site.people.images()
    except StoreError:
        return []


def ready(site: KillSite) -> list[Node]:
    return [node for node in site.nodes("ready") if node.label == LABEL]


def await_order(site: KillSite) -> None:
    def explain() -> str:
        return "\n".join([*site.differences(), site.explain()])

    wait_for(lambda: not site.differences(), "order", 90, explain)

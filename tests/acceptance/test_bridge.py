"""Jenkins masters serve the gate's builds through the bridge: processes, signals, real masters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance.people import JOBS, Site
from tests.sandbox.developer import Upload
from tests.support.masters import Masters
from tests.support.processes import wait_for
from tests.support.real_hudson import RealHudson, real_hudsons

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

FUNCTIONS = [f"build:{name}" for name in JOBS]


class BridgedSite:
    """A site whose builds run on masters."""

    def __init__(self, site: Site, masters: Masters) -> None:
        self.site = site
        self.masters = masters

    def push_slow(self, count: int, seconds: float) -> list[Upload]:
        """That many changes, each of which takes that long in each job."""
        return [
            self.site.push(
                ("acme/one", "acme/two")[number % 2],
                f"Change {number}",
                files={f"file{number}": "x\n", "slow": str(seconds)}
                if number < 2
                else {f"file{number}": "x\n"},
            )
            for number in range(count)
        ]

    def expect_running(self, pipeline: str, upload: Upload) -> None:
        def running() -> bool:
            jobs = self.site.expect_item(pipeline, upload)["jobs"]
            return any(job["start_time"] and not job["result"] for job in jobs)

        wait_for(running, "a running build", 60, self.site.suite.logs)


@pytest.fixture
def start_bridged(start_site: Callable[..., Site]) -> Iterator[Callable[..., BridgedSite]]:
    def start(
        gerrit: object, *, masters: dict[str, Any] | None = None, **options: Any
    ) -> BridgedSite:
        site = start_site(gerrit, workers=0, **options)
        fleet = Masters(site.suite, JOBS, **(masters or {}))
        fleet.start()
        site.suite.wait_for_functions([*FUNCTIONS, "merger:merge"])
        return BridgedSite(site, fleet)

    yield start


@pytest.mark.parametrize("old", [False, True], ids=["modern", "hudson"])
def test_approved_changes_are_built_by_masters_and_merged(
    sandbox: object, start_bridged: Callable[..., BridgedSite], old: bool
) -> None:
    bridged = start_bridged(sandbox, masters={"old": old})
    site = bridged.site
    good, bad = site.push("acme/one", "Good"), site.push("acme/two", "Bad", files={"broken": "x\n"})
    site.expect_vote(good, "Verified +1")
    site.expect_vote(bad, "Verified -1")
    site.approve(good, bad)
    site.expect_merged(good)
    site.expect_vote(bad, "Verified -2")
    site.expect_idle()


def test_a_bridge_that_is_killed_adopts_its_builds(
    sandbox: object, start_bridged: Callable[..., BridgedSite]
) -> None:
    bridged = start_bridged(sandbox)
    site = bridged.site
    uploads = bridged.push_slow(2, 8)
    for upload in uploads:
        bridged.expect_running("check", upload)
    bridged.masters.bridge.kill()
    bridged.masters.start_bridge()
    for upload in uploads:
        site.expect_vote(upload, "Verified +1", 120)


def test_a_master_that_is_killed_leaves_its_builds_to_the_other(
    sandbox: object, start_bridged: Callable[..., BridgedSite]
) -> None:
    bridged = start_bridged(sandbox)
    site = bridged.site
    uploads = bridged.push_slow(2, 6)
    site.approve(*uploads)
    for upload in uploads:
        bridged.expect_running("gate", upload)
    bridged.masters.master("alpha").kill()
    for upload in uploads:
        site.expect_merged(upload, 240)


def test_masters_are_restarted_one_by_one_and_nothing_is_lost(
    sandbox: object, start_bridged: Callable[..., BridgedSite]
) -> None:
    bridged = start_bridged(sandbox)
    site = bridged.site
    uploads = bridged.push_slow(6, 3)
    site.approve(*uploads)
    for name in bridged.masters.names:
        bridged.masters.restart_gently(name)
    for upload in uploads:
        site.expect_merged(upload, 240)


@pytest.fixture
def hudsons() -> Iterator[list[RealHudson]]:
    with real_hudsons(3, executors=4) as masters:
        yield masters


@pytest.fixture(params=["embedded", "geard", "gearmand"])
def gearman_options(request: pytest.FixtureRequest) -> dict[str, int]:
    """Options of Suite for its own Gearman server, gear's, or a C gearmand."""
    if request.param == "embedded":
        return {}
    return {"gearman_port": request.getfixturevalue(request.param)}


@pytest.mark.real
@pytest.mark.timeout(600)
def test_three_real_masters_are_restarted_under_load_behind_a_real_gerrit(
    real_gerrit: object,
    hudsons: list[RealHudson],
    gearman_options: dict[str, int],
    start_site: Callable[..., Site],
) -> None:
    site = start_site(real_gerrit, workers=0, **gearman_options)
    urls = {f"hudson{number}": master.url for number, master in enumerate(hudsons)}
    fleet = Masters(site.suite, JOBS, urls=urls)
    for master in hudsons:
        for name, argv in JOBS.items():
            master.add_job(name, fleet.script(argv), quiet_seconds=0)
    fleet.start()
    site.suite.wait_for_functions([*FUNCTIONS, "merger:merge"])
    bridged = BridgedSite(site, fleet)

    uploads = bridged.push_slow(6, 3)
    site.approve(*uploads)
    bridged.expect_running("gate", uploads[0])
    # One dies in the middle of its builds, the others are upgraded as one should.
    hudsons[0].kill()
    hudsons[0].start()
    for master in hudsons[1:]:
        master.quiet_down()
        wait_for(lambda master=master: not busy_executors(master), "idle master", 120)  # type: ignore[misc]
        master.stop()
        master.start()
    # The bridge dies too.
    fleet.bridge.kill()
    fleet.start_bridge()
    for upload in uploads:
        site.expect_merged(upload, 300)


def busy_executors(master: RealHudson) -> int:
    return int(master.get("computer/api/json", tree="busyExecutors")["busyExecutors"])

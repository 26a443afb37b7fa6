"""The target edge on sandbox masters, new and old: builds found, computers set offline."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from nodepool.core import commands, events
from nodepool.core.build_events import ListedBuild
from nodepool.core.commands import ReadBuilds, SetNodeOffline, WantedBuilds
from nodepool.drivers import target_builds
from nodepool.drivers.jenkins import TargetEdge
from nodepool.drivers.jenkins_rows import OFFLINE_WORDS
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import target_of
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.gearman import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
OFFLINE = SetNodeOffline(7, "main", "n-1")


@pytest.fixture
def busy(jenkins: SandboxJenkins) -> SandboxJenkins:
    """Two nodes; three builds of a job in a folder on one of them, one of another job."""
    jenkins.add_node("n-1", "one")
    jenkins.add_node("n-2", "two")
    jenkins.add_job("f/unit", "true", labels="one", quiet_seconds=0)
    jenkins.add_job("other", "false", labels="two", quiet_seconds=0)
    jenkins.add_job("never")
    for number in range(3):
        build(jenkins, "f/unit", ZUUL_UUID=str(number), ZUUL_BRANCH="stable/x")
    build(jenkins, "other", ZUUL_UUID="a", OFFLINE_NODE_WHEN_COMPLETE="true")
    jenkins.requests.clear()
    return jenkins


def build(jenkins: SandboxJenkins, job: str, **parameters: str) -> None:
    """One, to its end."""
    before = len(jenkins.builds(job))
    jenkins.start_build(job, **parameters)
    eventually(
        lambda: len([b for b in jenkins.builds(job) if b.result]) > before, f"build of {job}"
    )


def found(target_edge: TargetEdge, inbox: Inbox, *wanted: WantedBuilds) -> events.BuildsListed:
    target_edge.submit(ReadBuilds("main", wanted))
    event = inbox.next()
    assert isinstance(event, events.BuildsListed), event
    assert event.target == "main"
    return event


def asked(jenkins: SandboxJenkins) -> list[str]:
    """Paths that were asked for."""
    return [row.path for row in jenkins.requests.matching("api/json$") if "crumb" not in row.path]


# -- builds ----------------------------------------------------------------------------------------


def test_what_ran_on_a_node_with_its_result(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    listed = found(target_edge, inbox, WantedBuilds("n-2", 0.0))
    (row,) = listed.builds
    assert (row.nodename, row.job, row.number) == ("n-2", "other", 1)
    assert (row.building, row.status, row.offline_wanted) == (False, "FAILURE", True)
    assert row.seconds is not None
    assert listed.unsure == frozenset()
    listed = found(target_edge, inbox, WantedBuilds("n-1", 0.0), WantedBuilds("n-3", 0.0))
    assert [(each.job, each.branch) for each in listed.builds] == [("unit", "stable/x")] * 3


def test_one_that_runs(target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins) -> None:
    busy.add_job("long", "sleep 60", labels="two", quiet_seconds=0)
    busy.start_build("long", ZUUL_UUID="b")
    eventually(lambda: [b for b in busy.builds("long") if b.building], "a start")

    def running() -> ListedBuild | None:
        # An old master does not know at once on which node it is.
        builds = found(target_edge, inbox, WantedBuilds("n-2", 0.0, "long")).builds
        return builds[0] if builds else None

    row = eventually(running, "its row")
    assert row is not None
    assert (row.building, row.status, row.seconds) == (True, None, None)


def test_what_was_built_before_costs_one_request(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    """And none of what is left changes that."""
    last = max(each.started_at_ms for each in busy.builds()) / 1000
    assert found(target_edge, inbox, WantedBuilds("n-1", last + 1)).builds == ()
    assert asked(busy) == ["/api/json"]


def test_pages_are_turned_as_far_as_need_be(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_builds, "PAGE", 1)
    numbers = {each.number for each in found(target_edge, inbox, WantedBuilds("n-1", 0.0)).builds}
    assert numbers == {1, 2, 3}
    pages = asked(busy).count("/job/f/job/unit/api/json")
    assert pages == (3 if busy.modern else 1)


def test_a_range_that_a_master_does_not_know_is_asked_for_once(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    found(target_edge, inbox, WantedBuilds("n-1", 0.0), WantedBuilds("n-2", 0.0))
    lists = [path for path in asked(busy) if path.endswith(("unit/api/json", "other/api/json"))]
    assert len(lists) == (2 if busy.modern else 3)


def test_a_job_that_is_gone_by_now_has_no_builds(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    busy.faults.add("job/other", status=404)
    listed = found(target_edge, inbox, WantedBuilds("n-2", 0.0))
    assert (listed.builds, listed.unsure) == ((), frozenset())


def test_a_target_that_does_not_answer_says_so(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodepool.drivers.jenkins.TRIES", 2)
    target_edge = make_target_edge()
    target_edge.configure({"main": target_of(f"http://127.0.0.1:{free_port()}/")})
    target_edge.submit(ReadBuilds("main", (WantedBuilds("n-1", 0.0),)))
    event = inbox.next()
    assert isinstance(event, events.BuildsNotListed)
    assert (event.target, "cannot be reached" in event.text) == ("main", True)
    target_edge.submit(ReadBuilds("stranger", (WantedBuilds("n-1", 0.0),)))
    assert inbox.wait(events.BuildsNotListed).target == "stranger"


def test_a_passing_trouble_is_waited_out(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    busy.faults.add("/job/f/job/unit/2", times=1, status=503)
    assert len(found(target_edge, inbox, WantedBuilds("n-1", 0.0)).builds) == 3


def test_an_answer_that_is_none_is_no_list(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins, caplog: pytest.LogCaptureFixture
) -> None:
    busy.faults.add("^/api/json", text='{"jobs": [{"name": "a", "lastBuild": {}}]}', status=200)
    target_edge.submit(ReadBuilds("main", (WantedBuilds("n-1", 0.0),)))
    event = inbox.next()
    assert isinstance(event, events.BuildsNotListed)
    assert event.text == "target main shows a build without a timestamp path=/"
    assert "ReadBuilds of target main failed" in caplog.text


def test_a_walk_holds_up_no_node(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    busy.faults.add("^/api/json", times=1, delay=3.0)
    target_edge.submit(ReadBuilds("main", (WantedBuilds("n-1", 0.0),)))
    target_edge.submit(commands.UnregisterNode(7, "main", "n-1"))
    assert inbox.next() == events.Unregistered(7)
    assert isinstance(inbox.next(), events.BuildsListed)


def test_a_walk_keeps_to_the_target_s_rate(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, busy: SandboxJenkins
) -> None:
    tasks: list[str] = []
    target_edge = make_target_edge(on_task=lambda target, task, seconds: tasks.append(task))
    target_edge.configure({"main": target_of(busy.url)})
    found(target_edge, inbox, WantedBuilds("n-2", 0.0))
    lists = ["ListBuildsTask"] * (2 if busy.modern else 3)
    assert sorted(tasks) == ["GetBuildTask", *lists, "ListJobsTask"]


# -- offline ---------------------------------------------------------------------------------------


def toggles(jenkins: SandboxJenkins) -> int:
    return len(jenkins.requests.matching("toggleOffline"))


def test_a_node_gets_no_more_builds_and_what_runs_goes_on(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    busy.add_job("some", "sleep 1.5", labels="one", quiet_seconds=0)
    busy.start_build("some", ZUUL_UUID="b")
    eventually(lambda: [b for b in busy.builds("some") if b.building], "a start")
    for _ in range(2):
        target_edge.submit(OFFLINE)
        assert inbox.next() == events.NodeSetOffline(7)
    assert toggles(busy) == 1
    assert busy.offline("n-1") == OFFLINE_WORDS
    build(busy, "other", ZUUL_UUID="c")
    eventually(lambda: busy.builds("some")[0].result, "its end")
    assert busy.builds("some")[0].result == "SUCCESS"
    busy.start_build("f/unit", ZUUL_UUID="d")
    eventually(lambda: "offline" in (busy.queue()[0].why or "") if busy.queue() else "", "a queue")


def test_one_that_somebody_set_offline_stays_as_it_is(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    busy.set_offline("n-1", reason="a look at it")
    target_edge.submit(OFFLINE)
    assert inbox.next() == events.NodeSetOffline(7)
    assert (toggles(busy), busy.offline("n-1")) == (0, "a look at it")


def test_a_node_that_is_gone_is_as_good(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    target_edge.submit(SetNodeOffline(9, "main", "n-9"))
    assert inbox.next() == events.NodeSetOffline(9)
    for name in ("(master)", ".."):
        target_edge.submit(SetNodeOffline(9, "main", name))
        assert inbox.next() == events.NodeSetOffline(9)
    assert toggles(busy) == 0


def test_a_404_of_a_proxy_is_no_node_that_is_gone(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    busy.faults.add("computer/n-1/", status=404)
    target_edge.submit(OFFLINE)
    event = inbox.next()
    assert isinstance(event, events.NodeNotSetOffline)
    assert (event.node_id, "404" in event.text) == (7, True)


def test_a_refusal_is_told_and_logged(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    busy.faults.add("toggleOffline", status=403)
    target_edge.submit(OFFLINE)
    assert isinstance(inbox.next(), events.NodeNotSetOffline)
    assert "SetNodeOffline of node 7 failed" in caplog.text


def test_a_lost_answer_turns_nothing_back(
    target_edge: TargetEdge, inbox: Inbox, busy: SandboxJenkins
) -> None:
    busy.faults.add("toggleOffline", times=1, reset=True, after=True)
    target_edge.submit(OFFLINE)
    assert inbox.next() == events.NodeSetOffline(7)
    assert (toggles(busy), busy.offline("n-1")) == (1, OFFLINE_WORDS)

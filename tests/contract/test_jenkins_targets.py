"""What nodepool does to a target: the same on the sandbox masters and on a real Hudson."""

from __future__ import annotations

import time
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from nodepool.config.values import JenkinsConfig, TargetConfig
from nodepool.core import commands, events
from nodepool.core.commands import WantedBuilds
from nodepool.core.events import Computer, Step
from nodepool.drivers import target_builds
from nodepool.drivers.jenkins import TargetEdge
from nodepool.drivers.target_jenkins import TargetJenkins
from tests.contract.jenkins_site import JenkinsSite, Row, wait_for
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import node_of, register, renamed, unregister
from tests.sandbox.jenkins import SandboxJenkins
from tests.sandbox.jenkins_model import Parameter
from tests.support.real_hudson import RealHudson
from zuul.lib.secret import Secret

pytestmark = pytest.mark.integration
NODE = node_of()
NAME = NODE.nodename


@pytest.fixture
def config(jenkins_site: JenkinsSite) -> JenkinsConfig:
    return JenkinsConfig(jenkins_site.jenkins.url, "nodepool", Secret("a-token"))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def edge(jenkins_site: JenkinsSite, config: JenkinsConfig, inbox: Inbox) -> Iterator[TargetEdge]:
    edge = TargetEdge(inbox)
    edge.start()
    edge.configure({"main": TargetConfig("main", rate=0.0, jenkins=config)})
    yield edge
    edge.submit(unregister(NODE))
    inbox.wait(events.Unregistered)
    edge.stop()


def told(site: JenkinsSite) -> Row:
    """What the master says of the node."""
    tree = "nodes[nodeName,nodeDescription,mode,numExecutors,assignedLabels[name]]"
    (row,) = site.get(f"label/{NAME}/", tree=tree)["nodes"]
    assert isinstance(row, dict)
    return row


def labels(site: JenkinsSite) -> set[str]:
    return {row["name"] for row in told(site)["assignedLabels"]} - {NAME}


def launcher(site: JenkinsSite) -> dict[str, str | None]:
    """How the master connects to the node."""
    jenkins = site.jenkins
    if isinstance(jenkins, RealHudson):
        root = ElementTree.parse(jenkins.home / "config.xml").getroot()
        found = root.find(f"slaves/slave[name='{NAME}']/launcher")
    else:
        assert isinstance(jenkins, SandboxJenkins)
        found = ElementTree.fromstring(jenkins.node_xml(NAME).partition("?>")[2]).find("launcher")
    assert found is not None
    return {"class": found.get("class"), **{each.tag: each.text for each in found}}


def test_a_node_comes_and_goes(edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite) -> None:
    edge.submit(register(NODE))
    assert inbox.next() == events.Registered(NODE.id)
    row = told(jenkins_site)
    assert row["nodeDescription"] == "Dynamic single use bare node"
    assert (row["mode"], row["numExecutors"]) == ("EXCLUSIVE", 1)
    assert labels(jenkins_site) == {"bare"}
    connects = launcher(jenkins_site)
    assert connects["class"] == "hudson.plugins.sshslaves.SSHLauncher"
    assert (connects["host"], connects["port"]) == ("10.1.2.3", "22")
    assert (connects["username"], connects["privatekey"]) == ("jenkins", "/keys/id_rsa")
    for _ in range(2):
        edge.submit(unregister(NODE))
        assert inbox.next() == events.Unregistered(NODE.id)
    rows = jenkins_site.get("computer/")["computer"]
    assert NAME not in [row["displayName"] for row in rows]


def test_a_computer_is_known_by_its_description(
    edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite, config: JenkinsConfig
) -> None:
    """A Jenkins tells it in the list; a Hudson tells it of each computer's own label."""
    other = jenkins_site.node("not-a-nodepool-s")
    edge.submit(register(NODE))
    assert inbox.next() == events.Registered(NODE.id)
    jenkins = TargetJenkins("main", config)
    until = time.monotonic() + 60.0
    try:
        listed = {each.name: each for each in jenkins.list_computers(until)}
        assert (listed[NAME].description is None) is not jenkins_site.modern
        found = {name: jenkins.described(each, until) for name, each in listed.items()}
        assert found[NAME].label == "bare"
        assert found[NAME].idle
        assert found[other].label is None
        assert found[other].description is not None
        jenkins.delete_node(NAME, until)
        assert NAME not in [each.name for each in jenkins.list_computers(until)]
        gone = jenkins.described(listed[NAME], until)
        assert gone.label == ("bare" if jenkins_site.modern else None)
    finally:
        jenkins.close()


def test_a_node_of_the_same_name_is_replaced(
    edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite
) -> None:
    edge.submit(register(node_of(ip="10.9.9.9")))
    edge.submit(register(NODE))
    assert inbox.next() == inbox.next() == events.Registered(NODE.id)
    assert launcher(jenkins_site)["host"] == "10.1.2.3"


def test_a_node_gets_its_label_after_its_test(
    edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite
) -> None:
    job = jenkins_site.job(parameters=[Parameter("NODE")])
    edge.submit(register(NODE, label=None))
    edge.submit(commands.StartTestJob(NODE, job))
    assert inbox.next() == events.Registered(NODE.id)
    assert inbox.next() == events.TestJobStarted(NODE.id)
    builds = wait_for(lambda: jenkins_site.builds(job))
    assert [row["parameters"] for row in builds] == [{"NODE": NAME}]
    before = launcher(jenkins_site)
    assert labels(jenkins_site) == set()
    edge.submit(commands.RelabelNode(NODE))
    assert inbox.next() == events.Relabeled(NODE.id)
    row = told(jenkins_site)
    assert labels(jenkins_site) == {"bare"}
    assert (row["mode"], row["numExecutors"]) == ("EXCLUSIVE", 1)
    assert launcher(jenkins_site) == before


def test_a_name_that_no_node_can_have(
    edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite
) -> None:
    edge.submit(register(renamed(NODE, "a/b")))
    event = inbox.next()
    assert isinstance(event, events.StepFailed)
    assert event.step is Step.REGISTER
    assert "'/' is an unsafe character" in event.text
    edge.submit(unregister(renamed(NODE, "a/b")))
    assert inbox.next() == events.Unregistered(NODE.id)


def test_which_builds_ran_on_a_node(
    edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite
) -> None:
    """One answer from three masters: of a build that is over, and of one that runs."""
    declared = [Parameter("ZUUL_UUID"), Parameter("ZUUL_BRANCH")]
    node = jenkins_site.node("listed", mode="EXCLUSIVE")
    fails = jenkins_site.job("exit 1", labels="listed", quiet_seconds=0, parameters=declared)
    runs = jenkins_site.job("sleep 60", labels="listed", quiet_seconds=0, parameters=declared)
    jenkins_site.job("true", labels="listed")  # never built
    uuid = jenkins_site.submitted(fails, ZUUL_BRANCH="stable/x")
    row = jenkins_site.finished(fails, uuid)
    running = jenkins_site.submitted(runs)
    jenkins_site.running(runs, running)
    start = row["timestamp"] / 1000
    wanted = (WantedBuilds(node, start), WantedBuilds("none such", 0.0))
    edge.submit(commands.ReadBuilds("main", wanted))
    event = inbox.next()
    assert isinstance(event, events.BuildsListed)
    assert event.unsure == frozenset()
    over, under_way = sorted(event.builds, key=lambda build: build.started_at)
    assert (over.nodename, over.job, over.number, over.started_at) == (node, fails, 1, start)
    assert (over.building, over.status, over.branch) == (False, "FAILURE", "stable/x")
    assert over.seconds == row["duration"] / 1000
    assert (under_way.job, under_way.building, under_way.status) == (runs, True, None)
    assert not over.offline_wanted
    jenkins_site.post(f"job/{runs}/1/stop")
    jenkins_site.finished(runs, running)


def test_builds_of_one_job_page_by_page(
    edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the master knows ranges; the others tell all at once, and say so by an error."""
    monkeypatch.setattr(target_builds, "PAGE", 2)
    node = jenkins_site.node("paged", mode="EXCLUSIVE")
    job = jenkins_site.job("true", labels="paged", quiet_seconds=0)
    starts = []
    for _ in range(5):
        uuid = jenkins_site.submitted(job)
        starts.append(jenkins_site.finished(job, uuid)["timestamp"] / 1000)
    for since, numbers in ((0.0, [1, 2, 3, 4, 5]), (starts[3], [4, 5]), (starts[4] + 1, [])):
        edge.submit(commands.ReadBuilds("main", (WantedBuilds(node, since, job),)))
        event = inbox.next()
        assert isinstance(event, events.BuildsListed)
        assert sorted(each.number for each in event.builds) == numbers
        assert event.unsure == frozenset()


def test_a_node_is_set_offline_under_its_build(
    edge: TargetEdge, inbox: Inbox, jenkins_site: JenkinsSite, config: JenkinsConfig
) -> None:
    """The build goes on, the next one waits; a second call does not turn it back."""
    node = jenkins_site.node("spent", mode="EXCLUSIVE")
    job = jenkins_site.job("sleep 3", labels="spent", quiet_seconds=0)
    first = jenkins_site.submitted(job)
    jenkins_site.running(job, first)
    second = jenkins_site.submitted(job)
    for _ in range(2):
        edge.submit(commands.SetNodeOffline(9, "main", node))
        assert inbox.next() == events.NodeSetOffline(9)
    jenkins = TargetJenkins("main", config)
    found = jenkins.survey()[node]
    jenkins.close()
    assert found == Computer(idle=False, offline=True, spent=True)
    assert jenkins_site.finished(job, first)["result"] == "SUCCESS"
    jenkins_site.cancel(jenkins_site.queued(job, second, "offline"))


def test_what_the_computers_do_and_whether_it_takes_more(
    jenkins_site: JenkinsSite, config: JenkinsConfig
) -> None:
    jenkins = TargetJenkins("main", config)
    own = "Built-In Node" if jenkins_site.modern else "master"
    try:
        job = jenkins_site.job("sleep 60")
        uuid = jenkins_site.submitted(job)
        # Other tests' nodes may take it.
        own = jenkins_site.running(job, uuid)["builtOn"] or own
        assert jenkins.survey()[own] == Computer(idle=False, offline=False)
        jenkins_site.post(f"job/{job}/1/stop")
        jenkins_site.finished(job, uuid)
        wait_for(lambda: jenkins.survey()[own] == Computer(idle=True, offline=False))
        assert jenkins.takes_nodes()
        jenkins_site.post("quietDown")
        assert not jenkins.takes_nodes()
        jenkins_site.post("cancelQuietDown")
        assert jenkins.takes_nodes()
    finally:
        jenkins_site.post("cancelQuietDown")
        jenkins.close()

"""The target edge on sandbox masters, new and old: nodes made, tested, labelled, deleted."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import nodepool.drivers.jenkins
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers import target_jenkins
from nodepool.drivers.jenkins import TargetEdge
from nodepool.errors import TargetError
from nodepool.model import MachineKey
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import (
    HOME,
    TOKEN,
    USERS,
    configured,
    node_of,
    register,
    renamed,
    target_of,
    unregister,
)
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.gearman import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration
NODE = node_of()
NAME = NODE.nodename
KEY = MachineKey("node", NODE.id)


def failed(inbox: Inbox, step: Step = Step.REGISTER) -> str:
    """Why the step failed."""
    event = inbox.next()
    assert isinstance(event, events.StepFailed), event
    assert (event.key, event.step) == (KEY, step)
    return event.text


# -- the life of a node ----------------------------------------------------------------------------


def test_a_node_is_made_in_one_request_and_deleted_in_one(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    target_edge.submit(register(NODE))
    assert inbox.next() == events.Registered(NODE.id)
    posts = jenkins.requests.matching("^/computer", "POST")
    assert [each.path for each in posts] == ["/computer/doCreateItem"]
    found = configured(jenkins, NAME)
    assert found["description"] == "Dynamic single use bare node"
    assert (found["label"], found["mode"], found["numExecutors"]) == ("bare", "EXCLUSIVE", "1")
    assert (found["host"], found["port"]) == ("10.1.2.3", "22")
    assert (found["username"], found["privatekey"]) == ("jenkins", "/keys/id_rsa")
    target_edge.submit(unregister(NODE))
    assert inbox.next() == events.Unregistered(NODE.id)
    assert jenkins.requests.matching("^/computer", "GET") == []
    with pytest.raises(KeyError):
        jenkins.node_xml(NAME)


def test_a_node_is_tested_and_gets_its_label_then(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    """Contract 9.3: it has no label before, and all else of it stays."""
    jenkins.add_job("folder/node test" if jenkins.modern else "node test", parameters=["NODE"])
    job = "folder/node test" if jenkins.modern else "node test"
    target_edge.submit(register(NODE, label=None))
    assert inbox.next() == events.Registered(NODE.id)
    before = configured(jenkins, NAME)
    assert not before["label"]
    target_edge.submit(commands.StartTestJob(NODE, job))
    assert inbox.next() == events.TestJobStarted(NODE.id)
    (build,) = eventually(lambda: jenkins.builds(job), "a build")
    assert build.parameters == {"NODE": NAME}
    target_edge.submit(commands.RelabelNode(NODE))
    assert inbox.next() == events.Relabeled(NODE.id)
    assert configured(jenkins, NAME) == {**before, "label": "bare"}
    jenkins.add_job("bare job", labels="bare", parameters=(), quiet_seconds=0)
    jenkins.start_build("bare job")
    eventually(lambda: jenkins.builds("bare job"), "a build on the node")


def test_a_node_that_is_known_already_is_replaced(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    """After a database was begun anew, ids come again: the old entry has another's address."""
    target_edge.submit(register(node_of(ip="10.9.9.9")))
    target_edge.submit(register(NODE))
    assert inbox.next() == inbox.next() == events.Registered(NODE.id)
    assert configured(jenkins, NAME)["host"] == "10.1.2.3"


def test_a_node_that_lingers_is_waited_for(
    target_edge: TargetEdge,
    inbox: Inbox,
    jenkins: SandboxJenkins,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A master keeps a deleted node while its build ends; a new one would get its connection."""
    monkeypatch.setattr(target_jenkins, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(target_jenkins, "LOOKS", 3)
    jenkins.add_node(NAME)
    undeleted = jenkins.faults.add("doDelete", method="POST", status=200)
    target_edge.submit(register(NODE))
    assert "does not let go" in failed(inbox)
    assert len(jenkins.requests.matching("doCreateItem")) == 1
    jenkins.faults.remove(undeleted)
    target_edge.submit(register(NODE))
    assert inbox.next() == events.Registered(NODE.id)


def test_what_is_not_there_counts_as_deleted_once_the_list_says_so(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    target_edge.submit(unregister(NODE))
    assert inbox.next() == events.Unregistered(NODE.id)
    assert [each.path for each in jenkins.requests.matching("^/computer", "GET")] == [
        "/computer/api/json"
    ]


def test_the_last_node_of_a_master_without_executors(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    """Old ones have an empty list then, which is whole all the same."""
    jenkins.add_node("", executors=0)
    target_edge.submit(register(NODE))
    assert inbox.next() == events.Registered(NODE.id)
    for _ in range(2):
        target_edge.submit(unregister(NODE))
        assert inbox.next() == events.Unregistered(NODE.id)


@pytest.mark.parametrize(
    "knobs", [{"status": 404}, {"html": True}, {"truncate": 20}, {"status": 403}]
)
def test_a_404_that_the_list_does_not_confirm_proves_nothing(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins, knobs: dict[str, Any]
) -> None:
    """A proxy before a master that is down says 404 to anything."""
    jenkins.add_node(NAME)
    jenkins.faults.add("doDelete", status=404)
    jenkins.faults.add("computer/api/json", times=1, **knobs)
    jenkins.faults.add("computer/api/json", status=403)
    target_edge.submit(unregister(NODE))
    assert isinstance(inbox.next(), events.UnregisterFailed)
    jenkins.faults.clear()
    jenkins.faults.add("doDelete", status=404)
    target_edge.submit(unregister(NODE))
    event = inbox.next()
    assert isinstance(event, events.UnregisterFailed), "it is still in the list"


# -- names are data --------------------------------------------------------------------------------


def test_odd_names(target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins) -> None:
    for name in ("a b", "o'k", 'q"uote', "ümlaut", "api", "a+b=c", "x" * 200):
        node = renamed(NODE, name)
        target_edge.submit(register(node, label=None))
        target_edge.submit(commands.RelabelNode(replace(node, label="<&>")))
        assert inbox.next() == events.Registered(NODE.id)
        assert inbox.next() == events.Relabeled(NODE.id)
        assert configured(jenkins, name)["label"] == "<&>"
        target_edge.submit(unregister(node))
        assert inbox.next() == events.Unregistered(NODE.id)
        with pytest.raises(KeyError):
            jenkins.node_xml(name)


def test_names_that_no_node_can_have(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    for name in ("../../job/x", "a/b", "a?b", "%2e", "a<b", ""):
        node = renamed(NODE, name)
        target_edge.submit(register(node))
        assert failed(inbox)
        target_edge.submit(unregister(node))
        assert inbox.next() == events.Unregistered(NODE.id)


def test_names_that_lead_elsewhere_are_not_asked_for(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    for name in (".", "..", "(master)", "(built-in)"):
        node = renamed(NODE, name)
        for call in (register(node), commands.RelabelNode(node), unregister(node)):
            target_edge.submit(call)
            inbox.next()
    assert jenkins.requests.total == 0


# -- trouble ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "knobs",
    [
        {"status": 503},
        {"status": 502, "after": True},
        {"reset": True},
        {"reset": True, "after": True},
    ],
)
def test_a_lost_answer_is_asked_for_again(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins, knobs: dict[str, Any]
) -> None:
    """Whether it was done or not: making a node twice replaces it."""
    jenkins.faults.add("doCreateItem", times=1, **knobs)
    jenkins.faults.add("doDelete", times=1, **knobs)
    target_edge.submit(register(NODE))
    assert inbox.next() == events.Registered(NODE.id)
    assert configured(jenkins, NAME)["host"] == "10.1.2.3"
    target_edge.submit(unregister(NODE))
    assert inbox.next() == events.Unregistered(NODE.id)


def test_a_test_job_is_asked_for_once(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    jenkins.add_job("test", parameters=["NODE"])
    jenkins.faults.add("buildWithParameters", reset=True, after=True)
    target_edge.submit(commands.StartTestJob(NODE, "test"))
    assert "cannot be reached" in failed(inbox, Step.TEST)
    assert len(jenkins.requests.matching("buildWithParameters")) == 1


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ({"status": 500, "text": "<h1>Error</h1><p>some trouble</p>"}, "HTTP 500"),
        ({"status": 403}, "HTTP 403"),
        ({"location": "http://127.0.0.1/login?from=x"}, "HTTP 401"),
    ],
)
def test_a_refusal_is_told_and_not_tried_again(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins, knobs: dict[str, Any], said: str
) -> None:
    jenkins.faults.add("doCreateItem", **knobs)
    target_edge.submit(register(NODE))
    text = failed(inbox)
    assert said in text
    assert ("some trouble" in text) is ("text" in knobs)
    # a 403 is asked once more, with a new crumb
    assert len(jenkins.requests.matching("doCreateItem")) <= 2


def test_jobs_that_are_not_there_or_take_no_parameters(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    jenkins.add_job("plain", parameters=())
    for job, status in (("missing", "404"), ("plain", "400" if jenkins.modern else "500")):
        target_edge.submit(commands.StartTestJob(NODE, job))
        text = failed(inbox, Step.TEST)
        assert f"HTTP {status}" in text
        assert "parameter NODE" in text


def test_a_configuration_that_is_none(
    target_edge: TargetEdge, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    """An answer in HTML is not posted back; and an unknown node is no reason to post anything."""
    target_edge.submit(commands.RelabelNode(NODE))
    assert "404" in failed(inbox, Step.TEST)
    if jenkins.modern:
        jenkins.add_node(NAME)
        jenkins.faults.add("config.xml", html=True)
        target_edge.submit(commands.RelabelNode(NODE))
        assert "config.xml" in failed(inbox, Step.TEST)
    assert jenkins.requests.matching("^/computer", "POST") == []


def test_a_dead_target_holds_up_no_other(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    target_edge = make_target_edge(timeout_seconds=2.0)
    dead = jenkins.faults.add("doCreateItem", delay=20.0)
    with SandboxJenkins(jenkins.folder / "other", users=USERS) as healthy:
        target_edge.configure(
            {
                "main": target_of(jenkins.url),
                "other": target_of(healthy.url, "other"),
                "absent": target_of(f"http://127.0.0.1:{free_port()}/", "absent"),
            }
        )
        for number in range(1, 21):
            target_edge.submit(register(node_of(number, "main")))
            target_edge.submit(register(node_of(100 + number, "absent")))
        for number in range(201, 221):
            target_edge.submit(register(node_of(number, "other")))
        heard = [inbox.wait(events.Registered).node_id for _ in range(20)]
        assert sorted(heard) == list(range(201, 221))
        assert inbox.seen(events.Registered) == []
        target_edge.stop()
    jenkins.faults.remove(dead)


def test_the_end_waits_for_no_dead_target(
    make_target_edge: Callable[..., TargetEdge],
    inbox: Inbox,
    jenkins: SandboxJenkins,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For all of them together, not for each; and nothing is told of it."""
    monkeypatch.setattr(nodepool.drivers.jenkins, "STOP_SECONDS", 0.2)
    target_edge = make_target_edge(timeout_seconds=30.0)
    jenkins.faults.add("doCreateItem", delay=30.0)
    names = [f"target-{number}" for number in range(10)]
    target_edge.configure({name: target_of(jenkins.url, name) for name in names})
    for name in names:
        target_edge.submit(register(node_of(target=name)))
    accounts = dict(target_edge._accounts)
    eventually(lambda: not any(each.waiting for each in accounts.values()), "all are under way")
    began = time.monotonic()
    target_edge.stop()
    assert time.monotonic() - began < 15.0
    jenkins.stop()
    for account in accounts.values():
        account.lanes.stop()
    assert inbox.seen(events.StepFailed) == inbox.seen(events.Registered) == []


def test_every_call_on_a_target_that_leaves_is_answered(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    target_edge = make_target_edge()
    target_edge.configure({"main": target_of(jenkins.url)})
    jenkins.faults.add("doCreateItem", delay=0.5)
    for number in range(40):
        target_edge.submit(register(node_of(number)))
    target_edge.submit(unregister(node_of(39)))
    target_edge.configure({})
    target_edge.submit(register(node_of(40)))
    answers: Counter[int] = Counter()
    for _ in range(42):
        match inbox.next():
            case events.StepFailed(key=key):
                answers[key.id] += 1
            case events.Registered(node_id=number) | events.UnregisterFailed(node_id=number):
                answers[number] += 1
    assert answers == {**dict.fromkeys(range(41), 1), 39: 2}


def test_a_new_login_takes_over_what_waits(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    """A reload with another login: no call is lost, and the target's threads go on."""
    target_edge = make_target_edge()
    good = target_of(jenkins.url)
    target_edge.configure({"main": replace(good, rate=50.0)})
    for number in range(7):
        target_edge.submit(register(node_of(number)))
    assert inbox.next() == events.Registered(0)
    account = target_edge._accounts["main"]
    eventually(lambda: len(account.waiting) == 2, "four calls wait for their turn")
    lanes = account.lanes
    target_edge.configure({"main": good})
    assert target_edge._accounts["main"].lanes is lanes
    assert {inbox.wait(events.Registered).node_id for _ in range(6)} == set(range(1, 7))


def test_calls_keep_their_distance(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    target_edge = make_target_edge()
    target_edge.configure({"main": replace(target_of(jenkins.url), rate=0.2)})
    for number in range(4):
        target_edge.submit(register(node_of(number)))
    for _ in range(4):
        assert isinstance(inbox.next(), events.Registered)
    starts = [each.at for each in jenkins.requests.matching("doCreateItem")]
    assert min(b - a for a, b in itertools.pairwise(starts)) > 0.1


def test_a_call_that_waits_too_long_is_given_up_undone(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    """The core has given it up by then; and another call of the node would wait behind it."""
    target_edge = make_target_edge()
    target_edge.configure({"main": replace(target_of(jenkins.url), rate=3600.0)})
    target_edge.submit(register(NODE))
    assert inbox.next() == events.Registered(NODE.id)
    target_edge.submit(unregister(NODE))
    event = inbox.next()
    assert isinstance(event, events.UnregisterFailed)
    assert "not asked in time" in event.text


def test_calls_that_no_target_takes(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox
) -> None:
    target_edge = make_target_edge()
    target_edge.submit(register(NODE))
    assert "no Jenkins" in failed(inbox)
    target_edge.submit(unregister(NODE))
    assert isinstance(inbox.next(), events.UnregisterFailed)
    target_edge.submit(commands.AssignNode(NODE, HOME))
    assert "no Gearman" in failed(inbox, Step.ASSIGN)
    target_edge.submit(commands.RevokeNode("launcher", NAME))
    target_edge.submit(commands.StartTestJob(NODE, "test"))
    assert "no Jenkins" in failed(inbox, Step.TEST)


def test_a_defect_of_ours_is_an_answer_too(
    target_edge: TargetEdge, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(target_jenkins.TargetJenkins, "create_node", broken)
    target_edge.submit(register(NODE))
    assert "RuntimeError" in failed(inbox)


# -- what others see -------------------------------------------------------------------------------


def test_each_request_is_timed(
    make_target_edge: Callable[..., TargetEdge], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    tasks: list[tuple[str, str, float]] = []
    target_edge = make_target_edge(on_task=lambda *task: tasks.append(task))
    target_edge.configure({"main": target_of(jenkins.url)})
    target_edge.submit(register(NODE))
    target_edge.submit(unregister(NODE))
    inbox.next()
    inbox.next()
    assert [task[:2] for task in tasks] == [("main", "CreateNodeTask"), ("main", "DeleteNodeTask")]
    assert all(0 < task[2] < 30 for task in tasks)


def test_no_secret_is_said(
    target_edge: TargetEdge,
    inbox: Inbox,
    jenkins: SandboxJenkins,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    jenkins.change_password("nodepool", "another", "another")
    target_edge.submit(register(NODE))
    text = failed(inbox)
    jenkins.faults.add("", reset=True, times=1)
    target_edge.submit(commands.StartTestJob(NODE, "test"))
    text += failed(inbox, Step.TEST) + caplog.text
    assert "401" in text
    assert TOKEN not in text
    assert "Basic " not in text
    with pytest.raises(TargetError) as caught:
        target_edge._accounts["main"].jenkins.survey()
    assert TOKEN not in repr(caught.value) + repr(target_edge._accounts["main"])

"""Nodes on sandbox masters, new and old: made, tested, labelled, deleted; and their names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nodepool.core import commands, events
from nodepool.drivers import target_jenkins
from nodepool.drivers.jenkins import TargetEdge
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import (
    NAME,
    NODE,
    configured,
    failed,
    node_of,
    register,
    renamed,
    unregister,
)
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


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

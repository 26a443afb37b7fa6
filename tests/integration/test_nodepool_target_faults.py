"""Calls on a target that loses them, refuses them or answers rubbish; what is said of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers import target_jenkins
from nodepool.drivers.jenkins import TargetEdge
from nodepool.errors import TargetError
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import (
    NAME,
    NODE,
    TOKEN,
    configured,
    failed,
    register,
    unregister,
)
from tests.sandbox.jenkins import SandboxJenkins

pytestmark = pytest.mark.integration


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


def test_a_defect_of_ours_is_an_answer_too(
    target_edge: TargetEdge, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(target_jenkins.TargetJenkins, "create_node", broken)
    target_edge.submit(register(NODE))
    assert "RuntimeError" in failed(inbox)


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

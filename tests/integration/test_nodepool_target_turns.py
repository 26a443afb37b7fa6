"""Calls on targets wait for their turn: none holds up another target, and each is answered."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

import nodepool.drivers.jenkins
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers.jenkins import TargetEdge
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import (
    HOME,
    NAME,
    NODE,
    USERS,
    failed,
    node_of,
    register,
    target_of,
    unregister,
)
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.gearman import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


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

"""The watch of targets on sandbox masters: online or not, what their nodes do, bad answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodepool.core import events
from nodepool.core.events import Computer
from nodepool.drivers.target_watch import TargetWatch
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import USERS, target_of
from tests.sandbox.jenkins import SandboxJenkins
from tests.support.gearman import free_port
from tests.support.waiting import eventually
from zuul.lib import clock

pytestmark = pytest.mark.integration
EVERY = 0.05


@pytest.fixture
def make_watch(inbox: Inbox) -> Iterator[Callable[..., TargetWatch]]:
    with ExitStack() as stack:

        def make(**more: Any) -> TargetWatch:
            watch = TargetWatch(inbox, every=EVERY, second_look=EVERY, **more)
            stack.callback(watch.stop)
            watch.start()
            return watch

        yield make


@pytest.fixture
def watch(make_watch: Callable[..., TargetWatch], jenkins: SandboxJenkins) -> TargetWatch:
    watch = make_watch()
    watch.configure({"main": target_of(jenkins.url)})
    return watch


def is_online(inbox: Inbox, online: bool, target: str = "main") -> None:
    """Wait until the target is told to be so, and why it is not online."""
    told = inbox.wait(events.TargetChecked, lambda e: (e.target, e.online) == (target, online))
    assert bool(told.text) is not online


def survey(inbox: Inbox, fits: Callable[[dict[str, Computer]], bool]) -> events.TargetSurveyed:
    return inbox.wait(events.TargetSurveyed, lambda e: fits(dict(e.computers)))


def test_what_the_nodes_do(watch: TargetWatch, inbox: Inbox, jenkins: SandboxJenkins) -> None:
    before = clock.now()
    jenkins.add_node("idle one")
    jenkins.add_node("busy", "here")
    jenkins.add_job("sleeper", "sleep 60", labels="here", parameters=())
    jenkins.start_build("sleeper")
    busy, idle = Computer(False, False), Computer(True, False)
    told = survey(inbox, lambda found: found.get("busy") == busy)
    assert told.computers["idle one"] == idle
    assert len(told.computers) == 3, "the master itself is one"
    assert before <= told.asked_at <= clock.now()
    jenkins.set_offline("busy")
    survey(inbox, lambda found: found["busy"].offline and not found["busy"].idle)
    jenkins.disconnect_node("idle one")
    survey(inbox, lambda found: found["idle one"].offline)
    jenkins.remove_node("busy")
    survey(inbox, lambda found: "busy" not in found)
    assert {each.target for each in inbox.seen(events.TargetSurveyed)} <= {"main"}


def test_one_request_surveys_any_number_of_nodes(
    watch: TargetWatch, inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    for number in range(50):
        jenkins.add_node(f"node-{number}")
    survey(inbox, lambda found: len(found) == 51)
    watch.stop()
    surveys = jenkins.requests.matching("^/computer/api/json$")
    checks = jenkins.requests.matching("^/api/json$")
    assert 0 <= len(checks) - len(surveys) <= 1
    assert jenkins.requests.total == len(surveys) + len(checks) * (1 if jenkins.modern else 2) + (
        len(jenkins.requests.matching("crumb"))
    )


def test_a_master_that_shuts_down_takes_no_nodes_and_is_still_surveyed(
    watch: TargetWatch, inbox: Inbox, jenkins: SandboxJenkins, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    is_online(inbox, True)
    jenkins.quiet_down()
    is_online(inbox, False)
    inbox.wait(events.TargetSurveyed)
    jenkins.quiet_down(False)
    is_online(inbox, True)
    eventually(lambda: "is online" in caplog.text, "a word in the log")
    said = [each for each in caplog.messages if "about to shut down" in each]
    assert len(said) == 1, "once, not at each look"


@pytest.mark.parametrize(
    "knobs",
    [
        {"status": 500},
        {"status": 503},
        {"status": 404},
        {"status": 401},
        {"html": True},
        {"truncate": 10},
        {"reset": True},
        {"delay": 2.0},
    ],
    ids=str,
)
def test_no_answer_is_offline(
    make_watch: Callable[..., TargetWatch], inbox: Inbox, tmp_path: Path, knobs: dict[str, Any]
) -> None:
    watch = make_watch(timeout_seconds=0.5)
    with SandboxJenkins(tmp_path / "jenkins", users=USERS) as jenkins:
        fault = jenkins.faults.add("^/api/json", **knobs)
        watch.configure({"main": target_of(jenkins.url)})
        is_online(inbox, False)
        assert inbox.seen(events.TargetSurveyed) == []
        jenkins.faults.remove(fault)
        is_online(inbox, True)
        watch.stop()


def test_one_lost_answer_launches_no_nodes_elsewhere(
    make_watch: Callable[..., TargetWatch], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    watch = make_watch()
    fault = jenkins.faults.add("^/api/json", reset=True, times=1)
    watch.configure({"main": target_of(jenkins.url)})
    assert inbox.wait(events.TargetChecked) == events.TargetChecked("main", True)
    assert fault.times == 0


@pytest.mark.parametrize(
    "knobs", [{"status": 500}, {"html": True}, {"truncate": 30}, {"reset": True}], ids=str
)
def test_a_survey_is_whole_or_none(
    make_watch: Callable[..., TargetWatch], inbox: Inbox, tmp_path: Path, knobs: dict[str, Any]
) -> None:
    """Nodes that a survey lacks are removed."""
    watch = make_watch()
    with SandboxJenkins(tmp_path / "jenkins", users=USERS) as jenkins:
        jenkins.add_node("node")
        fault = jenkins.faults.add("^/computer/api/json", **knobs)
        watch.configure({"main": target_of(jenkins.url)})
        for _ in range(3):
            is_online(inbox, True)
        assert inbox.seen(events.TargetSurveyed) == []
        jenkins.faults.remove(fault)
        assert "node" in inbox.wait(events.TargetSurveyed).computers
        watch.stop()


def test_a_dead_target_holds_up_no_other(
    make_watch: Callable[..., TargetWatch], inbox: Inbox, jenkins: SandboxJenkins, tmp_path: Path
) -> None:
    watch = make_watch(timeout_seconds=1.0)
    with SandboxJenkins(tmp_path / "hanging", users=USERS) as hanging:
        hanging.faults.add("", delay=30.0)
        watch.configure(
            {
                "main": target_of(jenkins.url),
                "hanging": target_of(hanging.url, "hanging"),
                "absent": target_of(f"http://127.0.0.1:{free_port()}/", "absent"),
                "none": replace(target_of("http://unused/", "none"), jenkins=None),
            }
        )
        for _ in range(10):
            inbox.wait(events.TargetSurveyed)
        is_online(inbox, False, "absent")
        watch.stop()
    assert "none" not in {each.target for each in inbox.seen(events.TargetChecked)}


def test_a_reload_disturbs_only_what_differs(
    make_watch: Callable[..., TargetWatch], inbox: Inbox, jenkins: SandboxJenkins
) -> None:
    watch = make_watch()
    main, gone = target_of(jenkins.url), target_of(f"http://127.0.0.1:{free_port()}/", "gone")
    watch.configure({"main": main, "gone": gone})
    is_online(inbox, False, "gone")
    before = watch._watches["main"]
    watch.configure({"main": replace(main, rate=5.0), "gone": replace(gone, jenkins=None)})
    assert watch._watches == {"main": before}
    is_online(inbox, True, "gone")
    watch.configure({"main": replace(main, jenkins=gone.jenkins)})
    is_online(inbox, False)
    watch.configure({})
    assert watch._watches == {}

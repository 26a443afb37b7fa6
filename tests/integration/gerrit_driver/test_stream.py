"""The Gerrit driver's event stream, cut, silent or full of rubbish: nothing is lost."""

from __future__ import annotations

import json

import pytest

from tests.integration.gerrit_driver_sandbox import approved
from tests.integration.gerrit_driver_world import PROJECT, World, wait_for
from tests.sandbox.gerrit import SandboxGerrit
from zuul.drivers.gerrit import watcher
from zuul.drivers.gerrit.driver import GerritDriver
from zuul.model.change import Change, Ref

pytestmark = pytest.mark.integration


def reconnected(gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    wait_for("a new stream", lambda: gerrit.listeners == 1 and driver.listening.is_set())


def test_bad_lines_are_named_and_the_stream_goes_on(
    world: World,
    gerrit: SandboxGerrit,
    driver: GerritDriver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = {"type": "comment-added", "change": {"project": "x", "number": "five"}}
    for text in ("garbage\n", '{"type": "comment-add\n', "\n", json.dumps(broken) + "\n"):
        gerrit.send_raw(text)
    change = world.wait_change(gerrit.upload(PROJECT, "After").number)
    assert change.project == PROJECT
    assert "not JSON" in caplog.text
    assert "patchSet: is missing" in caplog.text
    assert len(caplog.records) >= 3


def test_a_comment_of_a_mebibyte(world: World, gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    number = gerrit.upload(PROJECT, "Add a").number
    gerrit.comment(number, "x" * 1024 * 1024)
    told = world.wait_trigger("comment-added", number)
    assert isinstance(told.subject, Change)
    assert told.event.comment is not None and len(told.event.comment) == 64 * 1024


def test_nothing_is_lost_or_doubled_over_reconnects(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    heard = gerrit.upload(PROJECT, "Heard").number
    world.wait_change(heard)
    gerrit.faults.stream_refused = True
    gerrit.close_streams()
    wait_for("stream down", lambda: not driver.listening.is_set())
    missed = gerrit.upload(PROJECT, "Missed").number
    gerrit.approve(missed)
    gerrit.abandon(heard)
    gerrit.faults.stream_refused = False
    world.wait_trigger("change-abandoned", heard)
    comment = world.wait_trigger("comment-added", missed)
    assert {a.label: a.value for a in comment.event.approvals} == {
        "code-review": 2,
        "workflow": 1,
    }
    reconnected(gerrit, driver)
    gerrit.close_streams()
    wait_for("stream down again", lambda: not driver.listening.is_set())
    reconnected(gerrit, driver)
    last = gerrit.upload(PROJECT, "Last").number
    world.wait_change(last)
    counts = {
        (kind, number): len(world.triggers(kind, number))
        for kind in ("patchset-created", "comment-added", "change-abandoned")
        for number in (heard, missed)
    }
    assert counts == {
        ("patchset-created", heard): 1,
        ("patchset-created", missed): 1,
        ("comment-added", heard): 0,
        ("comment-added", missed): 1,
        ("change-abandoned", heard): 1,
        ("change-abandoned", missed): 0,
    }


def test_a_branch_that_moved_unheard(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    first, second = (approved(world, gerrit, subject) for subject in ("A", "B"))
    for change in (first, second):
        gerrit.vote(int(change.key.number), "Verified", 2)
    gerrit.submit(int(first.key.number))
    world.wait_trigger("change-merged")
    before = gerrit.branch_head(PROJECT)
    gerrit.faults.stream_muted = True
    gerrit.submit(int(second.key.number))
    gerrit.faults.stream_muted = False
    told = len(world.triggers("ref-updated"))
    gerrit.close_streams()
    world.wait_trigger("change-merged", int(second.key.number))
    moved = world.wait_trigger("ref-updated", count=told + 1)
    assert isinstance(moved.subject, Ref)
    assert (moved.event.ref, moved.event.oldrev) == ("refs/heads/master", before)
    assert moved.event.newrev == gerrit.branch_head(PROJECT)


def test_a_catch_up_that_fails_is_done_with_the_next_stream(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    gerrit.faults.query_failures.append((1, "fatal: no"))
    gerrit.faults.stream_muted = True
    number = gerrit.upload(PROJECT, "Missed").number
    gerrit.faults.stream_muted = False
    gerrit.close_streams()
    world.wait_change(number)
    assert gerrit.faults.query_failures == []


def test_a_peer_that_went_silent_is_found_out(
    world: World,
    gerrit: SandboxGerrit,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watcher, "PROBE_SECONDS", 0.3)
    with world.listening(keepalive=1):
        gerrit.faults.stalled.add("version")
        wait_for("the probe", lambda: "gerrit version timed out" in caplog.text)
        gerrit.faults.stalled.clear()
        world.wait_change(gerrit.upload(PROJECT, "Add a").number)

"""The Gerrit driver's reports, on a server that refuses them, or goes away."""

from __future__ import annotations

import logging

import pytest

from tests.integration.gerrit_driver_world import PROJECT, World
from tests.sandbox.gerrit import SandboxGerrit
from zuul.drivers.gerrit.driver import GerritDriver

pytestmark = pytest.mark.integration


def test_reports_on_one_change_keep_their_order(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    change = world.wait_change(gerrit.upload(PROJECT, "A").number)
    waits = [world.start_report(driver, change, {}, message=f"report {n}") for n in range(8)]
    assert all(wait().reported for wait in waits)
    texts = [text for user, text in gerrit.messages(int(change.key.number)) if user == "zuul"]
    assert [text.split()[-1] for text in texts] == [str(n) for n in range(8)]


def test_099_text_on_stderr_is_no_failure(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    change = world.wait_change(gerrit.upload(PROJECT, "A").number)
    gerrit.faults.review_failures.append((0, "warning: replication is slow"))
    assert world.report(driver, change, {"verified": 1}).reported


def test_a_vote_that_comes_after_the_change_was_closed_is_no_error(
    world: World,
    gerrit: SandboxGerrit,
    driver: GerritDriver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    change = world.wait_change(gerrit.upload(PROJECT, "A").number)
    world.review("core", int(change.key.number), "--abandon")
    assert not world.report(driver, change, {"verified": 1}).reported
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_a_refused_report_says_why(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    change = world.wait_change(gerrit.upload(PROJECT, "A").number)
    gerrit.faults.review_failures.append((1, "\nerror: no can do\nmore"))
    done = world.report(driver, change, {"verified": 1})
    assert not done.reported
    assert "error: no can do" in (done.reason or "")


def test_a_ref_cannot_be_reported_on(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    gerrit.create_branch(PROJECT, "stable")
    ref = world.wait_trigger("ref-updated").subject
    done = world.report(driver, ref, {})  # type: ignore[arg-type]
    assert not done.reported


def test_the_server_goes_away_in_between(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    change = world.wait_change(gerrit.upload(PROJECT, "A").number)
    assert world.report(driver, change, {"verified": 1}).reported

    def cut() -> None:
        for connection in list(gerrit.connections):
            connection.abort()

    gerrit.call(cut)
    assert world.report(driver, change, {"verified": -1}).reported
    assert gerrit.votes(int(change.key.number))["Verified"] == {"zuul": -1}

"""The Gerrit driver's submits, where the server refuses, lies, or was quicker."""

from __future__ import annotations

import threading

import pytest

from tests.integration.gerrit_driver_sandbox import approved
from tests.integration.gerrit_driver_world import GATE, UNTESTED, World, wait_for
from tests.sandbox.gerrit import SandboxGerrit
from zuul.drivers.gerrit.driver import GerritDriver, Tuning

pytestmark = pytest.mark.integration


def test_a_refusal_says_why(world: World, gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    change = approved(world, gerrit)
    gerrit.faults.submit_refusals.append("error: merge conflict in a")
    done = world.submit(driver, change)
    assert (done.reported, done.merged) == (False, False)
    assert "merge conflict" in done.reason
    assert gerrit.status(int(change.key.number)) == "NEW"


def test_a_server_that_lies_about_the_merge(world: World, gerrit: SandboxGerrit) -> None:
    with world.listening(tuning=Tuning(merge=1.0, undecided=0.5)) as driver:
        change = approved(world, gerrit)
        gerrit.faults.submit_lies = True
        done = world.submit(driver, change)
    assert (done.reported, done.merged) == (False, False)
    assert "not merged" in done.reason


def test_somebody_else_merged_it(world: World, gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    change = approved(world, gerrit)
    number = int(change.key.number)
    gerrit.vote(number, "Verified", 2)
    gerrit.submit(number)
    done = world.submit(driver, change)
    assert (done.reported, done.merged) == (False, True)
    assert "zuul" not in gerrit.votes(number).get("Verified", {})


def test_an_abandoned_change(world: World, gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    change = approved(world, gerrit)
    gerrit.abandon(int(change.key.number))
    done = world.submit(driver, change)
    assert (done.reported, done.merged) == (False, False)
    assert "ABANDONED" in done.reason


def test_the_connection_breaks_during_the_submit(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    change = approved(world, gerrit)
    number = int(change.key.number)
    gerrit.faults.delays["submit"] = 1.0
    wait = world.start_report(driver, change, GATE, submit=UNTESTED)
    cutter = threading.Thread(target=cut_when_submitting, args=(gerrit, driver))
    cutter.start()
    done = wait()
    cutter.join()
    merged = gerrit.status(number) == "MERGED"
    assert done.merged is merged
    said = [text for user, text in gerrit.messages(number) if user == "zuul"]
    assert len([text for text in said if "Build succeeded." in text]) <= 1


def cut_when_submitting(gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    wait_for("the report's login", lambda: driver._connections._all or None)
    wait_for("three logins", lambda: len(gerrit.connections) >= 3 or None)
    gerrit.call(lambda: [c.abort() for c in list(gerrit.connections)] and None)

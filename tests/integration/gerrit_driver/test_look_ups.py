"""The Gerrit driver's look-ups, on a server that is slow, refuses or answers badly."""

from __future__ import annotations

import time

import pytest

from tests.integration.gerrit_driver_sandbox import approved
from tests.integration.gerrit_driver_world import PROJECT, World, wait_for
from tests.sandbox.gerrit import SandboxGerrit
from zuul.core.events import TriggerReceived
from zuul.drivers.gerrit.driver import GerritDriver, Tuning
from zuul.model.change import ChangeKey, Ref

pytestmark = pytest.mark.integration


def test_an_event_nobody_wants_costs_no_query(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    world.interest.predicate = lambda event: False
    gerrit.faults.stalled.add("query")
    number = gerrit.upload(PROJECT, "Add a").number
    told = world.wait_trigger("patchset-created", number)
    assert (told.subject, told.changes) == (None, ())
    gerrit.faults.stalled.clear()


def test_an_unwanted_event_does_not_overtake(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    world.interest.predicate = lambda event: event.type == "patchset-created"
    gerrit.faults.delays["query"] = 0.3
    number = gerrit.upload(PROJECT, "Add a").number
    gerrit.comment(number, "hello")
    world.wait_trigger("comment-added", number)
    kinds = [
        e.event.type
        for e in world.told
        if isinstance(e, TriggerReceived) and e.event.number == str(number)
    ]
    assert kinds == ["patchset-created", "comment-added"]


def test_changes_are_looked_up_side_by_side(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    gerrit.faults.delays["query"] = 0.5
    numbers = [gerrit.upload(PROJECT, f"Change {n}").number for n in range(30)]
    began = time.monotonic()
    for number in numbers:
        world.wait_change(number)
    assert time.monotonic() - began < 30 * 0.5 / 2


def test_an_event_survives_a_server_that_cannot_answer(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    gerrit.faults.query_cut_at = 50
    number = gerrit.upload(PROJECT, "Add a").number
    wait_for("a failed look-up", lambda: driver._source.waiting == 1)
    gerrit.faults.query_cut_at = None
    assert world.wait_change(number).key.number == str(number)


def test_a_refused_query_is_asked_again(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    gerrit.faults.query_failures += [(1, "fatal: the index is not ready")] * 2
    world.wait_change(gerrit.upload(PROJECT, "Add a").number)


def test_a_row_that_lacks_a_field_is_named(
    world: World,
    gerrit: SandboxGerrit,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with world.listening(tuning=Tuning(settle=0.2)):
        gerrit.faults.missing_keys = frozenset({"branch"})
        number = gerrit.upload(PROJECT, "Add a").number
        assert world.wait_trigger("patchset-created", number).subject is None
        gerrit.faults.missing_keys = frozenset()
        world.wait_change(gerrit.upload(PROJECT, "Add b").number)
    assert "branch: is missing" in caplog.text


def test_rest_that_fails_does_not_stop_the_gate(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    gerrit.faults.rest_status = 401
    assert world.wait_change(gerrit.upload(PROJECT, "A").number).submit_requirements is None
    gerrit.faults.rest_status = 503
    number = gerrit.upload(PROJECT, "B").number
    wait_for("a failed look-up", lambda: driver._source.waiting == 1)
    gerrit.faults.rest_status = None
    assert world.wait_change(number).submit_requirements is not None


def test_a_merge_moves_a_branch(world: World, gerrit: SandboxGerrit, driver: GerritDriver) -> None:
    change = approved(world, gerrit)
    gerrit.vote(int(change.key.number), "Verified", 2)
    gerrit.submit(int(change.key.number))
    world.wait_trigger("change-merged")
    moved = [
        told.subject
        for told in world.triggers("ref-updated")
        if isinstance(told.subject, Ref) and told.subject.ref == "refs/heads/master"
    ]
    head = gerrit.branch_head(PROJECT)
    assert [ref.newrev for ref in moved][-1] == head
    url = f"{gerrit.endpoint.http_url}/gitweb?p={PROJECT}.git;a=commitdiff;h={head}"
    assert moved[-1].url == url


def test_refresh_while_the_server_is_busy(
    world: World, gerrit: SandboxGerrit, driver: GerritDriver
) -> None:
    number = gerrit.upload(PROJECT, "A").number
    gerrit.faults.delays["query"] = 0.3
    driver.refresh((ChangeKey("gerrit", str(number), "1"),))
    assert [c.key.number for c in world.wait_refreshed().changes] == [str(number)]

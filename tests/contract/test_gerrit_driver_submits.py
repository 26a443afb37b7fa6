"""Submits of the Gerrit driver, on the sandbox and on a real Gerrit 3.9.4 alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.gerrit_driver_world import World
from zuul.drivers.gerrit.driver import GerritDriver
from zuul.model.change import Change

pytestmark = pytest.mark.timeout(240)


def test_submit_merges_the_tested_tree(world: World, project: str, driver: GerritDriver) -> None:
    upload = world.dev.upload(project, "Add a", {"a": "1\n"})
    world.approve(upload.number)
    change = world.wait_vote(upload.number)
    tested = world.tested(project, upload.revision)
    done = world.submit(driver, change, tested)
    assert (done.reported, done.merged, done.tree_mismatch, done.base_moved) == (
        True,
        True,
        None,
        False,
    ), done
    assert world.status(upload.number) == "MERGED"
    merged = world.wait_trigger("change-merged", upload.number)
    assert isinstance(merged.subject, Change) and merged.subject.is_merged


def test_submit_of_a_replaced_patch_set_votes_nothing(
    world: World, project: str, driver: GerritDriver
) -> None:
    upload = world.dev.upload(project, "Add a", {"a": "1\n"})
    world.approve(upload.number)
    change = world.wait_vote(upload.number)
    tested = world.tested(project, upload.revision)
    world.dev.upload(project, "Add a", {"a": "evil\n"}, change_id=upload.change_id)
    world.approve(upload.number)
    done = world.submit(driver, change, tested)
    assert (done.reported, done.merged) == (False, False)
    assert "patch set 2" in (done.reason or "")
    assert world.status(upload.number) == "NEW"
    assert world.votes(upload.number) == {}


def test_submit_after_a_vote_vanished_votes_nothing(
    world: World, project: str, driver: GerritDriver
) -> None:
    upload = world.dev.upload(project, "Add a")
    world.approve(upload.number)
    change = world.wait_vote(upload.number)
    tested = world.tested(project, upload.revision)
    world.review("core", upload.number, "--label=Workflow=0")
    done = world.submit(driver, change, tested)
    assert (done.reported, done.merged) == (False, False)
    assert "Workflow" in (done.reason or "")
    assert world.votes(upload.number) == {}


def test_submit_on_a_moved_base_votes_nothing(
    world: World, project: str, driver: GerritDriver
) -> None:
    first = world.dev.upload(project, "First")
    second = world.dev.upload(project, "Second")
    for upload in (first, second):
        world.approve(upload.number)
    tested = world.tested(project, first.revision)
    changes = [world.wait_vote(upload.number) for upload in (first, second)]
    assert world.submit(driver, changes[0], tested).merged
    done = world.submit(driver, changes[1], tested)
    assert (done.reported, done.merged, done.base_moved) == (False, False, True)
    assert world.votes(second.number) == {}


def test_submit_that_would_drag_in_an_ancestor_is_not_sent(
    world: World, project: str, driver: GerritDriver
) -> None:
    a = world.dev.upload(project, "A")
    b = world.dev.upload(project, "B", onto=a.revision)
    for upload in (a, b):
        world.approve(upload.number)
        world.review("core", upload.number, "--label=Verified=2")
    change = world.wait_vote(b.number, 2)
    done = world.submit(driver, change)
    assert (done.reported, done.merged) == (False, False)
    assert str(a.number) in (done.reason or "")
    assert (world.status(a.number), world.status(b.number)) == ("NEW", "NEW")


def test_another_tree_than_the_tested_one_is_told(
    world: World, project: str, driver: GerritDriver
) -> None:
    upload = world.dev.upload(project, "Add a")
    world.approve(upload.number)
    change = world.wait_vote(upload.number)
    tested = replace(world.tested(project, upload.revision), tree="0" * 40)
    done = world.submit(driver, change, tested)
    assert (done.reported, done.merged) == (True, True)
    assert "0" * 40 in (done.tree_mismatch or "")

"""Freezing and holding, which Zuul 2.6 cannot do; beside contract zuul.md 12.14."""

from __future__ import annotations

from tests.scenarios.answers import granted, refused
from tests.support.layouts import without_pipeline
from tests.support.world import World
from zuul.core.requests import BrakesRestored


def test_322_a_frozen_pipeline_tests_and_does_not_merge(world: World) -> None:
    a, b = world.approved(2)
    assert granted(world.freeze(reason="release week")) is None
    world.approve(a, b)
    world.expect_open(a, b)
    assert world.results("project-test1") == ["SUCCESS", "SUCCESS"]
    text = "pipeline gate is frozen: release week"
    assert world.item("gate", a)["waiting"] == world.item("gate", a)["brake"] == text
    assert world.item("gate", b)["waiting"] == "1,1 is ahead of it"
    (freeze,) = world.pipeline("gate")["freezes"]
    assert (freeze["project"], freeze["reason"]) == (None, "release week")
    assert world.pipeline("check")["freezes"] == []
    tested = world.history
    assert granted(world.unfreeze()) is None
    world.expect_merged(a, b)
    assert world.history == tested
    assert world.pipeline("gate")["freezes"] == []


def test_322_failures_are_told_whatever_is_frozen(world: World) -> None:
    a, b = world.approved(2)
    world.fails("project-test1", a)
    world.freeze()
    world.approve(a, b)
    world.expect_votes(a, -2)
    assert world.items("gate") == [["2,1"]]
    world.unfreeze()
    world.expect_merged(b)


def test_322_a_frozen_project_keeps_nobody_else(world: World) -> None:
    a, b = world.change("org/project1"), world.change("org/project2")
    world.freeze(None, "org/project1", "the branch is cut")
    world.approve(a, b)
    world.expect_merged(b)
    world.expect_open(a)
    text = "project org/project1 is frozen: the branch is cut"
    assert world.item("gate", a)["waiting"] == text
    assert set(world.results("project1-test1", a)) == {"SUCCESS"}
    late = world.change("org/project3")
    world.approve(late)
    world.expect_merged(late)
    world.unfreeze(None, "org/project1")
    world.expect_merged(a)


def test_322_who_is_frozen_stands_last_with_those_that_need_it(world: World) -> None:
    a, b, c = (world.change(f"org/project{number}") for number in (1, 2, 3))
    d = world.change("org/project2", depends_on=a)
    e = world.change("org/project3")
    world.hold_builds()
    world.approve(a, b, c, d)
    running = world.running
    world.freeze("gate", "org/project1")
    assert world.items("gate") == [["2,1", "3,1", "1,1", "4,1"]]
    assert running != world.running
    world.approve(e)
    assert world.items("gate") == [["2,1", "3,1", "5,1", "1,1", "4,1"]]
    note = "may not merge and stay behind: 4,1"
    assert granted(world.promote(d, e)) == note
    assert world.items("gate") == [["5,1", "2,1", "3,1", "1,1", "4,1"]]
    world.release()
    world.expect_merged(b, c, e)
    world.expect_open(a, d)
    assert world.item("gate", d)["waiting"] == "1,1 is ahead of it"
    world.unfreeze("gate", "org/project1")
    world.expect_merged(a, d)


def test_322_who_comes_after_a_reload_goes_before_who_is_frozen(world: World) -> None:
    a, b = world.change("org/project1"), world.change("org/project2")
    world.freeze(None, "org/project1")
    world.approve(a)
    world.reload()
    world.approve(b)
    world.expect_merged(b)
    world.expect_open(a)


def test_322_a_frozen_pipeline_keeps_its_order_and_its_builds(world: World) -> None:
    changes = world.approved()
    world.hold_builds()
    world.approve(*changes)
    running = world.running
    world.freeze()
    assert world.running == running
    assert granted(world.promote(changes[0], changes[1])) is None
    assert world.running == running
    assert granted(world.promote(changes[0], changes[2])) is None
    assert world.items("gate") == [["1,1", "3,1", "2,1"]]
    world.unfreeze()
    assert world.items("gate") == [["1,1", "3,1", "2,1"]]
    world.release()
    world.expect_merged(*changes)
    assert world.results("project-test1", changes[0]) == ["SUCCESS"]


def test_322_everything_can_be_frozen(world: World) -> None:
    a, b = world.change("org/project"), world.change("org/project1")
    world.freeze(None, None, "the disk is full")
    world.approve(a, b)
    world.expect_open(a, b)
    assert world.item("gate", b)["waiting"] == "everything is frozen: the disk is full"
    refused(world.unfreeze())
    world.unfreeze(None, None)
    world.expect_merged(a, b)


def test_323_a_held_change_does_not_merge(world: World) -> None:
    a, b = world.approved(2)
    assert granted(world.hold(a, "after the meeting")) is None
    world.approve(a, b)
    world.expect_merged(b)
    world.expect_open(a)
    assert world.item("gate", a)["waiting"] == "the change is held: after the meeting"
    assert granted(world.unhold(a)) is None
    world.expect_merged(a)


def test_323_a_hold_outlives_a_new_patch_set_unless_it_names_one(world: World) -> None:
    a, b = world.approved(2)
    world.hold(a)
    world.hold(b, patchset=1)
    for change in (a, b):
        world.upload(change)
        world.vote(change, "Code-Review", 2, event=False)
    world.approve(a, b)
    world.expect_merged(b)
    world.expect_open(a)
    assert world.item("gate", a)["brake"] == "the change is held: wait for it"
    assert refused(world.unhold(a, patchset=2)).endswith("held in pipeline gate: 1 2,1")
    world.unhold(a)
    world.expect_merged(a)


def test_324_what_is_on_its_way_is_told(world: World) -> None:
    a, b = world.approved(2)
    world.reports_held = True
    world.approve(a, b)
    assert granted(world.freeze()) == "being merged already: 1,1"
    assert granted(world.hold(a)) == "being merged already: 1,1"
    assert granted(world.hold(b)) is None
    world.reports_held = False
    world.settle()
    world.expect_merged(a)
    world.expect_open(b)


def test_324_brakes_outlive_a_reload_and_a_restart(world: World) -> None:
    a, b = world.change("org/project"), world.change("org/project1")
    world.freeze(reason="release")
    world.hold(b)
    world.approve(a, b)
    world.reload()
    world.expect_open(a, b)
    world.reload(without_pipeline("gate"))
    world.reload()
    assert world.kept is not None
    again = World()
    again.tell(BrakesRestored(world.kept.freezes, world.kept.holds))
    c = again.change()
    again.approve(c)
    again.expect_open(c)
    assert again.item("gate", c)["waiting"] == "pipeline gate is frozen: release"
    assert granted(again.unfreeze()) is None
    again.expect_merged(c)


def test_324_only_what_merges_can_be_stopped(world: World) -> None:
    (a,) = world.approved(1)
    for answer in (world.freeze("check"), world.hold(a, pipeline="check")):
        text = refused(answer)
        assert text.startswith("Pipeline check merges nothing that could be stopped\n")
        assert text.endswith("pipelines that merge: gate conflict")
    assert refused(world.freeze("nosuch")) == "Invalid pipeline: nosuch"
    assert refused(world.freeze(None, "nosuch")) == "Invalid project: nosuch"
    world.freeze(None, "org/project")
    text = "pipeline gate is not frozen\nfrozen: project org/project"
    assert refused(world.unfreeze()) == text

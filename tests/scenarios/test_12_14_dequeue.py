"""Dequeueing, which Zuul 2.6 cannot do; beside contract zuul.md 12.14."""

from __future__ import annotations

from tests.scenarios.answers import granted, refused
from tests.support.layouts import pipeline, project
from tests.support.operators import NEWREV
from tests.support.world import World


def test_321_a_dequeued_change_leaves_without_a_word(world: World) -> None:
    a, b, c = world.approved()
    world.hold_builds()
    world.approve(a, b, c)
    assert granted(world.dequeue(b)) is None
    assert world.items("gate") == [["1,1", "3,1"]]
    world.release()
    world.expect_merged(a, c)
    world.expect_open(b)
    world.expect_reports(1, b)  # that it was begun with
    assert "project-test1 1,1 2,1 3,1 SUCCESS" not in world.history


def test_321_a_change_in_check(world: World) -> None:
    world.hold_builds()
    a = world.push()
    b = world.push(needs=a)
    assert granted(world.dequeue(b, "check")) is None
    assert world.items("check") == [["1,1"]]
    world.release()
    world.expect_reports(0, b)


def test_321_what_is_being_reported_leaves_when_that_is_done(world: World) -> None:
    (a,) = world.approved(1)
    world.reports_held = True
    world.approve(a)
    note = granted(world.dequeue(a))
    assert note == "its report is on the way, it leaves when that is done"
    world.reports_held = False
    world.settle()
    world.expect_merged(a)
    world.expect_idle()


def test_321_refs_and_ticks(world: World) -> None:
    world.reload(
        pipeline("periodic", manager="IndependentPipelineManager", trigger={"timer": []}),
        project("org/project", periodic=["project-post"]),
    )
    world.hold_builds()
    world.ref_updated("org/project", "master", NEWREV)
    world.heard_tick("periodic", "org/project")
    world.settle()
    assert (len(world.items("post")), len(world.items("periodic"))) == (1, 1)
    text = refused(world.dequeue_ref("post", "org/project", "stable"))
    assert text.startswith("Ref stable of project org/project is not in pipeline post\nin pipe")
    assert granted(world.dequeue_ref("post", "org/project", "master")) is None
    assert granted(world.dequeue_tick("periodic", "org/project")) is None
    world.expect_idle()


def test_321_what_is_not_there_is_answered_with_what_is(world: World) -> None:
    a, b, c = world.approved()
    world.hold_builds()
    world.approve(a, b)
    text = "Change 3,1 is not in pipeline gate\nin pipeline gate: 1,1 2,1"
    assert refused(world.dequeue(c)) == text

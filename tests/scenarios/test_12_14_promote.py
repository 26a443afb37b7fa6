"""Contract zuul.md 12.14: promoting changes. From 320 on: what Zuul 2.6 cannot do."""

from __future__ import annotations

from tests.scenarios.answers import granted, refused
from tests.support.fake_gearman import FAILURE
from tests.support.world import World
from zuul.core.requests import PromoteRequested


def times(world: World) -> dict[str, int]:
    """When each item of gate was enqueued."""
    (queue,) = [q for q in world.pipeline("gate")["change_queues"] if q["heads"]]
    return {item["id"]: item["enqueue_time"] for head in queue["heads"] for item in head}


def test_125_promoted_changes_go_first_and_keep_their_times(world: World) -> None:
    a, b, c = world.approved()
    world.hold_builds()
    world.approve(a, b, c)
    world.release("project-merge")
    before = times(world)
    assert granted(world.promote(b, c)) is None
    assert world.items("gate") == [["2,1", "3,1", "1,1"]]
    assert times(world) == before
    for _ in range(3):
        world.release("project-merge")
    assert "project-test1 2,1 3,1 1,1" in world.running
    world.release()
    world.expect_merged(a, b, c)
    assert [r.change.key.number for r in world.reporters.sent if r.submit] == ["2", "3", "1"]
    world.expect_reports(2, a, b, c)


def test_126_what_a_promoted_change_needs_goes_ahead_of_it(world: World) -> None:
    a = world.change()
    b = world.change()
    c = world.change(needs=b)
    world.hold_builds()
    world.approve(a, b, c)
    assert granted(world.promote(c)) is None
    assert world.items("gate") == [["2,1", "3,1", "1,1"]]
    world.release()
    world.expect_merged(a, b, c)
    world.expect_reports(2, a, b, c)


def test_127_promoting_what_is_not_there(world: World) -> None:
    a, b, c = world.approved()
    world.hold_builds()
    world.approve(a, b)
    assert refused(world.promote(a, pipeline="nosuch")) == "Invalid pipeline: nosuch"
    assert refused(world.promote(b, c)) == "Change 3,1 is not in pipeline gate"
    assert world.items("gate") == [["1,1", "2,1"]]
    assert refused(world.ask(lambda r: PromoteRequested(r, "gate", ()))) == "No change is named"
    other = world.change("org/project1")
    world.approve(other)
    text = "Changes 1,1 and 4,1 are not in the same queue"
    assert refused(world.promote(a, other)) == text


def test_129_promoting_in_check_changes_nothing(world: World) -> None:
    """Quirk 129 is not kept: what a change needs stays non-live, and no build is lost."""
    world.hold_builds()
    a = world.push()
    b = world.push(needs=a)
    running = world.running
    assert granted(world.promote(b, pipeline="check")) is None
    assert world.items("check") == [["1,1"], ["[1,1]", "2,1"]]
    assert world.running == running
    assert world.aborted() == []


# Promoting without losing what need not be lost
def test_320_who_keeps_all_that_is_ahead_goes_on(world: World) -> None:
    changes = world.approved(5)
    a, b, c, d, e = changes
    world.hold_builds()
    world.approve(*changes)
    for _ in changes:
        world.release("project-merge")
    assert granted(world.promote(a, b, d)) is None
    assert world.items("gate") == [["1,1", "2,1", "4,1", "3,1", "5,1"]]
    world.release()
    world.expect_merged(*changes)
    for kept in (a, b):
        assert world.results("project-test1", kept) == ["SUCCESS"]
    for moved in (c, d, e):
        assert world.results("project-test1", moved) == ["ABORTED", "SUCCESS"]


def test_320_the_order_that_is_there_already_costs_nothing(world: World) -> None:
    a, b, c = world.approved()
    world.hold_builds()
    world.approve(a, b, c)
    running = world.running
    assert granted(world.promote(a, b, a)) is None
    assert world.running == running


def test_320_what_is_being_merged_stays_in_front(world: World) -> None:
    a, b, c = world.approved()
    world.reports_held = True
    world.hold_builds()
    world.approve(a, b, c)
    for _ in range(3):
        world.release("project-merge", "project-test.*")
        world.hold_builds()
    merging = [r for r in world.reports if r.submit]
    assert [r.change.key.number for r in merging] == ["1"]
    assert granted(world.promote(c)) is None
    assert world.items("gate") == [["1,1", "3,1", "2,1"]]
    world.reports_held = False
    world.release()
    world.expect_merged(a, b, c)
    assert [r.change.key.number for r in world.reporters.sent if r.submit] == ["1", "3", "2"]


def test_320_a_failing_change_gets_another_try_in_its_new_place(world: World) -> None:
    a, b, c = world.approved()
    world.hold_builds()
    world.approve(a, b, c)
    world.release("project-merge")
    world.release("project-merge")
    world.finish("project-test1", FAILURE, b)
    assert world.item("gate", b)["failing_reasons"] == ["at least one job failed"]
    assert granted(world.promote(b)) is None
    assert world.item("gate", b)["failing_reasons"] == []
    world.release()
    world.expect_merged(a, b, c)

"""Contract zuul.md 12.5: new patch sets and abandons in check."""

from __future__ import annotations

from tests.support.layouts import pipeline, project
from tests.support.world import World


def two_chains(world: World) -> tuple:
    """B needs A; both were pushed, B first. The merge jobs run."""
    a = world.change()
    b = world.change(needs=a)
    world.hold_builds()
    world.created(b)
    world.created(a)
    assert world.items("check") == [["[1,1]", "2,1"], ["1,1"]]
    return a, b


def test_052_new_patch_sets_replace_live_items_only(world: World) -> None:
    a, b = two_chains(world)
    world.upload(a)
    assert world.items("check") == [["[1,1]", "2,1"], ["1,2"]]
    # B's new patch set still stands on the first one of A
    world.upload(b)
    assert world.items("check") == [["1,2"], ["[1,1]", "2,2"]]
    world.release()
    world.expect_reports(1, a, b)
    merges = [entry for entry in world.history if "project-merge" in entry]
    assert merges == [
        "project-merge 1,1 ABORTED",
        "project-merge 1,1 2,1 ABORTED",
        "project-merge 1,2 SUCCESS",
        "project-merge 1,1 2,2 SUCCESS",
    ]


def test_053_an_abandoned_parent_stays_as_a_base(world: World) -> None:
    a, b = two_chains(world)
    world.abandon(a)
    assert world.items("check") == [["[1,1]", "2,1"]]
    world.release()
    world.expect_reports(0, a)
    world.expect_reports(1, b)
    assert world.history[0] == "project-merge 1,1 ABORTED"
    assert len(world.history) == 4


def test_054_a_new_patch_set_touches_no_other_change(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.hold_builds()
    world.created(a, b, c)
    world.upload(b)
    world.release()
    world.expect_reports(1, a, b, c)
    assert len(world.history) == 10
    assert world.aborted() == ["project-merge 2,1"]


def test_055_an_abandon_does_not_touch_timer_items(world: World) -> None:
    world.reload(
        pipeline(
            "periodic",
            manager="IndependentPipelineManager",
            trigger={"timer": [{"time": "0 0 * * *"}]},
        ),
        project("org/project", periodic=["project-bitrot"]),
    )
    world.hold_builds()
    world.heard_tick("periodic", "org/project")
    world.settle()
    a = world.push()
    world.abandon(a)
    assert world.running == ["project-bitrot"]
    assert world.items("periodic") == [["None"]]
    world.release()
    world.expect_idle()

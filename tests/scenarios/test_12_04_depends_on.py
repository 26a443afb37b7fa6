"""Contract zuul.md 12.4: cross-repository dependencies."""

from __future__ import annotations

import pytest

from tests.support.layouts import pipeline
from tests.support.world import World

DEPENDS_TEXT = "depends on a change that failed to merge"


def test_037_the_gate_waits_for_the_target(world: World) -> None:
    a, b = world.change("org/project1"), world.change("org/project2")
    world.upload(a, depends_on=b, event=False)
    world.vote(a, "Code-Review", 2, event=False)
    world.approve(a)
    world.expect_reports(0, a, b)

    world.approve(b, event=False)
    world.approve(a)
    world.expect_merged(a, b)
    world.expect_reports(2, a, b)
    merge = world.ended("project1-merge")[0]
    assert merge.changes == "2,1 1,2"


def test_038_a_shared_change_id_means_all_open_changes(world: World) -> None:
    shared = "I" + "5" * 40
    a = world.change("org/project1")
    b = world.change("org/project2", change_id=shared)
    c1 = world.change("org/project2", "mp", change_id=shared)
    c2 = world.change("org/project2", "stable", change_id=shared)
    world.abandon(c2)
    world.upload(a, depends_on=b, event=False)
    world.vote(a, "Code-Review", 2, event=False)
    world.approve(a, b, event=False)
    world.approve(a)
    world.expect_reports(0, a, b, c1)
    world.approve(c1, event=False)
    world.approve(a)
    world.expect_merged(a, b, c1)
    world.expect_reports(2, a, b, c1)
    world.expect_reports(0, c2)
    assert {build.changes for build in world.ended("project1-merge")} == {"2,1 3,1 1,2"}


def test_039_two_footers_keep_their_order(world: World) -> None:
    a = world.change("org/project1")
    b, c = world.change("org/project2"), world.change("org/project2")
    world.upload(a, depends_on=(b, c), event=False)
    world.vote(a, "Code-Review", 2, event=False)
    world.approve(b, c, event=False)
    world.approve(a)
    world.expect_merged(a, b, c)
    assert {x.changes for x in world.gearman.history if x.job == "project1-merge"} == {
        "2,1 3,1 1,2"
    }


def test_040_a_target_in_another_queue_must_merge_first(world: World) -> None:
    b = world.change("org/project")
    a = world.change("org/project1", depends_on=b)
    world.approve(b, event=False)
    world.approve(a)
    world.expect_reports(0, a, b)
    world.expect_idle()

    world.approve(b)
    world.expect_merged(b)
    world.expect_open(a)
    world.expect_reports(0, a)
    world.approve(a)
    world.expect_merged(a)
    world.expect_reports(2, a, b)


def test_041_the_target_brings_an_approved_dependant(world: World) -> None:
    b = world.change("org/project2")
    a = world.change("org/project1", depends_on=b)
    world.approve(a)
    world.expect_reports(0, a)
    world.approve(b)
    world.expect_merged(a, b)
    world.expect_reports(2, a, b)
    assert {x.changes for x in world.gearman.history if x.job == "project1-merge"} == {"1,1 2,1"}


def test_042_a_cycle_enters_no_pipeline(world: World) -> None:
    a = world.change("org/project1")
    b = world.change("org/project2", depends_on=a)
    world.upload(a, depends_on=b, event=False)
    world.vote(a, "Code-Review", 2, event=False)
    world.approve(a, b, event=False)
    world.approve(a, b)
    world.created(a, b)
    world.expect_reports(0, a, b)
    world.expect_idle()
    assert world.history == []


def test_043_a_target_in_an_unknown_project_must_merge_first(world: World) -> None:
    b = world.change("org/unknown")
    a = world.change("org/project1", depends_on=b)
    world.approve(a)
    world.expect_reports(0, a, b)
    world.merge_by_hand(b)
    world.approve(a)
    world.expect_merged(a)
    world.expect_reports(2, a)
    world.expect_reports(0, b)


def test_044_check_tests_a_change_with_its_target(world: World) -> None:
    b = world.change("org/project2")
    a = world.push("org/project1", depends_on=b)
    build = world.gearman.history[0]
    assert build.changes == "1,1 2,1"
    state = world.merger.prepared(build.parameters)
    assert state["org/project1", "master"].subjects == ("initial", a.subject)
    assert state["org/project2", "master"].subjects == ("initial", b.subject)
    world.expect_reports(1, a)
    world.expect_reports(0, b)
    world.expect_idle()


def test_045_check_of_a_git_chain(world: World) -> None:
    a = world.push("org/project")
    b = world.push("org/project", needs=a)
    world.expect_reports(1, a, b)
    world.expect_votes(a, 1)
    world.expect_votes(b, 1)
    merges = [build.changes for build in world.ended("project-merge")]
    assert merges == ["1,1", "1,1 2,1"]


def test_046_repeated_events_add_nothing(world: World) -> None:
    a = world.change("org/project1")
    b = world.change("org/project1", needs=a)
    world.hold_builds()
    world.created(b)
    assert world.items("check") == [["[1,1]", "2,1"]]
    world.created(b)
    assert world.items("check") == [["[1,1]", "2,1"]]
    world.created(a)
    assert world.items("check") == [["[1,1]", "2,1"], ["1,1"]]
    world.release()
    world.expect_reports(1, a, b)
    merges = [build.changes for build in world.ended("project1-merge")]
    assert merges == ["1,1 2,1", "1,1"]
    world.expect_idle()


@pytest.mark.parametrize("project", ["org/project2", "org/unknown"])
def test_047_a_reload_keeps_the_non_live_target(world: World, project: str) -> None:
    b = world.change(project)
    a = world.change("org/project1", depends_on=b)
    world.hold_queue()
    world.created(a)
    world.reload()
    assert world.items("check") == [["[1,1]", "2,1"]]
    world.release_queue()
    assert {build.changes for build in world.gearman.history} == {"1,1 2,1"}
    world.expect_reports(1, a)
    world.expect_reports(0, b)
    world.expect_idle()


def test_048_dependencies_can_be_ignored(world: World) -> None:
    world.reload(pipeline("check", ignore_dependencies=True))
    b = world.change("org/project2")
    a = world.change("org/project1", depends_on=b)
    c = world.change("org/project2", needs=b)
    world.hold_builds()
    world.created(a, b, c)
    assert world.items("check") == [["2,1"], ["1,1"], ["3,1"]]
    world.release()
    assert {len(build.changes.split()) for build in world.gearman.history} == {1}
    world.expect_reports(1, a, b, c)


def test_049_new_patch_sets_along_a_transitive_chain(world: World) -> None:
    c = world.change("org/project2")
    b = world.change("org/project2", depends_on=c)
    a = world.change("org/project1", depends_on=b)
    world.created(a)
    world.upload(c)
    world.upload(a, depends_on=b)
    assert world.gearman.history[-1].changes == "1,2 2,1 3,2"


def test_050_removing_the_footer_heals_a_cycle(world: World) -> None:
    a = world.change("org/project1")
    b = world.change("org/project2", depends_on=a)
    world.upload(a, depends_on=b)
    world.expect_reports(0, a, b)
    world.upload(a)
    world.created(b)
    world.expect_reports(1, a, b)
    assert world.gearman.history[-1].changes == "1,3 2,1"
    world.expect_idle()


def test_051_a_dependant_leaves_with_the_old_patch_set_of_its_target(world: World) -> None:
    """Kept as it is: what the dependant was tested with can no longer merge."""
    b = world.change("org/project2")
    a = world.change("org/project1", depends_on=b)
    world.hold_builds()
    world.created(a)
    world.upload(b)
    assert world.items("check") == [["1,2"]]
    assert world.aborted() == ["project1-merge 1,1 2,1"]
    world.expect_reports(1, a)
    assert DEPENDS_TEXT in a.comments[0].text
    world.release()
    world.expect_reports(1, a, b)
    world.expect_idle()

"""Contract zuul.md 12.11: a reload keeps what is running."""

from __future__ import annotations

import pytest

from tests.support.fake_gearman import FAILURE, SUCCESS
from tests.support.layouts import (
    Edit,
    job,
    load_layout,
    pipeline,
    project,
    without_pipeline,
    without_project,
)
from tests.support.world import World
from zuul.errors import LayoutError

MERGE_JOBS = ".*-merge"


def with_test3() -> Edit:
    tree = [{"project-merge": ["project-test1", "project-test2", "project-test3"]}]
    return project("org/project", gate=tree)


def test_101_running_builds_survive(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    world.reload()
    world.release()
    world.expect_merged(a)
    world.expect_reports(2, a)
    assert world.history == [
        "project-merge 1,1 SUCCESS",
        "project-test1 1,1 SUCCESS",
        "project-test2 1,1 SUCCESS",
    ]


def test_102_a_new_job_does_not_run_for_a_conflicting_change(world: World) -> None:
    a = world.change(files=["conflict"])
    b = world.change(files=["conflict"])
    world.hold_builds()
    world.approve(a, b)
    world.release("project-merge")
    world.reload(with_test3())
    world.release()
    world.expect_merged(a)
    world.expect_open(b)
    world.expect_reports(2, a, b)
    assert sorted(world.history) == [
        "project-merge 1,1 SUCCESS",
        "project-test1 1,1 SUCCESS",
        "project-test2 1,1 SUCCESS",
        "project-test3 1,1 SUCCESS",
    ]


def test_103_a_new_job_does_not_run_below_a_failed_one(world: World) -> None:
    a, b = world.change(), world.change()
    world.fails("project-merge", b)
    world.hold_builds()
    world.approve(a, b)
    world.release("project-merge")
    world.release("project-merge")
    assert world.results("project-merge", b) == [FAILURE]
    world.reload(with_test3())
    world.release()
    world.expect_merged(a)
    world.expect_open(b)
    world.expect_reports(2, a, b)
    assert world.results("project-test3", a) == [SUCCESS]
    assert world.results("project-test3", b) == []
    assert len(world.history) == 5


@pytest.mark.parametrize("job_lives_on", [False, True], ids=["gone", "elsewhere"])
def test_104_a_failed_job_that_is_removed_no_longer_counts(
    world: World, job_lives_on: bool
) -> None:
    tree = [{"project-merge": ["project-test1", "project-test2", "project-test4"]}]
    start = [project("org/project", gate=tree)]
    if job_lives_on:
        start.append(project("org/other", gate=["project-test4"]))
    world.reload(*start)
    a = world.change()
    world.fails("project-test4", a)
    world.hold_builds()
    world.approve(a)
    world.release("project-merge")
    world.release("project-test4")
    world.reload(*start[1:])
    world.release()
    world.expect_merged(a)
    world.expect_reports(2, a)
    assert "Build succeeded" in a.comments[-1].text
    assert "project-test4" not in a.comments[-1].text
    assert len(world.history) == 4


def test_105_a_dependent_change_between_two_reloads(world: World) -> None:
    a = world.change("org/project1")
    b = world.change("org/project1", needs=a)
    world.hold_builds()
    world.approve(a)
    world.reload()
    world.approve(b)
    world.reload()
    world.release()
    world.expect_merged(a, b)
    world.expect_reports(2, a, b)
    assert len(world.history) == 8


def test_106_a_removed_project_becomes_foreign(world: World) -> None:
    b = world.change("org/project1")
    a = world.change("org/project", depends_on=b)
    c = world.change("org/project1")
    world.hold_builds()
    world.created(a, c)
    assert world.running == ["project-merge 1,1 2,1", "project1-merge 3,1"]
    world.reload(without_project("org/project1"))
    assert world.aborted() == ["project1-merge 3,1"]
    world.release()
    world.expect_reports(1, a)
    world.expect_votes(a, 1)
    world.expect_reports(0, b, c)
    assert set(world.results("project-test1")) == {SUCCESS}
    assert {build.changes for build in world.ended("project-test1")} == {"1,1 2,1"}
    world.expect_idle()


def test_107_a_queued_job_that_is_removed_leaves_the_gearman_queue(world: World) -> None:
    world.reload(project("org/project", check=["project-old"]))
    world.hold_queue()
    a = world.push()
    assert world.queued == ["project-old 1,1"]
    world.reload(project("org/project", check=["project-new"]))
    assert world.queued == ["project-new 1,1"]
    world.release_queue()
    assert world.history == ["project-new 1,1 SUCCESS"]
    world.expect_reports(1, a)


def test_108_followers_of_a_failing_head_keep_their_builds(world: World) -> None:
    """Quirk 108 is fixed: in 2.6 a reload restarts them once more."""
    a, b, c = (world.change() for _ in range(3))
    world.fails("project-test1", a)
    world.hold_builds()
    world.approve(a, b, c)
    for _ in range(3):
        world.release(MERGE_JOBS)
    world.finish("project-test1", FAILURE, a)
    world.release(MERGE_JOBS)
    before = list(world.running)
    assert "project-test1 2,1" in before
    stopped = list(world.aborted())
    world.reload()
    assert world.running == before
    assert world.aborted() == stopped
    world.release()
    world.expect_open(a)
    world.expect_merged(b, c)


def gate_window(world: World) -> int:
    queues = world.pipeline("gate")["change_queues"]
    return next(queue["window"] for queue in queues if queue["name"] == "org/project")


def test_108_a_reload_keeps_windows_whose_settings_stay(world: World) -> None:
    """Quirk 108 is fixed: in 2.6 any reload forgets what a window has learned."""
    world.approve(world.change())
    assert gate_window(world) == 21
    world.reload(pipeline("check", description="something else"))
    assert gate_window(world) == 21
    world.reload(pipeline("gate", window=5))
    assert gate_window(world) == 5


def test_109_an_invalid_layout_changes_nothing(world: World) -> None:
    """Quirk 109 is fixed: a layout that does not load never reaches the core."""
    a = world.change()
    world.hold_builds()
    world.approve(a)
    with pytest.raises(LayoutError):
        load_layout("L0", pipeline("gate", manager="NoSuchManager"))
    world.release()
    world.expect_merged(a)
    b = world.push()
    world.expect_reports(1, b)


def test_110_builds_of_a_removed_pipeline_are_cancelled(world: World) -> None:
    """Quirk 110 is fixed: in 2.6 they run on, and keep their mutexes."""
    world.reload(job("project-test1", mutex="m"), project("org/project", dup1=["project-test1"]))
    a = world.change()
    world.hold_builds()
    world.restore(a)
    assert world.running == ["project-test1 1,1"]
    world.reload(job("project-test1", mutex="m"), without_pipeline("dup1"))
    assert [build.pipeline for build in world.gearman.running] == ["dup2"]
    assert world.aborted() == ["project-test1 1,1"]
    world.release()
    assert [comment.pipeline for comment in a.comments] == ["dup2"]
    world.expect_idle()


def test_308_reports_under_way_survive_a_reload(world: World) -> None:
    a, b = world.change(), world.change()
    world.reports_held = True
    world.approve(a, b)
    world.reload()
    world.reload(without_project("org/project1"))
    world.reports_held = False
    world.settle()
    world.expect_merged(a, b)
    world.expect_reports(2, a, b)


def test_309_a_pipeline_that_leaves_while_it_reports(world: World) -> None:
    a = world.change()
    world.reports_held = True
    world.approve(a)
    world.reload(without_pipeline("gate"))
    world.reports_held = False
    world.settle()
    world.expect_idle()
    world.reload()
    world.expect_idle()

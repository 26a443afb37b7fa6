"""Contract zuul.md 12.2: check basics."""

from __future__ import annotations

from tests.support.fake_gearman import ABORTED, FAILURE
from tests.support.layouts import pipeline, project
from tests.support.world import World


def test_018_a_patch_set_is_checked(world: World) -> None:
    a = world.push()
    world.expect_open(a)
    world.expect_reports(1, a)
    world.expect_votes(a, 1)
    assert world.history == [
        "project-merge 1,1 SUCCESS",
        "project-test1 1,1 SUCCESS",
        "project-test2 1,1 SUCCESS",
    ]
    world.expect_idle()


def test_019_a_failing_check_votes_minus_one(world: World) -> None:
    a = world.change()
    world.fails("project-test2", a)
    world.created(a)
    world.expect_open(a)
    world.expect_reports(1, a)
    world.expect_votes(a, -1)
    assert world.results("project-test2") == [FAILURE]


def test_020_an_action_without_votes_still_comments(world: World) -> None:
    a = world.push("org/experimental-project")
    world.expect_reports(1, a)
    assert dict(a.comments[0].votes) == {}
    world.expect_votes(a, 0)


def test_021_no_job_applies(world: World) -> None:
    a = world.push("org/no-jobs-project")
    assert world.history == []
    world.expect_reports(0, a)
    world.expect_idle()


def test_022_a_start_is_told_before_it_is_known_that_nothing_runs(world: World) -> None:
    world.reload(pipeline("check", start={"gerrit": {}}))
    a = world.push("org/noop-project")
    assert [comment.text for comment in a.comments] == ["Starting check jobs."]
    assert world.history == []
    world.expect_idle()


def test_023_children_of_a_job_that_does_not_apply_are_absent(world: World) -> None:
    """Quirk 23 is fixed: in 2.6 such an item stays in the pipeline for ever."""
    tree = [{"project-testfile": ["project-child"]}, "project-test1"]
    world.reload(project("org/project", check=tree))
    a = world.push()
    assert world.history == ["project-test1 1,1 SUCCESS"]
    world.expect_reports(1, a)
    assert "project-child" not in a.comments[0].text
    world.expect_idle()


def test_024_a_worker_that_aborts_by_itself_fails_the_build(world: World) -> None:
    a = world.change()
    world.fails("project-merge", a, ABORTED)
    world.created(a)
    world.expect_reports(1, a)
    text = a.comments[0].text
    assert "project-merge" in text
    assert text.count(": ABORTED") == 1
    assert text.count(": SKIPPED") == 2
    world.expect_votes(a, -1)


def test_025_a_dependency_in_an_unknown_project(world: World) -> None:
    a = world.change("org/unknown")
    b = world.change("org/project", depends_on=a)
    world.created(a)
    world.created(b)
    world.expect_reports(0, a)
    world.expect_reports(1, b)
    assert [build.changes for build in world.gearman.history] == ["1,1 2,1"] * 3
    world.expect_idle()

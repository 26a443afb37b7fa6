"""Contract zuul.md 12.1: gate basics. The number in a test's name is the catalogue's."""

from __future__ import annotations

from tests.support.fake_gearman import ABORTED, FAILURE, SUCCESS
from tests.support.world import World

MERGE_JOBS = ".*-merge"


def test_001_a_change_passes_the_gate(world: World) -> None:
    a = world.change()
    world.approve(a)
    world.expect_merged(a)
    world.expect_reports(2, a)
    world.expect_idle()
    assert world.history == [
        "project-merge 1,1 SUCCESS",
        "project-test1 1,1 SUCCESS",
        "project-test2 1,1 SUCCESS",
    ]
    assert all(build.parameters["ZUUL_VOTING"] == "1" for build in world.gearman.history)
    figures = world.statsd
    gate = "zuul.pipeline.gate"
    assert figures.values("gerrit.event.comment-added", "c") == ["1"]
    assert figures.values(f"{gate}.current_changes", "g") == ["0", "1", "0"]
    assert figures.values(f"{gate}.job.project-merge.SUCCESS", "c") == ["1"]
    assert figures.values(f"{gate}.all_jobs", "c") == ["1"] * 3
    for kind, keys in {
        "c": ("total_changes", "org.project.total_changes"),
        "ms": (
            "resident_time",
            "org.project.resident_time",
            "job.project-merge.SUCCESS",
            "job.project-merge.wait_time",
        ),
    }.items():
        for key in keys:
            assert len(figures.values(f"{gate}.{key}", kind)) == 1, key


def test_002_at_start_every_pipeline_tells_that_it_is_empty(world: World) -> None:
    names = [pipeline["name"] for pipeline in world.status()["pipelines"]]
    assert "gate" in names
    for name in names:
        assert world.statsd.values(f"zuul.pipeline.{name}.current_changes", "g") == ["0"]


def test_003_pipelines_with_one_trigger_run_side_by_side(world: World) -> None:
    a = world.change()
    world.restore(a)
    world.expect_reports(2, a)
    assert sorted(build.pipeline for build in world.gearman.history) == ["dup1", "dup2"]
    for comment in a.comments:
        other = {"dup1": "dup2", "dup2": "dup1"}[comment.pipeline]
        assert f"/{comment.pipeline}/project-test1/" in comment.text
        assert other not in comment.text


def test_004_three_changes_stack_in_order(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.hold_builds()
    world.approve(a, b, c)
    assert world.running == ["project-merge 1,1"]

    world.release(MERGE_JOBS)
    assert world.running == [
        "project-test1 1,1",
        "project-test2 1,1",
        "project-merge 1,1 2,1",
    ]
    world.release(MERGE_JOBS)
    assert world.running[-3:] == [
        "project-test1 1,1 2,1",
        "project-test2 1,1 2,1",
        "project-merge 1,1 2,1 3,1",
    ]
    world.release(MERGE_JOBS)
    assert world.running == [
        f"{job} {changes}"
        for changes in ("1,1", "1,1 2,1", "1,1 2,1 3,1")
        for job in ("project-test1", "project-test2")
    ]
    world.release()
    world.expect_merged(a, b, c)
    world.expect_reports(2, a, b, c)
    assert len(world.history) == 9
    world.expect_idle()


def test_005_a_failing_change_does_not_hold_up_the_next(world: World) -> None:
    a, b = world.change(), world.change()
    world.fails("project-test1", a)
    world.approve(a, b)
    world.expect_open(a)
    world.expect_votes(a, -2)
    world.expect_merged(b)
    world.expect_reports(2, a, b)
    assert len(world.history) > 6


def test_006_projects_without_common_jobs_have_queues_of_their_own(world: World) -> None:
    a = world.change("org/project")
    b = world.change("org/project1")
    c = world.change("org/project2")
    world.hold_builds()
    world.approve(a, b, c)
    assert world.running == ["project-merge 1,1", "project1-merge 2,1"]
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    assert len(world.running) == 8
    world.release()
    world.expect_merged(a, b, c)
    world.expect_reports(2, a, b, c)
    assert len(world.history) == 11


def all_tests_running(world: World, count: int) -> None:
    for _ in range(count):
        world.release(MERGE_JOBS)


def test_007_a_failure_at_the_head_restarts_all_behind(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.fails("project-test1", a)
    world.hold_builds()
    world.approve(a, b, c)
    all_tests_running(world, 3)
    assert len(world.running) == 6

    world.finish("project-test1", FAILURE, a)
    assert world.running == ["project-test2 1,1", "project-merge 2,1"]
    assert len(world.aborted()) == 4
    world.release()
    world.expect_open(a)
    world.expect_merged(b, c)
    world.expect_reports(2, a, b, c)
    assert len(world.history) == 15


def test_008_a_failure_in_the_middle_restarts_only_what_is_behind(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.fails("project-test1", b)
    world.hold_builds()
    world.approve(a, b, c)
    all_tests_running(world, 3)

    world.finish("project-test1", FAILURE, b)
    assert world.aborted() == ["project-test1 1,1 2,1 3,1", "project-test2 1,1 2,1 3,1"]
    world.release(MERGE_JOBS)
    states = {
        change: [job["result"] for job in world.item("gate", change)["jobs"]]
        for change in (a, b, c)
    }
    assert states == {
        a: [SUCCESS, None, None],
        b: [SUCCESS, FAILURE, None],
        c: [SUCCESS, None, None],
    }
    assert world.running == [
        "project-test1 1,1",
        "project-test2 1,1",
        "project-test2 1,1 2,1",
        "project-test1 1,1 3,1",
        "project-test2 1,1 3,1",
    ]
    world.release()
    world.expect_merged(a, c)
    world.expect_open(b)
    assert len(world.history) == 12


def test_009_queued_builds_of_restarted_items_leave_the_gearman_queue(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.fails("project-test1", a)
    world.hold_queue()
    world.approve(a, b, c)
    for _ in range(3):
        world.release_queue(MERGE_JOBS)
    assert len(world.queued) == 6

    head = world.build("project-test1", a)
    world.gearman.start(head)
    world.settle()
    assert world.aborted() == []
    assert sorted(world.queued) == ["project-merge 2,1", "project-test2 1,1"]
    world.release_queue()
    world.expect_open(a)
    world.expect_merged(b, c)
    assert world.aborted() == []
    assert len(world.history) == 11


def test_010_a_failure_ahead_brings_a_failed_change_back(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.fails("project-test1", a)
    world.fails("project-test1", b)
    world.hold_builds()
    world.approve(a, b, c)
    all_tests_running(world, 3)

    world.finish("project-test1", FAILURE, b)
    assert world.running[-1] == "project-merge 1,1 3,1"
    world.release(MERGE_JOBS)
    world.finish("project-test1", FAILURE, a)
    assert world.running == ["project-test2 1,1", "project-merge 2,1"]
    all_tests_running(world, 2)
    assert world.running[-2:] == ["project-test1 2,1 3,1", "project-test2 2,1 3,1"]
    world.release()
    world.expect_open(a, b)
    world.expect_merged(c)
    assert len(world.history) == 21


def test_011_a_head_that_fails_thrice_leaves_once(world: World) -> None:
    a, b, c = (world.change("org/project1") for _ in range(3))
    jobs = ["project1-test1", "project1-test2", "project1-project2-integration"]
    for job in jobs:
        world.fails(job, a)
    world.hold_builds()
    world.approve(a, b, c)
    all_tests_running(world, 3)

    for job in jobs:
        world.finish(job, FAILURE, a)
    assert len(world.aborted()) == 6
    world.release()
    world.expect_open(a)
    world.expect_merged(b, c)
    world.expect_reports(2, a, b, c)
    assert len(world.aborted()) == 6
    assert len(world.history) == 20


def test_012_a_project_with_one_job(world: World) -> None:
    a, b = (world.change("org/one-job-project") for _ in range(2))
    world.approve(a, b)
    world.expect_merged(a, b)
    world.expect_reports(2, a, b)


def test_013_a_non_voting_failure_does_not_reject(world: World) -> None:
    a = world.change("org/nonvoting-project")
    world.fails("nonvoting-project-test2", a)
    world.approve(a)
    world.expect_merged(a)
    world.expect_reports(2, a)
    assert world.results("nonvoting-project-test2") == [FAILURE]
    assert world.gearman.history[-1].parameters["ZUUL_VOTING"] == "0"
    assert "(non-voting)" in a.comments[-1].text


def test_014_noop_needs_no_worker(world: World) -> None:
    a = world.change("org/noop-project")
    world.hold_queue()
    world.approve(a)
    world.expect_merged(a)
    world.expect_reports(2, a)
    assert world.gearman.builds == {}


def test_015_gate_goes_before_check(world: World) -> None:
    a, b = world.change(), world.change()
    world.hold_queue()
    world.created(a)
    world.approve(b)
    world.release_queue(MERGE_JOBS)
    world.release_queue()
    order = [build.pipeline for build in world.gearman.history]
    assert order == ["gate", "check", "gate", "gate", "check", "check"]


def test_016_only_what_gerrit_would_submit_enters_the_gate(world: World) -> None:
    a = world.change(ready=False)
    world.approve(a)
    world.expect_reports(0, a)
    world.expect_idle()
    assert world.saw("enqueue_refused", pipeline="gate")

    world.vote(a, "Code-Review", 2)
    world.expect_reports(0, a)
    world.approve(a)
    world.expect_merged(a)


def test_017_reports_say_how_it_went(world: World) -> None:
    a, b = world.change(), world.change()
    world.fails("project-test1", b)
    world.approve(a, b)
    assert "Build succeeded" in a.comments[-1].text
    assert "Build failed" in b.comments[-1].text
    assert a.comments[0].text == "Starting gate jobs."
    assert ABORTED not in b.comments[-1].text

"""Contract zuul.md 12.6 and 12.7: what is merged for a build, and reports of conflicts.

What the merger itself must do (56 to 66 in git's terms) is tested on the merger, with real git.
"""

from __future__ import annotations

from tests.support.fake_gearman import FakeBuild
from tests.support.layouts import pipeline, project, without_project
from tests.support.world import World
from zuul.model.layout import ActionKind

MERGE_JOBS = ".*-merge"
CUSTOM = "The merge failed! For more information..."


def prepared(world: World, build: FakeBuild) -> dict[tuple[str, str], tuple[str, ...]]:
    """(project, branch) -> subjects of the history under the build's Zuul ref."""
    state = world.merger.prepared(build.parameters)
    return {where: commit.subjects for where, commit in state.items()}


def merge_builds(world: World) -> list[FakeBuild]:
    return [build for build in world.gearman.history if build.job.endswith("-merge")]


def test_056_the_last_ref_holds_the_whole_series(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.approve(a, b, c)
    last = prepared(world, merge_builds(world)[-1])
    assert last == {("org/project", "master"): ("initial", "A", "B", "C")}
    world.expect_merged(a, b, c)
    assert world.gerrit.head("org/project").subjects == ("initial", "A", "B", "C")


def test_057_the_same_on_another_branch(world: World) -> None:
    a, b, c = (world.change(branch="mp") for _ in range(3))
    world.approve(a, b, c)
    last = merge_builds(world)[-1]
    assert prepared(world, last) == {("org/project", "mp"): ("initial", "mp commit", "A", "B", "C")}
    assert last.parameters["ZUUL_REF"].startswith("refs/zuul/mp/Z")
    assert last.parameters["ZUUL_BRANCH"] == "mp"
    world.expect_merged(a, b, c)


def test_058_branches_of_one_queue_stay_apart(world: World) -> None:
    a, b, c = world.change(), world.change(branch="mp"), world.change()
    world.hold_builds()
    world.approve(a, b, c)
    for _ in range(3):
        world.release(MERGE_JOBS)
    builds = merge_builds(world)
    own = [
        prepared(world, build)["org/project", build.parameters["ZUUL_BRANCH"]] for build in builds
    ]
    assert own == [("initial", "A"), ("initial", "mp commit", "B"), ("initial", "A", "C")]
    for build in builds:
        state = world.merger.prepared(build.parameters)
        head = state["org/project", build.parameters["ZUUL_BRANCH"]]
        assert build.parameters["ZUUL_COMMIT"] == head.sha
    assert len({build.parameters["ZUUL_COMMIT"] for build in builds}) == 3
    world.release()
    world.expect_merged(a, b, c)


def test_059_a_conflict_waits_for_what_it_conflicts_with(world: World) -> None:
    a = world.change("org/conflict-project", files=["conflict"])
    b = world.change("org/conflict-project", files=["conflict"])
    c = world.change("org/conflict-project")
    world.hold_builds()
    world.approve(a, b, c)
    world.expect_reports(1, a, b, c)
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    assert [build.changes for build in merge_builds(world)] == ["1,1", "1,1 3,1"]
    assert "it has a merge conflict" in world.item("conflict", b)["failing_reasons"]
    world.release()
    world.expect_merged(a, c)
    world.expect_open(b)
    world.expect_votes(b, -2)
    world.expect_reports(2, a, b, c)
    assert len(world.history) == 6


def test_060_each_ref_holds_every_project_of_the_series(world: World) -> None:
    a, b = world.change("org/project1"), world.change("org/project1")
    c, d = world.change("org/project2"), world.change("org/project2")
    world.hold_builds()
    world.approve(a, b, c, d)
    for _ in range(4):
        world.release(MERGE_JOBS)
    one, two = ("org/project1", "master"), ("org/project2", "master")
    assert [prepared(world, build) for build in merge_builds(world)] == [
        {one: ("initial", "A")},
        {one: ("initial", "A", "B")},
        {one: ("initial", "A", "B"), two: ("initial", "C")},
        {one: ("initial", "A", "B"), two: ("initial", "C", "D")},
    ]
    assert len({build.parameters["ZUUL_REF"] for build in merge_builds(world)}) == 4
    world.release()
    world.expect_merged(a, b, c, d)


def test_063_a_project_that_is_added_later(world: World) -> None:
    world.reload(without_project("org/project"))
    a = world.push()
    world.expect_reports(0, a)
    world.expect_idle()
    world.reload()
    world.created(a)
    world.expect_reports(1, a)


def test_064_builds_are_told_where_to_fetch_from(world: World) -> None:
    world.push()
    assert {build.parameters["ZUUL_URL"] for build in world.gearman.history} == {
        "http://merger.example.com/p"
    }


def test_068_merge_failure_reporters(world: World) -> None:
    world.reload(
        pipeline(
            "gate",
            merge_failure_message=CUSTOM,
            merge_failure={
                "gerrit": {"verified": -1},
                "smtp": {"to": "you@example.com"},
            },
        )
    )
    actions = {p.name: p.actions for p in world.layout.pipelines}
    assert len(actions["check"][ActionKind.MERGE_FAILURE]) == 1
    assert actions["check"][ActionKind.MERGE_FAILURE] == actions["check"][ActionKind.FAILURE]
    assert len(actions["gate"][ActionKind.MERGE_FAILURE]) == 2


def test_069_only_conflicts_go_to_merge_failure_reporters(world: World) -> None:
    world.reload(
        pipeline(
            "gate",
            merge_failure_message=CUSTOM,
            merge_failure={"gerrit": {"verified": -1}, "smtp": {"to": "you@example.com"}},
        )
    )
    a = world.change(files=["conflict"])
    b = world.change(files=["conflict"])
    c = world.change()
    world.fails("project-test1", c)
    world.approve(c)
    assert world.reporters.mails == []
    world.hold_builds()
    world.approve(a, b)
    world.release()
    world.expect_merged(a)
    assert [mail.text for mail in world.reporters.mails] == [CUSTOM]
    world.expect_votes(b, -1)


def test_070_the_default_text_of_a_conflict(world: World) -> None:
    a = world.change(files=["conflict"])
    b = world.change(files=["conflict"])
    world.hold_builds()
    world.approve(a, b)
    world.release()
    world.expect_merged(a)
    world.expect_reports(2, a, b)
    text = b.comments[-1].text
    assert text.startswith("Merge Failed")
    assert "automatically merged" in text
    assert "logs.example.com" not in text
    assert "SKIPPED" not in text


def test_301_a_conflict_is_tested_once_what_it_conflicted_with_has_failed(world: World) -> None:
    """Contract 3.6; it has no entry in the catalogue."""
    a = world.change("org/project1", files=["conflict"])
    b = world.change("org/project1", files=["conflict"])
    world.fails("project1-test1", a)
    world.hold_builds()
    world.approve(a, b)
    world.release()
    world.expect_open(a)
    world.expect_merged(b)


def test_302_a_branch_that_moved_means_testing_again(world: World) -> None:
    """What lands must be what was tested: issue 3, point 4."""
    a, b = world.change("org/project1"), world.change("org/project1")
    world.hold_builds()
    world.approve(a, b)
    for _ in range(2):
        world.release(MERGE_JOBS)
    moved = world.gerrit.push("org/project1", {"pushed": "past review"})
    world.release()
    world.expect_merged(a, b)
    world.expect_reports(2, a, b)
    assert len(world.results("project1-merge", a)) == 2
    assert len(world.results("project1-merge", b)) == 2
    final = world.ended("project1-test1")[-1]
    state = world.merger.prepared(final.parameters)
    assert moved.sha in state["org/project1", "master"].contains


def test_303_a_tree_that_nobody_tested_stops_the_queue(world: World) -> None:
    """An alarm, and nothing more is merged until somebody has looked (reload)."""
    a, b = world.change("org/project1"), world.change("org/project1")
    world.hold_builds()
    world.approve(a, b)
    for _ in range(2):
        world.release(MERGE_JOBS)
    world.gerrit.twin = {"evil": "twin"}
    world.finish("project1-test1", change=a)
    world.finish("project1-test2", change=a)
    world.finish("project1-project2-integration", change=a)
    world.gerrit.twin = {}
    world.release()
    world.expect_merged(a)
    world.expect_open(b)
    assert len(world.saw("alarm", pipeline="gate")) == 1


def test_304_a_project_of_its_own_keeps_going_beside_a_stopped_queue(world: World) -> None:
    tree = ["lonely-job"]
    world.reload(project("org/lonely", gate=tree))
    test_303_a_tree_that_nobody_tested_stops_the_queue(world)
    c = world.change("org/lonely")
    world.approve(c)
    world.expect_merged(c)


def test_311_what_merged_meanwhile_is_no_conflict(world: World) -> None:
    """B's merge is asked for behind A, and done by a merger that finds A in the branch already."""
    a, b = world.change("org/project"), world.change("org/project")
    world.hold_builds()
    world.approve(a)
    world.merges_held = True
    world.approve(b)
    world.merger.take_over("http://another.example.com/p")
    world.release()
    world.expect_merged(a)
    world.merges_held = False
    world.settle()
    world.expect_merged(b)

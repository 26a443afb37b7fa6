"""Contract zuul.md 12.3: git dependencies, patch sets and abandons in the gate."""

from __future__ import annotations

from tests.support.fake_gearman import FAILURE
from tests.support.world import World

MERGE_JOBS = ".*-merge"
DEPENDS_TEXT = "depends on a change that failed to merge"


def test_026_a_chain_enters_once_its_first_change_is_approved(world: World) -> None:
    m2 = world.change()
    m1 = world.change(needs=m2)
    world.merge_by_hand(m2, m1)
    a = world.change(needs=m1)
    b = world.change(needs=a)
    c = world.change(needs=b)
    world.approve(c)
    world.expect_reports(0, a, b, c)
    world.expect_idle()

    world.approve(b)
    world.approve(a)
    world.expect_merged(a, b, c)
    world.expect_reports(2, a, b, c)
    world.expect_reports(0, m1, m2)
    record = world.gerrit.lookup(a)
    assert record.needs == ()


def test_027_one_approval_brings_a_whole_tree_in_pre_order(world: World) -> None:
    a = world.change()
    b = world.change(needs=a)
    c = world.change(needs=b)
    d = world.change(needs=c)
    e = world.change(needs=b)
    f = world.change(needs=b)
    g = world.change(needs=a)
    family = [a, b, c, d, e, f, g]
    world.approve(*(change for change in family if change is not c), event=False)
    world.hold_builds()
    world.approve(c)
    for _ in family:
        world.release(MERGE_JOBS)
    assert world.history[6] == "project-merge 1,1 2,1 3,1 4,1 5,1 6,1 7,1 SUCCESS"
    world.release()
    world.expect_merged(*family)
    world.expect_reports(2, *family)


def test_029_a_failing_head_takes_its_dependants_along(world: World) -> None:
    a = world.change()
    b = world.change(needs=a)
    c = world.change(needs=b)
    world.fails("project-merge", a)
    world.approve(c, b, event=False)
    world.approve(a)
    world.expect_open(a, b, c)
    world.expect_reports(2, a, b, c)
    assert world.history == ["project-merge 1,1 FAILURE"]
    world.expect_idle()


def test_030_only_dependants_leave_with_a_failing_change(world: World) -> None:
    a = world.change()
    b = world.change()
    c = world.change(needs=b)
    d = world.change(needs=c)
    e = world.change()
    world.fails("project-test1", b)
    world.hold_builds()
    world.approve(d, c, b, event=False)
    world.approve(a, b, c, d, e)
    for _ in range(5):
        world.release(MERGE_JOBS)
    world.release()
    world.expect_merged(a, e)
    world.expect_open(b, c, d)
    world.expect_reports(2, a, b, c, d, e)
    assert "Build succeeded" in a.comments[-1].text
    assert "Build succeeded" in e.comments[-1].text
    assert "Build failed" in b.comments[-1].text
    assert DEPENDS_TEXT in c.comments[-1].text
    assert DEPENDS_TEXT in d.comments[-1].text
    assert len(world.history) == 18


def test_031_a_refused_submit_restarts_all_behind(world: World) -> None:
    a = world.change("org/project1")
    b = world.change("org/project1")
    c = world.change("org/project2")
    d = world.change("org/project2", needs=c)
    e = world.change("org/project2", needs=d)
    f = world.change("org/project3")
    world.hold_builds()
    world.approve(a, b)
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    for change in (c, d, e, f):
        world.approve(change)
    for _ in range(4):
        world.release(MERGE_JOBS)
    assert len(world.running) == 18

    a.refuses_submit = True
    for job in ("project1-test1", "project1-test2", "project1-project2-integration"):
        world.finish(job, change=a)
    for _ in range(5):
        world.release(MERGE_JOBS)
    world.release()
    world.expect_open(a)
    world.expect_merged(b, c, d, e, f)
    world.expect_reports(2, a, b, c, d, e, f)
    assert len(world.aborted()) == 15
    assert len(world.history) == 44


def chain_in_gate(world: World) -> tuple:
    """C needs B needs A needs M, which has merged; D stands alone. A's first job runs."""
    m = world.change()
    world.merge_by_hand(m)
    a = world.change(needs=m)
    b = world.change(needs=a)
    c = world.change(needs=b)
    d = world.change()
    world.hold_builds()
    world.approve(c, b, event=False)
    world.approve(a, b, c, d)
    assert world.running == [f"project-merge {a.key}"]
    return a, b, c, d


def test_032_a_new_patch_set_in_the_middle_of_a_chain(world: World) -> None:
    a, b, c, d = chain_in_gate(world)
    world.upload(b)
    world.release()
    world.expect_merged(a, d)
    world.expect_open(b, c)
    world.expect_reports(2, a, b, c, d)
    assert DEPENDS_TEXT in c.comments[-1].text
    assert len(world.history) == 9


def test_033_a_new_patch_set_of_the_head(world: World) -> None:
    a, b, c, d = chain_in_gate(world)
    world.upload(a)
    world.release()
    world.expect_open(a, b, c)
    world.expect_merged(d)
    world.expect_reports(2, a, b, c, d)
    assert len(world.history) == 7


def test_034_a_new_patch_set_between_independent_changes(world: World) -> None:
    a, b, c = (world.change() for _ in range(3))
    world.hold_builds()
    world.approve(c, b, a)
    world.upload(b)
    world.release()
    world.expect_merged(a, c)
    world.expect_open(b)
    world.expect_reports(2, a, b, c)
    assert len(world.history) == 9


def test_035_an_abandoned_change_leaves_the_gate(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    world.abandon(a)
    assert world.history == ["project-merge 1,1 ABORTED"]
    world.expect_reports(1, a)
    assert a.comments[0].text == "Starting gate jobs."
    world.expect_idle()


def test_036_an_abandoned_change_leaves_though_a_ref_is_queued(world: World) -> None:
    """Quirk 36 is fixed: in 2.6 a queued ref item of the project keeps the change in the gate."""
    a = world.change()
    world.hold_builds()
    world.ref_updated("org/project")
    world.approve(a)
    world.abandon(a)
    assert world.running == ["project-post"]
    assert world.items("gate") == []
    world.release()
    world.expect_idle()


def test_300_followers_of_an_abandoned_change_are_tested_without_it(world: World) -> None:
    """Contract 3.11; it has no entry in the catalogue."""
    a, b = world.change(), world.change()
    world.hold_builds()
    world.approve(a, b)
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    world.abandon(a)
    assert world.running == ["project-merge 2,1"]
    world.release()
    world.expect_merged(b)
    assert FAILURE not in " ".join(world.history)


def test_312_an_abandon_while_the_report_is_out(world: World) -> None:
    """Contract 3.11, seen with reports that take their time: no reply may race the abandon."""
    a, b = world.change(), world.change()
    world.hold_builds()
    world.approve(a, b)
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    world.reports_held = True
    world.release()
    world.abandon(a)
    assert world.items("gate") == [["1,1", "2,1"]]
    world.reports_held = False
    world.settle()
    assert a.status == "ABANDONED"
    world.expect_merged(b)
    assert world.results("project-merge", b)[-1] == "SUCCESS"
    assert [build.changes for build in world.ended("project-merge")] == [
        "1,1",
        "1,1 2,1",
        "2,1",
    ]
    world.expect_idle()


def test_313_a_vote_that_vanishes_stops_the_submit_alone(world: World) -> None:
    """Contract 3.11: no effect until submit; then the change does not merge, and others do."""
    a, b = world.change(), world.change()
    world.hold_builds()
    world.approve(a, b)
    world.vote(a, "Code-Review", -2)
    assert world.running == ["project-merge 1,1"]
    world.release()
    world.expect_open(a)
    world.expect_merged(b)
    world.expect_idle()


def test_314_a_change_that_somebody_merges_by_hand(world: World) -> None:
    """Contract 13.3: in 2.6 all behind start anew, and the change counts as failed."""
    a, b = world.change("org/project1"), world.change("org/project1")
    world.hold_builds()
    world.approve(a, b)
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    world.merge_by_hand(a, event=True)
    assert world.items("gate") == [["2,1"]]
    assert [entry for entry in world.aborted() if entry.endswith("2,1")] == []
    world.release()
    world.expect_merged(b)
    assert len(world.results("project1-test1", b)) == 1
    world.expect_idle()

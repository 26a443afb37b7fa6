"""Contract zuul.md 12.14: what an administrator asks for. From 320 on: what Zuul 2.6 cannot do.

Names that nobody knows (123) never reach the core: tests/unit/zuul/daemon/test_rpc.py; the core
refuses them again, for a reload may come between.
"""

from __future__ import annotations

import pytest

from tests.support.fake_gearman import FAILURE
from tests.support.layouts import pipeline, project, without_pipeline
from tests.support.world import ZEROS, World
from zuul.core.commands import AnswerRequest
from zuul.core.events import GracefulExitRequested
from zuul.core.requests import BrakesRestored, EnqueueRequested, PromoteRequested
from zuul.core.status import render_items

NEWREV = "d479a0bfcb34da57a31adb2a595c0cf687812543"


def granted(answer: AnswerRequest | None) -> str | None:
    """The note of an answer that is no refusal."""
    assert answer is not None
    assert answer.error is None
    return answer.note


def refused(answer: AnswerRequest | None) -> str:
    """The text of a refusal."""
    assert answer is not None
    assert answer.error is not None
    return answer.error


def approved(world: World, count: int = 3) -> list:
    """Changes of one project that could merge, and of which nobody has told Zuul."""
    changes = [world.change() for _ in range(count)]
    world.approve(*changes, event=False)
    return changes


def times(world: World) -> dict[str, int]:
    """When each item of gate was enqueued."""
    (queue,) = [q for q in world.pipeline("gate")["change_queues"] if q["heads"]]
    return {item["id"]: item["enqueue_time"] for head in queue["heads"] for item in head}


def test_122_enqueue_merges_a_change(world: World) -> None:
    (a,) = approved(world, 1)
    assert granted(world.enqueue(a)) is None
    world.expect_merged(a)
    world.expect_reports(2, a)


def test_122_requirements_of_the_pipeline_are_waived(world: World) -> None:
    world.reload(pipeline("gate", require={"approval": [{"username": "nobody"}]}))
    (a,) = approved(world, 1)
    world.approve(a)
    world.expect_open(a)
    assert granted(world.enqueue(a)) is None
    world.expect_merged(a)


def test_122_enqueue_ref_runs_the_post_job(world: World) -> None:
    answer = world.enqueue_ref("post", "org/project", "master", NEWREV, oldrev="9" * 40)
    assert granted(answer) is None
    assert world.history == ["project-post SUCCESS"]
    assert world.gearman.history[0].parameters["ZUUL_OLDREV"] == "9" * 40


@pytest.mark.parametrize(("removed", "word"), [("pipeline", "pipeline"), ("project", "project")])
def test_123_names_that_a_reload_took_away(world: World, removed: str, word: str) -> None:
    (a,) = approved(world, 1)
    if removed == "pipeline":
        world.reload(without_pipeline("gate"))
    else:
        a.project = "org/other"
    assert refused(world.enqueue(a)).startswith(f"Invalid {word}: ")
    world.expect_idle()


def test_123_a_change_of_another_project(world: World) -> None:
    (a,) = approved(world, 1)
    record = world.gerrit.lookup(a, 1)
    answer = world.ask(lambda r: EnqueueRequested(r, "gate", "org/project1", record, (record,)))
    assert refused(answer) == "Invalid change: 1,1\nit is of project org/project"


def test_124_an_unapproved_change_is_let_pass_and_told_of(world: World) -> None:
    """Compat: the caller gets success (QUIRK of 3.15); here also why nothing happened."""
    a = world.change()
    note = granted(world.enqueue(a))
    assert note == "1,1 was not enqueued: the change cannot be submitted now"
    assert world.history == []
    world.expect_reports(0, a)


def test_125_promoted_changes_go_first_and_keep_their_times(world: World) -> None:
    a, b, c = approved(world)
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
    a, b, c = approved(world)
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


def test_128_running_jobs(world: World) -> None:
    world.hold_builds()
    (a,) = approved(world, 1)
    world.approve(a)
    (item,) = render_items(world.scheduler.snapshot(world.clock.now), world.clock.now)
    assert (item["failing_reasons"], item["items_behind"], item["item_ahead"]) == ([], [], None)
    assert (item["project"], item["remaining_time"], item["active"]) == ("org/project", None, True)
    assert (item["id"], item["url"]) == ("1,1", "https://review.example.com/1")
    running, *others = item["jobs"]
    assert len(others) == 2
    wanted = {
        "name": "project-merge",
        "pipeline": "gate",
        "retry": False,
        "canceled": False,
        "voting": True,
        "result": None,
    }
    assert wanted.items() <= running.items()
    assert len(running["worker"]) == 7
    world.release()
    assert render_items(world.scheduler.snapshot(world.clock.now), world.clock.now) == []


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
    changes = approved(world, 5)
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
    a, b, c = approved(world)
    world.hold_builds()
    world.approve(a, b, c)
    running = world.running
    assert granted(world.promote(a, b, a)) is None
    assert world.running == running


def test_320_what_is_being_merged_stays_in_front(world: World) -> None:
    a, b, c = approved(world)
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
    a, b, c = approved(world)
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


# Dequeueing


def test_321_a_dequeued_change_leaves_without_a_word(world: World) -> None:
    a, b, c = approved(world)
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
    (a,) = approved(world, 1)
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
    a, b, c = approved(world)
    world.hold_builds()
    world.approve(a, b)
    text = "Change 3,1 is not in pipeline gate\nin pipeline gate: 1,1 2,1"
    assert refused(world.dequeue(c)) == text


def test_321_nothing_enters_while_the_server_is_about_to_exit(world: World) -> None:
    (a,) = approved(world, 1)
    world.tell(GracefulExitRequested())
    assert "about to exit" in refused(world.enqueue(a))
    assert ZEROS not in world.history


# Freezing and holding


def test_322_a_frozen_pipeline_tests_and_does_not_merge(world: World) -> None:
    a, b = approved(world, 2)
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
    a, b = approved(world, 2)
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
    changes = approved(world)
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
    a, b = approved(world, 2)
    assert granted(world.hold(a, "after the meeting")) is None
    world.approve(a, b)
    world.expect_merged(b)
    world.expect_open(a)
    assert world.item("gate", a)["waiting"] == "the change is held: after the meeting"
    assert granted(world.unhold(a)) is None
    world.expect_merged(a)


def test_323_a_hold_outlives_a_new_patch_set_unless_it_names_one(world: World) -> None:
    a, b = approved(world, 2)
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
    a, b = approved(world, 2)
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
    (a,) = approved(world, 1)
    for answer in (world.freeze("check"), world.hold(a, pipeline="check")):
        text = refused(answer)
        assert text.startswith("Pipeline check merges nothing that could be stopped\n")
        assert text.endswith("pipelines that merge: gate conflict")
    assert refused(world.freeze("nosuch")) == "Invalid pipeline: nosuch"
    assert refused(world.freeze(None, "nosuch")) == "Invalid project: nosuch"
    world.freeze(None, "org/project")
    text = "pipeline gate is not frozen\nfrozen: project org/project"
    assert refused(world.unfreeze()) == text

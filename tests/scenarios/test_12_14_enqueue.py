"""Contract zuul.md 12.14: changes and refs that an administrator enqueues.

Names that nobody knows (123) never reach the core: tests/unit/zuul/daemon/test_rpc.py; the core
refuses them again, for a reload may come between.
"""

from __future__ import annotations

import pytest

from tests.scenarios.answers import granted, refused
from tests.support.layouts import pipeline, without_pipeline
from tests.support.operators import NEWREV, ZEROS
from tests.support.world import World
from zuul.core.events import GracefulExitRequested
from zuul.core.requests import EnqueueRequested


def test_122_enqueue_merges_a_change(world: World) -> None:
    (a,) = world.approved(1)
    assert granted(world.enqueue(a)) is None
    world.expect_merged(a)
    world.expect_reports(2, a)


def test_122_requirements_of_the_pipeline_are_waived(world: World) -> None:
    world.reload(pipeline("gate", require={"approval": [{"username": "nobody"}]}))
    (a,) = world.approved(1)
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
    (a,) = world.approved(1)
    if removed == "pipeline":
        world.reload(without_pipeline("gate"))
    else:
        a.project = "org/other"
    assert refused(world.enqueue(a)).startswith(f"Invalid {word}: ")
    world.expect_idle()


def test_123_a_change_of_another_project(world: World) -> None:
    (a,) = world.approved(1)
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


def test_321_nothing_enters_while_the_server_is_about_to_exit(world: World) -> None:
    (a,) = world.approved(1)
    world.tell(GracefulExitRequested())
    assert "about to exit" in refused(world.enqueue(a))
    assert ZEROS not in world.history

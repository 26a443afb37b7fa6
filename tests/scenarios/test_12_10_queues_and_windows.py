"""Contract zuul.md 12.10: shared queues and windows."""

from __future__ import annotations

import pytest

from tests.support.fake_gearman import FAILURE
from tests.support.layouts import job, load_layout, pipeline, project
from tests.support.world import World
from zuul.errors import LayoutError

MERGE_JOBS = ".*-merge"


def test_095_queue_names(world: World) -> None:
    gate = next(p for p in world.layout.pipelines if p.name == "gate")
    names = {name: queue.name for queue in gate.queues for name in queue.projects}
    assert names["org/project1"] == names["org/project2"] == "integration"
    with pytest.raises(LayoutError, match="queue"):
        load_layout("L0", job("project1-test1", queue_name="not-integration"))


def test_096_projects_that_share_any_job_share_a_queue() -> None:
    layout = load_layout(
        "L0",
        project("A", gate=["a", "c1"]),
        project("B", gate=["b", "c2"]),
        project("C", gate=["c1", "c2"]),
    )
    gate = next(p for p in layout.pipelines if p.name == "gate")
    assert [queue.projects for queue in gate.queues if "A" in queue.projects] == [("A", "B", "C")]


def narrow(world: World) -> None:
    world.reload(
        pipeline(
            "gate",
            window=2,
            **{
                "window-floor": 1,
                "window-increase-type": "linear",
                "window-increase-factor": 1,
                "window-decrease-type": "exponential",
                "window-decrease-factor": 2,
            },
        )
    )


def gate_window(world: World) -> int:
    queues = world.pipeline("gate")["change_queues"]
    return next(queue["window"] for queue in queues if queue["name"] == "org/project")


def test_097_a_window_shrinks_and_grows(world: World) -> None:
    narrow(world)
    a, b = world.change(), world.change()
    c = world.change(needs=b)
    world.fails("project-test1", a)
    world.hold_builds()
    world.approve(c, event=False)
    world.approve(a, b, c)
    assert gate_window(world) == 2
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    # C is outside of the window: nothing of it has started
    assert sorted(world.running) == [
        "project-test1 1,1",
        "project-test1 1,1 2,1",
        "project-test2 1,1",
        "project-test2 1,1 2,1",
    ]
    world.finish("project-test1", FAILURE, a)
    world.finish("project-test2", change=a)
    assert gate_window(world) == 1
    assert world.running == ["project-merge 2,1"]
    world.release(MERGE_JOBS)
    world.finish("project-test1", change=b)
    world.finish("project-test2", change=b)
    world.expect_merged(b)
    assert gate_window(world) == 2
    world.release()
    world.expect_merged(c)
    world.expect_open(a)
    assert gate_window(world) == 3


def test_098_a_dependant_leaves_and_shrinks_no_further(world: World) -> None:
    narrow(world)
    a = world.change()
    b = world.change(needs=a)
    c = world.change()
    world.fails("project-test1", a)
    world.hold_builds()
    world.approve(b, event=False)
    world.approve(a, b, c)
    world.release(MERGE_JOBS)
    world.release(MERGE_JOBS)
    world.finish("project-test1", FAILURE, a)
    world.finish("project-test2", change=a)
    world.expect_open(a, b)
    assert world.items("gate") == [["3,1"]]
    assert gate_window(world) == 1
    assert world.running == ["project-merge 3,1"]
    world.release()
    world.expect_merged(c)
    assert gate_window(world) == 2


def test_100_a_gate_change_without_jobs_harms_nobody(world: World) -> None:
    """Quirk 100 is half fixed: the change gets its start comment, but no window shrinks for it and
    no follower starts anew."""
    world.reload(
        project("org/project", gate=["project-testfile"]),
        project("org/project1", gate=["project-testfile", "project1-test1"]),
    )
    a, b = world.change("org/project"), world.change("org/project1")
    world.hold_builds()
    world.approve(b)
    world.approve(a)
    c = world.change("org/project1")
    world.approve(c)
    assert world.running == ["project1-test1 2,1", "project1-test1 2,1 3,1"]
    names = "org/project, org/project1"
    windows = {queue["name"]: queue["window"] for queue in world.pipeline("gate")["change_queues"]}
    assert windows[names] == 20
    world.release()
    world.expect_open(a)
    assert [comment.text for comment in a.comments] == ["Starting gate jobs."]
    world.expect_merged(b, c)
    world.expect_idle()

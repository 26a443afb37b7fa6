"""Contract zuul.md 12.14: the list of what runs."""

from __future__ import annotations

from tests.support.world import World
from zuul.core.status import render_items


def test_128_running_jobs(world: World) -> None:
    world.hold_builds()
    (a,) = world.approved(1)
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

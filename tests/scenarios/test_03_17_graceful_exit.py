"""Contract zuul.md 3.17: what runs is finished, nothing new begins, then the process may stop."""

from __future__ import annotations

from tests.support.world import World
from zuul.core.events import GracefulExitRequested


def test_315_a_graceful_exit_finishes_what_runs(world: World) -> None:
    """In 2.6 it may exit between a job and its children, and lose the item."""
    a, b = world.change(), world.change()
    world.hold_builds()
    world.approve(a)
    world.tell(GracefulExitRequested())
    world.settle()
    assert not world.stopped
    world.created(b)
    assert world.items("check") == []
    world.release(".*-merge")
    assert not world.stopped
    world.release()
    world.expect_merged(a)
    assert world.stopped


def test_316_an_idle_process_stops_at_once(world: World) -> None:
    world.tell(GracefulExitRequested())
    world.settle()
    assert world.stopped

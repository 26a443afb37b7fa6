"""Contract zuul.md 12.9: jobs that exclude each other."""

from __future__ import annotations

from tests.support.layouts import Edit, job, project
from tests.support.world import World


def mutexes() -> tuple[Edit, ...]:
    return (
        job("mutex-one", mutex="test-mutex"),
        job("mutex-two", mutex="test-mutex"),
        project("org/project", check=["project-test1", "mutex-one", "mutex-two"]),
    )


def test_084_a_mutex_has_one_holder(world: World) -> None:
    world.reload(*mutexes())
    a, b = world.change(), world.change()
    world.hold_builds()
    world.created(a, b)
    order = []
    while any("mutex" in build for build in world.running):
        (holder,) = [build for build in world.running if "mutex" in build]
        order.append(holder)
        world.release("mutex-.*")
    assert order == ["mutex-one 1,1", "mutex-two 1,1", "mutex-one 2,1", "mutex-two 2,1"]
    world.release()
    world.expect_reports(1, a, b)


def test_084_a_mutex_is_one_for_all_jobs_projects_and_pipelines(world: World) -> None:
    world.reload(
        job("mutex-one", mutex="test-mutex"),
        job("mutex-two", mutex="test-mutex"),
        project("org/project", check=["mutex-one"]),
        project("org/project1", gate=["mutex-two"]),
    )
    a, b = world.change(), world.change("org/project1")
    world.hold_builds()
    world.created(a)
    world.approve(b)
    assert world.running == ["mutex-one 1,1"]
    world.release("mutex-one")
    assert world.running == ["mutex-two 2,1"]
    world.release()
    world.expect_merged(b)


def test_084_a_mutex_is_freed_by_an_abandon(world: World) -> None:
    world.reload(*mutexes())
    a, b = world.change(), world.change()
    world.hold_builds()
    world.created(a, b)
    world.abandon(a)
    assert [entry for entry in world.running if "mutex" in entry] == ["mutex-one 2,1"]


def test_084_a_mutex_is_freed_by_a_reload_that_removes_its_job(world: World) -> None:
    world.reload(*mutexes())
    world.hold_builds()
    world.push()
    assert "mutex-one 1,1" in world.running
    world.reload(*mutexes(), project("org/project", check=["project-test1", "mutex-two"]))
    assert [entry for entry in world.running if "mutex" in entry] == ["mutex-two 1,1"]

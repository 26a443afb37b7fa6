"""What the bridge takes: jobs, nodes and executors; numbers: scenarios of the contract."""

from __future__ import annotations

from dataclasses import replace

from gearman_plugin_shim import commands as c
from gearman_plugin_shim.model import Job
from tests.unit.gearman_plugin_shim.worlds import ended, make_world, registered


def test_04_05_06_functions_follow_jobs_and_nodes() -> None:
    world, master = make_world()
    both = {"build:J", "build:J:linux"}
    assert registered(world) == both
    master.jobs["J"] = replace(master.jobs["J"], buildable=False)
    world.run(6)
    assert registered(world) == set()
    master.jobs = {"new": Job("new", "linux")}
    world.run(6)
    assert registered(world) == {"build:new", "build:new:linux"}
    node = master.nodes["m1-n1"]
    master.nodes["m1-n1"] = replace(node, temporarily_offline=True)
    world.run(6)
    assert registered(world) == set()
    master.nodes["m1-n1"] = node
    world.run(6)
    assert registered(world) == {"build:new", "build:new:linux"}


def test_20_offline_once_and_before_the_end() -> None:
    world, master = make_world(executors=1)
    job = world.submit("build:J", "u1", OFFLINE_NODE_WHEN_COMPLETE="true")
    world.run(2)
    assert master.toggles == ["m1-n1"], "while it runs"
    assert ended(world, job) == "SUCCESS"
    world.run(30)
    assert master.toggles == ["m1-n1"]


def test_20_a_short_build_ends_after_its_node_is_offline() -> None:
    world, master = make_world(executors=1)
    job = world.submit("build:J", "u1", OFFLINE_NODE_WHEN_COMPLETE="1", SECONDS="0.01")
    assert ended(world, job) == "SUCCESS"
    assert master.toggles == ["m1-n1"]


def test_21_what_has_no_executor_waits_in_gearman() -> None:
    world, _ = make_world(executors=1)
    first, second = world.submit("build:J", "u1"), world.submit("build:J", "u2")
    world.run(3)
    assert first.ref is not None
    assert second.ref is None
    assert "build:J" in registered(world), "registered all the same"
    assert (ended(world, first), ended(world, second)) == ("SUCCESS", "SUCCESS")


def test_22_quieting_down() -> None:
    world, master = make_world()
    running = world.submit("build:J", "u1", SECONDS="12")
    world.run(2)
    master.quieting = True
    world.run(6)
    waiting = world.submit("build:J", "u2")
    assert ended(world, running) == "SUCCESS"
    assert waiting.ref is None
    assert registered(world) == set()
    master.quieting = False
    assert ended(world, waiting) == "SUCCESS"


def test_23_one_build_at_a_time() -> None:
    world, master = make_world("m1", "m2", executors=4)
    for each in world.masters.values():
        each.jobs["J"] = replace(each.jobs["J"], concurrent=False)
    world.run(6)
    jobs = [world.submit("build:J", f"u{n}", SECONDS="8") for n in range(3)]
    world.run(4)
    assert [len(each.posts) for each in world.masters.values()] == [1, 1]
    assert jobs[2].ref is None
    assert ended(world, jobs[2]) == "SUCCESS"
    assert not master.queue


def test_masters_are_asked_little() -> None:
    world, _ = make_world()
    world.sent.clear()
    world.run(100)
    assert len(world.sent) < 75


def test_a_group_that_takes_one_at_a_time_tells_all_its_room() -> None:
    world, master = make_world(executors=3)
    told: list[c.AllowJobs] = []
    world.do_AllowJobs = told.append  # type: ignore[assignment]
    master.add_job("K", "linux", concurrent=False)
    world.run(6)
    assert [(each.total, each.capacity) for each in told] == [(1, 3)]

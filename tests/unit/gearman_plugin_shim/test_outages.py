"""Gearman, a master or the bridge away for a while; numbers: scenarios of the contract."""

from __future__ import annotations

import pytest

from gearman_plugin_shim import commands as c
from tests.unit.gearman_plugin_shim.worlds import ended, make_world, registered


def test_24_gearman_lost_during_a_build() -> None:
    world, master = make_world()
    job = world.submit("build:J", "u1")
    world.run(2)
    assert job.ref is not None
    link = job.ref.link
    world.lose_link(link)
    world.run(10)
    assert job.end == "lost"
    assert not [
        command
        for command in world.sent
        if isinstance(command, c.CompleteJob) and command.ref == job.ref
    ]
    world.connect(link)
    again = world.submit("build:J", "u1")
    assert ended(world, again) == "SUCCESS"
    assert len(master.builds) == 1


def test_24_aborted_where_that_is_wished() -> None:
    world, master = make_world(abort_on_disconnect=True)
    job = world.submit("build:J", "u1", SECONDS="500")
    world.run(2)
    assert job.ref is not None
    world.lose_link(job.ref.link)
    world.run(2)
    assert master.builds[0].stopped


def test_25_a_master_away_for_a_minute() -> None:
    world, master = make_world()
    job = world.submit("build:J", "u1", SECONDS="20")
    world.run(2)
    master.up = False
    world.run(10)
    assert registered(world) == set()
    world.run(50)
    master.up = True
    assert ended(world, job) == "SUCCESS"
    assert registered(world)


def test_25_a_master_away_for_good() -> None:
    world, master = make_world()
    job = world.submit("build:J", "u1", SECONDS="1000")
    world.run(2)
    master.up = False
    ended(world, job, 140)
    assert world.result_of(job).get("result") is None
    master.up = True
    world.run(20)
    assert master.builds[0].stopped, "nobody waits for it"


def test_25_builds_that_a_master_took_with_it_are_built_again() -> None:
    world, master = make_world()
    job = world.submit("build:J", "u1", SECONDS="100")
    world.run(2)
    master.stop_all("term")
    world.run(15)
    master.up = True
    assert ended(world, job) is None
    assert job.end == "complete"


@pytest.mark.parametrize("after", [0.0, 0.03, 0.06, 0.5, 3.0, 8.0])
def test_26_killed_and_restarted(after: float) -> None:
    world, master = make_world()
    master.add_node("m1-n2", "linux")
    world.run(3)
    job = world.submit("build:J", "u1", OFFLINE_NODE_WHEN_COMPLETE="1")
    world.run_until(lambda: job.ref is not None)
    world.run(after)
    world.kill()
    world.run(3)
    world.start()
    world.run(3)
    again = world.submit("build:J", "u1", OFFLINE_NODE_WHEN_COMPLETE="1")
    ended(world, again)
    world.run(30)
    assert len(master.builds) == 1
    assert master.toggles == ["m1-n1"]

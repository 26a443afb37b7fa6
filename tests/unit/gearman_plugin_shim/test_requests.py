"""Builds that somebody cancels, stops or describes; numbers: scenarios of the contract."""

from __future__ import annotations

import json

import pytest

from gearman_plugin_shim import commands as c
from tests.unit.gearman_plugin_shim.worlds import ended, fail_once, make_world


def test_15_cancelled_by_somebody() -> None:
    world, master = make_world()
    master.hold_queue = True
    job = world.submit("build:J", "u1")
    world.run(2)
    master.queue.pop().cancelled = True
    ended(world, job, 10)
    assert job.end == "fail"


def test_15_stuck_in_the_queue() -> None:
    world, master = make_world()
    master.hold_queue = True
    job = world.submit("build:J", "u1")
    world.run(55)
    assert job.end is None
    ended(world, job, 15)
    assert job.end == "fail"
    assert not master.queue


@pytest.mark.parametrize("gives_ids", [True, False])
def test_16_stop_while_queued(gives_ids: bool) -> None:
    world, master = make_world()
    master.hold_queue, master.gives_ids = True, gives_ids
    job = world.submit("build:J", "u1")
    world.run(2)
    stop = world.submit_raw("stop:m1", b'{"name":"J","number":"u1"}')
    ended(world, job, 15)
    assert (job.end, stop.end) == ("fail", "complete")
    assert not master.queue
    assert not master.builds


def test_16_stop_before_the_answer() -> None:
    world, master = make_world()
    fail_once(world, c.PostBuild, "after")
    master.hold_queue = True
    job = world.submit("build:J", "u1")
    world.run(0.05)
    stop = world.submit_raw("stop:m1", b'{"name":"J","number":"u1"}')
    ended(world, job, 20)
    assert (job.end, stop.end) == ("fail", "complete")
    assert not master.queue


def test_17_stop_while_running() -> None:
    world, _ = make_world()
    job = world.submit("build:J", "u1", SECONDS="100")
    world.run(3)
    stop = world.submit_raw("stop:m1", b'{"name":"J","number":1}')
    assert ended(world, job, 5) == "ABORTED"
    assert stop.end == "complete"


def test_18_stop_of_what_does_not_run() -> None:
    world, _ = make_world()
    ended(world, world.submit("build:J", "u1"))
    done = world.submit_raw("stop:m1", b'{"name":"J","number":"1"}')
    unknown = world.submit_raw("stop:m1", b'{"name":"J","number":9}')
    never = world.submit_raw("stop:m1", b'{"name":"J","number":"u9"}')
    bad = world.submit_raw("stop:m1", b"{}")
    world.run(2)
    assert [job.end for job in (done, unknown, never, bad)] == ["fail"] * 4
    assert [bool(job.exception) for job in (done, unknown, never, bad)] == [False, True, True, True]


def test_19_descriptions() -> None:
    world, master = make_world()
    world.submit("build:J", "u1")
    world.run(2)
    html = "<b>größe</b>"
    payload = json.dumps({"name": "J", "number": 1, "html_description": html}).encode()
    good = world.submit_raw("set_description:m1", payload)
    missing = world.submit_raw("set_description:m1", payload.replace(b"1", b"7"))
    world.run(1)
    assert master.builds[0].described == html
    assert good.end == "complete"
    assert (missing.end, missing.exception) == ("fail", "there is no such build")

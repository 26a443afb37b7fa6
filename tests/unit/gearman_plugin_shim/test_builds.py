"""Builds on the bridge's heart alone; numbers: scenarios of the contract's section 19."""

from __future__ import annotations

import json

import pytest

from gearman_plugin_shim import commands as c
from tests.unit.gearman_plugin_shim.worlds import ended, fail_once, make_world, registered


def test_08_success() -> None:
    world, _ = make_world()
    job = world.submit("build:J:linux", "u1")
    assert ended(world, job) == "SUCCESS"
    start = json.loads(job.data[0])
    assert "result" not in start
    assert start["node_labels"] == ["linux", "m1-n1"]
    assert len(job.statuses) == 1
    assert job.statuses[0][1] == 5000
    assert job.end == "complete"
    words = [word for _, word, _ in world.published]
    assert words == ["onStarted", "onCompleted", "onFinalized"]


@pytest.mark.parametrize("result", ["FAILURE", "UNSTABLE", "ABORTED", "NOT_BUILT"])
def test_09_results_are_told_verbatim(result: str) -> None:
    world, _ = make_world()
    job = world.submit("build:J", "u1", RESULT=result)
    assert ended(world, job) == result
    assert job.end == "complete"


@pytest.mark.parametrize("gives_ids", [True, False])
@pytest.mark.parametrize("seconds", ["5", "0.01"])
def test_10_with_and_without_queue_ids(gives_ids: bool, seconds: str) -> None:
    world, master = make_world()
    master.gives_ids = gives_ids
    assert ended(world, world.submit("build:J", "u1", SECONDS=seconds)) == "SUCCESS"
    assert len(master.posts) == 1


def test_11_a_lost_answer_makes_no_second_build() -> None:
    world, master = make_world()
    fail_once(world, c.PostBuild, "after")
    assert ended(world, world.submit("build:J", "u1")) == "SUCCESS"
    assert len(master.posts) == 1


def test_12_what_was_not_queued_is_asked_for_once_more() -> None:
    world, master = make_world()
    fail_once(world, c.PostBuild, "before")
    job = world.submit("build:J", "u1")
    world.run(14)
    assert sum(isinstance(command, c.PostBuild) for command in world.sent) == 1
    assert ended(world, job) == "SUCCESS"
    fail_once(world, c.PostBuild, "before", times=5)
    job = world.submit("build:J", "u2")
    ended(world, job)
    assert job.end == "fail"
    assert sum(isinstance(command, c.PostBuild) for command in world.sent) == 4
    assert len(master.posts) == 1


def test_13_14_builds_are_told_apart_by_their_uuid() -> None:
    world, master = make_world()
    first, second = world.submit("build:J", "u1"), world.submit("build:J", "u2")
    world.run(2)
    again = world.submit("build:J", "u1")
    for job in (first, second, again):
        assert ended(world, job) == "SUCCESS"
    assert [post["ZUUL_UUID"] for post in master.posts] == ["u1", "u2"]
    assert first.data == again.data, "start and end were told again"
    late = world.submit("build:J", "u1")
    assert ended(world, late) == "SUCCESS"
    assert late.data == first.data
    assert len(master.posts) == 2


def test_14_any_masters_link_joins_the_build() -> None:
    world, master = make_world("m1", "m2", executors=1)
    first = world.submit("build:J", "u1", SECONDS="30")
    world.run(2)
    again = world.submit("build:J", "u1")
    world.run(2)
    assert again.ref is not None
    assert again.ref.link.startswith("m2/")
    assert json.loads(again.data[0])["manager"] == "m1"
    assert (ended(world, again), ended(world, first)) == ("SUCCESS", "SUCCESS")
    assert len(master.builds) == 1
    assert not world.masters["m2"].posts


def test_28_undeclared_parameters_are_warned_of_once() -> None:
    world, _ = make_world()
    for number in range(3):
        world.submit("build:J", f"u{number}", ZUUL_REF="r", SECONDS="1")
    world.run(5)
    found = [dict(notice.fields) for notice in world.notices if "declare" in notice.text]
    assert [each["parameters"] for each in found] == ["SECONDS,ZUUL_REF"]


def test_27_30_large_and_foreign_values_arrive() -> None:
    world, master = make_world()
    master.add_job("größe 1/größe 2", None, parameters=None)
    world.run(6)
    job = world.submit("build:größe 2", "u1", ZUUL_CHANGES="ü" * 65536)
    assert ended(world, job) == "SUCCESS"
    assert master.posts[0]["ZUUL_CHANGES"] == "ü" * 65536
    assert master.builds[0].id.job == "größe 1/größe 2"
    assert world.published[0][2]["build"]["url"].isascii()


def test_a_job_that_cannot_be_used_fails_with_a_reason() -> None:
    world, master = make_world()
    job = world.submit_raw("build:J", b'{"a":')
    ended(world, job, 1)
    assert (job.end, (job.exception or "")[:8]) == ("fail", "payload:")
    assert not master.posts


def test_forbidden_builds_are_not_asked_for_again_soon() -> None:
    world, master = make_world()
    master.denied = True
    job = world.submit("build:J", "u1")
    ended(world, job, 5)
    master.denied = False
    assert job.end == "fail"
    world.run(5)
    assert registered(world) == set()
    world.run(60)
    assert registered(world)


def test_short_builds_of_others_are_published() -> None:
    world, master = make_world()
    master.post("J", {"SECONDS": "0.01"})
    world.dispatch(master)
    world.run(10)
    assert [word for _, word, _ in world.published] == ["onStarted", "onCompleted", "onFinalized"]


def test_a_build_that_somebody_else_asked_for_is_joined() -> None:
    world, master = make_world()
    master.post("J", {"ZUUL_UUID": "u1", "SECONDS": "20"})
    world.dispatch(master)
    world.run(3)
    job = world.submit("build:J", "u1")
    assert ended(world, job) == "SUCCESS"
    assert len(master.posts) == 1

"""Scenarios of the contract (section 19) on the heart alone, their numbers in the names."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gearman_plugin_shim import commands as c
from gearman_plugin_shim.model import Job
from tests.property.bridge_fakes import ClientJob, FakeMaster
from tests.property.bridge_world import World


def make_world(*names: str, executors: int = 2, **options: object) -> tuple[World, FakeMaster]:
    world = World(*names, **options)
    for master in world.masters.values():
        master.add_job("J", "linux")
        master.add_node(f"{master.name}-n1", "linux", executors)
    world.start()
    world.run(3)
    return world, next(iter(world.masters.values()))


def registered(world: World) -> set[str]:
    return {name for link in world.links.values() for name in link.functions if "build:" in name}


def ended(world: World, job: ClientJob, seconds: float = 60) -> str | None:
    world.run_until(lambda: job.end is not None, seconds)
    return world.result_of(job).get("result")


def fail_once(world: World, kind: type, how: str, times: int = 1) -> None:
    left = [times]

    def fault(command: c.Command) -> str | None:
        if isinstance(command, kind) and left[0]:
            left[0] -= 1
            return how
        return None

    world.fault = fault  # type: ignore[method-assign]


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


def test_masters_are_asked_little() -> None:
    world, _ = make_world()
    world.sent.clear()
    world.run(100)
    assert len(world.sent) < 75


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


def test_a_group_that_takes_one_at_a_time_tells_all_its_room() -> None:
    world, master = make_world(executors=3)
    told: list[c.AllowJobs] = []
    world.do_AllowJobs = told.append  # type: ignore[assignment]
    master.add_job("K", "linux", concurrent=False)
    world.run(6)
    assert [(each.total, each.capacity) for each in told] == [(1, 3)]

"""Contract zuul.md 12.9: what becomes of a job's builds, and what is told of them."""

from __future__ import annotations

import pytest

from tests.support.fake_gearman import FAILURE, SUCCESS
from tests.support.layouts import job
from tests.support.world import World


def test_085_a_build_without_a_result_runs_again(world: World) -> None:
    a = world.change()
    world.gearman.add_rule("project-merge", None, times=1)
    world.approve(a)
    assert world.results("project-merge") == [None, SUCCESS]
    assert len(world.history) == 4
    world.expect_merged(a)


def test_086_attempts_are_bounded(world: World) -> None:
    world.reload(job("project-test1", attempts=4))
    a = world.change()
    world.fails("project-test1", a, None)
    world.created(a)
    assert world.results("project-test1") == [None] * 4
    assert len(world.history) == 6
    assert len({build.uuid for build in world.gearman.history}) == 6
    assert ": RETRY_LIMIT" in a.comments[0].text
    world.expect_reports(1, a)


def test_086_three_attempts_by_default(world: World) -> None:
    a = world.change()
    world.fails("project-test1", a, None)
    world.created(a)
    assert world.results("project-test1") == [None] * 3


def test_087_unregistered_jobs_fail_and_work_once_registered(world: World) -> None:
    names = {"build:project-merge", "build:project-test1", "build:project-test2"}
    world.gearman.unregistered |= names
    a = world.change()
    world.approve(a)
    assert world.history == []
    world.expect_open(a)
    world.expect_reports(2, a)
    assert ": NOT_REGISTERED" in a.comments[-1].text

    world.gearman.unregistered.clear()
    world.approve(a)
    world.expect_merged(a)


def test_088_a_lost_worker(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    lost = world.build("project-merge").uuid
    world.lose_worker("project-merge")
    assert world.running == ["project-merge 1,1"]
    assert world.build("project-merge").uuid != lost
    world.release()
    world.expect_merged(a)


def test_089_what_a_worker_tells_of_itself_is_shown(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    shown = world.item("gate", a)["jobs"][0]
    assert shown["worker"] == {
        "name": "worker-1",
        "hostname": "worker-1.example.com",
        "ips": ["192.0.2.1"],
        "fqdn": "worker-1.example.com",
        "program": "jenkins",
        "version": "1.0",
        "extra": {"something": "else"},
    }


def test_090_descriptions(world: World) -> None:
    a = world.change()
    world.approve(a)
    build = world.gearman.history[0]
    text = world.descriptions[build.uuid]
    for expected in ("master", "gate", "project-merge", "project-test1", SUCCESS, "1,1"):
        assert expected in text


def test_092_estimates_come_from_earlier_builds(world: World) -> None:
    a = world.change()
    world.hold_builds()
    world.approve(a)
    world.clock.advance(2)
    first = world.item("gate", a)["jobs"][0]
    assert first["estimated_time"] is not None
    assert first["remaining_time"] is None
    world.release()

    world.hold_builds()
    b = world.change()
    world.approve(b)
    second = world.item("gate", b)["jobs"][0]
    assert second["estimated_time"] >= 2
    assert second["remaining_time"] is not None


def test_093_url_patterns_of_a_result(world: World) -> None:
    world.reload(
        job("project-test1", success_pattern="http://x/{build.parameters[LOG_PATH]}/"),
        job("project-test2", success_pattern="http://x/{no_such_thing}/"),
    )
    a = world.push()
    log_path = world.ended("project-test1")[0].parameters["LOG_PATH"]
    assert f"- project-test1 http://x/{log_path}/ : SUCCESS" in a.comments[0].text
    fallback = world.ended("project-test2")[0]
    assert f"- project-test2 {fallback.data.url} : SUCCESS" in a.comments[0].text


@pytest.mark.parametrize("result", ["UNSTABLE", "POST_FAILURE", "anything else"])
def test_305_any_other_result_is_a_failure_shown_verbatim(world: World, result: str) -> None:
    """Contract 5.3; it has no entry in the catalogue."""
    a = world.change()
    world.fails("project-test1", a, result)
    world.created(a)
    assert f": {result}" in a.comments[0].text
    world.expect_votes(a, -1)


def test_306_late_results_of_cancelled_builds_change_nothing(world: World) -> None:
    a, b = world.change(), world.change()
    world.fails("project-test1", a)
    world.hold_builds()
    world.approve(a, b)
    world.release(".*-merge")
    world.release(".*-merge")
    world.finish("project-test1", FAILURE, a)
    world.release()
    world.expect_merged(b)

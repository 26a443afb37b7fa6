"""Builds through the bridge: sandbox masters of both ages, a real Gearman server, real HTTP."""

from __future__ import annotations

import itertools

import pytest

from tests.integration.bridge_world import World
from tests.support.waiting import eventually
from zuul.lib.gearman import Outcome

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("modern", [True, False])
def test_success_and_failure(world: World, modern: bool) -> None:
    master = world.add_master("m1", modern=modern)
    master.add_job("unit", "sleep 1\n")
    master.add_job("style", "exit 3\n")
    world.start()
    world.await_function("build:unit")
    world.await_function("build:style")
    good, bad = world.submit("build:unit", "u1"), world.submit("build:style", "u2")
    start = good.started()
    assert start["manager"] == "m1"
    assert start["name"] == "unit"
    assert start["number"] == 1
    assert start["url"].endswith("/job/unit/1/")
    assert good.ended() == "SUCCESS"
    assert good.statuses >= 1
    assert bad.ended() == "FAILURE"
    assert [len(master.builds(uuid=uuid)) for uuid in ("u1", "u2")] == [1, 1]


def test_a_second_submission_attaches_while_it_runs_and_after(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "sleep 2\n")
    world.start()
    world.await_function("build:unit")
    first = world.submit("build:unit", "u1")
    start = first.started()
    second = world.submit("build:unit", "u1")
    assert second.started()["number"] == start["number"]
    assert (first.ended(), second.ended()) == ("SUCCESS", "SUCCESS")
    third = world.submit("build:unit", "u1")
    assert third.ended() == "SUCCESS"
    assert third.started()["number"] == start["number"]
    assert len(master.builds()) == 1


def test_stop_and_description_of_a_running_build(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "sleep 60\n")
    world.start()
    world.await_function("build:unit")
    heard = world.submit("build:unit", "u1")
    place = {"name": "unit", "number": heard.started()["number"]}
    words = {**place, "html_description": "<b>ünïcode</b>"}
    assert world.submit("set_description:m1", arguments=words).ended() is None
    assert master.builds(uuid="u1")[0].description == "<b>ünïcode</b>"
    assert world.submit("stop:m1", arguments=place).ended() is None
    assert heard.ended() == "ABORTED"
    again = world.submit("stop:m1", arguments=place)
    assert again.ended() is Outcome.FAIL
    nowhere = world.submit("stop:m1", arguments={"name": "unit", "number": 99})
    assert nowhere.ended() is Outcome.EXCEPTION


def test_a_queued_build_is_stopped_by_its_uuid(world: World) -> None:
    master = world.add_master("m1", options="queue_timeout = 60\n")
    master.add_job("unit", "sleep 60\n")
    world.start()
    world.await_function("build:unit")
    for _ in range(2):
        master.start_build("unit", ZUUL_UUID="other")
    master.add_job("tied", "true\n", labels="nowhere")
    master.add_node("n1", "nowhere", 1, "EXCLUSIVE")
    world.await_function("build:tied")
    # The node is taken by another's build in the moment between the look and the request.
    master.add_job("thief", "sleep 60\n", labels="nowhere")
    master.start_build("thief")
    heard = world.submit("build:tied", "u1")
    if eventually(lambda: master.queue() or heard.outcome, "a waiting build") and master.queue():
        stop = world.submit("stop:m1", arguments={"name": "tied", "number": "u1"})
        assert stop.ended() is None
        assert heard.ended() is Outcome.EXCEPTION
        assert master.builds(uuid="u1") == []


@pytest.mark.parametrize("value", ["1", "true"])
@pytest.mark.parametrize("modern", [True, False])
def test_the_node_goes_offline_as_soon_as_the_build_runs(
    world: World, value: str, modern: bool
) -> None:
    master = world.add_master("m1", modern=modern)
    master.add_node("n1", "linux", 1, "EXCLUSIVE")
    master.add_job("unit", "sleep 2\n", labels="linux")
    world.start()
    world.await_function("build:unit:linux")
    arguments = {"OFFLINE_NODE_WHEN_COMPLETE": value}
    heard = world.submit("build:unit:linux", "u1", arguments)
    assert heard.started()["node_name"] == "n1"
    assert heard.started()["node_labels"] == ["linux", "n1"]
    eventually(lambda: master.offline("n1") == "Offline due to Gearman request", "offline")
    assert heard.ended() == "SUCCESS"
    eventually(lambda: "build:unit" not in world.functions(), "functions to go")
    assert master.offline("n1") == "Offline due to Gearman request"


@pytest.mark.parametrize("modern", [True, False])
def test_somebody_else_sets_the_node_offline_under_its_build(world: World, modern: bool) -> None:
    """As nodepool does for jobs that do not ask for it: the build has its result, can be stopped
    till then, and the next one waits for another node."""
    master = world.add_master("m1", modern=modern)
    master.add_node("n1", "linux", 1, "EXCLUSIVE")
    master.add_job("unit", "sleep 3\n", labels="linux")
    master.add_job("long", "sleep 60\n", labels="linux")
    world.start()
    world.await_function("build:unit:linux")
    first = world.submit("build:unit:linux", "u1")
    assert first.started()["node_name"] == "n1"
    second = world.submit("build:long:linux", "u2")
    master.set_offline("n1", reason="Offline due to Gearman request (nodepool)")
    eventually(lambda: "build:unit" not in world.functions(), "functions to go")
    assert first.ended() == "SUCCESS"
    assert second.data == []
    master.add_node("n2", "linux", 1, "EXCLUSIVE")
    place = second.started()
    assert place["node_name"] == "n2"
    master.set_offline("n2", reason="Offline due to Gearman request (nodepool)")
    stop = {"name": "long", "number": place["number"]}
    assert world.submit("stop:m1", arguments=stop).ended() is None
    assert second.ended() == "ABORTED"
    assert len(master.builds()) == 2


def test_a_job_that_is_not_concurrent_runs_once_at_a_time(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "sleep 1\n", concurrent=False)
    world.start()
    world.await_function("build:unit")
    heard = [world.submit("build:unit", f"u{number}") for number in range(3)]
    assert [each.ended() for each in heard] == ["SUCCESS"] * 3
    spans = sorted((b.started_at_ms, b.started_at_ms + b.duration_ms) for b in master.builds())
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_names_and_values_of_all_kinds(world: World) -> None:
    master = world.add_master("m1")
    names = ["with blank", "ünï-код", "a/deep/job", "one/same", "two/same"]
    for name in names:
        master.add_job(name, "true\n")
    world.start()
    world.await_function("build:one/same")
    functions = world.functions()
    assert {"build:with blank", "build:ünï-код", "build:job", "build:two/same"} <= functions
    big = "x" * 65_536
    changes = {"ZUUL_CHANGES": big, "ZUUL_PROJECT": "проект\nzwei"}
    for number, name in enumerate(["with blank", "ünï-код", "job", "two/same"]):
        uuid = f"u{number}"
        assert world.submit(f"build:{name}", uuid, changes).ended() == "SUCCESS"
        (build,) = master.builds(uuid=uuid)
        assert build.parameters["ZUUL_CHANGES"] == big
        assert build.parameters["ZUUL_PROJECT"].splitlines() == ["проект", "zwei"]


def test_bad_payloads_are_told_to_whoever_sent_them(world: World) -> None:
    master = world.add_master("m1")
    master.add_job("unit", "true\n")
    world.start()
    world.await_function("build:unit")
    assert world.submit("build:unit").ended() is Outcome.EXCEPTION
    assert world.submit("stop:m1").ended() is Outcome.EXCEPTION
    assert world.submit("build:unit", "u1").ended() == "SUCCESS"


def test_no_build_is_taken_without_an_idle_executor(world: World) -> None:
    master = world.add_master("m1", executors=1)
    master.add_job("unit", "sleep 1\n")
    world.start()
    world.await_function("build:unit")
    first, second = world.submit("build:unit", "u1"), world.submit("build:unit", "u2")
    first.started()
    assert world.admin.status()["build:unit"].running == 1
    assert (first.ended(), second.ended()) == ("SUCCESS", "SUCCESS")

"""Launching, results, retries, mutexes."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import check_config, gate_config, tree
from zuul.core import events
from zuul.model.build import BuildData
from zuul.model.job import Job


def test_lost_build_is_tried_again_until_its_attempts_are_used() -> None:
    """Scenario 86."""
    gate = Gate(check_config({"p": tree((Job("merge", attempts=2), ["unit"]))}))
    gate.upload(make_change(1))
    first = gate.build("merge 1").build
    gate.finish("merge 1", None)
    assert gate.build("merge 1").build != first
    gate.finish("merge 1", None)
    assert gate.running() == []
    assert "RETRY_LIMIT" in gate.reports[-1].message
    assert "SKIPPED" in gate.reports[-1].message


def test_noop_needs_nobody() -> None:
    gate = Gate(gate_config({"p": tree(("noop", ["unit"]))}))
    gate.approve(make_change(1))
    assert gate.running() == ["unit 1"]
    gate.finish_all()
    assert gate.merged() == ["1"]


def test_failure_skips_what_follows_and_others_go_on() -> None:
    gate = Gate(check_config({"p": tree(("merge", ["unit", ("pkg", ["deploy"])]), "style")}))
    gate.upload(make_change(1))
    gate.finish("merge 1", "ABORTED")
    results = {job["name"]: job["result"] for job in gate.items("check")[0]["jobs"]}
    assert results == {
        "merge": "ABORTED",
        "unit": "SKIPPED",
        "pkg": "SKIPPED",
        "deploy": "SKIPPED",
        "style": None,
    }
    gate.finish("style 1")
    assert gate.told(make_change(1)) == ["failure"]


def test_non_voting_job_decides_nothing() -> None:
    gate = Gate(gate_config({"p": tree("unit", Job("style", voting=False))}))
    gate.approve(make_change(1))
    gate.finish("style 1", "FAILURE")
    gate.finish("unit 1")
    assert gate.merged() == ["1"]


def test_result_of_a_forgotten_build_is_not_heard() -> None:
    gate = Gate(check_config({"p": tree("unit")}))
    gate.upload(make_change(1))
    old = gate.build("unit 1").build
    gate.upload(make_change(1, patchset=2))
    assert gate.cancelled == [old]
    assert gate.send(events.BuildCompleted(old, "SUCCESS", None, 1.0)) == []
    assert gate.send(events.BuildStarted(old, BuildData(), 1.0)) == []
    assert gate.send(events.BuildUpdated(old, BuildData())) == []
    gate.finish("unit 1")
    assert gate.send(events.BuildCompleted(old, "SUCCESS", None, 1.0)) == []


def test_times_are_recorded_and_estimated() -> None:
    gate = Gate(check_config({"p": tree("unit")}))
    gate.times.estimates["unit"] = 60.0
    gate.upload(make_change(1))
    gate.start("unit 1", number=3, node_labels=("n1", "trusty"), node_name="n1")
    job = gate.items("check")[0]["jobs"][0]
    assert job["estimated_time"] == 60.0
    assert 0 < job["remaining_time"] <= 60000
    gate.now += 30
    gate.finish("unit 1")
    ((name, seconds, result),) = gate.times.recorded
    assert (name, result) == ("unit", "SUCCESS")
    assert seconds >= 30


MUTEX_TREE = tree(Job("one", mutex="m"), Job("two", mutex="m"))


def test_mutex_goes_round_in_pass_order() -> None:
    """Scenario 84."""
    gate = Gate(check_config({"p": MUTEX_TREE}))
    gate.upload(make_change(1), make_change(2))
    order = []
    while gate.builds:
        (running,) = gate.running()
        order.append(running)
        gate.finish(running)
    assert order == ["one 1", "two 1", "one 2", "two 2"]


def test_mutex_is_freed_by_an_abandoned_change() -> None:
    gate = Gate(check_config({"p": MUTEX_TREE}))
    a = make_change(1)
    gate.upload(a, make_change(2))
    assert gate.items("check")[1]["waiting"] == "a mutex is held: m"
    gate.hear("change-abandoned", a)
    assert gate.running() == ["one 2"]


def test_mutex_is_freed_by_a_reload_that_removes_jobs_or_pipelines() -> None:
    check = check_config({"p": MUTEX_TREE})
    other = check_config({"p": MUTEX_TREE}, name="other")
    gate = Gate(check, other)
    gate.upload(make_change(1))
    gate.send(events.LayoutLoaded(replace(gate.layout, pipelines=(other,))))
    assert len(gate.cancelled) == 1
    assert [b.parameters["ZUUL_PIPELINE"] for b in gate.builds.values()] == ["other"]
    fewer = replace(other, trees={"p": tree(Job("two", mutex="m"))})
    gate.send(events.LayoutLoaded(replace(gate.layout, pipelines=(fewer,))))
    assert gate.running() == ["two 1"]


def test_waiter_outside_the_window_lets_the_next_have_the_mutex() -> None:
    gate = Gate(
        gate_config({"p": MUTEX_TREE}),
        check_config({"p": MUTEX_TREE}),
    )
    gate.approve(make_change(1), make_change(2))
    gate.upload(make_change(3))
    state = gate.scheduler._state
    (queue,) = state.pipelines["gate"].queues.values()
    queue.window = 4
    for _ in range(2):
        queue.shrink_window()
    assert [item.active for item in queue] == [True, True]
    gate.finish_all()
    assert gate.merged() == ["1", "2"]
    assert gate.numbers("check") == []


def test_graceful_exit_waits_for_children() -> None:
    gate = Gate()
    gate.approve(make_change(1))
    gate.send(events.GracefulExitRequested())
    gate.upload(make_change(2))
    assert gate.numbers("check") == []
    assert "Queue only mode" in gate.status()["message"]
    gate.finish("merge 1")
    assert not gate.stopped
    gate.finish("unit 1")
    assert not gate.stopped
    gate.finish("docs 1")
    assert gate.merged() == ["1"]
    assert gate.stopped


def test_ignored_dependencies() -> None:
    """Scenario 48."""
    gate = Gate(check_config({"p": tree("unit")}, ignore_dependencies=True))
    b = make_change(2)
    a = make_change(1, needs=(b.key,))
    gate.known(b)
    gate.upload(a)
    assert gate.numbers("check") == ["1,1"]
    assert gate.build("unit 1").parameters["ZUUL_CHANGE_IDS"] == "1,1"


def test_build_that_starts_twice_started_once() -> None:
    gate = Gate(check_config({"p": tree("unit")}))
    gate.upload(make_change(1))
    gate.start("unit 1", number=1)
    started = gate.items("check")[0]["jobs"][0]["start_time"]
    gate.start("unit 1", number=2)
    job = gate.items("check")[0]["jobs"][0]
    assert (job["start_time"], job["number"]) == (started, 1)
    assert len(gate.watcher.of("build_started")) == 1

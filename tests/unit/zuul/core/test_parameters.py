"""What a build is sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import check_config, gate_config, tree
from zuul.core import events
from zuul.model.change import NullChange, NullKey, Ref, RefKey
from zuul.model.job import Job
from zuul.model.matching import EventFilter
from zuul.model.trigger import TriggerEvent


def gate_with(function: Any, **more: Any) -> Gate:
    job = Job("unit", parameter_function=function, parameter_function_name="f", **more)
    return Gate(gate_config({"p": tree(job)}))


def test_change_item() -> None:
    gate = Gate(gate_config({"p": tree("unit", Job("quiet", voting=False)), "o/q": tree("x")}))
    gate.approve(make_change(12345, "o/q", branch="stable"), make_change(2, patchset=3))
    launch = gate.build("unit 2")
    parameters = dict(launch.parameters)
    uuid = parameters.pop("ZUUL_UUID")
    ref = parameters.pop("ZUUL_REF")
    assert uuid == launch.build
    assert ref is not None and ref.startswith("refs/zuul/master/Z")
    assert len(ref) == len("refs/zuul/master/Z") + 32
    assert launch.function == "build:unit"
    assert parameters == {
        "ZUUL_PROJECT": "p",
        "ZUUL_PIPELINE": "gate",
        "ZUUL_URL": "http://merger",
        "ZUUL_VOTING": "1",
        "BASE_LOG_PATH": "2/2/3",
        "LOG_PATH": f"2/2/3/gate/unit/{launch.build[:7]}",
        "ZUUL_BRANCH": "master",
        "ZUUL_CHANGE": "2",
        "ZUUL_PATCHSET": "3",
        "ZUUL_CHANGES": "o/q:stable:refs/changes/45/12345/1^p:master:refs/changes/02/2/3",
        "ZUUL_CHANGE_IDS": "12345,1 2,3",
        "ZUUL_COMMIT": "c:12345,1+2,3",
    }
    assert gate.build("quiet 2").parameters["ZUUL_VOTING"] == "0"


def test_series_forgets_what_has_merged() -> None:
    gate = Gate(gate_config({"p": tree("unit")}))
    gate.approve(make_change(1), make_change(2), make_change(3))
    gate.finish("unit 1")
    gate.approve(make_change(4))
    assert gate.build("unit 3").parameters["ZUUL_CHANGE_IDS"] == "1,1 2,1 3,1"
    assert gate.build("unit 4").parameters["ZUUL_CHANGE_IDS"] == "2,1 3,1 4,1"
    assert [i.number for i in gate.merges[-1].item.front_first()] == ["2", "3", "4"]
    gate.finish("unit 2")
    gate.finish("unit 3")
    gate.approve(make_change(5))
    assert gate.build("unit 5").parameters["ZUUL_CHANGE_IDS"] == "4,1 5,1"


def post_gate() -> Gate:
    post = check_config(
        {"p": tree("unit")},
        name="post",
        filters=(EventFilter("gerrit", frozenset({"ref-updated"})),),
    )
    return Gate(post)


def test_ref_item() -> None:
    gate = post_gate()
    ref = Ref(RefKey("gerrit", "p", "refs/heads/master", "ab" * 20), "0" * 40)
    event = TriggerEvent("gerrit", "ref-updated", project="p", ref=ref.ref, newrev=ref.newrev)
    gate.send(events.TriggerReceived(event, ref))
    (launch,) = gate.builds.values()
    assert gate.updates[0].project == "p"
    wanted = {
        "BASE_LOG_PATH": "ab/" + "ab" * 20,
        "ZUUL_REF": "refs/heads/master",
        "ZUUL_REFNAME": "refs/heads/master",
        "ZUUL_OLDREV": "0" * 40,
        "ZUUL_NEWREV": "ab" * 20,
        "ZUUL_COMMIT": "ab" * 20,
    }
    assert wanted.items() <= launch.parameters.items()
    assert "ZUUL_BRANCH" not in launch.parameters
    assert "ZUUL_CHANGES" not in launch.parameters


def test_null_item() -> None:
    gate = post_gate()
    event = TriggerEvent("timer", "timer", project="p", forced_pipeline="post")
    for _ in range(2):
        gate.send(events.TriggerReceived(event, NullChange(NullKey("gerrit", "p"))))
    (launch,) = gate.builds.values()
    assert launch.parameters["BASE_LOG_PATH"] == ""
    assert launch.parameters["LOG_PATH"] == f"post/unit/{launch.build[:7]}"
    assert "ZUUL_REF" not in launch.parameters
    assert gate.numbers("post") == [None]


def test_parameter_function_chooses_a_node() -> None:
    def function(item: Any, job: Any, params: dict[str, Any]) -> None:
        assert hasattr(item.change, "refspec")
        assert not hasattr(item.change, "newrev")
        assert str(item.change.project) == item.change.project.name == "p"
        assert (item.pipeline.name, job.name, job.voting) == ("gate", "unit", True)
        assert item.current_build_set.ref.startswith("Z")
        params["ZUUL_NODE"] = "debian"
        params["OFFLINE_NODE_WHEN_COMPLETE"] = 1

    gate = gate_with(function)
    gate.approve(make_change(1))
    launch = gate.build("unit 1")
    assert launch.function == "build:unit:debian"
    assert launch.parameters["OFFLINE_NODE_WHEN_COMPLETE"] == "1"
    assert "is no text but int" in gate.watcher.of("problem")[0][1]


def test_parameter_function_of_two_arguments() -> None:
    def function(item: Any, params: dict[str, Any]) -> None:
        params["BRANCH"] = item.change.branch

    gate = gate_with(function)
    gate.approve(make_change(1))
    assert gate.build("unit 1").parameters["BRANCH"] == "master"


def test_parameter_function_that_raises_fails_its_build_in_the_end() -> None:
    calls: list[str] = []

    def function(item: Any, job: Any, params: Any) -> None:
        calls.append(job.name)
        raise LookupError("no such thing")

    gate = gate_with(function, attempts=2)
    change = make_change(1)
    gate.approve(change)
    assert len(calls) == 2
    assert gate.told(change) == ["start", "failure"]
    assert "EXCEPTION" in gate.reports[-1].message
    assert gate.watcher.of("problem")[0] == ("unit", "f: LookupError: no such thing")


def test_parameter_function_that_fails_once() -> None:
    failures = [ValueError("once")]

    def function(item: Any, job: Any, params: Any) -> None:
        if failures:
            raise failures.pop()

    gate = gate_with(function)
    gate.approve(make_change(1))
    assert gate.running() == ["unit 1"]


@pytest.mark.parametrize("name", ["change", "pipeline"])
def test_views_cannot_be_written(name: str) -> None:
    def function(item: Any, job: Any, params: Any) -> None:
        setattr(getattr(item, name), "name", "x")  # noqa: B010

    gate = gate_with(function, attempts=1)
    gate.approve(make_change(1))
    assert gate.running() == []

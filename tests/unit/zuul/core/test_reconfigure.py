"""Reloads keep what runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import DEFAULT_TREE, check_config, gate_config, make_layout, tree
from zuul.core import events
from zuul.model.layout import Project, SharedQueue, WindowConfig


def reload(gate: Gate, *pipelines: Any) -> list[Any]:
    layout = make_layout(*pipelines) if pipelines else gate.layout
    return gate.send(events.LayoutLoaded(layout))


def test_reload_of_the_same_layout_changes_nothing() -> None:
    gate = Gate()
    gate.approve(make_change(1), make_change(2), make_change(3))
    for number in (1, 2, 3):
        gate.finish(f"merge {number}")
    gate.finish("unit 1", "FAILURE")
    gate.finish("merge 2")
    before = gate.items("gate")
    assert reload(gate) == []
    after = gate.items("gate")
    assert [i["item_ahead"] for i in after] == [i["item_ahead"] for i in before]
    assert [j["uuid"] for i in after for j in i["jobs"]] == [
        j["uuid"] for i in before for j in i["jobs"]
    ]
    gate.finish_all()
    assert gate.merged() == ["2", "3"]


def test_window_is_kept_unless_it_is_configured_anew() -> None:
    gate = Gate(gate_config({"p": tree("unit")}))
    gate.approve(make_change(1))
    gate.finish("unit 1", "FAILURE")
    assert gate.window() == 10
    reload(gate)
    assert gate.window() == 10
    reload(gate, gate_config({"p": tree("unit")}, window=WindowConfig(start=30)))
    assert gate.window() == 30


def test_failed_job_that_is_removed_no_longer_counts() -> None:
    """Scenario 104."""
    gate = Gate(gate_config({"p": tree(("merge", ["unit"]), ("bad", ["below"]))}))
    gate.approve(make_change(1))
    gate.finish("merge 1")
    gate.finish("bad 1", "FAILURE")
    reload(gate, gate_config({"p": tree(("merge", ["unit"]), "below")}))
    assert sorted(gate.running()) == ["below 1", "unit 1"]
    gate.finish_all()
    assert gate.merged() == ["1"]
    assert "bad" not in gate.reports[-1].message


def test_new_job_of_an_item_in_conflict_does_not_run() -> None:
    """Scenarios 102 and 103."""
    gate = Gate(gate_config({"p": tree("unit")}))
    gate.conflicts.add("2")
    gate.approve(make_change(1), make_change(2))
    reload(gate, gate_config({"p": tree("unit", "new")}))
    assert gate.running() == ["unit 1", "new 1"]
    gate.finish_all()
    assert gate.merged() == ["1"]


def test_project_that_is_removed() -> None:
    """Scenario 106."""
    gate = Gate(check_config({"p": tree("unit"), "q": tree("unit")}))
    b = gate.known(make_change(2, "q"))
    gate.upload(make_change(1, needs=(b.key,)), make_change(3, "q"))
    reload(gate, check_config({"p": tree("unit")}))
    assert gate.numbers("check") == ["2,1", "1,1"]
    gate.finish_all()
    assert [str(r.change.key) for r in gate.reports] == ["1,1"]


def test_project_that_leaves_the_gate_restarts_those_behind_it() -> None:
    gate = Gate(gate_config({"p": tree("unit"), "q": tree("unit")}))
    gate.approve(make_change(1, "q"), make_change(2), make_change(3))
    layout = make_layout(gate_config({"p": tree("unit")}))
    gate.send(events.LayoutLoaded(replace(layout, projects={"p": Project("p")})))
    assert gate.numbers() == ["2,1", "3,1"]
    assert len(gate.cancelled) == 3
    assert gate.build("unit 3").parameters["ZUUL_CHANGE_IDS"] == "2,1 3,1"


def test_queues_that_become_one() -> None:
    trees = {"p": tree("unit"), "q": tree("unit")}
    split = (SharedQueue("p", ("p",)), SharedQueue("q", ("q",)))
    gate = Gate(gate_config(trees, queues=split))
    gate.approve(make_change(1, "q"), make_change(2, "p"))
    assert gate.build("unit 1").parameters["ZUUL_CHANGE_IDS"] == "1,1"
    reload(gate, gate_config(trees))
    assert gate.numbers() == ["2,1", "1,1"]
    assert gate.build("unit 1").parameters["ZUUL_CHANGE_IDS"] == "2,1 1,1"


def test_removed_pipeline_takes_its_builds_along() -> None:
    gate = Gate()
    gate.approve(make_change(1))
    gate.upload(make_change(2))
    reload(gate, check_config({"p": DEFAULT_TREE}))
    assert gate.running() == ["merge 2"]
    assert gate.told(make_change(1)) == ["start"]


def test_pending_merge_and_report_survive() -> None:
    gate = Gate(merging=False, reporting=False)
    gate.approve(make_change(1))
    reload(gate)
    gate.send(*gate.answer_merges())
    gate.finish_all()
    reload(gate)
    assert gate.numbers() == ["1,1"]
    for report in list(gate.open_reports):
        gate.send(gate.report_answer(report))
    assert gate.numbers() == []


def test_pipeline_that_starts_to_merge_takes_nothing_over() -> None:
    gate = Gate(check_config({"p": tree("unit")}))
    gate.upload(make_change(1))
    reload(gate, gate_config({"p": tree("unit")}, name="check"))
    assert gate.numbers("check") == []
    assert gate.running() == []


def test_dependant_goes_on_when_its_need_no_longer_fails() -> None:
    gate = Gate(gate_config({"p": tree("unit", "bad")}))
    b = make_change(2)
    gate.approve(make_change(1), b, make_change(3, needs=(b.key,)))
    gate.finish("bad 2", "FAILURE")
    assert gate.items("gate")[2]["waiting"] == "a change that it needs is failing: 2,1"
    reload(gate, gate_config({"p": tree("unit")}))
    assert gate.running() == ["unit 1", "unit 2", "unit 3"]
    gate.finish_all()
    assert gate.merged() == ["1", "2", "3"]

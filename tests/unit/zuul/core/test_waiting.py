"""Why an item waits, as status.json has it, and why it left, as the log and reports have it."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import check_config, gate_config, make_layout, tree
from zuul.core import events
from zuul.core.messages import DEQUEUED
from zuul.core.requests import HoldRequested
from zuul.model.brakes import Hold
from zuul.model.job import Job
from zuul.model.layout import WindowConfig

SIMPLE = gate_config({"p": tree("unit")})


def waits(gate: Gate, pipeline: str = "gate") -> list[tuple[str | None, str | None]]:
    return [(item["waiting_kind"], item["waiting"]) for item in gate.items(pipeline)]


def left(gate: Gate) -> dict[str, str]:
    """Why items left, by their change; of one that came back the last."""
    return {str(args[2].key): args[5] for args in gate.watcher.of("item_dequeued")}


def test_for_the_merger_and_the_window() -> None:
    gate = Gate(gate_config({"p": tree("unit")}, window=WindowConfig(start=2)), merging=False)
    gate.approve(make_change(1), make_change(2), make_change(3))
    merge = ("merge", "a merger is to merge it")
    assert waits(gate) == [merge, merge, ("window", "it is outside the window")]


def test_for_a_worker_and_for_what_is_ahead() -> None:
    gate = Gate(gate_config({"p": tree("unit", "docs")}))
    gate.approve(make_change(1), make_change(2))
    gate.start("docs 1")
    gate.finish("unit 2")
    gate.start("docs 2")
    assert waits(gate) == [("worker", "no worker has taken unit yet"), (None, None)]
    gate.finish("docs 2")
    gate.start("unit 1")
    assert waits(gate) == [(None, None), ("ahead", "1,1 is ahead of it")]


def test_for_many_workers() -> None:
    gate = Gate(gate_config({"p": tree("a", "b", "c", "d", "e")}))
    gate.approve(make_change(1))
    assert waits(gate) == [("worker", "no worker has taken a, b, c and 2 more yet")]


def test_for_a_job_that_holds_what_follows() -> None:
    merge = Job("merge", hold_following_changes=True)
    gate = Gate(gate_config({"p": tree((merge, ["unit"])), "q": tree("q-unit")}))
    gate.approve(make_change(1), make_change(2, "q"), make_change(3))
    held = ("hold", "what follows 1,1 is held until this succeeds: merge")
    assert waits(gate)[1:] == [held, held]
    gate.finish("merge 1")
    assert [kind for kind, _ in waits(gate)] == ["worker"] * 3


def test_for_a_job_far_ahead_that_holds_what_follows() -> None:
    merge = Job("merge", hold_following_changes=True)
    window = WindowConfig(start=0)
    gate = Gate(gate_config({"p": tree(merge), "q": tree("q-unit")}, window=window))
    gate.approve(make_change(1), *(make_change(number, "q") for number in range(2, 42)))
    assert waits(gate)[-1] == ("hold", "a job of an item ahead holds it")


def test_for_a_mutex() -> None:
    gate = Gate(gate_config({"p": tree(Job("unit", mutex="license"))}))
    gate.approve(make_change(1), make_change(2))
    assert waits(gate)[1] == ("mutex", "a mutex is held: license")


def test_for_a_change_that_it_needs_and_that_fails() -> None:
    gate = Gate(gate_config({"p": tree("unit", "docs")}))
    first = make_change(1)
    gate.approve(make_change(9), first, make_change(2, needs=(first.key,)))
    gate.finish("unit 1", "FAILURE")
    assert waits(gate)[2] == ("need", "a change that it needs is failing: 1,1")


def test_for_its_report() -> None:
    gate = Gate(SIMPLE, reporting=False)
    change = make_change(1)
    gate.approve(change)
    gate.finish("unit 1")
    assert waits(gate) == [("report", "its report is being sent")]
    gate.hear("change-abandoned", change)
    text = "its report is being sent; then it leaves: the change was abandoned"
    assert waits(gate) == [("report", text)]


def test_of_a_stopped_queue() -> None:
    gate = Gate(SIMPLE, reporting=False)
    gate.approve(make_change(1), make_change(2))
    gate.finish_all()
    report = gate.report_answer(gate.open_reports[-1], tree_mismatch="trees differ")
    gate.send(replace(report, merged=True))
    gate.finish_all()
    assert waits(gate) == [("stopped", "the queue has stopped: trees differ")]


def test_of_a_held_change() -> None:
    gate = Gate(SIMPLE)
    gate.approve(make_change(1))
    gate.send(HoldRequested("r", Hold("gate", "1", None, "after lunch")))
    gate.finish_all()
    assert waits(gate) == [("brake", "the change is held: after lunch")]


def test_of_an_item_that_is_only_a_base() -> None:
    gate = Gate(check_config({"p": tree("unit")}))
    first = gate.known(make_change(1))
    gate.upload(make_change(2, needs=(first.key,)))
    assert waits(gate, "check")[0] == ("base", "it is only here for the changes behind it")


def test_outside_the_window_with_builds_from_when_it_was_inside() -> None:
    window = WindowConfig(start=3, floor=1, decrease_factor=3)
    gate = Gate(gate_config({"p": tree(("merge", ["unit"]), "docs")}, window=window))
    gate.approve(*(make_change(number) for number in (1, 2, 3)))
    gate.finish("docs 1", "FAILURE")
    gate.finish("merge 1", "FAILURE")
    assert gate.window() == 1
    gate.start("docs 3")
    gate.finish("merge 3")
    assert waits(gate)[1] == ("window", "it is outside the window")


# -- why it left ---------------------------------------------------------------------------------


def test_the_log_says_why_an_item_left() -> None:
    gate = Gate(gate_config({"p": tree("unit", "docs", Job("style", voting=False))}))
    changes = [make_change(number) for number in (1, 2, 3, 4)]
    gate.conflicts.add("3")
    gate.approve(*changes)
    gate.hear("change-abandoned", changes[3])
    gate.finish("style 1", "FAILURE")
    gate.finish("unit 1", "FAILURE")
    gate.finish("docs 1")
    gate.finish_all()
    assert left(gate) == {
        "1,1": "at least one job failed; it did not merge; unit FAILURE",
        "2,1": "merged",
        "3,1": "it has a merge conflict; at least one job failed; it did not merge; with p 3,1",
        "4,1": "the change was abandoned",
    }


def test_the_log_says_that_a_submit_was_refused() -> None:
    gate = Gate(SIMPLE)
    gate.refused.add("1")
    gate.approve(make_change(1))
    gate.finish_all()
    assert left(gate) == {"1,1": "it did not merge"}


def test_the_log_says_that_a_check_passed() -> None:
    gate = Gate(check_config({"p": tree("unit")}))
    gate.upload(make_change(1))
    gate.finish_all()
    assert left(gate) == {"1,1": "all jobs succeeded"}


def test_the_log_says_that_a_layout_has_no_place() -> None:
    gate = Gate(SIMPLE, check_config({"p": tree("unit")}))
    gate.approve(make_change(1))
    gate.send(events.LayoutLoaded(make_layout(check_config({"p": tree("unit")}))))
    assert left(gate) == {"1,1": "the new layout has no place for it"}


def test_the_report_names_the_change_that_cannot_be_had() -> None:
    gate = Gate(SIMPLE)
    first = make_change(1)
    second = make_change(2, needs=(first.key,))
    gate.approve(first, second)
    gate.upload(make_change(1, patchset=2))
    assert gate.reports[-1].change.key == second.key
    text = f"{DEQUEUED} (The needed change 1,1 is superseded.)\n"
    assert gate.reports[-1].message == text
    assert left(gate)["2,1"] == "the needed change 1,1 is superseded"

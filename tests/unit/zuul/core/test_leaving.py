"""Items that leave without a report, or with one that they did not earn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.zuul.core.gate import Gate, make_change
from tests.unit.zuul.core.layouts import DEFAULT_TREE, check_config, gate_config, tree
from zuul.core import building, events
from zuul.model.change import Change

SIMPLE = gate_config({"p": tree("unit")})


def merged(change: Change) -> Change:
    return replace(change, status="MERGED", is_open=False)


def test_new_patchset_takes_the_old_one_out() -> None:
    """Scenario 32: C needs B needs A, D needs nothing; B is replaced."""
    gate = Gate(SIMPLE)
    a = make_change(1)
    b = make_change(2, needs=(a.key,))
    c = make_change(3, needs=(b.key,))
    d = make_change(4)
    gate.approve(a, b, c, d)
    gate.upload(make_change(2, patchset=2, needs=(a.key,)))
    assert gate.numbers() == ["1,1", "4,1"]
    assert gate.told(b) == ["start"]
    assert gate.told(c) == ["start", "failure"]
    gate.finish_all()
    assert gate.merged() == ["1", "4"]


def test_abandoned_change_leaves_silently() -> None:
    gate = Gate(SIMPLE)
    a = make_change(1)
    gate.approve(a, make_change(2))
    gate.hear("change-abandoned", a)
    assert gate.told(a) == ["start"]
    assert gate.running() == ["unit 2"]
    assert gate.build("unit 2").parameters["ZUUL_CHANGE_IDS"] == "2,1"


def test_new_patchset_in_check() -> None:
    """Scenario 52."""
    gate = Gate(check_config({"p": tree("unit")}))
    a = make_change(1)
    b = make_change(2, needs=(a.key,))
    gate.known(a)
    gate.upload(b)
    gate.upload(a)
    assert gate.numbers("check") == ["1,1", "2,1", "1,1"]
    gate.upload(make_change(1, patchset=2))
    assert gate.numbers("check") == ["1,1", "2,1", "1,2"]
    gate.upload(make_change(2, patchset=2, needs=(a.key,)))
    assert gate.numbers("check") == ["1,2", "1,1", "2,2"]
    assert len(gate.cancelled) == 2
    gate.finish_all()
    assert gate.numbers("check") == []


def test_pipeline_that_keeps_old_patchsets() -> None:
    gate = Gate(check_config({"p": tree("unit")}, dequeue_on_new_patchset=False))
    gate.upload(make_change(1), make_change(1, patchset=2))
    assert gate.numbers("check") == ["1,1", "1,2"]


def test_new_target_of_depends_on_in_check() -> None:
    """Scenario 51."""
    gate = Gate(check_config({"p": tree("unit")}))
    b = make_change(2)
    a = make_change(1, needs=(b.key,))
    gate.known(b)
    gate.upload(a)
    newer = make_change(2, patchset=2)
    refreshed = replace(a, needs=(newer.key,))
    gate.send(events.ChangesRefreshed((newer, refreshed)))
    assert gate.numbers("check") == []
    assert "depends on a change that failed to merge" in gate.reports[-1].message


def test_head_merged_by_hand_leaves_its_followers_alone() -> None:
    gate = Gate(SIMPLE)
    a = make_change(1)
    gate.approve(a, make_change(2))
    gate.send(events.ChangesRefreshed((merged(a),)))
    assert gate.numbers() == ["2,1"]
    assert gate.told(a) == ["start"]
    assert len(gate.cancelled) == 1
    assert gate.running() == ["unit 2"]
    assert gate.window() == 20


def test_change_in_the_middle_merged_by_hand_restarts_its_followers() -> None:
    gate = Gate(SIMPLE)
    b = make_change(2)
    gate.approve(make_change(1), b, make_change(3))
    gate.send(events.ChangesRefreshed((merged(b),)))
    assert gate.numbers() == ["1,1", "3,1"]
    assert gate.build("unit 3").parameters["ZUUL_CHANGE_IDS"] == "1,1 3,1"


def test_old_news_do_not_undo_a_merge() -> None:
    gate = Gate(SIMPLE)
    a = make_change(1)
    b = make_change(2, needs=(a.key,))
    gate.approve(a, b)
    gate.finish("unit 1")
    gate.send(events.ChangesRefreshed((a,)))
    assert gate.numbers() == ["2,1"]
    gate.finish_all()
    assert gate.merged() == ["1", "2"]


def test_votes_on_what_is_queued_change_nothing() -> None:
    gate = Gate(SIMPLE)
    a = make_change(1)
    gate.approve(a, make_change(2, needs=(a.key,)))
    assert gate.send(events.ChangesRefreshed((replace(a, submit_records=()),))) == []


def test_dependency_cycle_is_refused() -> None:
    gate = Gate()
    a = make_change(1, needs=(make_change(2).key,))
    b = make_change(2, needs=(a.key,))
    gate.known(b)
    gate.upload(a)
    gate.approve(a)
    assert gate.numbers("gate") == gate.numbers("check") == []
    reasons = [args[2] for args in gate.watcher.of("enqueue_refused")]
    assert reasons == ["dependency cycle: 1,1 needs 2,1 needs 1,1"] * 2


def test_change_without_jobs_leaves_the_gate_at_once() -> None:
    gate = Gate(gate_config({"p": tree("unit"), "none": tree()}))
    gate.approve(make_change(1), make_change(2, "none"), make_change(3))
    assert gate.numbers() == ["1,1", "3,1"]
    assert gate.window() == 20
    assert gate.told(make_change(2, "none")) == ["start"]


def test_needs_of_another_queue_are_refused() -> None:
    gate = Gate(SIMPLE)
    b = gate.known(make_change(2, "foreign"))
    gate.approve(make_change(1, needs=(b.key,)))
    assert gate.numbers() == []
    gate.send(events.ChangesRefreshed((merged(b),)))
    gate.changes[b.key] = merged(b)
    gate.approve(make_change(1, needs=(b.key,)))
    assert gate.numbers() == ["1,1"]


def test_need_that_fails_stops_its_dependants_until_it_is_tried_again() -> None:
    """C needs B; B fails behind A, then A fails and B is tried again, with C behind it."""
    gate = Gate(gate_config({"p": DEFAULT_TREE}))
    a, b = make_change(1), make_change(2)
    c = make_change(3, needs=(b.key,))
    gate.approve(a, b, c)
    for number in (1, 2, 3):
        gate.finish(f"merge {number}")
    gate.finish("unit 2", "FAILURE")
    assert gate.items("gate")[2]["failing_reasons"] == ["a needed change is failing"]
    assert gate.running() == ["unit 1", "docs 1", "docs 2"]
    gate.finish("unit 1", "FAILURE")
    gate.finish_all()
    assert gate.merged() == ["2", "3"]


def test_chain_of_thousands_needs_no_recursion(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(SIMPLE)
    changes: list[Change] = []
    for number in range(1, 3001):
        needs = (changes[-1].key,) if changes else ()
        changes.append(gate.known(make_change(number, needs=needs)))
    gate.approve(changes[-1])
    assert len(gate.numbers()) == 3000
    resets = 0
    reset = building.reset

    def counting(*arguments: Any) -> None:
        nonlocal resets
        resets += 1
        reset(*arguments)

    monkeypatch.setattr(building, "reset", counting)
    gate.finish("unit 1", "FAILURE")
    assert gate.numbers() == []
    assert resets <= 2 * 3000, "one after the other leaves: not the rest again for each"


def test_need_that_now_stands_behind_takes_the_item_out() -> None:
    """A footer names a change that was uploaded later, and is queued behind."""
    gate = Gate(SIMPLE)
    a, b = make_change(1), make_change(2)
    gate.approve(a, b)
    gate.send(events.ChangesRefreshed((replace(a, needs=(b.key,)),)))
    assert gate.numbers() == ["2,1"]
    assert gate.told(a) == ["start", "failure"]


def test_failing_head_merged_by_hand_while_it_is_reported() -> None:
    """Those behind were tested without it, and now it is in the branch."""
    gate = Gate(SIMPLE, reporting=False)
    a = make_change(1)
    gate.approve(a, make_change(2))
    gate.finish("unit 1", "FAILURE")
    (launched,) = gate.builds
    gate.send(events.ChangesRefreshed((merged(a),)))
    assert gate.numbers() == ["1,1", "2,1"]
    gate.send(gate.report_answer(gate.open_reports[-1]))
    assert gate.numbers() == ["2,1"]
    assert launched in gate.cancelled
    assert gate.running() == ["unit 2"]

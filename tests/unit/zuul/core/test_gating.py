"""The gate: series, failures, re-basing, merging."""

from __future__ import annotations

from tests.unit.zuul.core.gate import NOT_SUBMITTABLE, Gate, make_change


def test_one_change_passes_and_merges() -> None:
    gate = Gate()
    a = make_change(1)
    gate.approve(a)
    assert gate.running() == ["merge 1"]
    gate.finish("merge 1")
    assert gate.running() == ["unit 1", "docs 1"]
    gate.finish_all()
    assert gate.told(a) == ["start", "success"]
    assert gate.merged() == ["1"]
    assert gate.numbers() == []
    assert gate.scheduler.is_idle


def test_series_waits_for_the_holding_job_ahead() -> None:
    gate = Gate()
    gate.approve(make_change(1), make_change(2), make_change(3))
    assert gate.running() == ["merge 1"]
    gate.finish("merge 1")
    assert gate.running() == ["unit 1", "docs 1", "merge 2"]
    gate.finish("merge 2")
    assert gate.build("merge 3").parameters["ZUUL_CHANGE_IDS"] == "1,1 2,1 3,1"
    gate.finish_all()
    assert gate.merged() == ["1", "2", "3"]
    assert len(gate.launched) == 9


def test_failing_head_lets_followers_go_at_once() -> None:
    gate = Gate()
    gate.approve(make_change(1), make_change(2), make_change(3))
    gate.finish("merge 1")
    gate.finish("merge 2")
    gate.finish("merge 3")
    gate.finish("unit 1", "FAILURE")
    assert gate.running() == ["docs 1", "merge 2"]
    assert len(gate.cancelled) == 4
    assert gate.build("merge 2").parameters["ZUUL_CHANGE_IDS"] == "2,1"
    gate.finish_all()
    assert gate.merged() == ["2", "3"]
    assert len(gate.launched) == 15


def test_failure_in_the_middle_and_then_ahead() -> None:
    """Scenario 10: the one that failed first is tried again once its head fails."""
    gate = Gate()
    gate.approve(make_change(1), make_change(2), make_change(3))
    for number in (1, 2, 3):
        gate.finish(f"merge {number}")
    gate.finish("unit 2", "FAILURE")
    assert gate.build("merge 3").parameters["ZUUL_CHANGE_IDS"] == "1,1 3,1"
    gate.finish("merge 3")
    gate.finish("unit 1", "FAILURE")
    gate.finish("merge 2")
    assert gate.build("merge 3").parameters["ZUUL_CHANGE_IDS"] == "2,1 3,1"
    gate.finish_all()
    assert gate.merged() == ["2", "3"]


def test_refused_submit_restarts_followers_and_shrinks_the_window() -> None:
    gate = Gate()
    gate.refused.add("1")
    gate.approve(make_change(1), make_change(2))
    gate.finish("merge 1")
    gate.finish("merge 2")
    gate.finish_all()
    assert gate.merged() == ["2"]
    assert gate.window() == 11
    ids = [b.parameters["ZUUL_CHANGE_IDS"] for b in gate.launched if b.job == "unit"]
    assert ids == ["1,1", "1,1 2,1", "2,1"]


def test_conflict_is_reported_once_at_the_head() -> None:
    gate = Gate()
    gate.conflicts.add("2")
    a, b, c = (make_change(n) for n in (1, 2, 3))
    gate.approve(a, b, c)
    gate.finish("merge 1")
    assert gate.running() == ["unit 1", "docs 1", "merge 3"]
    assert gate.items("gate")[1]["failing_reasons"] == [
        "it has a merge conflict",
        "at least one job failed",
    ]
    gate.finish_all()
    assert gate.merged() == ["1", "3"]
    assert gate.told(b) == ["start", "merge-failure"]


def test_unsubmittable_change_is_refused() -> None:
    gate = Gate()
    gate.approve(make_change(1, submit_records=NOT_SUBMITTABLE))
    assert gate.numbers() == []
    assert gate.watcher.of("enqueue_refused")[0][2] == "the change cannot be submitted now"


def test_submit_carries_what_was_tested() -> None:
    gate = Gate(reporting=False)
    gate.approve(make_change(1), make_change(2))
    gate.finish_all()
    report = gate.open_reports[-1]
    assert report.submit is not None
    assert report.submit.tree == "t:1,1"
    assert report.submit.base_tree == "t:"


def test_dependants_leave_when_what_they_need_fails() -> None:
    gate = Gate()
    a = make_change(1)
    b = make_change(2, needs=(a.key,))
    gate.approve(a, b)
    gate.finish("merge 1", "FAILURE")
    assert gate.told(a) == ["start", "failure"]
    assert gate.told(b) == ["start", "failure"]
    assert "depends on a change that failed to merge" in gate.reports[-1].message
    assert gate.numbers() == []
    assert len(gate.launched) == 1


def test_tree_of_changes_is_enqueued_in_order() -> None:
    """Scenario 27: A(B(C(D), E, F), G)."""
    gate = Gate()
    needs = {1: (), 2: (1,), 3: (2,), 4: (3,), 5: (2,), 6: (2,), 7: (1,)}
    changes = {n: make_change(n) for n in needs}
    for number, ahead in needs.items():
        keys = tuple(changes[a].key for a in ahead)
        changes[number] = gate.known(make_change(number, needs=keys))
    gate.hear("comment-added", changes[3], approvals=_approval())
    assert gate.numbers() == [f"{n},1" for n in range(1, 8)]
    gate.finish_all()
    assert gate.merged() == ["1", "2", "3", "4", "5", "6", "7"]


def _approval() -> tuple[object, ...]:
    from zuul.model.change import Approval

    return (Approval("approved", 1),)

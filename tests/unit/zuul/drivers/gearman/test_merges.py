"""Merges, with the test as server and merger."""

from __future__ import annotations

import json

import pytest

from tests.unit.zuul.drivers.gearman.merges_bench import (
    BASE,
    CONFLICT,
    ORIGINAL,
    SHA,
    TREE,
    Bench,
    answer,
    item,
)
from zuul.core.events import MergeCompleted
from zuul.lib.gearman import Outcome, Priority
from zuul.model.build import MergeConflict, MergeResult


def test_one_item_in_the_contract_s_words() -> None:
    bench = Bench()
    bench.merge(item(1))
    job = bench.client.last()
    assert (job.function, job.priority) == ("merger:merge", Priority.HIGH)
    assert json.loads(job.arguments) == {
        "items": [
            {
                "project": "acme/app",
                "url": "ssh://gerrit/acme/app",
                "connection_name": "gerrit",
                "merge_mode": 3,
                "refspec": "refs/changes/1/1",
                "branch": "master",
                "ref": "Z1",
                "number": "1",
                "patchset": "1",
                "oldrev": None,
                "newrev": None,
            }
        ]
    }
    bench.end(answer())
    result = MergeResult(True, SHA, "http://m1/p", "m1", TREE, BASE)
    assert bench.events == [MergeCompleted("r1", result)]


def test_item_behind_waits_and_goes_to_the_merger_that_has_its_parent() -> None:
    bench = Bench()
    first = item(1)
    second = item(2, first)
    bench.merge(first)
    bench.merge(second)
    bench.merge(item(3, second))
    assert bench.sent() == [("merger:merge", ["Z1"], None)]
    bench.end(answer())
    bench.end(answer())
    assert bench.sent()[1:] == [
        ("merger:merge:m1", ["Z2"], {"ref": "Z1"}),
        ("merger:merge:m1", ["Z3"], {"ref": "Z2"}),
    ]


def test_original_merger_always_gets_the_whole_series() -> None:
    bench = Bench()
    first = item(1)
    bench.merge(first)
    bench.end(ORIGINAL)
    assert bench.results()[0][1].merger_id is None
    bench.merge(item(2, first))
    assert bench.sent()[1] == ("merger:merge", ["Z1", "Z2"], None)


def test_merger_that_has_not_got_the_parent() -> None:
    bench = Bench()
    first = item(1)
    bench.merge(first)
    bench.end(answer())
    bench.merge(item(2, first))
    bench.end(answer(merged=False, commit=None, unknown_parent=True))
    assert bench.sent()[2] == ("merger:merge", ["Z1", "Z2"], None)
    bench.end(answer(merger_id="m2"))
    assert [name for name, _ in bench.results()] == ["r1", "r2"]


def test_merger_that_has_gone() -> None:
    bench = Bench()
    first = item(1)
    bench.merge(first)
    bench.end(answer())
    bench.merge(item(2, first))
    job = bench.client.last()
    bench.client.create(job)
    bench.admin.serve("merger:merge:m1")
    bench.tick()
    assert len(bench.client.jobs) == 2
    bench.admin.serve("merger:merge:m1", workers=0)
    bench.tick(6.0)
    assert bench.admin.cancelled == [job.handle]
    assert bench.sent()[2] == ("merger:merge", ["Z1", "Z2"], None)
    bench.end(answer(merger_id="m2"))
    assert len(bench.results()) == 2


def test_behind_a_conflict_nothing_is_asked_and_no_stack_grows() -> None:
    bench = Bench()
    series = item(1)
    bench.merge(series)
    for number in range(2, 5000):
        series = item(number, series)
        bench.merge(series)
    bench.end(CONFLICT)
    conflict = MergeConflict("acme/app", "1", "1")
    assert len(bench.client.jobs) == 1
    assert len(bench.results()) == 4999
    assert {result.conflict for _, result in bench.results()} == {conflict}


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.LOST])
def test_lost_merger_is_asked_again_but_not_for_ever(outcome: Outcome) -> None:
    bench = Bench()
    bench.merge(item(1))
    for _ in range(3):
        assert bench.results() == []
        bench.end(outcome=outcome)
    ((name, result),) = bench.results()
    assert (name, result.merged, result.error) == (
        "r1",
        False,
        f"no merger answered: {outcome.value}",
    )
    assert len(bench.client.jobs) == 3


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"garbage", "no JSON"),
        (b"{}", "field merged"),
        (answer(merged="yes"), "field merged"),
        (answer(commit=None), "field commit"),
        (answer(commit="HEAD; rm -rf /"), "field commit"),
        (answer(tree=5), "field tree"),
        (answer(conflict="all"), "field conflict"),
    ],
)
def test_answer_not_understood(data: bytes, named: str, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.merge(item(1))
    bench.end(data)
    ((_, result),) = bench.results()
    assert not result.merged and result.error and named in result.error
    assert "request=r1" in caplog.text


def test_merge_that_failed_for_no_conflict_is_asked_for_again_after_a_while() -> None:
    bench = Bench()
    bench.merge(item(1))
    for number in (1, 2):
        bench.end(answer(merged=False, commit=None, error="Gerrit cannot be reached"))
        bench.tick()
        assert len(bench.client.jobs) == number, "not at once"
        bench.tick(later=10)
        assert len(bench.client.jobs) == number + 1
    assert bench.results() == []
    bench.end(answer())
    assert [result.merged for _, result in bench.results()] == [True]


def test_merge_that_fails_each_time_is_answered_with_the_reason() -> None:
    bench = Bench()
    bench.merge(item(1))
    for _ in range(3):
        bench.end(answer(merged=False, commit=None, error="Gerrit cannot be reached"))
        bench.tick(later=10)
    assert [result.error for _, result in bench.results()] == ["Gerrit cannot be reached"]
    assert len(bench.client.jobs) == 3


def test_what_stands_behind_is_announced_once_for_one_fetch() -> None:
    bench = Bench()
    series = item(1)
    bench.merge(series)
    for number in (2, 3, 4):
        series = item(number, series)
        bench.merge(series)
    for _ in range(3):
        bench.end(answer())
    announced = [json.loads(job.arguments).get("prefetch") for job in bench.client.jobs]
    assert announced == [
        None,
        [{"project": "acme/app", "refspec": f"refs/changes/{n}/1"} for n in (3, 4)],
        None,
        None,
    ]


def test_exception_of_a_merger_is_told() -> None:
    bench = Bench()
    bench.merge(item(1))
    bench.end(b"RuntimeError: disk full", Outcome.EXCEPTION)
    assert bench.results()[0][1].error == "merger raised: RuntimeError: disk full"


def test_second_answer_is_ignored() -> None:
    bench = Bench()
    bench.merge(item(1))
    job = bench.end(answer())
    job.listener.job_ended(job, Outcome.COMPLETE, CONFLICT)
    assert len(bench.results()) == 1


def test_no_merger_for_too_long() -> None:
    bench = Bench(answer_seconds=100.0)
    bench.merge(item(1))
    bench.client.create(bench.client.last())
    bench.tick(99.0)
    assert bench.results() == []
    bench.tick(106.0)
    assert bench.results()[0][1].error == "no merger answered within 100 s"


def test_connection_that_is_not_configured() -> None:
    bench = Bench()
    bench.merge(item(1, connection="other"))
    assert "not configured" in (bench.results()[0][1].error or "")

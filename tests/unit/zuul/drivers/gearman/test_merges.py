"""Merges, with the test as server and merger."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.unit.zuul.drivers.gearman.fakes import FakeAdmin, FakeClient, InlineThread
from zuul.core.commands import MergeChanges, UpdateRepo
from zuul.core.events import MergeCompleted, RepoUpdated
from zuul.drivers.gearman.merges import GearmanMerges
from zuul.errors import ConnectionLost, MergerError
from zuul.lib.gearman import ClientJob, Outcome, Priority
from zuul.model.build import MergeConflict, MergeResult, SeriesItem
from zuul.model.layout import MergeMode, Precedence

SHA, TREE, BASE = "a" * 40, "b" * 40, "c" * 40


def item(number: int, ahead: SeriesItem | None = None, connection: str = "gerrit") -> SeriesItem:
    return SeriesItem(
        request=f"r{number}",
        project="acme/app",
        connection=connection,
        merge_mode=MergeMode.CHERRY_PICK,
        refspec=f"refs/changes/{number}/1",
        branch="master",
        zuul_ref=f"Z{number}",
        number=str(number),
        patchset="1",
        ahead=ahead,
    )


def answer(**fields: Any) -> bytes:
    whole = {
        "merged": True,
        "commit": SHA,
        "zuul_url": "http://m1/p",
        "merger_id": "m1",
        "tree": TREE,
        "base_tree": BASE,
        "conflict": None,
        "error": None,
        "unknown_parent": False,
    }
    return json.dumps({**whole, **fields}).encode()


ORIGINAL = json.dumps({"merged": True, "commit": SHA, "zuul_url": "http://old/p"}).encode()
CONFLICT = answer(
    merged=False,
    commit=None,
    tree=None,
    base_tree=None,
    conflict={"project": "acme/app", "number": 1, "patchset": "1"},
)


class Bench:
    """A driver whose events are in `events`."""

    def __init__(self, **options: Any) -> None:
        self.client, self.admin = FakeClient(), FakeAdmin()
        self.events: list[Any] = []
        self.threads: list[InlineThread] = []
        urls = {"gerrit": "ssh://gerrit/"}
        self.merges = GearmanMerges(
            self.client,  # type: ignore[arg-type]
            self.admin,  # type: ignore[arg-type]
            self.events.append,
            lambda connection, project: urls[connection] + project,
            make_thread=self._make_thread,
            **options,
        )

    def _make_thread(self, name: str, tick: Any) -> InlineThread:
        self.threads.append(InlineThread(name, tick))
        return self.threads[-1]

    def tick(self, later: float = 0.0) -> None:
        self.threads[0].tick(time.monotonic() + later)

    def merge(self, series: SeriesItem) -> None:
        self.merges.merge(MergeChanges(series.request, series, Precedence.HIGH))

    def sent(self) -> list[tuple[str, list[str], Any]]:
        """(function, refs of the items, parent) of every job."""
        found = []
        for job in self.client.jobs:
            arguments = json.loads(job.arguments)
            refs = [entry["ref"] for entry in arguments["items"]]
            found.append((job.function, refs, arguments.get("parent")))
        return found

    def end(self, data: bytes = b"", outcome: Outcome = Outcome.COMPLETE) -> ClientJob:
        job = self.client.last()
        self.client.end(job, outcome, data)
        return job

    def results(self) -> list[tuple[str, MergeResult]]:
        return [
            (event.request, event.result)
            for event in self.events
            if isinstance(event, MergeCompleted)
        ]


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


def test_update() -> None:
    bench = Bench()
    bench.merges.update(UpdateRepo("r1", "acme/app", "gerrit", Precedence.LOW))
    job = bench.client.last()
    assert (job.function, job.priority) == ("merger:update", Priority.LOW)
    assert json.loads(job.arguments) == {
        "project": "acme/app",
        "connection_name": "gerrit",
        "url": "ssh://gerrit/acme/app",
    }
    bench.end(b'{"updated": true, "zuul_url": "http://m1/p"}')
    assert bench.events == [RepoUpdated("r1", "http://m1/p", None)]


def test_update_that_fails_is_answered_too() -> None:
    bench = Bench()
    bench.merges.update(UpdateRepo("r1", "acme/app", "gerrit", Precedence.LOW))
    for _ in range(3):
        bench.end(outcome=Outcome.FAIL)
    assert bench.events == [RepoUpdated("r1", None, "no merger answered: fail")]


def test_branch_head() -> None:
    bench = Bench()
    bench.client.answer = (Outcome.COMPLETE, json.dumps({"commit": SHA, "tree": TREE}).encode())
    assert bench.merges.fetch_branch_head("acme/app", "gerrit", "-x") == (SHA, TREE)
    function, arguments = bench.client.called
    assert (function, arguments["branch"]) == ("merger:head", "-x")
    assert arguments["url"] == "ssh://gerrit/acme/app"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ((None, b""), ConnectionLost),
        ((Outcome.LOST, b""), ConnectionLost),
        ((Outcome.EXCEPTION, b"no such branch"), MergerError),
        ((Outcome.COMPLETE, b"{}"), MergerError),
        ((Outcome.COMPLETE, b"garbage"), MergerError),
    ],
)
def test_branch_head_that_cannot_be_told(
    reply: tuple[Outcome | None, bytes], error: type[Exception]
) -> None:
    bench = Bench()
    bench.client.answer = reply
    with pytest.raises(error):
        bench.merges.fetch_branch_head("acme/app", "gerrit", "master")

"""What else mergers are asked for: to update a repository, and where a branch is."""

from __future__ import annotations

import json

import pytest

from tests.unit.zuul.drivers.gearman.merges_bench import SHA, TREE, Bench
from zuul.core.commands import UpdateRepo
from zuul.core.events import RepoUpdated
from zuul.errors import ConnectionLost, MergerError
from zuul.lib.gearman import Outcome, Priority
from zuul.model.layout import Precedence


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

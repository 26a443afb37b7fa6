"""A submit's decisions, with a server that answers from a script."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from tests.unit.zuul.drivers.gerrit.rows import make_patchset, make_row
from zuul.core.commands import TestedState
from zuul.core.events import ReportCompleted
from zuul.drivers.gerrit import submit
from zuul.drivers.gerrit.connection import CommandInterrupted, CommandResult
from zuul.drivers.gerrit.queries import Answer, Term
from zuul.drivers.gerrit.records import Row
from zuul.drivers.gerrit.submit import Submitter
from zuul.errors import ConnectionLost, DriverError, MergerError
from zuul.model.change import SubmitRequirement

BASE, TREE = "b" * 40, "d" * 40
HEAD = "c" * 40
OPEN = make_row(1)
MERGED = make_row(1, status="MERGED", open=False)
TESTED = TestedState("e" * 40, TREE, BASE)
VOTED = frozenset({"verified"})


class Gerrit:
    """Rows and heads in the order in which they are asked for; the last one stays."""

    def __init__(self) -> None:
        self.rows: list[Row | Exception | None] = [OPEN, MERGED]
        self.heads: list[tuple[str, str] | Exception] = [("a" * 40, BASE), (HEAD, TREE)]
        self.answer: CommandResult | Exception = CommandResult(0, "", "")
        self.parents: dict[str, Row] = {}
        self.together: list[str] = []
        self.landed: dict[str, str] = {}
        self.sent: list[str] = []

    def look_up_number(self, number: str) -> Row | None:
        if number in self.parents:
            return self.parents[number]
        row = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        if isinstance(row, Exception):
            raise row
        return row

    def look_up(self, terms: Iterable[Term], timeout_seconds: float = 0) -> dict[Term, Answer]:
        found = {}
        for term in terms:
            row = self.look_up_number(term.value)
            found[term] = Answer((row,) if row else (), 0.0)
        return found

    def run(self, command: str, **_: Any) -> CommandResult:
        self.sent.append(command)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def fetch_branch_head(self, *_: Any) -> tuple[str, str]:
        head = self.heads.pop(0) if len(self.heads) > 1 else self.heads[0]
        if isinstance(head, Exception):
            raise head
        return head

    def fetch_submitted_together(self, number: str) -> list[str]:
        return self.together

    def submit(self, tested: TestedState = TESTED) -> ReportCompleted:
        made: Any = Submitter(
            "gerrit", self, self.run, self, self, self.landed, threading.Event(),  # type: ignore[arg-type]
            merge_seconds=0.05, undecided_seconds=0.05,
        )  # fmt: skip
        done: ReportCompleted = made.submit(
            "r", OPEN.change("gerrit", "1"), tested, VOTED, lambda row: "review"
        )
        return done


@pytest.fixture
def gerrit(monkeypatch: pytest.MonkeyPatch) -> Gerrit:
    monkeypatch.setattr(submit, "FIRST_POLL_SECONDS", 0.001)
    monkeypatch.setattr(submit, "LANDED_SECONDS", 0.01)
    return Gerrit()


def outcome(done: ReportCompleted) -> tuple[bool, bool | None, bool]:
    return done.reported, done.merged, done.base_moved


def test_all_is_well(gerrit: Gerrit) -> None:
    assert gerrit.submit() == ReportCompleted("r", reported=True, merged=True)
    assert gerrit.sent == ["review"]


def test_without_trees_the_branch_is_not_read(gerrit: Gerrit) -> None:
    gerrit.heads = [MergerError("never to be asked")]
    assert outcome(gerrit.submit(TestedState(None, None, None))) == (True, True, False)


NEWER = [make_patchset(1, 1), make_patchset(1, 2)]
OTHER_REVISION = make_patchset(1, 1, revision="f" * 40)
UNMET = SubmitRequirement("Review", False, frozenset({"Code-Review"}))
OURS = SubmitRequirement("Verified", False, frozenset({"Verified"}))
NOT_READY = [{"status": "NOT_READY", "labels": [{"label": "Code-Review", "status": "NEED"}]}]


@pytest.mark.parametrize(
    ("row", "merged", "named"),
    [
        (None, False, "does not show"),
        (ConnectionLost("gone"), False, "gone"),
        (DriverError("refused"), False, "refused"),
        (MERGED, True, "somebody else"),
        (make_row(1, status="ABANDONED", open=False), False, "ABANDONED"),
        (make_row(1, currentPatchSet=NEWER[1], patchSets=NEWER), False, "patch set 2"),
        (make_row(1, currentPatchSet=OTHER_REVISION, patchSets=[OTHER_REVISION]), False, "fffff"),
        (make_row(1, submitRecords=NOT_READY), False, "Code-Review NEED"),
        (make_row(1, submitRecords=None), False, "does not say why"),
        (OPEN.with_requirements((UNMET, OURS)), False, "requirement Review"),
    ],
)
def test_nothing_is_sent_when_the_change_is_not_as_tested(
    gerrit: Gerrit, row: Row | Exception | None, merged: bool, named: str
) -> None:
    gerrit.rows = [row]
    done = gerrit.submit()
    assert outcome(done) == (False, merged, False)
    assert named in (done.reason or "")
    assert gerrit.sent == []


def test_a_requirement_that_our_vote_meets(gerrit: Gerrit) -> None:
    gerrit.rows = [OPEN.with_requirements((OURS,)), MERGED]
    assert outcome(gerrit.submit()) == (True, True, False)


def test_a_branch_that_moved(gerrit: Gerrit) -> None:
    gerrit.heads = [(HEAD, TREE)]
    done = gerrit.submit()
    assert outcome(done) == (False, False, True)
    assert HEAD in (done.reason or "") and BASE in (done.reason or "")
    assert gerrit.sent == []


@pytest.mark.parametrize("error", [ConnectionLost("no merger"), MergerError("no branch")])
def test_a_branch_that_cannot_be_read(gerrit: Gerrit, error: Exception) -> None:
    gerrit.heads = [error]
    assert outcome(gerrit.submit()) == (False, False, False)
    assert gerrit.sent == []


def test_what_the_submit_would_merge_besides(gerrit: Gerrit) -> None:
    gerrit.together = ["1", "7", "hidden"]
    done = gerrit.submit()
    assert "7, hidden" in (done.reason or "")
    gerrit = Gerrit()
    gerrit.rows = [make_row(1, dependsOn=[{"ref": "refs/changes/05/5/1"}]), MERGED]
    gerrit.parents["5"] = make_row(5)
    done = gerrit.submit()
    assert "merge 5" in (done.reason or "")
    assert gerrit.sent == []


def test_a_merged_parent_is_no_obstacle(gerrit: Gerrit) -> None:
    gerrit.rows = [make_row(1, dependsOn=[{"ref": "refs/changes/05/5/1"}]), MERGED]
    gerrit.parents["5"] = make_row(5, status="MERGED", open=False)
    assert outcome(gerrit.submit()) == (True, True, False)


def test_a_refused_submit(gerrit: Gerrit) -> None:
    gerrit.rows = [OPEN]
    gerrit.answer = CommandResult(1, "", "\nerror: not so\nmore")
    done = gerrit.submit()
    assert outcome(done) == (False, False, False)
    assert "error: not so" in (done.reason or "")
    assert gerrit.sent == ["review"]


def test_a_merge_that_never_appears(gerrit: Gerrit) -> None:
    gerrit.rows = [OPEN]
    assert outcome(gerrit.submit()) == (False, False, False)
    assert gerrit.sent == ["review"]


@pytest.mark.parametrize("after", [OPEN, MERGED])
@pytest.mark.parametrize("error", [CommandInterrupted("timed out"), ConnectionLost("no login")])
def test_a_connection_that_breaks_is_never_answered_by_a_second_submit(
    gerrit: Gerrit, error: Exception, after: Row
) -> None:
    gerrit.rows = [OPEN, OPEN, after]
    gerrit.answer = error
    done = gerrit.submit()
    assert gerrit.sent == ["review"]
    if isinstance(error, CommandInterrupted) and after is MERGED:
        assert outcome(done) == (True, True, False)
    else:
        assert outcome(done) == (False, False, False)


def test_a_server_that_is_away_when_the_merge_is_looked_for(gerrit: Gerrit) -> None:
    gerrit.rows = [OPEN, ConnectionLost("a"), DriverError("b"), MERGED]
    assert outcome(gerrit.submit()) == (True, True, False)


def test_another_tree_than_the_tested_one(gerrit: Gerrit) -> None:
    gerrit.heads = [("a" * 40, BASE), (HEAD, "0" * 40)]
    done = gerrit.submit()
    assert outcome(done) == (True, True, False)
    for sha in (HEAD, "0" * 40, TREE):
        assert sha in (done.tree_mismatch or "")
    gerrit = Gerrit()
    gerrit.heads = [("a" * 40, BASE), (HEAD, "0" * 40)]
    gerrit.landed["1"] = HEAD
    assert gerrit.submit().tree_mismatch


def test_a_branch_that_moved_on_at_once_cannot_be_compared(gerrit: Gerrit) -> None:
    gerrit.heads = [("a" * 40, BASE), (HEAD, "0" * 40)]
    gerrit.landed["1"] = "9" * 40
    done = gerrit.submit()
    assert done.tree_mismatch is None
    assert "could not be compared" in (done.reason or "")


def test_a_merger_that_fails_after_the_merge(
    gerrit: Gerrit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "BRANCH_PAUSE_SECONDS", 0.001)
    gerrit.heads = [("a" * 40, BASE), MergerError("no")]
    done = gerrit.submit()
    assert outcome(done) == (True, True, False)
    assert "could not be compared" in (done.reason or "")

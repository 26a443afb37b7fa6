"""What Gerrit and a mail server do with a report, in memory.

A submit follows the rule of the real reporter: current patch set and votes are checked first, then
that the branch still is what the change was tested on; then votes and submit in one go; then the
landed tree is compared with the tested one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.fake_gerrit import CONNECTION, Comment, FakeChange, FakeGerrit
from zuul.core.commands import SendReport
from zuul.core.events import ReportCompleted
from zuul.drivers import Reporter
from zuul.model.change import Change
from zuul.model.layout import ActionKind, ReportAction

ZUUL_USER = "zuul"


@dataclass(frozen=True, slots=True)
class Mail:
    """One report by mail."""

    pipeline: str
    kind: ActionKind
    text: str


@dataclass(slots=True)
class FakeReporters:
    """Executes reports; `gerrit_is_down` makes it refuse all."""

    gerrit: FakeGerrit
    now: Callable[[], float]
    mails: list[Mail] = field(default_factory=list)
    sent: list[SendReport] = field(default_factory=list)
    gerrit_is_down: bool = False
    #: real drivers by connection, which answer at once
    real: dict[str, Reporter] = field(default_factory=dict)

    def execute(self, report: SendReport) -> ReportCompleted:
        self.sent.append(report)
        answers = [self._one(report, action) for action in report.reporters]
        reported = bool(answers) and all(answer.reported for answer in answers)
        merging = [answer for answer in answers if answer.merged is not None]
        chosen = merging[0] if merging else ReportCompleted(report.report, reported)
        return ReportCompleted(
            report.report,
            reported=reported,
            merged=chosen.merged,
            base_moved=chosen.base_moved,
            tree_mismatch=chosen.tree_mismatch,
            reason=next((answer.reason for answer in answers if answer.reason), None),
        )

    def _one(self, report: SendReport, action: ReportAction) -> ReportCompleted:
        if (reporter := self.real.get(action.connection)) is not None:
            answers: list[ReportCompleted] = []
            reporter.report(report, action, answers.append)
            (answer,) = answers
            return answer
        if action.connection != CONNECTION:
            self.mails.append(Mail(report.pipeline, report.kind, report.message))
            return ReportCompleted(report.report, reported=True)
        if not isinstance(report.change, Change):
            return ReportCompleted(report.report, False, reason="not a change")
        submits = report.submit is not None and action.parameters.get("submit") is True
        if self.gerrit_is_down:
            merged = False if submits else None
            return ReportCompleted(report.report, False, merged=merged, reason="no connection")
        return self._review(report, action, submits)

    def _review(self, report: SendReport, action: ReportAction, submits: bool) -> ReportCompleted:
        key = report.change.key
        change = self.gerrit.changes[int(key.number)]
        votes = {k: v for k, v in action.parameters.items() if isinstance(v, int) and v is not True}
        if not submits:
            self._comment(change, report, votes)
            return ReportCompleted(report.report, reported=True)
        assert report.submit is not None
        if not change.is_open or change.key != key:
            merged = change.status == "MERGED"
            return ReportCompleted(report.report, False, merged=merged, reason="not as tested")
        head = self.gerrit.head(change.project, change.branch)
        if report.submit.base_tree not in (None, head.tree):
            return ReportCompleted(
                report.report, False, merged=False, base_moved=True, reason="the branch moved"
            )
        can_submit = self.gerrit.can_submit(change, votes)
        self._comment(change, report, votes)
        if not can_submit or not self.gerrit.submit(change):
            return ReportCompleted(report.report, True, merged=False, reason="submit refused")
        assert change.landed is not None
        landed = change.landed[1]
        mismatch = None if report.submit.tree in (None, landed) else f"landed as {landed}"
        return ReportCompleted(report.report, True, merged=True, tree_mismatch=mismatch)

    def _comment(self, change: FakeChange, report: SendReport, votes: dict[str, int]) -> None:
        change.comments.append(Comment(report.message, report.pipeline, votes))
        assert isinstance(report.change, Change)
        if change.key != report.change.key or not change.is_open:
            return
        for label, value in votes.items():
            name = label.replace("-", " ").title().replace(" ", "-")
            self.gerrit.set_vote(change, name, value, ZUUL_USER, "zuul@example.com", self.now())

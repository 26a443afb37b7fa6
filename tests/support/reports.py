"""Reports as the core asks for them."""

from __future__ import annotations

from typing import Any

from zuul.core.commands import SendReport
from zuul.core.events import ReportCompleted
from zuul.drivers import Reporter
from zuul.model.change import Change, ChangeKey, NullChange, NullKey
from zuul.model.layout import ActionKind, ReportAction

CHANGE = Change(ChangeKey("gerrit", "1", "2"), "org/project", "master", "refs/changes/01/1/2")
TICK = NullChange(NullKey("gerrit", "org/project"))


def make_report(**values: Any) -> SendReport:
    given = {
        "report": "r1",
        "pipeline": "check",
        "kind": ActionKind.SUCCESS,
        "change": CHANGE,
        "source": "gerrit",
        "reporters": (),
        "message": "Build succeeded.\n\n- a http://logs/a : SUCCESS\n",
        "summary": "Build succeeded.",
        **values,
    }
    return SendReport(**given)


def send(reporter: Reporter, report: SendReport, **parameters: Any) -> ReportCompleted:
    """Hand the report over; the reporter must answer at once."""
    answers: list[ReportCompleted] = []
    reporter.report(report, ReportAction(reporter.name, parameters), answers.append)
    (answer,) = answers
    return answer

"""Hands each command of the core to the driver that carries it out, and sees that it is answered.

Drivers return at once and answer with events; a driver that raises instead is answered for here,
so that no item waits for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from zuul.core.commands import (
    AnswerRequest,
    CancelBuild,
    Command,
    DescribeBuild,
    FindOpenChanges,
    KeepBrakes,
    LaunchBuild,
    MergeChanges,
    SendReport,
    UpdateRepo,
)
from zuul.core.events import BuildCompleted, MergeCompleted, ReportCompleted, RepoUpdated
from zuul.drivers import Inbox, Reporter
from zuul.lib import clock
from zuul.lib.logs import fields, redact
from zuul.lib.workers import run_guarded
from zuul.model.build import MergeResult
from zuul.model.change import ChangeKey
from zuul.model.layout import ReportAction

log = logging.getLogger("zuul.Dispatcher")


class BuildDriver(Protocol):
    """Runs builds."""

    def launch(self, command: LaunchBuild) -> None: ...

    def cancel(self, command: CancelBuild) -> None: ...

    def describe(self, command: DescribeBuild) -> None: ...


class MergeDriver(Protocol):
    """Merges."""

    def merge(self, command: MergeChanges) -> None: ...

    def update(self, command: UpdateRepo) -> None: ...


class OpenChangesDriver(Protocol):
    """Knows the changes of a connection."""

    def find_open(self, project: str, merged: ChangeKey) -> None: ...


class RequestDriver(Protocol):
    """Tells people what became of their requests."""

    def keep(self, command: KeepBrakes) -> None: ...

    def answer(self, command: AnswerRequest) -> None: ...


class Dispatcher:
    """The core's hands."""

    def __init__(
        self,
        inbox: Inbox,
        builds: BuildDriver,
        merges: MergeDriver,
        reporters: Mapping[str, Reporter],
        sources: Mapping[str, OpenChangesDriver],
        requests: RequestDriver,
        on_stop: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._builds = builds
        self._merges = merges
        self._reporters = reporters
        self._sources = sources
        self._requests = requests
        self._on_stop = on_stop

    def dispatch(self, command: Command) -> None:
        """Start carrying the command out; whatever it raises becomes its answer."""
        done = False

        def carry_out() -> None:
            nonlocal done
            self._carry_out(command)
            done = True

        run_guarded(carry_out, type(command).__name__)
        if not done:
            self._answer_failed(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case LaunchBuild():
                self._builds.launch(command)
            case CancelBuild():
                self._builds.cancel(command)
            case DescribeBuild():
                self._builds.describe(command)
            case MergeChanges():
                self._merges.merge(command)
            case UpdateRepo():
                self._merges.update(command)
            case SendReport():
                ReportRun(command, self._reporters, self._inbox).start()
            case FindOpenChanges():
                self._sources[command.connection].find_open(command.project, command.merged)
            case KeepBrakes():
                self._requests.keep(command)
            case AnswerRequest():
                self._requests.answer(command)
            case _:
                self._on_stop()

    def _answer_failed(self, command: Command) -> None:
        match command:
            case LaunchBuild():
                self._inbox(BuildCompleted(command.build, "EXCEPTION", None, clock.now()))
            case MergeChanges():
                result = MergeResult(merged=False, error="the merge could not be requested")
                self._inbox(MergeCompleted(command.request, result))
            case UpdateRepo():
                self._inbox(RepoUpdated(command.request, None, "it could not be requested"))
            case SendReport():
                reason = "the report could not be sent"
                self._inbox(ReportCompleted(command.report, reported=False, reason=reason))
            case _:
                pass


class ReportRun:
    """One report on its way through all its reporters, one after the other.

    The one that submits comes first: the others shall not tell of a success that did not happen.
    """

    def __init__(
        self, request: SendReport, reporters: Mapping[str, Reporter], inbox: Inbox
    ) -> None:
        # What merger and Gerrit gave as reasons stands in reports too.
        self._request = replace(
            request, message=redact(request.message), summary=redact(request.summary)
        )
        self._reporters = reporters
        self._inbox = inbox
        self._waiting = sorted(request.reporters, key=_submits, reverse=True)
        self._outcomes: list[ReportCompleted] = []

    def start(self) -> None:
        self._next()

    def _next(self) -> None:
        while self._waiting:
            action = self._waiting.pop(0)
            reporter = self._reporters.get(action.connection)
            if reporter is not None:
                reporter.report(self._request, action, self._heard)
                return
            log.error(
                "No driver serves the connection, its report is dropped %s",
                fields(connection=action.connection, pipeline=self._request.pipeline),
            )
        self._inbox(self._joined())

    def _heard(self, outcome: ReportCompleted) -> None:
        self._outcomes.append(outcome)
        refused = self._request.submit is not None and outcome.merged is False
        if outcome.base_moved or outcome.tree_mismatch or refused:
            self._waiting.clear()
        self._next()

    def _joined(self) -> ReportCompleted:
        outcomes = self._outcomes
        merged = [outcome.merged for outcome in outcomes if outcome.merged is not None]
        reasons = [outcome.reason for outcome in outcomes if outcome.reason]
        return ReportCompleted(
            self._request.report,
            reported=bool(outcomes) and all(outcome.reported for outcome in outcomes),
            merged=all(merged) if merged else None,
            base_moved=any(outcome.base_moved for outcome in outcomes),
            tree_mismatch=next((o.tree_mismatch for o in outcomes if o.tree_mismatch), None),
            reason="; ".join(reasons) or None,
        )


def _submits(action: ReportAction) -> bool:
    return bool(action.parameters.get("submit"))

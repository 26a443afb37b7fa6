"""Votes, comments and submits. Reports on one change keep their order."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zuul.core.commands import SendReport, TestedState
from zuul.core.events import ReportCompleted
from zuul.drivers.gerrit.commandline import build_review, clean_message
from zuul.drivers.gerrit.connection import CommandInterrupted, CommandResult, CommandRunner
from zuul.drivers.gerrit.queries import Queries
from zuul.drivers.gerrit.records import Row
from zuul.drivers.gerrit.submit import Submitter
from zuul.errors import ConnectionLost, DriverError, ReportRejected
from zuul.lib.workers import Lanes
from zuul.model.change import Change, normalize_label
from zuul.model.layout import ReportAction

log = logging.getLogger("zuul.GerritConnection")

#: a submit holds a thread until its merge is seen
REPORT_THREADS = 16
REPORT_SECONDS = 60.0
REPORT_TRIES = 5
SUBMIT = "submit"
#: how far behind ours the server's clock may be when our own comment is looked for
_CLOCK_SLACK_SECONDS = 5.0

Done = Callable[[ReportCompleted], None]
#: normalized label -> as the server spells it
Spellings = Mapping[str, str]


class ReviewReporter:
    """Sends a connection's reports."""

    def __init__(
        self,
        name: str,
        user: str,
        queries: Queries,
        run: CommandRunner,
        submitter: Submitter,
        stopping: threading.Event,
        *,
        same_server: frozenset[str] = frozenset(),
        threads: int = REPORT_THREADS,
        first_pause_seconds: float = 1.0,
    ) -> None:
        """`same_server`: the other connections to this server, whose changes are the same."""
        self._name = name
        self._connections = same_server | {name}
        self._user = user
        self._queries = queries
        self._run = run
        self._submitter = submitter
        self._stopping = stopping
        self._first_pause = first_pause_seconds
        self._lanes = Lanes(f"gerrit-{name}-report", threads)
        #: by project: a change whose records are gone still gets its label right
        self._spellings: dict[str, Spellings] = {}

    def start(self) -> None:
        self._lanes.start()

    def stop(self) -> None:
        self._lanes.stop()

    def report(self, request: SendReport, action: ReportAction, done: Done) -> None:
        change = request.change
        if not isinstance(change, Change):
            done(_not_reported(request, "Gerrit takes reports on changes only"))
            return
        if change.key.connection not in self._connections:
            # Compat: Zuul 2 reported on whatever change has the same number here.
            reason = f"change {change.key} is one of {change.key.connection}, not of {self._name}"
            log.error("A report is for another server and is dropped: %s", reason)
            done(_not_reported(request, reason))
            return
        what = f"{request.kind.value} report of {change.key}"
        try:
            self._lanes.submit(
                change.key.number, lambda: self._work(request, change, action, done), what
            )
        except queue.Full as error:
            done(_not_reported(request, str(error)))

    def _work(self, request: SendReport, change: Change, action: ReportAction, done: Done) -> None:
        outcome = _not_reported(request, "the reporter failed, see the log")
        try:
            outcome = self._send(request, change, action)
        except DriverError as error:
            level = logging.INFO if self._was_closed(error, change) else logging.ERROR
            log.log(level, "A report was not sent change=%s: %s", change.key, error)
            outcome = _not_reported(request, str(error))
        finally:
            done(outcome)
        if outcome.merged is False and not outcome.base_moved:
            # After the answer: the queue does not wait for it.
            self._explain(request, change, outcome.reason or "see the log")

    def _was_closed(self, error: DriverError, change: Change) -> bool:
        """Whether Gerrit took no votes because the change was merged or abandoned meanwhile."""
        if not isinstance(error, ReportRejected):
            return False
        try:
            row = self._queries.look_up_number(change.key.number)
        except DriverError:
            return False
        return row is not None and not row.is_open

    def _explain(self, request: SendReport, change: Change, reason: str) -> None:
        """Tell the change's people why it was not merged, though its tests passed."""
        text = f"This change passed its tests and was not merged: {reason}"
        try:
            self._comment(replace(request, message=text), change, {})
        except DriverError as error:
            log.warning("The reason was not told change=%s: %s", change.key, error)

    def _send(self, request: SendReport, change: Change, action: ReportAction) -> ReportCompleted:
        parameters = action.parameters
        if parameters.get(SUBMIT) is True:
            return self._submitter.submit(
                request.report,
                change,
                request.submit or TestedState(None, None, None),
                frozenset(map(normalize_label, parameters)),
                lambda row: self._command(request, change, parameters, _spell(row)),
            )
        self._comment(request, change, parameters)
        return ReportCompleted(request.report, reported=True)

    def _command(
        self,
        request: SendReport,
        change: Change,
        parameters: Mapping[str, Any],
        spellings: Spellings,
    ) -> str:
        if spellings:
            self._spellings[change.project] = spellings
        spellings = spellings or self._spellings.get(change.project, {})
        for key, value in parameters.items():
            if value is not True and spellings and normalize_label(key) not in spellings:
                # Today's Gerrit drops such a vote without a word.
                log.warning("The server does not know a label change=%s label=%s", change.key, key)
        try:
            return build_review(
                change.project,
                request.message,
                parameters,
                change.key.number,
                change.key.patchset,
                spellings,
            )
        except ValueError as error:
            raise ReportRejected(str(error), connection=self._name) from error

    # -- votes and comments --------------------------------------------------------------------

    def _comment(self, request: SendReport, change: Change, parameters: Mapping[str, Any]) -> None:
        """Raises ReportRejected, ConnectionLost, HostKeyRejected."""
        spellings = _spell(change) or self._spellings.get(change.project, {})
        if not spellings and parameters:
            row = self._queries.look_up_number(change.key.number)
            spellings = _spell(row) if row is not None else {}
        command = self._command(request, change, parameters, spellings)
        result = self._run_patiently(command, request, change)
        if result.exit_code != 0:
            raise ReportRejected(
                f"Gerrit refused the report on {change.key}: {result.reason}",
                connection=self._name,
            )
        if result.stderr.strip():
            # Compat: the original took any text here for a failure, though all was done.
            log.info("Gerrit took a report and said change=%s: %s", change.key, result.reason)

    def _run_patiently(self, command: str, request: SendReport, change: Change) -> CommandResult:
        """Bounded retries; a report that may have arrived is looked for before it goes again."""
        began = time.time()
        pause = self._first_pause
        for attempt in range(1, REPORT_TRIES + 1):
            try:
                return self._run(command, timeout_seconds=REPORT_SECONDS)
            except ConnectionLost as error:
                if attempt == REPORT_TRIES or self._stopping.is_set():
                    raise
                log.warning(
                    "A report failed and is tried again in %.1f s change=%s: %s",
                    pause,
                    change.key,
                    error,
                )
                interrupted = isinstance(error, CommandInterrupted)
            self._stopping.wait(pause)
            pause *= 2
            if interrupted and self._has_arrived(change, request.message, began):
                return CommandResult(0, "", "")
        raise AssertionError("the last attempt returns or raises")

    def _has_arrived(self, change: Change, message: str, began: float) -> bool:
        text = clean_message(message)
        row = self._queries.look_up_number(change.key.number)
        return row is not None and any(
            comment.author.username == self._user
            and comment.at >= began - _CLOCK_SLACK_SECONDS
            and text in comment.message
            for comment in row.comments
        )


def _spell(change: Change | Row) -> Spellings:
    """Labels as the server writes them in a change's submit records."""
    return {
        normalize_label(label.name): label.name
        for record in change.submit_records
        for label in record.labels
    }


def _not_reported(request: SendReport, reason: str) -> ReportCompleted:
    return ReportCompleted(
        request.report,
        reported=False,
        merged=None if request.submit is None else False,
        reason=reason,
    )

"""Merging a change: look again, vote and submit the tested revision, see what landed.

A submit is sent once. Whether it worked is not taken from its answer but from the change itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zuul.core.commands import TestedState
from zuul.core.events import ReportCompleted
from zuul.drivers import BranchHead
from zuul.drivers.gerrit.connection import CommandInterrupted, CommandRunner
from zuul.drivers.gerrit.queries import Queries, by_number
from zuul.drivers.gerrit.records import Row
from zuul.drivers.gerrit.rest import Rest
from zuul.errors import DriverError, ZuulError
from zuul.model.change import Change, normalize_label

log = logging.getLogger("zuul.GerritConnection")

SUBMIT_SECONDS = 120.0
#: how long a merge may take to appear
MERGE_SECONDS = 300.0
#: how long a change must stay unmerged after a submit that broke off or was refused
UNDECIDED_SECONDS = 20.0
FIRST_POLL_SECONDS = 0.1
MAX_POLL_SECONDS = 5.0
BRANCH_SECONDS = 60.0
#: how long the stream may take to tell the commit that landed
LANDED_SECONDS = 5.0
BRANCH_TRIES = 3
BRANCH_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why nothing was voted or submitted."""

    reason: str
    base_moved: bool = False
    merged: bool = False


class Submitter:
    """Merges changes of one connection; blocks the calling thread."""

    def __init__(
        self,
        name: str,
        queries: Queries,
        run: CommandRunner,
        branch_head: BranchHead,
        rest: Rest | None,
        landed: Mapping[str, str],
        stopping: threading.Event,
        *,
        merge_seconds: float = MERGE_SECONDS,
        undecided_seconds: float = UNDECIDED_SECONDS,
    ) -> None:
        """`landed`: commit that landed by change number, as the stream told."""
        self._name = name
        self._queries = queries
        self._run = run
        self._branch_head = branch_head
        self._rest = rest
        self._landed = landed
        self._stopping = stopping
        self._merge_seconds = merge_seconds
        self._undecided_seconds = undecided_seconds

    def submit(
        self,
        report: str,
        change: Change,
        tested: TestedState,
        voted: frozenset[str],
        make_command: Callable[[Row], str],
    ) -> ReportCompleted:
        """Vote, submit and confirm. `voted`: normalized labels the command sets."""
        try:
            row = self._queries.look_up_number(change.key.number)
            refusal = self._find_refusal(row, change, tested, voted)
        except ZuulError as error:
            refusal = _Refusal(f"could not look again before the submit: {error}")
        if refusal is not None:
            log.warning("Not submitted change=%s: %s", change.key, refusal.reason)
            return ReportCompleted(
                report,
                reported=False,
                merged=refusal.merged,
                base_moved=refusal.base_moved,
                reason=refusal.reason,
            )
        assert row is not None
        problem, seconds = self._send(change, make_command(row))
        if not self._await_merge(change.key.number, seconds):
            reason = problem or f"not merged {self._merge_seconds:.0f} s after the submit"
            log.error("Not merged change=%s: %s", change.key, reason)
            return ReportCompleted(report, reported=False, merged=False, reason=reason)
        if problem:
            log.warning("Merged in spite of its answer change=%s: %s", change.key, problem)
        mismatch, doubt = self._compare(change, tested)
        return ReportCompleted(
            report, reported=True, merged=True, tree_mismatch=mismatch, reason=doubt
        )

    # -- before --------------------------------------------------------------------------------

    def _find_refusal(
        self, row: Row | None, change: Change, tested: TestedState, voted: frozenset[str]
    ) -> _Refusal | None:
        if row is None:
            return _Refusal("the server does not show the change any more")
        key = change.key
        if row.status == "MERGED":
            return _Refusal("somebody else merged it", merged=True)
        if not row.is_open:
            return _Refusal(f"its status is {row.status}")
        if row.current != key.patchset:
            return _Refusal(f"patch set {row.current} replaced the tested {key.patchset}")
        revision = row.patchsets[key.patchset].revision
        if change.revision and revision and revision != change.revision:
            return _Refusal(f"its revision is {revision}, tested was {change.revision}")
        fresh = row.change(self._name, key.patchset)
        if not fresh.can_merge(voted):
            return _Refusal(f"it may not be submitted any more: {_describe_lacks(fresh, voted)}")
        return self._find_dragged_in(row) or self._find_moved_base(change, tested)

    def _find_dragged_in(self, row: Row) -> _Refusal | None:
        """Whether the submit would merge anything besides the change."""
        others: list[str] = []
        if row.parent is not None:
            parent = self._queries.look_up_number(row.parent[0])
            if parent is None or parent.status != "MERGED":
                others.append(row.parent[0])
        if self._rest is not None:
            together = self._rest.fetch_submitted_together(row.number)
            others += [number for number in together if number != row.number]
        if not others:
            return None
        return _Refusal(f"the submit would also merge {', '.join(dict.fromkeys(others))}")

    def _find_moved_base(self, change: Change, tested: TestedState) -> _Refusal | None:
        if tested.base_tree is None:
            return None
        sha, tree = self._fetch_head(change)
        if tree == tested.base_tree:
            return None
        return _Refusal(
            f"{change.branch} is at {sha} with tree {tree}, tested on tree {tested.base_tree}",
            base_moved=True,
        )

    # -- the submit and after ------------------------------------------------------------------

    def _send(self, change: Change, command: str) -> tuple[str | None, float]:
        """(what went wrong, seconds to wait for the merge)."""
        try:
            result = self._run(command, timeout_seconds=SUBMIT_SECONDS)
        except CommandInterrupted as error:
            return f"the submit broke off: {error}", self._undecided_seconds
        except DriverError as error:
            return f"the submit could not be sent: {error}", 0.0
        if result.exit_code != 0:
            return f"Gerrit refused the submit: {result.reason}", 0.0
        if result.stderr.strip():
            log.info("Gerrit took the submit and said change=%s: %s", change.key, result.reason)
        return None, self._merge_seconds

    def _await_merge(self, number: str, seconds: float) -> bool:
        """Poll until the change is merged or abandoned; at least one good answer counts."""
        pause = FIRST_POLL_SECONDS
        began = time.monotonic()
        while True:
            answered = False
            try:
                row = self._queries.look_up([by_number(number)], BRANCH_SECONDS)
                rows = row[by_number(number)].rows
                answered = bool(rows)
                if rows and rows[0].status in ("MERGED", "ABANDONED"):
                    return rows[0].status == "MERGED"
            except DriverError as error:
                log.warning("Looking for the merge failed change=%s: %s", number, error)
            waited = time.monotonic() - began
            # Without an answer the merge may have happened unseen: then wait the full time.
            limit = seconds if answered else max(seconds, self._merge_seconds)
            if waited >= limit or self._stopping.wait(pause):
                return False
            pause = min(pause * 2, MAX_POLL_SECONDS)

    def _compare(self, change: Change, tested: TestedState) -> tuple[str | None, str | None]:
        """(tree mismatch, why it cannot be told)."""
        if tested.tree is None:
            return None, None
        number = change.key.number
        deadline = time.monotonic() + LANDED_SECONDS
        problem = "the branch was not read"
        for _ in range(BRANCH_TRIES):
            try:
                sha, tree = self._fetch_head(change)
            except ZuulError as error:
                problem = str(error)
                self._stopping.wait(BRANCH_PAUSE_SECONDS)
                continue
            if tree == tested.tree:
                return None, None
            landed = self._await_landed(number, deadline)
            if landed is None or landed == sha:
                return _describe_mismatch(change, tested, sha, tree), None
            problem = f"{change.branch} is at {sha} already, past {landed}"
            break
        text = f"the merged tree could not be compared with the tested one: {problem}"
        log.error("Merged, but %s change=%s", text, change.key)
        return None, text

    def _await_landed(self, number: str, deadline: float) -> str | None:
        while True:
            landed = self._landed.get(number)
            left = deadline - time.monotonic()
            if landed is not None or left <= 0 or self._stopping.wait(min(0.05, left)):
                return landed

    def _fetch_head(self, change: Change) -> tuple[str, str]:
        return self._branch_head.fetch_branch_head(
            change.project, self._name, change.branch, BRANCH_SECONDS
        )


def _describe_mismatch(change: Change, tested: TestedState, sha: str, tree: str) -> str:
    return (
        f"change {change.key} landed on {change.project} {change.branch} as {sha} with tree {tree},"
        f" but tested was commit {tested.commit} with tree {tested.tree}"
    )


def _describe_lacks(change: Change, voted: frozenset[str]) -> str:
    lacks = [
        f"{label.name} {label.status}"
        for record in change.submit_records
        if record.status != "OK"
        for label in record.labels
        if label.status not in ("OK", "MAY") and normalize_label(label.name) not in voted
    ]
    lacks += [
        f"requirement {requirement.name}"
        for requirement in change.submit_requirements or ()
        if not requirement.satisfied
        and not (
            requirement.labels
            and all(normalize_label(label) in voted for label in requirement.labels)
        )
    ]
    return ", ".join(lacks) or "the server does not say why"

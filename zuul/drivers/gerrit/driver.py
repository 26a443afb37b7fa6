"""GerritDriver: one configured Gerrit as Connection, Source and Reporter."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

from zuul.core.commands import SendReport
from zuul.core.events import Event, ReportCompleted
from zuul.drivers import BranchHead, Inbox, Interest
from zuul.drivers.gerrit.connection import SshConnection, ThreadConnections
from zuul.drivers.gerrit.hostkeys import SshConfig
from zuul.drivers.gerrit.queries import BATCH_TERMS, QUERY_THREADS, Queries
from zuul.drivers.gerrit.reporter import REPORT_THREADS, ReviewReporter
from zuul.drivers.gerrit.rest import RestConfig, make_rest
from zuul.drivers.gerrit.source import GATHER_THREADS, SETTLE_SECONDS, EventSource
from zuul.drivers.gerrit.stream import REF_UPDATED, Heard
from zuul.drivers.gerrit.submit import MERGE_SECONDS, UNDECIDED_SECONDS, Submitter
from zuul.drivers.gerrit.watcher import FIRST_PAUSE_SECONDS, MovedBranch, Watcher
from zuul.errors import ZuulError
from zuul.model.change import Change, ChangeKey, Ref
from zuul.model.layout import ReportAction
from zuul.model.matching import ZERO_REVISION
from zuul.model.trigger import Account, TriggerEvent

log = logging.getLogger("zuul.GerritConnection")

MAX_LANDED = 1_000


class GerritConfig(SshConfig, RestConfig, Protocol):
    """What of zuul.config.GerritConnectionConfig the driver needs."""

    @property
    def strip_branch_ref(self) -> bool: ...


class Tuning:
    """Sizes and waits that only tests and benchmarks alter; seconds."""

    def __init__(
        self,
        *,
        query_threads: int = QUERY_THREADS,
        batch_terms: int = BATCH_TERMS,
        gather_threads: int = GATHER_THREADS,
        report_threads: int = REPORT_THREADS,
        settle: float = SETTLE_SECONDS,
        merge: float = MERGE_SECONDS,
        undecided: float = UNDECIDED_SECONDS,
        first_pause: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.query_threads = query_threads
        self.batch_terms = batch_terms
        self.gather_threads = gather_threads
        self.report_threads = report_threads
        self.settle = settle
        self.merge = merge
        self.undecided = undecided
        self.first_pause = first_pause


class GerritDriver:
    """Hears events, looks changes up, votes and submits."""

    def __init__(
        self,
        config: GerritConfig,
        inbox: Inbox,
        interest: Interest,
        branch_head: BranchHead,
        *,
        same_server: frozenset[str] = frozenset(),
        heard_until: float | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        """`same_server`: the other connections to this server. `heard_until`: epoch seconds of the
        last event an earlier process took in; what happened since is made up at start. None:
        nothing is."""
        self.name = config.name
        self._config = config
        tuning = tuning or Tuning()
        self._branch_head = branch_head
        self._stopping = threading.Event()
        self._landed: OrderedDict[str, str] = OrderedDict()
        self._rest = make_rest(config)
        self._queries = Queries(
            self.name,
            lambda: SshConnection(config),
            self._rest,
            threads=tuning.query_threads,
            batch=tuning.batch_terms,
        )
        self._source = EventSource(
            self.name,
            config.baseurl,
            self._queries,
            inbox,
            interest,
            self._stopping,
            threads=tuning.gather_threads,
            settle_seconds=tuning.settle,
        )
        self._connections = ThreadConnections(config)
        submitter = Submitter(
            self.name,
            self._queries,
            self._connections.run,
            branch_head,
            self._rest,
            self._landed,
            self._stopping,
            merge_seconds=tuning.merge,
            undecided_seconds=tuning.undecided,
        )
        self._reporter = ReviewReporter(
            self.name,
            config.user,
            self._queries,
            self._connections.run,
            submitter,
            self._stopping,
            same_server=same_server,
            threads=tuning.report_threads,
            first_pause_seconds=tuning.first_pause,
        )
        self._watcher = Watcher(
            config,
            self._hear,
            self._check_branch,
            strip_branch_ref=config.strip_branch_ref,
            heard_until=heard_until,
            first_pause_seconds=tuning.first_pause,
        )

    @property
    def listening(self) -> threading.Event:
        """Set while the event stream is open."""
        return self._watcher.listening

    @property
    def heard_until(self) -> float | None:
        """Epoch seconds of the newest event taken in; None: none yet."""
        return self._watcher.heard_until

    def start(self) -> None:
        self._queries.start()
        self._source.start()
        self._reporter.start()
        self._watcher.start()

    def stop(self) -> None:
        self._stopping.set()
        self._watcher.stop()
        self._connections.close()
        self._queries.stop()
        self._source.stop()
        self._reporter.stop()
        if self._rest is not None:
            self._rest.close()

    def git_url(self, project: str) -> str:
        user, host = quote(self._config.user, safe=""), self._config.server
        address = f"[{host}]" if ":" in host else host
        return f"ssh://{user}@{address}:{self._config.port}/{quote(project, safe='/')}"

    def look_up(
        self,
        number: str,
        patchset: str,
        make: Callable[[tuple[Change, ...]], Event],
        failed: Callable[[str], None],
    ) -> None:
        self._source.look_up(number, patchset, make, failed)

    def make_ref(self, project: str, ref: str, oldrev: str, newrev: str) -> Ref:
        return self._source.make_ref(project, ref, oldrev, newrev)

    def refresh(self, keys: tuple[ChangeKey, ...]) -> None:
        self._source.refresh(keys)

    def find_open(self, project: str, merged: ChangeKey) -> None:
        self._source.open_changes.find(project, merged.number)

    def report(
        self,
        request: SendReport,
        action: ReportAction,
        done: Callable[[ReportCompleted], None],
    ) -> None:
        self._reporter.report(request, action, done)

    def hear(self, event: TriggerEvent) -> None:
        """Take an event that an earlier process heard; any thread."""
        self._source.take(event)

    def _check_branch(self, moved: MovedBranch) -> None:
        """Tell the ref-updated that was missed, once a merger has read the branch."""
        self._source.run_later(
            ("branch", moved.project, moved.branch),
            lambda: self._tell_branch(moved),
            f"look at {moved.project} {moved.branch}",
        )

    def _tell_branch(self, moved: MovedBranch) -> None:
        try:
            head, _ = self._branch_head.fetch_branch_head(moved.project, self.name, moved.branch)
        except ZuulError as error:
            log.error(
                "A branch moved unheard and cannot be read, its ref-updated is lost"
                " connection=%s project=%s branch=%s: %s",
                self.name,
                moved.project,
                moved.branch,
                error,
            )
            return
        if head == moved.revision:
            return
        event = TriggerEvent(
            self.name,
            REF_UPDATED,
            project=moved.project,
            ref=moved.ref,
            oldrev=moved.revision or ZERO_REVISION,
            newrev=head,
            account=Account(),
            received_at=time.time(),
        )
        log.info(
            "A branch moved unheard and its event is made up connection=%s project=%s ref=%s",
            self.name,
            moved.project,
            moved.ref,
        )
        self._source.take(event)

    def _hear(self, heard: Heard) -> None:
        if heard.merged_revision is not None and heard.event.number is not None:
            self._landed[heard.event.number] = heard.merged_revision
            if len(self._landed) > MAX_LANDED:
                self._landed.popitem(last=False)
        self._source.handle(heard)


class GerritActionSchema:
    """Checks the parameters of a gerrit reporter: contract zuul.md 8.1."""

    def problems(self, parameters: Any) -> list[tuple[str, str]]:
        """(key, what is wrong) pairs."""
        if not isinstance(parameters, dict):
            return [("", "expected a map of labels and options")]
        found = []
        for key, value in parameters.items():
            if not isinstance(key, str) or not key or key.startswith("-"):
                found.append((str(key), "a label or option of gerrit review is a plain word"))
            elif isinstance(value, (dict, list)) or value is None:
                found.append((key, "expected true or a vote"))
        return found

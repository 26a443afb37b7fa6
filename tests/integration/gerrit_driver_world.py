"""A Gerrit (the sandbox or a real one), people, and the driver under test with what it told."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tests.sandbox.developer import Developer
from tests.sandbox.endpoint import GerritEndpoint
from zuul.config import GerritConnectionConfig
from zuul.core.commands import SendReport, TestedState
from zuul.core.events import ChangesRefreshed, Event, ReportCompleted, TriggerReceived
from zuul.drivers.gerrit.driver import GerritDriver, Tuning
from zuul.lib.secret import Secret
from zuul.model.change import Change
from zuul.model.layout import ActionKind, ReportAction
from zuul.model.trigger import TriggerEvent

WAIT_SECONDS = 20.0
T = TypeVar("T")
PROJECT = "org/demo"
#: what a success of a gate votes; what is tested where nobody asked a merger
GATE = {"verified": 2, "submit": True}
UNTESTED = TestedState(None, None, None)
QUICK = Tuning(merge=10.0, undecided=2.0, first_pause=0.05)


class Server(Protocol):
    """What SandboxGerrit and RealGerrit have in common."""

    endpoint: GerritEndpoint

    def create_project(self, name: str) -> None: ...


def wait_for(what: str, probe: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """Poll until `probe` gives something true."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not in {seconds} s")
        time.sleep(0.01)


class Everything:
    """An Interest; by default in all there is."""

    def __init__(self) -> None:
        self.predicate: Callable[[TriggerEvent], bool] = lambda event: True

    def wants(self, event: TriggerEvent) -> bool:
        return self.predicate(event)


class GitBranchHead:
    """Reads branches with git, as a merger does."""

    def __init__(self, developer: Developer) -> None:
        self._developer = developer
        self._lock = threading.Lock()
        self.failures: list[Exception] = []

    def fetch_branch_head(
        self, project: str, connection: str, branch: str, timeout_seconds: float = 60
    ) -> tuple[str, str]:
        if self.failures:
            raise self.failures.pop(0)
        with self._lock:
            tree = self._developer.work_tree(project)
            self._developer.git(tree, "fetch", "-q", "origin", f"refs/heads/{branch}")
            shown = self._developer.git(tree, "show", "-s", "--format=%H %T", "FETCH_HEAD")
        sha, tree_sha = shown.split()
        return sha, tree_sha


class World:
    """Everything one test needs; `told` is what the driver put into its inbox."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.endpoint = server.endpoint
        self.dev = Developer(self.endpoint, "dev", folder / "dev")
        self.branch_head = GitBranchHead(Developer(self.endpoint, "zuul", folder / "heads"))
        self.interest = Everything()
        self.told: list[Event] = []
        self._reports = itertools.count(1)

    def config(self, **settings: Any) -> GerritConnectionConfig:
        identity = self.endpoint.identity("zuul")
        values: dict[str, Any] = {
            "name": "gerrit",
            "server": self.endpoint.host,
            "user": "zuul",
            "port": self.endpoint.ssh_port,
            "sshkey": identity.key_file,
            "baseurl": self.endpoint.http_url,
            "known_hosts": self.endpoint.known_hosts,
            "password": Secret(identity.http_password),
        }
        return GerritConnectionConfig(**(values | settings))

    @contextmanager
    def driver(
        self,
        *,
        tuning: Tuning = QUICK,
        heard_until: float | None = None,
        same_server: frozenset[str] = frozenset(),
        **settings: Any,
    ) -> Iterator[GerritDriver]:
        """Started, and listening unless the settings forbid it."""
        driver = GerritDriver(
            self.config(**settings),
            self.told.append,
            self.interest,
            self.branch_head,
            same_server=same_server,
            heard_until=heard_until,
            tuning=tuning,
        )
        driver.start()
        try:
            yield driver
        finally:
            driver.stop()

    @contextmanager
    def listening(self, **settings: Any) -> Iterator[GerritDriver]:
        """A driver that hears the stream by now; the settings are those of `driver`."""
        with self.driver(**settings) as driver:
            wait_for("stream", driver.listening.is_set)
            yield driver

    # -- people --------------------------------------------------------------------------------

    def project(self, name: str) -> str:
        self.server.create_project(name)
        return name

    def review(self, user: str, number: int, *options: str, patchset: int | None = None) -> None:
        """`gerrit review` by a person; options are quoted here."""
        chosen = patchset or self.row(number)["currentPatchSet"]["number"]
        words = " ".join("'" + option.replace("'", "'\\''") + "'" for option in options)
        done = self.endpoint.ssh(user, f"gerrit review {words} {number},{chosen}")
        assert done.exit_code == 0, done.stderr

    def approve(self, number: int) -> None:
        self.review("core", number, "--code-review=2", "--label=Workflow=1")

    def row(self, number: int) -> dict[str, Any]:
        done = self.endpoint.ssh(
            "admin",
            "gerrit query --format json --current-patch-set --comments --all-approvals"
            f" change:{number}",
        )
        return done.rows()[0]

    def votes(self, number: int, label: str = "Verified") -> dict[str, int]:
        approvals = self.row(number)["currentPatchSet"].get("approvals", [])
        return {a["by"]["username"]: int(a["value"]) for a in approvals if a["type"] == label}

    def messages(self, number: int, user: str = "zuul") -> list[str]:
        comments = self.row(number).get("comments", [])
        return [c["message"] for c in comments if c["reviewer"].get("username") == user]

    def status(self, number: int) -> str:
        return str(self.row(number)["status"])

    # -- what the driver told ------------------------------------------------------------------

    def triggers(self, kind: str, number: int | None = None) -> list[TriggerReceived]:
        return [
            event
            for event in list(self.told)
            if isinstance(event, TriggerReceived)
            and event.event.type == kind
            and (number is None or event.event.number == str(number))
        ]

    def wait_trigger(self, kind: str, number: int | None = None, count: int = 1) -> TriggerReceived:
        """The count-th event of a kind."""
        wait_for(
            f"{kind} {number} x{count}", lambda: len(self.triggers(kind, number)) >= count or None
        )
        return self.triggers(kind, number)[count - 1]

    def wait_refreshed(self) -> ChangesRefreshed:
        return wait_for(
            "ChangesRefreshed",
            lambda: next((e for e in list(self.told) if isinstance(e, ChangesRefreshed)), None),
        )

    def wait_change(self, number: int, kind: str = "patchset-created", count: int = 1) -> Change:
        """The change as the driver told it with the count-th event of a kind: a fresh upload."""
        subject = self.wait_trigger(kind, number, count).subject
        assert isinstance(subject, Change)
        return subject

    def wait_vote(self, number: int, count: int = 1) -> Change:
        """The change as the driver told it with a person's votes."""
        return self.wait_change(number, "comment-added", count)

    def report(
        self,
        driver: GerritDriver,
        change: Change,
        parameters: dict[str, Any],
        *,
        message: str = "Build succeeded.",
        submit: TestedState | None = None,
    ) -> ReportCompleted:
        """Send a report and wait for its end."""
        pending = self.start_report(driver, change, parameters, message=message, submit=submit)
        return pending()

    def submit(
        self, driver: GerritDriver, change: Change, tested: TestedState = UNTESTED
    ) -> ReportCompleted:
        """Report a success that is to merge, and wait for its end."""
        return self.report(driver, change, GATE, submit=tested)

    def start_report(
        self,
        driver: GerritDriver,
        change: Change,
        parameters: dict[str, Any],
        *,
        message: str = "Build succeeded.",
        submit: TestedState | None = None,
    ) -> Callable[[], ReportCompleted]:
        action = ReportAction("gerrit", parameters)
        answers: list[ReportCompleted] = []
        request = SendReport(
            f"report-{next(self._reports)}",
            "gate",
            ActionKind.SUCCESS,
            change,
            "gerrit",
            (action,),
            message,
            submit,
        )
        driver.report(request, action, answers.append)

        def wait() -> ReportCompleted:
            wait_for("ReportCompleted", lambda: answers or None, 30)
            assert len(answers) == 1
            return answers[0]

        return wait

    def tested(self, project: str, revision: str, branch: str = "master") -> TestedState:
        """What a merger would say of a change that sits right on the branch."""
        _, base = self.branch_head.fetch_branch_head(project, "gerrit", branch)
        tree = self.dev.git(
            self.dev.work_tree(project), "show", "-s", "--format=%T", revision
        ).strip()
        return TestedState(revision, tree, base)

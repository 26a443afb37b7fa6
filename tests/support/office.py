"""A listener for requests whose scheduler answers at once: for tests of what people ask."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.support.layouts import load_layout
from zuul.core.commands import AnswerRequest
from zuul.core.events import Event
from zuul.daemon.audit import Audit
from zuul.daemon.desk import Desk
from zuul.daemon.rpc import RpcListener
from zuul.lib.gearman import Refused, Task
from zuul.model.change import Change, ChangeKey, Ref, RefKey

CHANGE = Change(ChangeKey("gerrit", "1", "1"), "org/project", "master", "refs/changes/01/1/1")
GOOD = {"trigger": "gerrit", "project": "org/project", "pipeline": "gate", "change": "1,1"}


class Job:
    """What a Task reports to."""

    unique = b""

    def __init__(self, name: str, arguments: bytes) -> None:
        self.name = name
        self.arguments = arguments
        self.sent: list[bytes] = []

    def report(self, kind: int, *parts: bytes) -> None:
        self.sent += parts


class Source:
    """Knows change 1,1 and no other."""

    def __init__(self, inbox: Callable[[Event], None]) -> None:
        self._inbox = inbox
        self.is_full = False
        #: it never answers
        self.hangs = False

    def look_up(
        self,
        number: str,
        patchset: str,
        make: Callable[[tuple[Change, ...]], Event],
        failed: Callable[[str], None],
    ) -> None:
        if self.is_full:
            raise queue.Full("too many")
        if self.hangs:
            return
        if (number, patchset) == ("1", "1"):
            self._inbox(make((CHANGE,)))
        else:
            failed(f"the server shows no change {number},{patchset}")

    def make_ref(self, project: str, ref: str, oldrev: str, newrev: str) -> Ref:
        return Ref(RefKey("gerrit", project, ref, newrev), oldrev)


class Snapshots:
    """A scheduler's thread that answers."""

    def request_snapshot(self) -> Future[Snapshots]:
        future: Future[Snapshots] = Future()
        future.set_result(self)
        return future

    def running_items(self) -> list[dict[str, Any]]:
        return [{"id": "1,1"}]

    def brakes(self) -> dict[str, Any]:
        return {"freezes": [], "holds": []}


class Office:
    """A listener whose scheduler answers at once, as `outcome` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.outcome: dict[str, str] | None = {}
        self.desk = Desk(folder)
        self.source = Source(self._take)
        self.listener = RpcListener(
            self._take,
            self.desk,
            Audit(folder),
            Snapshots(),
            {"gerrit": self.source},  # type: ignore[dict-item]
        )
        self.listener.set_layout(load_layout("L0"))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if self.outcome is not None:
            self.desk.answer(AnswerRequest(event.request, **self.outcome))  # type: ignore[union-attr]

    def call(self, function: str, arguments: object) -> list[bytes]:
        """The data packets sent before the end."""
        job = Job(f"zuul:{function}", json.dumps(arguments).encode())
        self.answer = self.listener.functions[job.name](Task(job))  # type: ignore[arg-type]
        return job.sent

    def refusal(self, function: str, arguments: object) -> str:
        with pytest.raises(Refused) as refused:
            self.call(function, arguments)
        return str(refused.value)

    def audited(self) -> list[dict[str, Any]]:
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

"""RpcClient: submits requests to zuul-server as Gearman jobs and waits for their end."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from zuul.config import GearmanConfig, gearman_context
from zuul.errors import RequestError
from zuul.lib.gearman import AdminClient, ClientJob, GearmanClient, Outcome
from zuul.lib.logs import escape_controls

CONNECT_SECONDS = 10.0
#: more than zuul-server takes to give up
ANSWER_SECONDS = 180.0


@dataclass(slots=True)
class Answer:
    """What zuul-server said to a request that was met."""

    data: bytes
    #: what else a person should know
    notes: list[str] = field(default_factory=list)

    def json(self) -> Any:
        """The data. Raises RequestError if it is none of ours."""
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"The answer is not understood: {error}") from error


class RpcClient:
    """A connection to the Gearman server, for as long as the block runs."""

    def __init__(
        self,
        gearman: GearmanConfig,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Raises ConfigError for certificates that cannot be used."""
        self._place = f"{gearman.server} port {gearman.port}"
        self._connect_seconds = connect_seconds
        self._answer_seconds = answer_seconds
        context = gearman_context(gearman)
        self._client = GearmanClient("zuul", gearman.server, gearman.port, ssl_context=context)
        self._admin = AdminClient(gearman.server, gearman.port, ssl_context=context)

    def __enter__(self) -> RpcClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admin.close()
        self._client.close()

    def call(self, function: str, arguments: Mapping[str, object]) -> Answer:
        """Ask, and wait. Raises RequestError with the text for whoever asked."""
        if not self._client.wait_connected(self._connect_seconds):
            raise RequestError(f"No Gearman server answers at {self._place}")
        self._expect_server(function)
        waiter = _Waiter()
        payload = json.dumps({k: v for k, v in arguments.items() if v is not None})
        try:
            self._client.submit(function, payload.encode(), waiter)
        except queue.Full as error:
            raise RequestError(f"The request cannot be submitted: {error}") from error
        if not waiter.ended.wait(self._answer_seconds):
            text = f"No answer in {self._answer_seconds:.0f} s, it may still be done"
            raise RequestError(text)
        if waiter.outcome is Outcome.COMPLETE:
            return Answer(waiter.data, waiter.notes)
        raise RequestError(_explain(waiter))

    def _expect_server(self, function: str) -> None:
        """A job that nobody serves would wait for ever."""
        try:
            known = self._admin.status()
        except OSError:
            return  # a server that tells nothing of itself may do its work all the same
        if function not in known or not known[function].workers:
            raise RequestError(f"No zuul-server serves {function} at {self._place}")


class _Waiter:
    """Hears one job to its end."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.outcome: Outcome | None = None
        self.data = b""
        self.notes: list[str] = []

    def job_created(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_data(self, job: ClientJob, data: bytes) -> None:
        try:
            note = json.loads(data)["note"]
        except (ValueError, TypeError, LookupError, RecursionError):
            return
        self.notes.append(_harmless(str(note)))

    def job_status(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """Not of interest."""

    def job_ended(self, _job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self.outcome, self.data = outcome, data
        self.ended.set()


def _harmless(text: str) -> str:
    """Names and reasons in it come from anywhere: a terminal is not to obey them."""
    return "\n".join(escape_controls(line) for line in text.strip().splitlines())


def _explain(waiter: _Waiter) -> str:
    text = _harmless(waiter.data.decode(errors="replace"))
    match waiter.outcome:
        case Outcome.EXCEPTION if text:
            return text
        case Outcome.LOST:
            return "The connection to the Gearman server broke, it may still be done"
        case Outcome.REFUSED:
            return f"The Gearman server refuses the request: {text}"
        case Outcome.NO_HANDLE:
            return "The Gearman server does not take the request"
        case _:
            return "zuul-server could not do it, its log says why"

"""Serving Gearman functions: what a program does whose work comes from a Gearman server.

    def merge(task: Task) -> Reply:
        arguments = task.arguments()            # the JSON object; BadArguments if it is none
        return {"merged": True}                 # sent with WORK_COMPLETE

    worker = GearmanWorker("Zuul Merger", "127.0.0.1", 4730, {"merger:merge": merge})
    worker.start()
    ...
    worker.stop()

Every job gets exactly one end: WORK_COMPLETE with what the function returned, or, when it raised,
WORK_EXCEPTION with the text of the exception followed by WORK_FAIL (gear's servers end the job at
the first, gearmand at the second). A function that wants WORK_FAIL alone raises TaskFailed, one
that says no raises Refused.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from zuul.lib.gearman.links import AssignedJob, InterruptedWait, WorkerLink
from zuul.lib.gearman.packets import PacketType
from zuul.lib.workers import Loop, outcome_of

log = logging.getLogger("zuul.GearmanWorker")

#: What a function answers: bytes as they are, a mapping or list as JSON, None for nothing.
Reply = bytes | Mapping[str, Any] | list[Any] | None
Function = Callable[["Task"], Reply]


class BadArguments(ValueError):
    """The arguments of a job are not what the function takes."""


class Refused(Exception):
    """The job ends with WORK_EXCEPTION and this very text, then WORK_FAIL."""


class TaskFailed(Exception):
    """The job ends with WORK_FAIL and no word."""


class Task:
    """One job as its function sees it. Reports raise OSError once the server has been lost."""

    def __init__(self, job: AssignedJob) -> None:
        self._job = job
        #: The Gearman function asked for.
        self.function: str = job.name
        #: The submitter's id for this job; empty when it gave none.
        self.unique: str = (job.unique or b"").decode(errors="replace")
        #: The arguments as they came.
        self.payload: bytes = job.arguments

    def arguments(self) -> dict[str, Any]:
        """The JSON object of the arguments. Raises BadArguments."""
        try:
            found = json.loads(self.payload)
        except (ValueError, RecursionError) as error:
            raise BadArguments(f"arguments of {self.function} are no JSON: {error}") from error
        if not isinstance(found, dict):
            raise BadArguments(f"arguments of {self.function} are no JSON object")
        return found

    def send_data(self, data: Reply) -> None:
        """WORK_DATA: news while the job runs."""
        self._job.report(PacketType.WORK_DATA, _encoded(data))

    def send_status(self, numerator: int, denominator: int) -> None:
        """WORK_STATUS: how far the job has come."""
        parts = (str(numerator).encode(), str(denominator).encode())
        self._job.report(PacketType.WORK_STATUS, *parts)


class GearmanWorker:
    """Serves `functions` (name -> function), `connections` jobs side by side.

    Each connection takes one job at a time and has a thread on which the function runs. The server
    need not be there yet, and may go and come back. A job whose server is lost while it runs goes
    on to its end; its result is dropped, for the server has already reported it as failed.
    """

    def __init__(
        self,
        client_id: str,
        host: str,
        port: int,
        functions: Mapping[str, Function],
        *,
        connections: int = 1,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._functions = dict(functions)
        self._links = [
            WorkerLink(client_id, host, port, ssl_context, self._functions)
            for _ in range(connections)
        ]
        self._loops = [
            Loop(f"gearman-worker-{number}", partial(self._turn, link))
            for number, link in enumerate(self._links)
        ]

    def start(self) -> None:
        """Begin to take jobs; returns at once."""
        for loop in self._loops:
            loop.start()

    def wait_connected(self, timeout_seconds: float) -> bool:
        """Whether every connection stands, waiting for it if need be."""
        return all(link.wait_connected(timeout_seconds) for link in self._links)

    def stop(self, timeout_seconds: float = 30.0) -> bool:
        """Take no more jobs, let those that run end; False if one did not in time."""
        deadline = time.monotonic() + timeout_seconds
        pairs = list(zip(self._links, self._loops, strict=True))
        while pairs and time.monotonic() < deadline:
            # Again and again, for a thread may be about to wait for a job just now.
            pairs = [(link, loop) for link, loop in pairs if not self._stopped(link, loop)]
        if pairs:
            log.warning("Worker stopped while a job runs, its result will be dropped")
        for link in self._links:
            link.close()
        return not pairs

    @staticmethod
    def _stopped(link: WorkerLink, loop: Loop) -> bool:
        if loop.stop(0.0):
            return True
        link.interrupt()
        return loop.stop(0.05)

    def _turn(self, link: WorkerLink, _stopping: threading.Event) -> None:
        try:
            job = link.next_job()
        except InterruptedWait:
            return
        if job.is_stale:
            log.warning("Job dropped, its server was lost function=%s", job.name)
        else:
            self._run(job)

    def _run(self, job: AssignedJob) -> None:
        """Run one job and report its end, once."""
        task = Task(job)
        log.debug("Job begins function=%s unique=%s", task.function, task.unique)
        function = self._functions.get(task.function, _unknown)
        outcome = outcome_of(partial(_call, function, task), f"function {task.function}")
        try:
            _report(job, outcome)
        except OSError as error:
            log.warning(
                "Result dropped, the Gearman server was lost function=%s unique=%s: %s",
                task.function,
                task.unique,
                error,
            )


def _call(function: Function, task: Task) -> bytes | Exception:
    try:
        return _encoded(function(task))
    except (TaskFailed, Refused) as failure:
        return failure
    except BadArguments as problem:
        log.error("Job refused function=%s unique=%s: %s", task.function, task.unique, problem)
        return problem


def _unknown(task: Task) -> Reply:
    raise BadArguments(f"function {task.function} is not served here")


def _report(job: AssignedJob, outcome: bytes | Exception) -> None:
    if isinstance(outcome, bytes):
        job.report(PacketType.WORK_COMPLETE, outcome)
        return
    if not isinstance(outcome, TaskFailed):
        is_plain = isinstance(outcome, Refused)
        text = str(outcome) if is_plain else f"{type(outcome).__name__}: {outcome}"
        job.report(PacketType.WORK_EXCEPTION, text.encode(errors="replace"))
    job.report(PacketType.WORK_FAIL)


def _encoded(reply: Reply) -> bytes:
    if reply is None:
        return b""
    return reply if isinstance(reply, bytes) else json.dumps(reply).encode()

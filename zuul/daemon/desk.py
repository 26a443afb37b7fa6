"""The desk: where requests wait for the scheduler's answers.

A thread that asks gets a future; the scheduler's thread hands answers over and goes on. What must
be on the disk before a person is told so is written in between, on a thread of the desk's own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from zuul.core.commands import AnswerRequest, KeepBrakes
from zuul.daemon.brake_file import write_brakes
from zuul.lib.clock import RandomIds
from zuul.lib.logs import fields
from zuul.lib.workers import Lanes

log = logging.getLogger("zuul.RPCListener")

NOT_KEPT = "it is in force, but could not be written and ends with this zuul-server"


class Desk:
    """Requests that are open. `open` is called on any thread, `keep` and `answer` by one."""

    def __init__(
        self, state_dir: Path, write: Callable[[Path, KeepBrakes], None] = write_brakes
    ) -> None:
        self._state_dir = state_dir
        self._write = write
        self._ids = RandomIds()
        self._lock = threading.Lock()
        self._open: dict[str, Future[AnswerRequest]] = {}
        self._lanes = Lanes("desk", 1)
        self._is_closed = False
        #: why the last writing failed; the desk's thread alone
        self._failure: str | None = None

    def start(self) -> None:
        self._lanes.start()

    def stop(self) -> None:
        """Who still waits is told that there will be no answer."""
        self._lanes.stop()
        with self._lock:
            self._is_closed = True
            waiting = list(self._open)
        for request in waiting:
            self._settle(AnswerRequest(request, error="zuul-server stops, nobody answers"))

    def open(self) -> tuple[str, Future[AnswerRequest]]:
        """A new request's id, and its answer to come."""
        request, future = self._ids.new_id(), Future[AnswerRequest]()
        with self._lock:
            self._open[request] = future
            is_closed = self._is_closed
        if is_closed:
            self._settle(AnswerRequest(request, error="zuul-server stops, nobody answers"))
        return request, future

    def forget(self, request: str) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._open.pop(request, None)

    def refuse(self, request: str, text: str) -> None:
        """The request never reaches the scheduler. Any thread."""
        self._settle(AnswerRequest(request, error=text))

    def keep(self, command: KeepBrakes) -> None:
        """Have the brakes written; answers that follow wait for it."""
        self._lanes.submit("desk", lambda: self._keep(command), "writing brakes")

    def answer(self, command: AnswerRequest) -> None:
        self._lanes.submit("desk", lambda: self._answer(command), "answering")

    def _keep(self, command: KeepBrakes) -> None:
        try:
            self._write(self._state_dir, command)
        except OSError as error:
            log.error("Freezes and holds are not kept: %s %s", error, fields(dir=self._state_dir))
            self._failure = f"{NOT_KEPT}: {error}"

    def _answer(self, command: AnswerRequest) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            notes = [text for text in (command.note, failure) if text is not None]
            command = replace(command, note="; ".join(notes))
        self._settle(command)

    def _settle(self, command: AnswerRequest) -> None:
        with self._lock:
            future = self._open.pop(command.request, None)
        if future is not None:
            future.set_result(command)

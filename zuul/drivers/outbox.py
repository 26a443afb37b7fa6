"""Outbox: what a reporter has taken on and delivers on a thread of its own.

For systems whose answer changes nothing for the change (mail, a database): the report counts as
made once it lies here, so that no queue waits for a server that is slow or away.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from zuul.errors import ConnectionLost, DriverError
from zuul.lib.logs import fields
from zuul.lib.workers import Lanes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OutboxTuning:
    """Bounds; seconds."""

    #: letters that wait; what comes on top is dropped
    limit: int = 1_000
    #: how long a letter is tried; each is tried once, whatever its age
    patience: float = 900.0
    first_pause: float = 1.0
    max_pause: float = 60.0
    #: how long the end of the process waits for what is left
    drain: float = 5.0


class Outbox(Generic[T]):
    """Letters to one system, delivered in order.

    `send` raises ConnectionLost where a later try may help, another DriverError where none will.
    What is dropped is told in the log as an error, once a letter.
    """

    def __init__(
        self,
        name: str,
        log: logging.Logger,
        send: Callable[[T], None],
        tuning: OutboxTuning | None = None,
    ) -> None:
        self._name = name
        self._log = log
        self._send = send
        self._tuning = tuning or OutboxTuning()
        self._closing = threading.Event()
        self._lanes = Lanes(f"outbox-{name}", 1, limit=self._tuning.limit)

    def start(self) -> None:
        self._lanes.start()

    def stop(self) -> None:
        """Try what waits once more, for a few seconds; the rest is lost, and told."""
        self._closing.set()
        emptied = threading.Event()
        marked = self._submit(emptied.set, "the end")
        if not (marked and emptied.wait(self._tuning.drain)):
            waiting = self._lanes.waiting - marked
            self._log.error(
                "Reports are lost as the process ends %s",
                fields(connection=self._name, reports=waiting),
            )
        self._lanes.stop()

    def run(self, work: Callable[[], None], what: str) -> None:
        """Do something of the driver's own on the outbox's thread, before what is put later."""
        self._submit(work, what)

    def put(self, letter: T, what: str) -> None:
        """Deliver the letter; never blocks. `what` names it in the log."""
        due = time.monotonic() + self._tuning.patience
        if not self._submit(lambda: self._deliver(letter, what, due), what):
            self._drop(what, f"{self._tuning.limit} reports wait already")

    def _submit(self, work: Callable[[], object], what: str) -> bool:
        try:
            self._lanes.submit(self._name, work, what)
        except queue.Full:
            return False
        return True

    def _deliver(self, letter: T, what: str, due: float) -> None:
        pause = self._tuning.first_pause
        while True:
            try:
                self._send(letter)
            except ConnectionLost as error:
                if self._closing.is_set() or time.monotonic() + pause > due:
                    self._drop(what, str(error))
                    return
                self._log.warning(
                    "A report is tried again in %.1f s %s: %s",
                    pause,
                    fields(connection=self._name, report=what),
                    error,
                )
            except DriverError as error:
                self._drop(what, str(error))
                return
            else:
                return
            self._closing.wait(pause)
            pause = min(pause * 2, self._tuning.max_pause)

    def _drop(self, what: str, reason: str) -> None:
        self._log.error(
            "A report is dropped %s: %s", fields(connection=self._name, report=what), reason
        )

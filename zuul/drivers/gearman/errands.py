"""Gearman jobs whose answer nobody needs: `stop:MANAGER` and `set_description:MANAGER`."""

from __future__ import annotations

import json
import logging
import queue
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from zuul.lib.gearman import AdminClient, ClientJob, GearmanClient, Outcome, Priority

log = logging.getLogger("zuul.Gearman")


class Errands:
    """Sends such jobs, and takes back those that nobody served in `patience_seconds`."""

    def __init__(
        self, client: GearmanClient, admin: AdminClient, patience_seconds: float = 300.0
    ) -> None:
        self._client = client
        self._admin = admin
        self._patience = patience_seconds
        self._out: deque[tuple[float, ClientJob]] = deque()

    def send(self, function: str, arguments: Mapping[str, Any], priority: Priority) -> None:
        """Submit; trouble is logged."""
        payload = json.dumps(arguments).encode()
        try:
            job = self._client.submit(function, payload, _Answer(), priority=priority)
        except (queue.Full, ValueError) as error:
            log.error("Not sent function=%s: %s", ascii(function), error)
            return
        self._out.append((time.monotonic() + self._patience, job))

    def tick(self, now: float) -> None:
        """Take back what is overdue."""
        while self._out and self._out[0][0] <= now:
            _, job = self._out.popleft()
            if self._client.abandon(job):
                log.warning("Nobody served function=%s", ascii(job.function))
                take_back(self._admin, job)


def take_back(admin: AdminClient, job: ClientJob) -> bool:
    """Take a job out of the server's queue; False if it runs, is gone, or cannot be reached."""
    if job.handle is None:
        return False
    try:
        return admin.cancel(job.handle)
    except OSError as error:
        log.warning("Gearman server did not cancel function=%s: %s", ascii(job.function), error)
        return False


class Deaf:
    """A listener that hears nothing; listeners override what they want to hear."""

    def job_created(self, job: ClientJob) -> None:
        """The server has it."""

    def job_data(self, job: ClientJob, data: bytes) -> None:
        """News."""

    def job_status(self, job: ClientJob) -> None:
        """Progress."""

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """What the server knows of it."""

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        """The end."""


class _Answer(Deaf):
    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        if outcome is not Outcome.COMPLETE:
            log.info(
                "Worker did not do it function=%s outcome=%s: %s",
                ascii(job.function),
                outcome.value,
                ascii(data[:200]),
            )

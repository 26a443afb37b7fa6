"""Submitting jobs to a Gearman server and hearing how they go.

Submitting never waits: jobs go to a sending thread, which writes many at once and does not wait for
each to be acknowledged. News come to the job's listener on the reading thread. Whatever happens to
server, network or worker, a job ends exactly once.
"""

from __future__ import annotations

import logging
import queue
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from zuul.lib.gearman.connection import Connection, NotConnected
from zuul.lib.gearman.links import ClientLink
from zuul.lib.gearman.packets import PACKET_NAMES, Packet, PacketType, request
from zuul.lib.gearman.queue import Priority
from zuul.lib.workers import Loop

log = logging.getLogger("zuul.Gearman")

_SUBMIT: Final = {
    Priority.HIGH: PacketType.SUBMIT_JOB_HIGH,
    Priority.NORMAL: PacketType.SUBMIT_JOB,
    Priority.LOW: PacketType.SUBMIT_JOB_LOW,
}
_BATCH_BYTES: Final = 512 * 1024


class Outcome(Enum):
    """How a job ended."""

    #: The worker said so.
    COMPLETE = "complete"
    FAIL = "fail"
    EXCEPTION = "exception"
    #: The connection to the server broke: the job may run on, but nobody will tell.
    LOST = "lost"
    #: The server did not acknowledge it in time, or could not be reached for so long.
    NO_HANDLE = "no_handle"
    #: The server refused it.
    REFUSED = "refused"


class JobListener(Protocol):
    """Hears the news of jobs, on the reading thread: it must not wait."""

    def job_created(self, job: ClientJob) -> None:
        """The server has it; `job.handle` is set."""

    def job_data(self, job: ClientJob, data: bytes) -> None:
        """WORK_DATA, or WORK_WARNING."""

    def job_status(self, job: ClientJob) -> None:
        """WORK_STATUS; its numbers mean nothing here."""

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """The answer to `ask_status`."""

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        """The end, once: payload of WORK_COMPLETE, text of an exception or of a refusal."""


@dataclass(slots=True, eq=False)
class ClientJob:
    """One submission. `key` is the submitter's own name for it."""

    function: str
    unique: str
    listener: JobListener
    priority: Priority
    key: str
    #: Released once the server has them.
    arguments: bytes = field(repr=False)
    submitted_at: float = 0.0
    handle: bytes | None = None


class GearmanClient:
    """A client of one server. `submit` and the rest may be called on any thread.

    `handle_timeout_seconds` is how long a job may wait for a connection and its acknowledgement.
    At most `limit` jobs may be open.
    """

    def __init__(
        self,
        client_id: str,
        host: str,
        port: int,
        *,
        handle_timeout_seconds: float = 300.0,
        limit: int = 200_000,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._handle_timeout = handle_timeout_seconds
        self._limit = limit
        self._outbox: deque[ClientJob] = deque()
        self._open: dict[int, ClientJob] = {}
        self._wake = threading.Event()
        self._closed = False
        self._link = ClientLink(
            client_id, host, port, ssl_context, on_packet=self._on_packet, on_lost=self._on_lost
        )
        self._sender = Loop("gearman-sender", self._turn)
        self._sender.start()

    @property
    def open_jobs(self) -> int:
        """Jobs submitted that have not ended."""
        return len(self._open)

    @property
    def generation(self) -> int:
        """How often the connection has been opened: after a change it may be another server."""
        return self._link.connection.generation

    def wait_connected(self, timeout_seconds: float) -> bool:
        """Whether the server is connected, waiting for it if need be."""
        return self._link.wait_connected(timeout_seconds)

    def submit(
        self,
        function: str,
        arguments: bytes,
        listener: JobListener,
        *,
        unique: str = "",
        priority: Priority = Priority.NORMAL,
        key: str = "",
    ) -> ClientJob:
        """Submit a foreground job; returns at once.

        Raises queue.Full beyond the limit, ValueError for a name that cannot be sent.
        """
        if not function or "\0" in function or "\0" in unique:
            raise ValueError(f"no name of a Gearman function: {function!a}")
        if self._closed or len(self._open) >= self._limit:
            raise queue.Full(f"{len(self._open)} Gearman jobs are open already")
        job = ClientJob(function, unique, listener, priority, key, arguments, time.monotonic())
        self._open[id(job)] = job
        self._outbox.append(job)
        self._wake.set()
        return job

    def ask_status(self, job: ClientJob) -> bool:
        """Ask whether the server still knows the job; False if it cannot be asked now."""
        if job.handle is None or id(job) not in self._open:
            return False
        try:
            self._link.connection.transmit(request(PacketType.GET_STATUS, job.handle))
        except OSError:
            return False
        return True

    def abandon(self, job: ClientJob) -> bool:
        """Hear no more of a job; False if it has ended already. The listener is not told."""
        return self._open.pop(id(job), None) is not None

    def call(
        self,
        function: str,
        arguments: bytes,
        *,
        timeout_seconds: float,
        unique: str = "",
        priority: Priority = Priority.NORMAL,
    ) -> tuple[Outcome | None, bytes]:
        """Submit and wait for the end; outcome None: it took too long."""
        waiter = _Waiter()
        job = self.submit(function, arguments, waiter, unique=unique, priority=priority)
        if waiter.ended.wait(timeout_seconds) or not self.abandon(job):
            waiter.ended.wait(1.0)
            return waiter.outcome, waiter.data
        return None, b""

    def close(self) -> None:
        """End the threads; jobs that are open end as LOST."""
        self._closed = True
        self._wake.set()
        self._sender.stop()
        self._link.close()
        for job in list(self._open.values()):
            self._end(job, Outcome.LOST)

    # The sending thread.

    def _turn(self, _stopping: threading.Event) -> None:
        self._expire(time.monotonic())
        if not self._link.wait_connected(0.5):
            return
        self._wake.wait(0.5)
        if not self._closed:
            self._wake.clear()
        while self._outbox and self._send_batch():
            pass

    def _send_batch(self) -> bool:
        """Send some of what waits; False if there is no connection."""
        batch: list[ClientJob] = []
        parts: list[bytes] = []
        size = 0
        while self._outbox and size < _BATCH_BYTES:
            job = self._outbox.popleft()
            if id(job) in self._open:
                names = (job.function.encode(), job.unique.encode())
                parts.append(request(_SUBMIT[job.priority], *names, job.arguments))
                size += len(parts[-1])
                batch.append(job)
        try:
            self._link.connection.transmit(b"".join(parts), batch)
        except NotConnected:
            self._outbox.extendleft(reversed(batch))
            return False
        except OSError as error:
            log.warning("Submitting jobs failed, the connection is given up: %s", error)
            return False
        return True

    def _expire(self, now: float) -> None:
        oldest = now - self._handle_timeout
        while self._outbox and self._outbox[0].submitted_at < oldest:
            job = self._outbox.popleft()
            self._end(job, Outcome.NO_HANDLE)
        pending = self._link.connection.pending_tasks
        if pending and pending[0].submitted_at < oldest:
            log.error("Gearman server acknowledges no jobs, the connection is given up")
            for job in pending.copy():
                if job.submitted_at < oldest:
                    self._end(job, Outcome.NO_HANDLE)
            self._link.connection.abort()

    # The reading thread.

    def _on_packet(self, connection: Connection, packet: Packet) -> None:
        if packet.type == PacketType.JOB_CREATED:
            self._created(connection, packet.data)
        elif packet.type == PacketType.ERROR:
            self._refused(connection, packet.data)
        elif packet.type in _NEWS:
            handle, _, data = packet.data.partition(b"\x00")
            job = connection.related_jobs.get(handle)
            if job is None:
                log.debug("News of a job that has ended handle=%s", ascii(handle[:200]))
            else:
                _NEWS[packet.type](self, connection, job, data)
        elif packet.type != PacketType.OPTION_RES:
            name = PACKET_NAMES.get(packet.type, packet.type)
            log.warning("Packet from the Gearman server ignored type=%s", name)

    def _created(self, connection: Connection, handle: bytes) -> None:
        if not connection.pending_tasks:
            log.error("Gearman server acknowledges a job never sent, connection given up")
            connection.abort()
            return
        job = connection.pending_tasks.popleft()
        job.handle = handle
        job.arguments = b""
        connection.related_jobs[handle] = job
        if id(job) in self._open:
            job.listener.job_created(job)

    def _refused(self, connection: Connection, data: bytes) -> None:
        text = data.replace(b"\x00", b" ")
        log.error("Gearman server answers with an error: %s", ascii(text[:500]))
        if connection.pending_tasks:
            self._end(connection.pending_tasks.popleft(), Outcome.REFUSED, text)

    def _work_data(self, _connection: Connection, job: ClientJob, data: bytes) -> None:
        if id(job) in self._open:
            job.listener.job_data(job, data)

    def _work_status(self, _connection: Connection, job: ClientJob, _data: bytes) -> None:
        if id(job) in self._open:
            job.listener.job_status(job)

    def _status_result(self, _connection: Connection, job: ClientJob, data: bytes) -> None:
        known, running = (*data.split(b"\x00"), b"", b"")[:2]
        if id(job) in self._open:
            job.listener.job_known(job, known == b"1", running == b"1")

    def _work_complete(self, connection: Connection, job: ClientJob, data: bytes) -> None:
        self._finish(connection, job, Outcome.COMPLETE, data)

    def _work_fail(self, connection: Connection, job: ClientJob, _data: bytes) -> None:
        self._finish(connection, job, Outcome.FAIL, b"")

    def _work_exception(self, connection: Connection, job: ClientJob, data: bytes) -> None:
        self._finish(connection, job, Outcome.EXCEPTION, data)

    def _finish(
        self, connection: Connection, job: ClientJob, outcome: Outcome, data: bytes
    ) -> None:
        assert job.handle is not None
        connection.related_jobs.pop(job.handle, None)
        self._end(job, outcome, data)

    def _on_lost(self, job: ClientJob) -> None:
        self._end(job, Outcome.LOST)

    def _end(self, job: ClientJob, outcome: Outcome, data: bytes = b"") -> None:
        """Tell the end of a job, unless that has been done: taking it out decides who tells."""
        if self._open.pop(id(job), None) is not None:
            job.listener.job_ended(job, outcome, data)


_News = Callable[[GearmanClient, Connection, ClientJob, bytes], None]
_NEWS: Final[dict[int, _News]] = {
    PacketType.WORK_DATA: GearmanClient._work_data,
    PacketType.WORK_WARNING: GearmanClient._work_data,
    PacketType.WORK_STATUS: GearmanClient._work_status,
    PacketType.WORK_COMPLETE: GearmanClient._work_complete,
    PacketType.WORK_FAIL: GearmanClient._work_fail,
    PacketType.WORK_EXCEPTION: GearmanClient._work_exception,
    PacketType.STATUS_RES: GearmanClient._status_result,
}


class _Waiter:
    """The listener of `call`."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.outcome: Outcome | None = None
        self.data = b""

    def job_created(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_data(self, job: ClientJob, data: bytes) -> None:
        """Not of interest."""

    def job_status(self, job: ClientJob) -> None:
        """Not of interest."""

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        """Not of interest."""

    def job_ended(self, _job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self.outcome, self.data = outcome, data
        self.ended.set()

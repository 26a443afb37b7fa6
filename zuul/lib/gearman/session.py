"""A worker's side of one connection, without its socket: bytes in, jobs and bytes out. Pure.

What gear's worker has no word for, a bridge needs: a set of functions that changes by delta while
jobs wait at the server, and an *allowance*, the number of jobs that may be taken. The allowance is
counted from the making of the session, so that a wish that crosses an assigned job on its way does
not let one job too many in.

A function whose job is open must stay registered: gearmand gives the job of a worker that takes its
function back to another worker. `keeps` tells; hub.py then goes on with a new connection.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final, NamedTuple

from zuul.lib.gearman.packets import (
    PACKET_NAMES,
    REQUEST,
    RESPONSE,
    Packet,
    PacketType,
    StreamReader,
    request,
)

log = logging.getLogger("zuul.Gearman")

#: Ends a job: exactly one of them is sent.
TERMINAL: Final = frozenset({PacketType.WORK_COMPLETE, PacketType.WORK_FAIL})
_GRAB: Final = request(PacketType.GRAB_JOB_UNIQ)
_SLEEP: Final = request(PacketType.PRE_SLEEP)


class TakenJob(NamedTuple):
    """A job the server has assigned."""

    #: The server's name for it; means nothing after the connection has been opened again.
    handle: bytes
    function: str
    unique: str
    payload: bytes


class WorkerSession:
    """What to send, given what came and what is wished, for one connection; owned by one thread."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        #: Do not ask for a job when one may be had, but be `is_woken` until `ask` is called.
        self.defers = False
        self.is_woken = False
        self._reader = StreamReader(RESPONSE, REQUEST)
        self._functions: frozenset[str] = frozenset()
        self._allowance = 0
        self._connected = False
        #: An answer to GRAB_JOB_UNIQ is on its way.
        self._asking = False
        #: Jobs assigned since the making of this session.
        self.taken = 0
        #: Jobs that have not been ended, handle -> function.
        self.open_jobs: dict[bytes, str] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a job is open, or may be on its way."""
        return bool(self.open_jobs) or self._asking

    @property
    def is_asking(self) -> bool:
        """Whether a job, or word that there is none, is on its way."""
        return self._asking

    @property
    def functions(self) -> frozenset[str]:
        """What is registered."""
        return self._functions

    def keeps(self, functions: frozenset[str]) -> bool:
        """Whether every function with an open job is among `functions`."""
        return functions.issuperset(self.open_jobs.values())

    def connected(self) -> bytes:
        """The connection stands; what is to be sent first."""
        self._connected = True
        hello = [request(PacketType.SET_CLIENT_ID, self._client_id.encode())]
        hello.append(request(PacketType.RESET_ABILITIES))
        hello += _packets(PacketType.CAN_DO, self._functions)
        return b"".join(hello) + self._ask()

    def set_functions(self, functions: frozenset[str]) -> bytes:
        """The functions from now on, which it `keeps`; only the difference goes over the wire."""
        new, old = functions - self._functions, self._functions - functions
        self._functions = functions
        if not self._connected or not (new or old):
            return b""
        delta = _packets(PacketType.CANT_DO, old) + _packets(PacketType.CAN_DO, new)
        # A server need not wake a sleeper for what waits for its new functions.
        return b"".join(delta) + (self._ask_in_turn() if new else b"")

    def allow(self, total: int) -> bytes:
        """Jobs may be taken until `taken` is `total`; a job already asked for may still come."""
        raised, self._allowance = total > self._allowance, total
        return self._ask_in_turn() if raised else b""

    def receive(self, data: bytes) -> tuple[list[TakenJob], bytes]:
        """Jobs that came, and what to answer. Raises ProtocolError."""
        jobs: list[TakenJob] = []
        answer = b""
        for packet in self._reader.feed(data):
            if isinstance(packet, Packet):
                answer += self._handle(packet, jobs)
            else:
                log.warning("Text from the Gearman server ignored: %s", ascii(packet[:200]))
        return jobs, answer

    def report(self, packet_type: PacketType, handle: bytes, *arguments: bytes) -> bytes:
        """One report on an open job; nothing for a job that has ended or was lost."""
        if handle not in self.open_jobs:
            return b""
        if packet_type in TERMINAL:
            del self.open_jobs[handle]
        return request(packet_type, handle, *arguments)

    def _handle(self, packet: Packet, jobs: list[TakenJob]) -> bytes:
        if packet.type == PacketType.NOOP:
            return self._ask_in_turn()
        if packet.type == PacketType.NO_JOB:
            self._asking = False
            return _SLEEP if self._may_take else b""
        if packet.type == PacketType.JOB_ASSIGN_UNIQ:
            self._asking = False
            self.taken += 1
            job = parse_job(packet.data)
            self.open_jobs[job.handle] = job.function
            jobs.append(job)
            return self._ask_in_turn()
        if packet.type == PacketType.ERROR:
            text = packet.data.replace(b"\x00", b" ")[:500]
            log.error("Gearman server answers with an error: %s", ascii(text))
        else:
            name = PACKET_NAMES.get(packet.type, packet.type)
            log.warning("Packet from the Gearman server ignored type=%s", name)
        return b""

    @property
    def _may_take(self) -> bool:
        return self.taken < self._allowance and bool(self._functions)

    def ask(self) -> bytes:
        """Ask for a job, unless none may be taken."""
        self.is_woken = False
        return self._ask()

    def _ask_in_turn(self) -> bytes:
        self.is_woken = self.defers
        return b"" if self.defers else self._ask()

    def _ask(self) -> bytes:
        if not self._connected or self._asking or not self._may_take:
            return b""
        self._asking = True
        return _GRAB


def parse_job(data: bytes) -> TakenJob:
    """The data of JOB_ASSIGN_UNIQ."""
    handle, function, unique, payload = (*data.split(b"\x00", 3), b"", b"", b"")[:4]
    return TakenJob(
        handle, function.decode(errors="replace"), unique.decode(errors="replace"), payload
    )


def _packets(packet_type: PacketType, functions: Iterable[str]) -> list[bytes]:
    return [request(packet_type, name.encode()) for name in sorted(functions)]

"""The Gearman server without its sockets: bytes of a connection in, bytes for connections out.

The semantics are those of gear's server, on which Zuul's embedded server has always run: no
coalescing by unique, a job whose worker disconnects fails and is not given to another, a client
that disconnects takes its foreground jobs with it. Unlike gear's, this one answers every packet
that wants an answer, believes reports only from the worker a job was assigned to, and has limits.

Nothing in here waits, reads a clock or touches a socket; `server.py` does.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from zuul.lib.gearman.abilities import CONTROL_CHARACTERS, Abilities, check_name
from zuul.lib.gearman.acl import EVERYTHING, Acl
from zuul.lib.gearman.commands import TextCommands
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import (
    PACKET_NAMES,
    REQUEST,
    Packet,
    PacketType,
    StreamReader,
    response,
)
from zuul.lib.gearman.peers import Peer, PeerTable, printable
from zuul.lib.gearman.queue import Job, JobQueue, Priority, QueueTotals
from zuul.lib.gearman.refusals import Refused, denied, log_refusal

log = logging.getLogger("zuul.GearServer")

_NOOP: Final = response(PacketType.NOOP)
_NO_JOB: Final = response(PacketType.NO_JOB)
#: Sleeping workers told of a new job.
_WOKEN_A_JOB: Final = 8

#: Packet -> priority, and whether the client waits for the result (foreground).
_SUBMISSIONS: Final[dict[int, tuple[Priority, bool]]] = {
    PacketType.SUBMIT_JOB_HIGH: (Priority.HIGH, True),
    PacketType.SUBMIT_JOB: (Priority.NORMAL, True),
    PacketType.SUBMIT_JOB_LOW: (Priority.LOW, True),
    PacketType.SUBMIT_JOB_HIGH_BG: (Priority.HIGH, False),
    PacketType.SUBMIT_JOB_BG: (Priority.NORMAL, False),
    PacketType.SUBMIT_JOB_LOW_BG: (Priority.LOW, False),
}
_UNSUPPORTED: Final = frozenset({PacketType.SUBMIT_JOB_SCHED, PacketType.SUBMIT_JOB_EPOCH})


class Broker:
    """All connections and jobs of one server. `boot_id` must be new at every start."""

    def __init__(
        self, boot_id: str, version: str, limits: Limits | None = None, acl: Acl | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._acl = acl
        self._queue = JobQueue(b"H:%s:" % boot_id.encode())
        self._peers = PeerTable(self._limits.known_functions)
        abilities = Abilities(self._peers, self._limits)
        self._commands = TextCommands(self._queue, self._peers, self._cancel, version)
        self._deadlines: list[tuple[float, bytes]] = []
        self._out: dict[int, list[bytes]] = {}
        self._now = 0.0
        self._handlers: dict[int, Callable[[Peer, bytes], object]] = {
            PacketType.CAN_DO: abilities.can_do,
            PacketType.CAN_DO_TIMEOUT: abilities.can_do_timeout,
            PacketType.CANT_DO: abilities.cannot_do,
            PacketType.RESET_ABILITIES: abilities.reset,
            PacketType.MASS_DO: abilities.mass_do,
            PacketType.PRE_SLEEP: self._pre_sleep,
            PacketType.GRAB_JOB: partial(self._give, PacketType.JOB_ASSIGN),
            PacketType.GRAB_JOB_UNIQ: partial(self._give, PacketType.JOB_ASSIGN_UNIQ),
            PacketType.GRAB_JOB_ALL: partial(self._give, PacketType.JOB_ASSIGN_ALL),
            PacketType.WORK_DATA: partial(self._forward, PacketType.WORK_DATA),
            PacketType.WORK_WARNING: partial(self._forward, PacketType.WORK_WARNING),
            PacketType.WORK_STATUS: self._work_status,
            PacketType.WORK_COMPLETE: partial(self._finish, PacketType.WORK_COMPLETE),
            PacketType.WORK_FAIL: partial(self._finish, PacketType.WORK_FAIL),
            PacketType.WORK_EXCEPTION: partial(self._finish, PacketType.WORK_EXCEPTION),
            PacketType.GET_STATUS: self._get_status,
            PacketType.ECHO_REQ: self._echo,
            PacketType.OPTION_REQ: self._option,
            PacketType.SET_CLIENT_ID: self._set_client_id,
            PacketType.ALL_YOURS: self._all_yours,
        }

    # The surface: what the sockets' side calls.

    @property
    def totals(self) -> QueueTotals:
        """Sizes of the queue now."""
        return self._queue.totals

    @property
    def worker_count(self) -> int:
        """Connections that have registered at least one function."""
        return sum(1 for peer in self._peers if peer.functions)

    def connect(self, connection: int, host: str, certificate: str = "") -> None:
        """A connection has been accepted; its number is the caller's and must not be reused.

        `certificate`: the common name of its certificate, which has been verified.
        """
        reader = StreamReader(REQUEST, max_packet=self._limits.packet_bytes)
        peer = Peer(connection, host.encode(), reader, certificate=certificate)
        if self._acl is not None:
            peer.rights = self._acl.rights_of(certificate)
        self._peers.add(peer)

    def set_acl(self, acl: Acl | None) -> None:
        """The rights from now on; functions whose registration is not covered any more are lost.

        Jobs that are assigned already may be ended.
        """
        self._acl = acl
        for peer in self._peers:
            peer.rights = EVERYTHING if acl is None else acl.rights_of(peer.certificate)
            for name in [name for name in peer.functions if name not in peer.rights.register]:
                log.warning("Function taken from a worker function=%s %s", printable(name), peer)
                self._peers.remove_function(peer, name)

    def receive(
        self,
        connection: int,
        data: bytes,
        now: float,
        measure: Callable[[int], None] | None = None,
    ) -> None:
        """Act on bytes of a connection. `measure` is told each packet's type after it is done.

        Raises ProtocolError when the connection has to be closed.
        """
        self._now = now
        peer = self._peers[connection]
        for item in peer.reader.feed(data):
            if isinstance(item, Packet):
                self._handle(peer, item)
                if measure is not None:
                    measure(item.type)
            else:
                self._send(peer.id, self._commands.answer(peer, item))

    def disconnect(self, connection: int) -> None:
        """A connection has ended: forget the jobs it submitted, fail those it was working on."""
        peer = self._peers.pop(connection)
        if peer is None:
            return
        self._out.pop(connection, None)
        for job in list(peer.submitted.values()):
            self._end(job)
        for job in list(peer.assigned.values()):
            log.warning(
                "Worker disconnected, its job fails handle=%s function=%s",
                printable(job.handle),
                printable(job.function),
            )
            self._fail(job)

    def tick(self, now: float) -> None:
        """To be called about once a second: wake who sleeps though there is a job for them, fail
        the jobs whose worker registered with CAN_DO_TIMEOUT and has taken too long.
        """
        for peer in self._peers:
            if peer.asleep and self._queue.first_for(peer.functions) is not None:
                peer.asleep = False
                self._send(peer.id, _NOOP)
        while self._deadlines and self._deadlines[0][0] <= now:
            _, handle = heapq.heappop(self._deadlines)
            job = self._queue.find(handle)
            if job is not None:
                self._fail(job)

    def take_output(self) -> Iterable[tuple[int, bytes]]:
        """What has to be written, by connection; once."""
        out, self._out = self._out, {}
        return [(connection, b"".join(parts)) for connection, parts in out.items()]

    # Packets of both sides.

    def _handle(self, peer: Peer, packet: Packet) -> None:
        try:
            if packet.type in _SUBMISSIONS:
                self._submit(peer, packet)
            elif packet.type in self._handlers:
                self._handlers[packet.type](peer, packet.data)
            elif packet.type in _UNSUPPORTED:
                raise Refused(b"ERR_UNSUPPORTED", "scheduled jobs are not supported")
            else:
                log.warning("Unknown packet ignored type=%s %s", packet.type, peer)
        except Refused as refusal:
            name = PACKET_NAMES.get(packet.type, str(packet.type))
            log_refusal(peer, name, refusal)
            self._send(peer.id, response(PacketType.ERROR, refusal.code, str(refusal).encode()))

    def _send(self, connection: int, data: bytes) -> None:
        self._out.setdefault(connection, []).append(data)

    def _echo(self, peer: Peer, data: bytes) -> None:
        self._send(peer.id, response(PacketType.ECHO_RES, data))

    def _option(self, peer: Peer, data: bytes) -> None:
        if data != b"exceptions":
            raise Refused(b"ERR_OPTION", "unknown option")
        self._send(peer.id, response(PacketType.OPTION_RES, data))

    def _set_client_id(self, peer: Peer, data: bytes) -> None:
        name = data[: self._limits.name_bytes].translate(None, CONTROL_CHARACTERS + b" ")
        peer.client_id = name or b"-"

    def _all_yours(self, peer: Peer, _data: bytes) -> None:
        """A hint of the protocol that changes nothing here."""

    # Packets of clients.

    def _submit(self, peer: Peer, packet: Packet) -> None:
        parts = packet.data.split(b"\x00", 2)
        if len(parts) != 3:
            raise Refused(b"ERR_ARGUMENTS", "a submission needs function, unique and arguments")
        function, unique, arguments = parts
        if not self._peers.knows(function):
            check_name(function, self._limits)
        if function not in peer.rights.submit:
            raise denied(peer, "submit", function)
        room = self._limits.argument_bytes - self._queue.argument_bytes
        if len(self._queue) >= self._limits.jobs or len(arguments) > room:
            raise Refused(b"ERR_QUEUE_FULL", "the queue is full")
        priority, foreground = _SUBMISSIONS[packet.type]
        client = peer.id if foreground else None
        job = self._queue.submit(function, unique, arguments, priority, client)
        if foreground:
            peer.submitted[job.handle] = job
        self._send(peer.id, response(PacketType.JOB_CREATED, job.handle))
        self._wake(self._peers.sleepers(function), job.number)

    def _wake(self, sleepers: list[Peer], turn: int) -> None:
        """Wake a few, others for the next job: all of hundreds would mostly find nothing to do.

        Should none of them come for the job, `tick` wakes the others.
        """
        if len(sleepers) > _WOKEN_A_JOB:
            start = turn * _WOKEN_A_JOB % len(sleepers)
            sleepers = (sleepers[start:] + sleepers[:start])[:_WOKEN_A_JOB]
        for sleeper in sleepers:
            sleeper.asleep = False
            self._send(sleeper.id, _NOOP)

    def _get_status(self, peer: Peer, data: bytes) -> None:
        job = self._queue.find(data)
        if job is None or job.function not in peer.rights.submit:
            fields = (data, b"0", b"0", b"", b"")
        else:
            running = b"0" if job.worker is None else b"1"
            fields = (data, b"1", running, job.numerator, job.denominator)
        self._send(peer.id, response(PacketType.STATUS_RES, *fields))

    def _cancel(self, peer: Peer, handle: bytes) -> bool:
        job = self._queue.find(handle)
        if job is None:
            return False
        if job.function not in peer.rights.cancel:
            raise denied(peer, "cancel", job.function)
        if job.worker is not None:
            return False
        self._end(job)
        return True

    # Packets of workers: taking jobs.

    def _give(self, packet_type: PacketType, peer: Peer, _data: bytes) -> None:
        if job := self._grab(peer):
            # JOB_ASSIGN_ALL names a reducer too, which we have none of.
            between = {
                PacketType.JOB_ASSIGN: (),
                PacketType.JOB_ASSIGN_UNIQ: (job.unique,),
                PacketType.JOB_ASSIGN_ALL: (job.unique, b""),
            }[packet_type]
            fields = (job.handle, job.function, *between, job.arguments)
            self._send(peer.id, response(packet_type, *fields))

    def _grab(self, peer: Peer) -> Job | None:
        """Assign the next job this connection can do, or tell it that there is none."""
        peer.asleep = False
        job = self._queue.first_for(peer.functions)
        if job is None:
            self._send(peer.id, _NO_JOB)
            return None
        self._queue.assign(job, peer.id)
        peer.assigned[job.handle] = job
        seconds = peer.functions[job.function]
        if seconds:
            heapq.heappush(self._deadlines, (self._now + seconds, job.handle))
        return job

    def _pre_sleep(self, peer: Peer, _data: bytes) -> None:
        if self._queue.first_for(peer.functions) is None:
            peer.asleep = True
        else:
            self._send(peer.id, _NOOP)

    # Packets of workers: reports.

    def _work_status(self, peer: Peer, data: bytes) -> None:
        job = self._forward(PacketType.WORK_STATUS, peer, data)
        if job is not None:
            _, numerator, denominator = (*data.split(b"\x00", 2), b"", b"")[:3]
            job.numerator, job.denominator = numerator, denominator

    def _finish(self, packet_type: int, peer: Peer, data: bytes) -> None:
        job = self._forward(packet_type, peer, data)
        if job is not None:
            self._end(job)
            if packet_type == PacketType.WORK_EXCEPTION:
                peer.excused = job.handle

    def _forward(self, packet_type: int, peer: Peer, data: bytes) -> Job | None:
        """Pass a report on to the client; None when the job is not this worker's."""
        handle = data.partition(b"\x00")[0]
        job = peer.assigned.get(handle)
        if job is None:
            if packet_type != PacketType.WORK_FAIL or handle != peer.excused:
                log.info(
                    "Report on a job that has ended or is another's ignored packet=%s handle=%s %s",
                    PACKET_NAMES[packet_type],
                    printable(handle),
                    peer,
                )
        elif job.client is not None:
            self._send(job.client, response(packet_type, data))
        return job

    # The end of a job.

    def _fail(self, job: Job) -> None:
        if job.client is not None:
            self._send(job.client, response(PacketType.WORK_FAIL, job.handle))
        self._end(job)

    def _end(self, job: Job) -> None:
        """Forget a job and its traces on both connections."""
        self._queue.remove(job)
        if client := self._peers.find(job.client):
            client.submitted.pop(job.handle, None)
        if worker := self._peers.find(job.worker):
            worker.assigned.pop(job.handle, None)

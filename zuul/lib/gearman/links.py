"""gear's client and worker, made dependable; with connection.py the only files that know gear.

gear gives the threads, the reconnecting and the worker's state machine. What is replaced here, and
why: sockets get TCP_NODELAY (without it a round trip takes 44 ms), keepalive and timeouts; a
partial send does not start again from the beginning; one recv may bring many packets; a packet for
a job that has ended does not stall those behind it; reconnecting backs off; and a connection is
given up by one thread only, the one that reads it, so that each job in flight ends exactly once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from secrets import SystemRandom
from typing import Any, Final

import gear

from zuul.lib.gearman.connection import CONNECT_SECONDS, Connection, NotConnected
from zuul.lib.gearman.packets import PACKET_NAMES, Packet, PacketType, ProtocolError, request
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.Gearman")

_FIRST_PAUSE_SECONDS: Final = 0.1
_MAX_PAUSE_SECONDS: Final = 5.0
#: A connection that lived so long was a good one: the next attempt comes without a pause.
_SETTLED_SECONDS: Final = 5.0
_POLL_EVENTS: Final = select.POLLIN | select.POLLERR | select.POLLHUP | select.POLLNVAL

InterruptedWait = gear.InterruptedError


class _Condition(threading.Condition):
    """gear calls the old name, which warns."""

    notifyAll = threading.Condition.notify_all  # noqa: N815 - gear's name


class _Link:
    """What client and worker share: the two loops of gear's threads, and giving up."""

    def __init__(
        self, client_id: str, host: str, port: int, ssl_context: ssl.SSLContext | None
    ) -> None:
        self._condition = _Condition()
        self._halt = threading.Event()
        self._random = SystemRandom()
        self.connection = Connection(host, port, client_id, self.handle_lost, ssl_context)
        super().__init__(client_id)  # type: ignore[call-arg]
        self._prepare()
        with self._condition:
            self.inactive_connections.append(self.connection)
            self._condition.notify_all()

    # gear's attributes, for the type checker.
    running: bool
    active_connections: list[Connection]
    inactive_connections: list[Connection]
    poll_thread: threading.Thread
    connect_thread: threading.Thread
    wake_read: int
    wake_write: int

    @property
    def connections_condition(self) -> threading.Condition:
        return self._condition

    @connections_condition.setter
    def connections_condition(self, _value: threading.Condition) -> None:
        """gear's own condition calls a deprecated method; ours stays."""

    def _prepare(self) -> None:
        """What has to be in place before the first connection is made."""

    def wait_connected(self, timeout_seconds: float) -> bool:
        """Whether there is a connection, waiting for one if need be."""
        with self._condition:
            return self._condition.wait_for(
                lambda: bool(self.active_connections) or not self.running, timeout_seconds
            ) and bool(self.active_connections)

    def _doConnectLoop(self) -> None:  # noqa: N802 - gear's name
        pause, tried_at = 0.0, float("-inf")
        while self.running:
            with self._condition:
                if not self.inactive_connections:
                    self._condition.wait(60.0)
                    continue
            settled = time.monotonic() - tried_at > _SETTLED_SECONDS
            pause = (
                0.0 if settled else min(_MAX_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, pause * 2))
            )
            self._halt.wait(pause * self._random.uniform(0.5, 1.0))
            if self.running:
                self._connectLoop()  # type: ignore[attr-defined]
                tried_at = time.monotonic()

    def _pollLoop(self) -> None:  # noqa: N802 - gear's name
        poller = select.poll()
        poller.register(self.wake_read, _POLL_EVENTS)
        with self._condition:
            connections = list(self.active_connections)
        by_number = {}
        for connection in connections:
            by_number[connection.conn.fileno()] = connection
            poller.register(connection.conn.fileno(), _POLL_EVENTS)
        while self.running:
            for number, _event in poller.poll():
                if number == self.wake_read:
                    _drain(self.wake_read)
                    return
                if not self._serve(by_number[number]):
                    return

    def _serve(self, connection: Connection) -> bool:
        """Act on what a connection has sent; False when it has been given up."""
        try:
            packets = connection.receive()
        except (OSError, ProtocolError) as error:
            log.warning(
                "Lost Gearman server host=%s port=%d: %s", connection.host, connection.port, error
            )
            self._lostConnection(connection)
            return False
        for packet in packets:
            if isinstance(packet, Packet):
                run_guarded(partial(self.handle_packet, connection, packet), "gearman packet")
            else:
                log.warning("Text from the Gearman server ignored: %s", ascii(packet[:200]))
        return True

    def handle_packet(self, connection: Connection, packet: Packet) -> None:
        """Act on one packet; runs on the reading thread and must not wait."""
        raise NotImplementedError

    def handle_lost(self, task: Any) -> None:
        """Something that waited for an answer will not get it; on any thread."""

    def _lostConnection(self, connection: Connection) -> None:  # noqa: N802 - gear's name
        if threading.current_thread() is not self.poll_thread:
            connection.abort()
            return
        connection.lose()
        with self._condition:
            if connection in self.active_connections:
                self.active_connections.remove(connection)
            if connection not in self.inactive_connections:
                self.inactive_connections.append(connection)
            self._condition.notify_all()

    def sendPacket(self, packet: Any, connection: Connection) -> None:  # noqa: N802 - gear's name
        # gear would raise into the thread that waits for a job. The reading thread gives the
        # connection up, and the next one starts afresh.
        with contextlib.suppress(OSError):
            connection.sendPacket(packet)

    def close(self) -> None:
        """End the threads and the connection; whatever was in flight is lost."""
        self._halt.set()
        self._shutdown()  # type: ignore[attr-defined]
        for thread in (self.poll_thread, self.connect_thread):
            thread.join(CONNECT_SECONDS + 1.0)
        self.connection.lose()
        if not (self.poll_thread.is_alive() or self.connect_thread.is_alive()):
            os.close(self.wake_read)
            os.close(self.wake_write)


class ClientLink(_Link, gear.Client):  # type: ignore[misc]
    """A client's connection; what arrives goes to two functions, on the reading thread."""

    def __init__(
        self,
        client_id: str,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        *,
        on_packet: Callable[[Connection, Packet], None],
        on_lost: Callable[[Any], None],
    ) -> None:
        self._on_packet = on_packet
        self._on_lost = on_lost
        super().__init__(client_id, host, port, ssl_context)

    def _onConnect(self, connection: Connection) -> None:  # noqa: N802 - gear's name
        # gearmand passes WORK_EXCEPTION on to those who asked; others ignore the wish.
        connection.transmit(request(PacketType.OPTION_REQ, b"exceptions"))

    def handle_packet(self, connection: Connection, packet: Packet) -> None:
        self._on_packet(connection, packet)

    def handle_lost(self, task: Any) -> None:
        self._on_lost(task)


class AssignedJob(gear.WorkerJob):  # type: ignore[misc]
    """A job of a worker, tied to the opening of the connection on which it came.

    After the connection has been opened again the server has given the job up, and its handle may
    mean another one: reports are refused then.
    """

    generation = 0
    _connection: Connection | None = None

    @property
    def connection(self) -> Connection | None:
        return self._connection

    @connection.setter
    def connection(self, connection: Connection | None) -> None:
        self._connection = connection
        if connection is not None:
            self.generation = connection.generation

    @property
    def is_stale(self) -> bool:
        """Whether the connection has been opened again, and the job given up, since."""
        return self._connection is None or self._connection.generation != self.generation

    def report(self, packet_type: PacketType, *arguments: bytes) -> None:
        """Send one packet about this job. Raises NotConnected or OSError."""
        if self._connection is None:
            raise NotConnected
        data = request(packet_type, self.handle, *arguments)
        self._connection.transmit(data, generation=self.generation)


class WorkerLink(_Link, gear.Worker):  # type: ignore[misc]
    """A worker's connection: gear's state machine of grabbing and sleeping."""

    job_class = AssignedJob

    def __init__(
        self,
        client_id: str,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        functions: Iterable[str],
    ) -> None:
        self._names = tuple(functions)
        super().__init__(client_id, host, port, ssl_context)

    def _prepare(self) -> None:
        # gear's registerFunction may miss a connection that is just being made.
        for name in self._names:
            record = gear.FunctionRecord(name.encode())
            self.functions[record.name] = record

    def handle_packet(self, connection: Connection, packet: Packet) -> None:
        handlers: dict[int, Callable[[Any], None]] = {
            PacketType.NOOP: self.handleNoop,
            PacketType.NO_JOB: self.handleNoJob,
            PacketType.JOB_ASSIGN: self.handleJobAssign,
            PacketType.JOB_ASSIGN_UNIQ: self.handleJobAssignUnique,
        }
        handler = handlers.get(packet.type)
        if packet.type == PacketType.ERROR:
            text = packet.data.replace(b"\x00", b" ")[:500]
            log.error("Gearman server answers with an error: %s", ascii(text))
        elif handler is None:
            log.warning(
                "Packet from the Gearman server ignored type=%s: %s",
                PACKET_NAMES.get(packet.type, packet.type),
                ascii(packet.data[:200]),
            )
        else:
            handler(gear.Packet(packet.magic, packet.type, packet.data, connection=connection))

    def _updateStateMachines(self) -> None:  # noqa: N802 - gear's name
        # As in gear, but the state is set before the packet goes out: a connection that is opened
        # again meanwhile must not be taken for one that has asked for a job.
        for connection in list(self.active_connections):
            if connection.state == "IDLE" and self.waiting_for_jobs > 0:
                generation = connection.generation
                connection.changeState("GRAB_WAIT")
                with contextlib.suppress(OSError):
                    grab = request(PacketType.GRAB_JOB_UNIQ)
                    connection.transmit(grab, generation=generation)
            elif connection.state != "IDLE" and self.waiting_for_jobs < 1:
                connection.changeState("IDLE")

    def next_job(self) -> AssignedJob:
        """The next job, however long it takes. Raises InterruptedWait once told to stop."""
        job: AssignedJob = self.getJob()
        return job

    def interrupt(self) -> None:
        """Make `next_job` raise where it waits now, and tell the server to send no job."""
        self.stopWaitingForJobs()


def _drain(pipe: int) -> None:
    os.read(pipe, 4096)

"""The embedded Gearman server: sockets around `Broker`, all of them on one thread.

A connection that does not read its answers is closed once `unread_bytes` wait for it; one more than
`connections` is refused. With an `ssl_context` every connection shakes hands first, and `Broker` is
told the name in its certificate, by which it knows what the connection may do.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import threading
import time
from typing import Protocol

from zuul.lib.gearman.acl import Acl
from zuul.lib.gearman.broker import Broker
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import PACKET_NAMES, ProtocolError
from zuul.lib.gearman.queue import QueueTotals
from zuul.lib.gearman.sockets import tune
from zuul.lib.logs import fields
from zuul.lib.tls import common_name
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.GearServer")

_TICK_SECONDS = 1.0
#: for a handshake; a peer that says nothing holds a place no longer
HANDSHAKE_SECONDS = 10.0


class ServerObserver(Protocol):
    """Where a server's figures go; called on the server's thread, so it must not block."""

    def packet_handled(self, name: str, seconds: float) -> None:
        """A packet of that type took so long."""

    def queue_changed(self, totals: QueueTotals, workers: int) -> None:
        """Sizes of the queue and the number of connections with functions; once a second."""


class _Connection(asyncio.Protocol):
    """One accepted socket, after its handshake if there is one."""

    def __init__(self, server: GearmanServer) -> None:
        self._server = server
        self.number = 0
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server._accepted(self, transport)
        early, self._early = self._early, []
        for data in early:
            self._server._received(self, data)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            # It came in one piece with the end of the handshake.
            self._early.append(data)
        else:
            self._server._received(self, data)

    def connection_lost(self, _cause: Exception | None) -> None:
        self._server._lost(self)


class _Door(asyncio.Protocol):
    """One accepted socket that has to shake hands."""

    def __init__(self, server: GearmanServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._server._knocked(transport)


class GearmanServer:
    """A Gearman server inside this process.

    `start` returns when the port is bound (`port` 0: any; then read `.port`; `host` None: on every
    interface); `stop` closes everything. Both may be called once.
    """

    def __init__(
        self,
        host: str | None = "127.0.0.1",
        port: int = 4730,
        *,
        version: str = "zuul",
        limits: Limits | None = None,
        observer: ServerObserver | None = None,
        ssl_context: ssl.SSLContext | None = None,
        acl: Acl | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._limits = limits or Limits()
        self._broker = Broker(secrets.token_hex(6), version, self._limits, acl)
        self._observer = observer
        self._ssl_context = ssl_context
        self._connections: dict[int, _Connection] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._last_number = 0
        self._last_figures: tuple[QueueTotals, int] | None = None
        self._packet_started = 0.0
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._run, name="gearman-server", daemon=True)

    @property
    def totals(self) -> QueueTotals:
        """Sizes of the queue now, in jobs."""
        return self._broker.totals

    def start(self) -> None:
        """Bind and serve. Raises OSError when the port cannot be had."""
        try:
            listening = self._loop.create_server(
                lambda: _Connection(self) if self._ssl_context is None else _Door(self),
                self.host,
                self.port,
                backlog=1024,
                reuse_address=True,
            )
            self._listening = self._loop.run_until_complete(listening)
        except OSError:
            self._loop.close()
            raise
        self.port = self._listening.sockets[0].getsockname()[1]
        self._thread.start()
        log.info("Gearman server listens host=%s port=%d", self.host, self.port)

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Close the port and every connection; what is queued is lost."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._close_all)
            self._thread.join(timeout_seconds)

    def set_access(self, ssl_context: ssl.SSLContext | None, acl: Acl | None) -> None:
        """Papers for connections to come, rights for all of them. Any thread."""

        def work() -> None:
            self._ssl_context = ssl_context
            self._broker.set_acl(acl)

        self._loop.call_soon_threadsafe(run_guarded, work, "new access to the Gearman server")

    def _run(self) -> None:
        try:
            self._loop.call_later(_TICK_SECONDS, self._tick)
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _close_all(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for task in self._handshakes:
            task.cancel()
        for connection in list(self._connections.values()):
            if connection.transport is not None:
                connection.transport.abort()
        # The loop runs once more, so that the aborted transports close their sockets.
        self._loop.call_later(0.01, self._loop.stop)

    def _tick(self) -> None:
        self._loop.call_later(_TICK_SECONDS, self._tick)
        self._broker.tick(time.monotonic())
        self._flush()
        if self._observer is not None:
            figures = (self._broker.totals, self._broker.worker_count)
            if figures != self._last_figures:
                self._last_figures = figures
                self._observer.queue_changed(*figures)

    def _knocked(self, plain: asyncio.Transport) -> None:
        if self._has_room(plain):
            task = self._loop.create_task(self._shake_hands(plain))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, plain: asyncio.Transport) -> None:
        connection, context = _Connection(self), self._ssl_context
        assert context is not None, "else there is no door"
        transport = None
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                transport = await self._loop.start_tls(plain, connection, context, server_side=True)
        except OSError as error:
            reason = str(error) or "no handshake in time"
            level = logging.WARNING if isinstance(error, ssl.SSLError) else logging.INFO
            where = fields(host=_host_of(plain), reason=reason)
            log.log(level, "Connection refused, TLS failed %s", where)
        finally:
            if transport is None or transport.is_closing():
                plain.abort()
            else:
                connection.connection_made(transport)

    def _has_room(self, transport: asyncio.Transport) -> bool:
        if len(self._connections) + len(self._handshakes) < self._limits.connections:
            return True
        log.warning("Connection refused, there are too many host=%s", _host_of(transport))
        transport.abort()
        return False

    def _accepted(self, connection: _Connection, transport: asyncio.Transport) -> None:
        is_secure = transport.get_extra_info("sslcontext") is not None
        if not is_secure and not self._has_room(transport):
            return
        run_guarded(
            lambda: tune(transport.get_extra_info("socket")),
            "socket options of an accepted connection",
        )
        self._last_number += 1
        connection.number = self._last_number
        self._connections[connection.number] = connection
        certificate = common_name(transport.get_extra_info("peercert"))
        self._broker.connect(connection.number, _host_of(transport), certificate)

    def _received(self, connection: _Connection, data: bytes) -> None:
        if connection.number not in self._connections:
            return
        measure = None
        if self._observer is not None:
            self._packet_started = time.perf_counter()
            measure = self._measure
        try:
            self._broker.receive(connection.number, data, time.monotonic(), measure)
        except ProtocolError as problem:
            log.warning("Connection closed, it speaks no Gearman: %s", problem)
            self._drop(connection)
        self._flush()

    def _measure(self, packet_type: int) -> None:
        assert self._observer is not None
        now = time.perf_counter()
        name = PACKET_NAMES.get(packet_type, "UNKNOWN")
        self._observer.packet_handled(name, now - self._packet_started)
        self._packet_started = now

    def _flush(self) -> None:
        for number, data in self._broker.take_output():
            connection = self._connections.get(number)
            if connection is None or connection.transport is None:
                continue
            connection.transport.write(data)
            unread = connection.transport.get_write_buffer_size()
            if unread > self._limits.unread_bytes:
                log.warning("Connection closed, it does not read its answers bytes=%d", unread)
                self._drop(connection)
                self._loop.call_soon(self._flush)

    def _drop(self, connection: _Connection) -> None:
        if connection.transport is not None:
            connection.transport.abort()
        self._forget(connection)

    def _lost(self, connection: _Connection) -> None:
        self._forget(connection)
        self._flush()

    def _forget(self, connection: _Connection) -> None:
        if self._connections.pop(connection.number, None) is not None:
            self._broker.disconnect(connection.number)


def _host_of(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else "unknown"

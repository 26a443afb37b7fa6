"""The embedded Gearman server: sockets around `Broker`, all of them on one thread.

A connection that does not read its answers is closed once `unread_bytes` wait for it; one more than
`connections` is refused. TLS is a matter of the `ssl_context` given; what a client certificate may
do would be decided in `Broker`, which is where names of functions are known.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import threading
import time
from typing import Protocol

from zuul.lib.gearman.broker import Broker
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import PACKET_NAMES, ProtocolError
from zuul.lib.gearman.queue import QueueTotals
from zuul.lib.gearman.sockets import tune
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.GearServer")

_TICK_SECONDS = 1.0


class ServerObserver(Protocol):
    """Where a server's figures go; called on the server's thread, so it must not block."""

    def packet_handled(self, name: str, seconds: float) -> None:
        """A packet of that type took so long."""

    def queue_changed(self, totals: QueueTotals, workers: int) -> None:
        """Sizes of the queue and the number of connections with functions; once a second."""


class _Connection(asyncio.Protocol):
    """One accepted socket."""

    def __init__(self, server: GearmanServer) -> None:
        self._server = server
        self.number = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server._accepted(self, transport)

    def data_received(self, data: bytes) -> None:
        self._server._received(self, data)

    def connection_lost(self, _cause: Exception | None) -> None:
        self._server._lost(self)


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
    ) -> None:
        self.host = host
        self.port = port
        self._limits = limits or Limits()
        self._broker = Broker(secrets.token_hex(6), version, self._limits)
        self._observer = observer
        self._ssl_context = ssl_context
        self._connections: dict[int, _Connection] = {}
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
                lambda: _Connection(self),
                self.host,
                self.port,
                ssl=self._ssl_context,
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

    def _run(self) -> None:
        try:
            self._loop.call_later(_TICK_SECONDS, self._tick)
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _close_all(self) -> None:
        if self._listening is not None:
            self._listening.close()
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

    def _accepted(self, connection: _Connection, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if peer else "unknown"
        if len(self._connections) >= self._limits.connections:
            log.warning("Connection refused, there are too many host=%s", host)
            transport.abort()
            return
        run_guarded(
            lambda: tune(transport.get_extra_info("socket")),
            "socket options of an accepted connection",
        )
        self._last_number += 1
        connection.number = self._last_number
        self._connections[connection.number] = connection
        self._broker.connect(connection.number, host)

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

"""One socket to a Gearman server, opened again and again.

A subclass of gear's connection, whose state machine the library's client and worker drive.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import gear

from zuul.lib.gearman.packets import REQUEST, RESPONSE, Packet, StreamReader
from zuul.lib.gearman.sockets import tune
from zuul.lib.tls import TlsSocket
from zuul.lib.workers import run_guarded

log = logging.getLogger("zuul.Gearman")

CONNECT_SECONDS: Final = 10.0
#: A server that takes nothing for so long is gone.
_SEND_SECONDS: Final = 60.0
_RECEIVE_BYTES: Final = 256 * 1024


class NotConnected(OSError):
    """There is no connection to the Gearman server, or it has changed since."""


class Connection(gear.Connection):  # type: ignore[misc]
    """One socket to the server, opened again and again; `generation` counts the openings."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        on_lost: Callable[[Any], None],
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._on_lost = on_lost
        self._ssl_context = ssl_context
        self._failure = ""
        self.generation = 0
        self._usable = False
        self._has_heard = False
        self.conn: Any = None
        super().__init__(host, port, client_id=client_id)

    def _init(self) -> None:
        super()._init()
        self.pending_tasks: deque[Any] = deque()

    def connect(self) -> None:
        """Open the socket. Raises gear.ConnectionError."""
        try:
            sock = self._open_socket()
        except OSError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                log.warning(
                    "Gearman server not reached, trying on host=%s port=%d: %s",
                    self.host,
                    self.port,
                    error,
                )
            raise gear.ConnectionError(str(error)) from error
        self._failure = ""
        with self.send_lock:
            self.conn = sock
            self.connected = True
            self.connect_time = time.time()
            self.generation += 1
            # gear's server tells of a lost worker with the magic code of a request.
            self._reader = StreamReader(RESPONSE, REQUEST)
            self._usable = True
            self._has_heard = False
        log.info("Connected to Gearman server host=%s port=%d", self.host, self.port)

    def _open_socket(self) -> socket.socket | TlsSocket:
        sock = socket.create_connection((self.host, self.port), CONNECT_SECONDS)
        try:
            tune(sock)
            context = self._ssl_context
            stream = sock if context is None else TlsSocket(sock, context, self.host)
            sock.settimeout(_SEND_SECONDS)
        except BaseException:
            sock.close()
            raise
        return stream

    def disconnect(self) -> None:
        """Close the socket and forget what was pending."""
        self.lose()
        self._init()

    def transmit(self, data: bytes, tasks: Iterable[object] = (), generation: int = 0) -> None:
        """Send all of `data`, and expect an answer for each of `tasks` in their order.

        A positive `generation` must be the current one. Raises NotConnected or OSError; `tasks` of
        a send that failed half way are told of by `lose`, those of NotConnected are not.
        """
        with self.send_lock:
            if not self._usable or generation not in (0, self.generation):
                raise NotConnected
            self.pending_tasks.extend(tasks)
            try:
                self.conn.sendall(data)
            except OSError:
                self._shut()
                raise

    def sendRaw(self, data: bytes) -> None:  # noqa: N802 - gear's name
        self.transmit(data)

    def sendPacket(self, packet: Any) -> None:  # noqa: N802 - gear's name
        self.transmit(packet.toBinary())

    def receive(self) -> list[Packet | bytes]:
        """What the socket has; blocks if it has nothing. Raises OSError and ProtocolError."""
        tls = isinstance(self.conn, TlsSocket)
        data = self.conn.receive() if tls else self.conn.recv(_RECEIVE_BYTES)
        if data == b"":
            doubt = "; does it know our certificate?" if tls and not self._has_heard else ""
            raise NotConnected(f"the server has closed the connection{doubt}")
        self._has_heard = True
        return self._reader.feed(data) if data else []

    def abort(self) -> None:
        """Make the reading thread notice that this connection is to be given up."""
        with self.send_lock:
            self._shut()

    def _shut(self) -> None:
        if self.conn is not None:
            try:
                self.conn.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("Socket was closed already: %s", error)

    def lose(self) -> None:
        """Close the socket for good, and tell of all that waited for news through it."""
        with self.send_lock:
            self._usable = False
            self.connected = False
            if self.conn is not None:
                self._shut()
                self.conn.close()
                self.conn = None
            lost = [*self.pending_tasks, *self.related_jobs.values()]
            self.pending_tasks.clear()
            self.related_jobs.clear()
        for task in lost:
            run_guarded(partial(self._on_lost, task), "lost gearman job")

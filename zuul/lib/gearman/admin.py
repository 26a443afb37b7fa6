"""Asking a Gearman server about itself: `status`, `version`, `cancel job`, with a time limit each.

The questions go over a connection of their own, so that a slow or lost answer never stands between
a client and its jobs.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

log = logging.getLogger("zuul.Gearman")

#: What is not allowed is answered so, in one line, whatever was asked.
_DENIED: Final = b"ERR PERMISSION_DENIED"
_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_MISSING_SECONDS: Final = 5.0
#: After a failure questions are refused for so long, lest each of many waits for its time limit.
_PAUSE_SECONDS: Final = 1.0


class FunctionStatus(NamedTuple):
    """One line of `status`."""

    #: Jobs of this function, those that run included.
    total: int
    running: int
    #: Connections that can do it now; a function stays listed when this falls to zero.
    workers: int


class AdminError(OSError):
    """The Gearman server did not answer as it should."""


def parse_status(text: bytes) -> dict[str, FunctionStatus]:
    """The answer to `status`, by function. Raises AdminError for a line that is none."""
    found = {}
    for line in text.split(b"\n"):
        if line in (b"", b"."):
            continue
        try:
            name, total, running, workers = line.split(b"\t")
            found[name.decode(errors="replace")] = FunctionStatus(
                int(total), int(running), int(workers)
            )
        except ValueError as error:
            raise AdminError(f"line of status not understood: {line[:200]!a}") from error
    return found


class AdminClient:
    """Text commands to one server. Any thread; each call ends within about `timeout_seconds`."""

    def __init__(
        self,
        host: str,
        port: int,
        timeout_seconds: float = 10.0,
        *,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._address = (host, port)
        self._ssl_context = ssl_context
        self._timeout = timeout_seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._silent_until = 0.0

    def status(self) -> dict[str, FunctionStatus]:
        """All functions the server has heard of. Raises OSError."""
        return parse_status(self._ask_status())

    def status_text(self) -> str:
        """The same as it came, up to the line with a full stop. Raises OSError."""
        return self._ask_status().decode(errors="replace")

    def version(self) -> str:
        """What the server says it is. Raises OSError."""
        return self._ask(b"version\n", b"\n").decode(errors="replace").strip()

    def cancel(self, handle: bytes) -> bool:
        """Take a waiting job out of the queue; False if it runs or is unknown. Raises OSError."""
        return self._ask(b"cancel job %s\n" % handle, b"\n").startswith(b"OK")

    def close(self) -> None:
        """Close the socket; the next question opens another."""
        with self._lock:
            self._close()

    def _ask_status(self) -> bytes:
        return self._ask(b"status\n", b".\n")

    def _ask(self, command: bytes, end: bytes) -> bytes:
        answer = self._fetch(command, end)
        if answer.startswith(_DENIED):
            text = unquote_plus(answer[:1000].decode(errors="replace")).strip()
            raise AdminError(f"the Gearman server refuses {command.strip().decode()!a}: {text}")
        return answer

    def _fetch(self, command: bytes, end: bytes) -> bytes:
        with self._lock:
            if time.monotonic() < self._silent_until:
                raise AdminError("the Gearman server did not answer a moment ago")
            if self._socket is not None:
                try:
                    return self._exchange(command, end)
                except OSError as error:
                    # It may have been closed while nobody looked: once more on a fresh one.
                    log.debug("Administrative connection to the Gearman server broke: %s", error)
                    self._close()
            try:
                return self._exchange(command, end)
            except OSError:
                self._close()
                self._silent_until = time.monotonic() + _PAUSE_SECONDS
                raise

    def _exchange(self, command: bytes, end: bytes) -> bytes:
        deadline = time.monotonic() + self._timeout
        if self._socket is None:
            self._socket = self._open()
        self._socket.settimeout(self._timeout)
        self._socket.sendall(command)
        answer = bytearray()
        while not _is_complete(answer, end):
            left = deadline - time.monotonic()
            if left <= 0:
                raise AdminError("the Gearman server did not answer in time")
            self._socket.settimeout(left)
            data = self._socket.recv(256 * 1024)
            if not data:
                raise AdminError("the Gearman server closed the connection")
            answer += data
            if len(answer) > _MAX_ANSWER_BYTES:
                raise AdminError("the Gearman server's answer has no end")
        return bytes(answer)

    def _open(self) -> socket.socket:
        sock = socket.create_connection(self._address, self._timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._ssl_context is None:
                return sock
            return self._ssl_context.wrap_socket(sock, server_hostname=self._address[0])
        except BaseException:
            sock.close()
            raise

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _is_complete(answer: bytearray, end: bytes) -> bool:
    """One line for most commands; for `status` lines up to one with a single full stop."""
    if end == b"\n" or answer.startswith(_DENIED):
        return b"\n" in answer
    return answer == end or answer.endswith(b"\n" + end)


class FunctionRegistry:
    """Which functions are registered, asking the server as rarely as contract 5.2 says.

    What was listed once counts as registered until `forget` (a new server connection); what is
    missing is asked again, but not more often than every five seconds. For one thread.
    """

    def __init__(
        self,
        fetch: Callable[[], dict[str, FunctionStatus]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._names: frozenset[str] = frozenset()
        self._asked_at = float("-inf")

    def forget(self) -> None:
        """The server may be another one."""
        self._names = frozenset()
        self._asked_at = float("-inf")

    def is_registered(self, name: str) -> bool:
        """Whether the server lists `name`. Raises OSError if the server cannot be asked."""
        if name not in self._names and self._clock() - self._asked_at >= _MISSING_SECONDS:
            self._names = frozenset(self._fetch())
            self._asked_at = self._clock()
        return name in self._names

"""Asks a Gearman server of any make for its `status`, over a plain socket."""

from __future__ import annotations

import contextlib
import socket
import ssl


def ask_status(
    port: int, timeout_seconds: float = 5.0, context: ssl.SSLContext | None = None
) -> dict[str, int]:
    """Number of workers by function; {} if nobody answers."""
    try:
        with contextlib.ExitStack() as open_sockets:
            plain = socket.create_connection(("127.0.0.1", port), timeout_seconds)
            connection = open_sockets.enter_context(plain)
            if context is not None:
                secure = context.wrap_socket(plain, server_hostname="127.0.0.1")
                connection = open_sockets.enter_context(secure)
            connection.sendall(b"status\n")
            answer = b""
            while not answer.endswith(b".\n"):
                piece = connection.recv(65536)
                if not piece:
                    return {}
                answer += piece
    except OSError:
        return {}
    rows = (line.split("\t") for line in answer.decode("utf-8", "replace").splitlines()[:-1])
    return {row[0]: int(row[3]) for row in rows if len(row) == 4}

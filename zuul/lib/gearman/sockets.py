"""Options that every socket of ours has, at either end."""

from __future__ import annotations

import socket
from typing import Final

_OPTIONS: Final = (
    # Nagle's algorithm costs 44 ms a round trip here.
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    # A dead peer is noticed after two minutes.
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)


def tune(sock: socket.socket) -> None:
    """Set the options. Raises OSError for a socket that is closed already."""
    for level, option, value in _OPTIONS:
        sock.setsockopt(level, option, value)

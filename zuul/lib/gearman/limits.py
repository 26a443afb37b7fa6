"""What an embedded Gearman server accepts before it says no."""

from __future__ import annotations

from dataclasses import dataclass

from zuul.lib.gearman.packets import MAX_PACKET_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server accepts; a request beyond it is answered with ERROR."""

    packet_bytes: int = MAX_PACKET_BYTES
    jobs: int = 500_000
    argument_bytes: int = 2 * 1024**3
    functions_per_connection: int = 100_000
    name_bytes: int = 1024
    #: Function names remembered for `status` after their last worker has gone.
    known_functions: int = 200_000
    connections: int = 10_000
    #: A connection that leaves so much unread is closed.
    unread_bytes: int = 128 * 1024 * 1024

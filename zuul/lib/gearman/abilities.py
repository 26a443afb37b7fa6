"""What a worker says it can do, checked before it is believed. Pure."""

from __future__ import annotations

from typing import Final

from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.peers import Peer, PeerTable
from zuul.lib.gearman.refusals import Refused, denied

CONTROL_CHARACTERS: Final = bytes(range(0x20)) + b"\x7f"


def check_name(name: bytes, limits: Limits) -> None:
    """A function's name must fit the lines of `status`. Raises Refused."""
    if not 0 < len(name) <= limits.name_bytes:
        raise Refused(b"ERR_NAME", "function name is empty or too long")
    if len(name.translate(None, CONTROL_CHARACTERS)) != len(name):
        raise Refused(b"ERR_NAME", "function name holds control characters")


class Abilities:
    """The packets by which a connection's set of functions changes."""

    def __init__(self, peers: PeerTable, limits: Limits) -> None:
        self._peers = peers
        self._limits = limits

    def can_do(self, peer: Peer, data: bytes) -> None:
        """One function more."""
        self._add(peer, data, 0.0)

    def can_do_timeout(self, peer: Peer, data: bytes) -> None:
        """One function more, whose jobs may take so many seconds."""
        name, _, seconds = data.partition(b"\x00")
        if not seconds.isdigit() or len(seconds) > 9:
            raise Refused(b"ERR_ARGUMENTS", "the timeout is no number of seconds")
        self._add(peer, name, float(seconds))

    def cannot_do(self, peer: Peer, data: bytes) -> None:
        """One function less."""
        self._peers.remove_function(peer, data)

    def reset(self, peer: Peer, _data: bytes) -> None:
        """None at all."""
        self._peers.clear_functions(peer)

    def mass_do(self, peer: Peer, data: bytes) -> None:
        """The complete list of what this connection can do from now on."""
        wanted = dict.fromkeys(name for name in data.split(b"\x00") if name)
        for name in [name for name in peer.functions if name not in wanted]:
            self._peers.remove_function(peer, name)
        refusal: Refused | None = None
        for name in wanted:
            if name not in peer.functions:
                try:
                    self._add(peer, name, 0.0)
                except Refused as problem:
                    # What is wrong with one name takes the others from nobody.
                    refusal = refusal or problem
        if refusal is not None:
            raise refusal

    def _add(self, peer: Peer, name: bytes, seconds: float) -> None:
        check_name(name, self._limits)
        if name not in peer.rights.register:
            raise denied(peer, "register", name)
        if len(peer.functions) >= self._limits.functions_per_connection:
            raise Refused(b"ERR_TOO_MANY", "too many functions on one connection")
        self._peers.add_function(peer, name, seconds)

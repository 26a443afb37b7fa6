"""Requests that a Gearman server does not serve: why, and how the log tells of them."""

from __future__ import annotations

import logging
from typing import Final

from zuul.lib.gearman.peers import Peer, printable

log = logging.getLogger("zuul.GearServer")

#: of one connection: a stranger must not fill the disk
_MOST_LOGGED: Final = 20


class Refused(Exception):
    """The request cannot be served; code and text go back to whoever made it."""

    def __init__(self, code: bytes, text: str) -> None:
        super().__init__(text)
        self.code = code


def denied(peer: Peer, deed: str, name: bytes) -> Refused:
    """The refusal of what a connection's rights do not cover."""
    who = f"certificate {printable(peer.certificate.encode())!r}"
    return Refused(b"ERR_PERMISSION_DENIED", f"{who} may not {deed} {printable(name)!r}")


def log_refusal(peer: Peer, packet: str, refusal: Refused) -> None:
    """Tell of the first refusals of each connection."""
    peer.refusals += 1
    if peer.refusals <= _MOST_LOGGED:
        log.warning("Request refused packet=%s %s: %s", packet, peer, refusal)
    if peer.refusals == _MOST_LOGGED:
        log.warning("Further refusals of this connection are not logged %s", peer)

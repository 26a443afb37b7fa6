"""The connections of a Gearman server and the functions each of them can do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from zuul.lib.gearman.acl import EVERYTHING, Rights
from zuul.lib.gearman.packets import StreamReader
from zuul.lib.gearman.queue import Job


@dataclass(slots=True, eq=False)
class Peer:
    """One connection, be it client or worker or both."""

    id: int
    host: bytes
    reader: StreamReader
    client_id: bytes = b"-"
    #: the common name in its certificate; "" if it has none
    certificate: str = ""
    rights: Rights = EVERYTHING
    #: Functions this connection can do, with the seconds a job may take (0: for ever).
    functions: dict[bytes, float] = field(default_factory=dict)
    #: It has sent PRE_SLEEP and waits for a NOOP.
    asleep: bool = False
    #: Foreground jobs it has submitted.
    submitted: dict[bytes, Job] = field(default_factory=dict)
    #: Jobs it works on.
    assigned: dict[bytes, Job] = field(default_factory=dict)
    #: The last job it ended with WORK_EXCEPTION: the WORK_FAIL that gearmand wants may follow.
    excused: bytes = b""
    #: how many of its requests were refused
    refusals: int = 0

    def __str__(self) -> str:
        text = f"host={printable(self.host)} client={printable(self.client_id)}"
        if self.certificate:
            text += f" certificate={printable(self.certificate.encode())}"
        return text


def printable(text: bytes) -> str:
    """Bytes of a stranger as they may stand in a log line."""
    return ascii(text[:200].decode(errors="replace"))[1:-1]


class PeerTable:
    """All connections; which of them can do a function; which functions were ever heard of."""

    def __init__(self, known_limit: int) -> None:
        self._known_limit = known_limit
        self._peers: dict[int, Peer] = {}
        self._workers: dict[bytes, dict[int, Peer]] = {}
        #: `status` lists a function until the restart, even when its last worker has gone.
        self._known: dict[bytes, None] = {}

    def __getitem__(self, connection: int) -> Peer:
        return self._peers[connection]

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def add(self, peer: Peer) -> None:
        """A new connection."""
        self._peers[peer.id] = peer

    def find(self, connection: int | None) -> Peer | None:
        """The connection of that number, unless it has ended or is None."""
        return None if connection is None else self._peers.get(connection)

    def pop(self, connection: int) -> Peer | None:
        """Forget a connection and what it can do."""
        peer = self._peers.pop(connection, None)
        if peer is not None:
            self.clear_functions(peer)
        return peer

    def add_function(self, peer: Peer, name: bytes, seconds: float) -> None:
        """The connection can do `name` from now on."""
        peer.functions[name] = seconds
        self._workers.setdefault(name, {})[peer.id] = peer
        if len(self._known) < self._known_limit:
            self._known[name] = None

    def remove_function(self, peer: Peer, name: bytes) -> None:
        """The connection cannot do `name` any more."""
        peer.functions.pop(name, None)
        self._forget_worker(peer, name)

    def clear_functions(self, peer: Peer) -> None:
        """The connection cannot do anything any more."""
        for name in peer.functions:
            self._forget_worker(peer, name)
        peer.functions.clear()

    def _forget_worker(self, peer: Peer, name: bytes) -> None:
        workers = self._workers.get(name)
        if workers is not None and workers.pop(peer.id, None) is not None and not workers:
            del self._workers[name]

    def knows(self, name: bytes) -> bool:
        """Whether a connection can do `name` now."""
        return name in self._workers

    def sleepers(self, name: bytes) -> list[Peer]:
        """Connections that wait for work and can do `name`."""
        return [peer for peer in self._workers.get(name, {}).values() if peer.asleep]

    def function_names(self, queued: Iterable[bytes]) -> dict[bytes, int]:
        """Names for `status` with their number of workers: known, served or queued."""
        names = {**self._known, **dict.fromkeys(self._workers), **dict.fromkeys(queued)}
        return {name: len(self._workers.get(name, ())) for name in names}

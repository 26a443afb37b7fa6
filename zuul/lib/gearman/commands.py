"""Administrative text commands of a Gearman server: a line in, its answer out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote_plus

from zuul.lib.gearman.peers import Peer, PeerTable
from zuul.lib.gearman.queue import JobQueue
from zuul.lib.gearman.refusals import Refused, denied, log_refusal


class TextCommands:
    """`status`, `workers`, `version` and `cancel job HANDLE`, as gear and gearmand word them."""

    def __init__(
        self,
        queue: JobQueue,
        peers: PeerTable,
        cancel: Callable[[Peer, bytes], bool],
        version: str,
    ) -> None:
        self._queue = queue
        self._peers = peers
        self._cancel_job = cancel
        self._version = version.encode()
        self._commands: dict[bytes, Callable[[], bytes]] = {
            b"status": self._status,
            b"workers": self._workers,
        }

    def answer(self, peer: Peer, line: bytes) -> bytes:
        """What to send back; empty for an empty line."""
        try:
            return self._obey(peer, line)
        except Refused as refusal:
            log_refusal(peer, "text", refusal)
            return b"ERR PERMISSION_DENIED %s\n" % quote_plus(str(refusal)).encode()

    def _obey(self, peer: Peer, line: bytes) -> bytes:
        match line.split():
            case []:
                return b""
            case [b"version", *_]:
                return b"OK %s\n" % self._version
            case [b"cancel", *arguments]:
                return self._cancel(peer, arguments)
            case [name, *_] if name in self._commands:
                if name.decode() not in peer.rights.admin:
                    raise denied(peer, "use the command", name)
                return self._commands[name]()
        return b"ERR UNKNOWN_COMMAND Unknown+server+command\n"

    def _status(self) -> bytes:
        counts = dict(self._queue.functions())
        lines = []
        for name, workers in self._peers.function_names(counts).items():
            total, running = counts.get(name, (0, 0))
            lines.append(b"%s\t%d\t%d\t%d\n" % (name, total, running, workers))
        return b"".join(lines) + b".\n"

    def _workers(self) -> bytes:
        lines = [
            b"%d %s %s : %s\n" % (peer.id, peer.host, peer.client_id, b" ".join(peer.functions))
            for peer in self._peers
        ]
        return b"".join(lines) + b".\n"

    def _cancel(self, peer: Peer, arguments: Sequence[bytes]) -> bytes:
        """A waiting job is forgotten, and its client is not told; a running one cannot be."""
        if len(arguments) == 2 and arguments[0] == b"job" and self._cancel_job(peer, arguments[1]):
            return b"OK\n"
        return b"ERR UNKNOWN_JOB\n"

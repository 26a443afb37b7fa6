"""Administrative text commands of a Gearman server: a line in, its answer out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from zuul.lib.gearman.peers import PeerTable
from zuul.lib.gearman.queue import JobQueue


class TextCommands:
    """`status`, `workers`, `version` and `cancel job HANDLE`, as gear and gearmand word them."""

    def __init__(
        self,
        queue: JobQueue,
        peers: PeerTable,
        cancel: Callable[[bytes], bool],
        version: str,
    ) -> None:
        self._queue = queue
        self._peers = peers
        self._cancel_job = cancel
        self._version = version.encode()
        self._commands: dict[bytes, Callable[[Sequence[bytes]], bytes]] = {
            b"status": self._status,
            b"workers": self._workers,
            b"version": self._tell_version,
            b"cancel": self._cancel,
        }

    def answer(self, line: bytes) -> bytes:
        """What to send back; empty for an empty line."""
        words = line.split()
        if not words:
            return b""
        command = self._commands.get(words[0])
        if command is None:
            return b"ERR UNKNOWN_COMMAND Unknown+server+command\n"
        return command(words[1:])

    def _status(self, _arguments: Sequence[bytes]) -> bytes:
        counts = dict(self._queue.functions())
        lines = []
        for name, workers in self._peers.function_names(counts).items():
            total, running = counts.get(name, (0, 0))
            lines.append(b"%s\t%d\t%d\t%d\n" % (name, total, running, workers))
        return b"".join(lines) + b".\n"

    def _workers(self, _arguments: Sequence[bytes]) -> bytes:
        lines = [
            b"%d %s %s : %s\n" % (peer.id, peer.host, peer.client_id, b" ".join(peer.functions))
            for peer in self._peers
        ]
        return b"".join(lines) + b".\n"

    def _tell_version(self, _arguments: Sequence[bytes]) -> bytes:
        return b"OK %s\n" % self._version

    def _cancel(self, arguments: Sequence[bytes]) -> bytes:
        """A waiting job is forgotten, and its client is not told; a running one cannot be."""
        if len(arguments) == 2 and arguments[0] == b"job" and self._cancel_job(arguments[1]):
            return b"OK\n"
        return b"ERR UNKNOWN_JOB\n"

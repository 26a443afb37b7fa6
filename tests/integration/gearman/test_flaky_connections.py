"""Connections that break again and again: every job ends, and once."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from tests.support.gearman import SECONDS, Recorder, echo, eventually
from zuul.lib.gearman import GearmanClient, GearmanServer, GearmanWorker, Outcome
from zuul.lib.gearman.sockets import tune

pytestmark = pytest.mark.integration


class Flaky:
    """Passes bytes on between a client and a server, and cuts all connections when told."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._dead: list[socket.socket] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listening.accept()
            except OSError:
                return
            outer = socket.create_connection(("127.0.0.1", self._target), SECONDS)
            tune(inner)
            tune(outer)
            with self._lock:
                self._open += [inner, outer]
            for source, sink in ((inner, outer), (outer, inner)):
                thread = threading.Thread(target=self._copy, args=(source, sink), daemon=True)
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        with self._lock:
            cut, self._open = self._open, []
            self._dead += cut
        for sock in cut:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(SECONDS)
        for sock in self._dead:
            sock.close()


def test_every_job_ends_once_though_connections_break(server: GearmanServer) -> None:
    flaky = Flaky(server.port)
    client = GearmanClient("client", "127.0.0.1", flaky.port)
    worker = GearmanWorker("worker", "127.0.0.1", flaky.port, {"echo": echo}, connections=2)
    worker.start()
    heard = Recorder()
    heard.expected = 3000
    for number in range(3000):
        client.submit("echo", b"x" * 100, heard, key=str(number))
        if number % 750 == 749:
            enough = len(heard.ends) + 100
            eventually(lambda enough=enough: len(heard.ends) >= enough)
            generation = client.generation
            flaky.cut()
            eventually(lambda before=generation: client.generation > before)
    assert heard.all_ended.wait(40.0)
    assert client.open_jobs == 0
    assert sorted(int(key) for key, _, _ in heard.ends) == list(range(3000))
    outcomes = {outcome for _, outcome, _ in heard.ends}
    assert Outcome.COMPLETE in outcomes
    assert outcomes <= {Outcome.COMPLETE, Outcome.LOST, Outcome.FAIL}
    assert worker.stop(SECONDS)
    client.close()
    flaky.close()

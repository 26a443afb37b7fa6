"""Gearman servers to run cases on, and a peer that speaks raw packets to them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import gear
import pytest

from zuul.lib.gearman import ClientJob, GearmanServer, Outcome, Reply, Task
from zuul.lib.gearman.packets import RESPONSE, Packet, PacketType, StreamReader, request

SECONDS = 10.0


def eventually(what: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """The first true value of `what`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = what()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("it did not happen in time")


def echo(task: Task) -> Reply:
    """The simplest work."""
    return task.payload


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def embedded() -> Iterator[int]:
    """Our server; its port."""
    server = GearmanServer("127.0.0.1", 0)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@contextlib.contextmanager
def gear_library() -> Iterator[int]:
    """gear's own server; its port."""
    server = gear.Server(0, host="127.0.0.1")
    try:
        yield server.port
    finally:
        server.shutdown()


@contextlib.contextmanager
def gearmand() -> Iterator[int]:
    """The C server; its port. Skips where it is not installed, fails there in CI."""
    program = shutil.which("gearmand") or shutil.which("gearmand", path="/usr/sbin")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("gearmand is not installed")
        pytest.skip("gearmand is not installed")
    port = free_port()
    command = [program, "-L", "127.0.0.1", "-p", str(port), "-l", "stderr"]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _listens(port))
        yield port
    finally:
        process.kill()
        process.wait(SECONDS)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


class RawPeer:
    """A connection that sends what it is told and returns what comes back."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._reader = StreamReader(RESPONSE)
        self._received: list[Packet | bytes] = []

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def send(self, packet_type: int, *arguments: bytes) -> None:
        self.socket.sendall(request(packet_type, *arguments))

    def line(self, text: bytes) -> None:
        self.socket.sendall(text + b"\n")

    def next(self) -> tuple[str, list[bytes]]:
        """The next packet: its name and its arguments; ("TEXT", [line]) for a line."""
        while not self._received:
            data = self.socket.recv(65536)
            if not data:
                return "CLOSED", []
            self._received += self._reader.feed(data)
        item = self._received.pop(0)
        if isinstance(item, Packet):
            return PacketType(item.type).name, item.data.split(b"\x00") if item.data else []
        return "TEXT", [item]

    def expect(self, name: str) -> list[bytes]:
        """The next packet's arguments; fails if it is another one."""
        found, arguments = self.next()
        assert found == name, (found, arguments)
        return arguments

    def lines(self) -> list[bytes]:
        """Lines up to the one with a full stop."""
        found = []
        while (line := self.expect("TEXT")[0]) != b".":
            found.append(line)
        return found

    def can_do(self, *functions: bytes) -> None:
        for function in functions:
            self.send(PacketType.CAN_DO, function)
        self.settle()

    def settle(self) -> None:
        """Return once the server has acted on all that was sent."""
        self.send(PacketType.GET_STATUS, b"H:nobody:0")
        self.expect("STATUS_RES")

    def submit(
        self,
        function: bytes,
        arguments: bytes = b"{}",
        unique: bytes = b"",
        packet_type: int = PacketType.SUBMIT_JOB,
    ) -> bytes:
        """Submit a job; its handle."""
        self.send(packet_type, function, unique, arguments)
        return self.expect("JOB_CREATED")[0]

    def grab(self) -> list[bytes]:
        """Take a job: handle, function, unique, arguments."""
        self.send(PacketType.GRAB_JOB_UNIQ)
        return self.expect("JOB_ASSIGN_UNIQ")


class Recorder:
    """A job listener that writes down what it hears."""

    def __init__(self) -> None:
        self.created: list[ClientJob] = []
        self.news: list[tuple[str, bytes]] = []
        self.known: list[tuple[bool, bool]] = []
        self.ends: list[tuple[str, Outcome, bytes]] = []
        self.all_ended = threading.Event()
        self.expected = 1

    def job_created(self, job: ClientJob) -> None:
        self.created.append(job)

    def job_data(self, job: ClientJob, data: bytes) -> None:
        self.news.append((job.key, data))

    def job_status(self, job: ClientJob) -> None:
        self.news.append((job.key, b"status"))

    def job_known(self, job: ClientJob, known: bool, running: bool) -> None:
        self.known.append((known, running))

    def job_ended(self, job: ClientJob, outcome: Outcome, data: bytes) -> None:
        self.ends.append((job.key, outcome, data))
        if len(self.ends) >= self.expected:
            self.all_ended.set()

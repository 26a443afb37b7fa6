"""What happens to jobs when connections, servers and peers misbehave."""

from __future__ import annotations

import logging
import queue
import socket
import threading

import pytest

from tests.support.gearman import SECONDS, RawPeer, Recorder, echo, eventually, free_port
from zuul.lib.gearman import (
    AdminClient,
    AdminError,
    GearmanClient,
    GearmanServer,
    GearmanWorker,
    Limits,
    Outcome,
    QueueTotals,
    Reply,
    Task,
)
from zuul.lib.gearman.packets import PacketType

pytestmark = pytest.mark.integration


def start_at(port: int) -> GearmanServer:
    server = GearmanServer("127.0.0.1", port)
    server.start()
    return server


def test_ten_thousand_jobs_in_flight(server: GearmanServer) -> None:
    client = GearmanClient("client", "127.0.0.1", server.port)
    heard = Recorder()
    heard.expected = 10_000
    for number in range(10_000):
        client.submit("f", b"x" * 400, heard, unique=f"u{number}", key=str(number))
    eventually(lambda: server.totals.waiting == 10_000, 30.0)
    assert client.open_jobs == 10_000
    worker = GearmanWorker("worker", "127.0.0.1", server.port, {"f": echo}, connections=2)
    worker.start()
    assert heard.all_ended.wait(40.0)
    assert {int(key) for key, _, _ in heard.ends} == set(range(10_000))
    assert {outcome for _, outcome, _ in heard.ends} == {Outcome.COMPLETE}
    assert server.totals == QueueTotals(0, 0, 0)
    assert client.open_jobs == 0
    worker.stop(SECONDS)
    client.close()


def test_jobs_end_when_the_server_goes_and_new_ones_run_when_it_is_back() -> None:
    port = free_port()
    server = start_at(port)
    client = GearmanClient("client", "127.0.0.1", port)
    worker = GearmanWorker("worker", "127.0.0.1", port, {"echo": echo})
    worker.start()
    heard = Recorder()
    heard.expected = 2
    client.submit("nobody", b"", heard, key="first")
    eventually(lambda: heard.created)
    before = client.generation
    server.stop()
    eventually(lambda: heard.ends)
    assert heard.ends == [("first", Outcome.LOST, b"")]
    client.submit("echo", b"later", heard, key="second")
    server = start_at(port)
    assert heard.all_ended.wait(30.0)
    assert heard.ends[1] == ("second", Outcome.COMPLETE, b"later")
    assert client.generation > before
    worker.stop(SECONDS)
    client.close()
    server.stop()


def test_no_server_means_no_handle() -> None:
    client = GearmanClient("client", "127.0.0.1", free_port(), handle_timeout_seconds=0.2)
    heard = Recorder()
    client.submit("f", b"", heard)
    assert heard.all_ended.wait(SECONDS)
    assert heard.ends == [("", Outcome.NO_HANDLE, b"")]
    client.close()


def test_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = GearmanClient("client", "127.0.0.1", port, handle_timeout_seconds=0.5)
        heard = Recorder()
        client.submit("f", b"", heard)
        assert heard.all_ended.wait(SECONDS)
        assert heard.ends == [("", Outcome.NO_HANDLE, b"")]
        client.close()
        admin = AdminClient("127.0.0.1", port, timeout_seconds=0.2)
        with pytest.raises(OSError):
            admin.status()
        with pytest.raises(AdminError, match="a moment ago"):
            admin.status()
        admin.close()


def test_report_after_a_reconnect_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    server = start_at(port)
    running, go_on = threading.Event(), threading.Event()

    def slow(_task: Task) -> Reply:
        running.set()
        go_on.wait(SECONDS)
        return b"stale"

    worker = GearmanWorker("worker", "127.0.0.1", port, {"slow": slow})
    worker.start()
    client = GearmanClient("client", "127.0.0.1", port)
    heard = Recorder()
    client.submit("slow", b"", heard, key="first")
    assert running.wait(SECONDS)
    server.stop()
    assert heard.all_ended.wait(SECONDS)
    server = start_at(port)
    assert worker.wait_connected(30.0) and client.wait_connected(30.0)
    go_on.set()
    heard.expected = 2
    heard.all_ended.clear()
    client.submit("slow", b"", heard, key="second")
    assert heard.all_ended.wait(SECONDS)
    assert [end[:2] for end in heard.ends] == [
        ("first", Outcome.LOST),
        ("second", Outcome.COMPLETE),
    ]
    assert "Result dropped" in caplog.text
    worker.stop(SECONDS)
    client.close()
    server.stop()


def test_stop_lets_the_running_job_end(server: GearmanServer) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(_task: Task) -> Reply:
        running.set()
        go_on.wait(SECONDS)
        return b"done"

    worker = GearmanWorker("worker", "127.0.0.1", server.port, {"slow": slow})
    worker.start()
    client = GearmanClient("client", "127.0.0.1", server.port)
    heard = Recorder()
    heard.expected = 2
    client.submit("slow", b"", heard, key="running")
    client.submit("slow", b"", heard, key="waiting")
    assert running.wait(SECONDS)
    stopper = threading.Thread(target=worker.stop, args=(SECONDS,))
    stopper.start()
    go_on.set()
    stopper.join(SECONDS)
    eventually(lambda: heard.ends)
    assert heard.ends == [("running", Outcome.COMPLETE, b"done")]
    assert server.totals == QueueTotals(1, 0, 1)
    client.close()


def test_garbage_closes_that_connection_only(
    server: GearmanServer, caplog: pytest.LogCaptureFixture
) -> None:
    with RawPeer(server.port) as bad, RawPeer(server.port) as good:
        bad.socket.sendall(b"\x00RES\x00\x00\x00\x07\x00\x00\x00\x00")
        assert bad.next()[0] == "CLOSED"
        good.submit(b"f")
    assert "speaks no Gearman" in caplog.text


def test_one_connection_too_many_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    server = GearmanServer("127.0.0.1", 0, limits=Limits(connections=1))
    server.start()
    with RawPeer(server.port) as first:
        first.settle()
        with RawPeer(server.port) as second, pytest.raises((ConnectionError, AssertionError)):
            second.settle()
        first.submit(b"f")
    server.stop()
    assert "too many" in caplog.text


def test_peer_that_does_not_read_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    server = GearmanServer("127.0.0.1", 0, limits=Limits(unread_bytes=1024 * 1024))
    server.start()
    with RawPeer(server.port) as lazy, RawPeer(server.port) as good:
        chunk = b"x" * 1024 * 1024
        with pytest.raises(OSError):
            for _ in range(200):
                lazy.send(PacketType.ECHO_REQ, chunk)
        good.submit(b"f")
    server.stop()
    assert "does not read" in caplog.text


def test_too_many_open_jobs_are_refused() -> None:
    client = GearmanClient("client", "127.0.0.1", free_port(), limit=2)
    heard = Recorder()
    client.submit("f", b"", heard)
    client.submit("f", b"", heard)
    with pytest.raises(queue.Full):
        client.submit("f", b"", heard)
    with pytest.raises(ValueError, match="name"):
        client.submit("f\0g", b"", heard)
    client.close()
    assert [outcome for _, outcome, _ in heard.ends] == [Outcome.LOST] * 2


def test_call_gives_up_in_time(server: GearmanServer) -> None:
    client = GearmanClient("client", "127.0.0.1", server.port)
    assert client.call("nobody", b"", timeout_seconds=0.2) == (None, b"")
    client.close()


def test_text_and_unasked_packets_from_a_server_do_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "zuul.Gearman")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = GearmanClient("client", "127.0.0.1", listening.getsockname()[1])
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b"hello\n\x00RES" + b"\x00\x00\x00\x0d\x00\x00\x00\x03H:1")
            eventually(lambda: "job that has ended" in caplog.text)
            accepted.sendall(b"\x00RES" + b"\x00\x00\x00\x08\x00\x00\x00\x03H:1")
            eventually(lambda: "never sent" in caplog.text)
        client.close()
    assert "Text from the Gearman server" in caplog.text


class Figures:
    def __init__(self) -> None:
        self.packets: list[str] = []
        self.totals: list[tuple[QueueTotals, int]] = []

    def packet_handled(self, name: str, seconds: float) -> None:
        assert seconds >= 0
        self.packets.append(name)

    def queue_changed(self, totals: QueueTotals, workers: int) -> None:
        self.totals.append((totals, workers))


def test_figures_for_statistics() -> None:
    figures = Figures()
    server = GearmanServer("127.0.0.1", 0, observer=figures)
    server.start()
    with RawPeer(server.port) as peer:
        peer.can_do(b"f")
        peer.submit(b"g")
        eventually(lambda: (QueueTotals(1, 0, 1), 1) in figures.totals)
    server.stop()
    assert figures.packets == ["CAN_DO", "GET_STATUS", "SUBMIT_JOB"]


def test_port_in_use_is_told(server: GearmanServer) -> None:
    with pytest.raises(OSError):
        GearmanServer("127.0.0.1", server.port).start()

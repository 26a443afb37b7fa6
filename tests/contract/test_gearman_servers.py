"""The same cases on our server, on gear's and on gearmand: what the suite relies on is the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from tests.support.gearman import (
    SECONDS,
    RawPeer,
    Recorder,
    embedded,
    eventually,
    gear_library,
    gearmand,
)
from zuul.lib.gearman import (
    AdminClient,
    GearmanClient,
    GearmanWorker,
    Outcome,
    Priority,
    Reply,
    Task,
    TaskFailed,
)
from zuul.lib.gearman.packets import PacketType

pytestmark = [
    pytest.mark.integration,
    # gear's own server calls a deprecated method of threading.
    pytest.mark.filterwarnings("ignore:notifyAll:DeprecationWarning"),
]

SERVERS = {"embedded": embedded, "gear": gear_library, "gearmand": gearmand}


@pytest.fixture(
    params=[
        "embedded",
        "gear",
        pytest.param("gearmand", marks=pytest.mark.real),
    ]
)
def make(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def port(make: str) -> Iterator[int]:
    with SERVERS[make]() as found:
        yield found


@pytest.fixture
def client(port: int) -> Iterator[GearmanClient]:
    client = GearmanClient("client", "127.0.0.1", port)
    assert client.wait_connected(SECONDS)
    yield client
    client.close()


@pytest.fixture
def admin(port: int) -> Iterator[AdminClient]:
    admin = AdminClient("127.0.0.1", port)
    yield admin
    admin.close()


def echo(task: Task) -> Reply:
    task.send_data({"number": 7})
    task.send_status(0, 100)
    return task.payload


def fail(_task: Task) -> Reply:
    raise TaskFailed


def explode(_task: Task) -> Reply:
    raise RuntimeError("the disk is full")


def refuse(task: Task) -> Reply:
    return task.arguments()


@pytest.fixture
def worker(port: int) -> Iterator[GearmanWorker]:
    functions = {"echo": echo, "fail": fail, "explode": explode, "refuse": refuse}
    worker = GearmanWorker("worker", "127.0.0.1", port, functions)
    worker.start()
    assert worker.wait_connected(SECONDS)
    yield worker
    assert worker.stop(SECONDS)


def test_job_with_news_and_result(client: GearmanClient, worker: GearmanWorker) -> None:
    heard = Recorder()
    client.submit("echo", b'{"a": "\\u0000"}\x00z', heard, unique="u1", key="k")
    assert heard.all_ended.wait(SECONDS)
    assert [job.key for job in heard.created] == ["k"]
    assert heard.news == [("k", b'{"number": 7}'), ("k", b"status")]
    assert heard.ends == [("k", Outcome.COMPLETE, b'{"a": "\\u0000"}\x00z')]


def test_failure(client: GearmanClient, worker: GearmanWorker) -> None:
    assert client.call("fail", b"", timeout_seconds=SECONDS) == (Outcome.FAIL, b"")


def test_exception_ends_the_job_once_with_its_text(
    client: GearmanClient, worker: GearmanWorker
) -> None:
    outcome, text = client.call("explode", b"", timeout_seconds=SECONDS)
    assert (outcome, text) == (Outcome.EXCEPTION, b"RuntimeError: the disk is full")
    assert client.call("echo", b"still", timeout_seconds=SECONDS) == (Outcome.COMPLETE, b"still")


@pytest.mark.parametrize("arguments", [b"garbage", b"[1]", b"\xff", b"[" * 100_000])
def test_arguments_that_are_no_json_object(
    client: GearmanClient, worker: GearmanWorker, arguments: bytes
) -> None:
    outcome, text = client.call("refuse", arguments, timeout_seconds=SECONDS)
    assert outcome is Outcome.EXCEPTION
    assert text.startswith(b"BadArguments: arguments of refuse")


def test_large_payload(client: GearmanClient, worker: GearmanWorker) -> None:
    payload = json.dumps({"x": "y" * 3_000_000}).encode()
    assert client.call("echo", payload, timeout_seconds=30.0) == (Outcome.COMPLETE, payload)


def test_priorities(client: GearmanClient, port: int, admin: AdminClient) -> None:
    heard = Recorder()
    for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH):
        client.submit("f", priority.name.encode(), heard, priority=priority, key=priority.name)
    eventually(lambda: len(heard.created) == 3)
    with RawPeer(port) as peer:
        peer.can_do(b"f")
        assert [peer.grab()[3] for _ in range(3)] == [b"HIGH", b"NORMAL", b"LOW"]


def test_jobs_of_one_function_keep_their_order(client: GearmanClient, port: int) -> None:
    heard = Recorder()
    for number in range(50):
        client.submit("f", b"%d" % number, heard)
    eventually(lambda: len(heard.created) == 50)
    with RawPeer(port) as peer:
        peer.can_do(b"f")
        assert [int(peer.grab()[3]) for _ in range(50)] == list(range(50))


def test_cancel_in_the_queue_and_too_late(
    make: str, client: GearmanClient, port: int, admin: AdminClient
) -> None:
    heard = Recorder()
    client.submit("f", b"1", heard)
    client.submit("f", b"2", heard)
    eventually(lambda: len(heard.created) == 2)
    first, second = (job.handle for job in heard.created)
    assert first and second
    assert admin.cancel(second)
    with RawPeer(port) as peer:
        peer.can_do(b"f")
        assert peer.grab()[0] == first
        # gearmand says yes, and the worker goes on: it has to be asked first whether it runs.
        assert admin.cancel(first) == (make == "gearmand")
        assert not admin.cancel(b"H:nobody:1")
        peer.send(PacketType.GRAB_JOB_UNIQ)
        peer.expect("NO_JOB")


def test_status_counts(client: GearmanClient, port: int, admin: AdminClient) -> None:
    heard = Recorder()
    client.submit("f", b"1", heard)
    client.submit("f", b"2", heard)
    eventually(lambda: len(heard.created) == 2)
    with RawPeer(port) as peer:
        peer.can_do(b"f")
        peer.grab()
        status = admin.status()["f"]
        assert (status.total, status.running, status.workers) == (2, 1, 1)
    eventually(lambda: admin.status()["f"].workers == 0)


def test_get_status(make: str, client: GearmanClient, port: int, admin: AdminClient) -> None:
    heard = Recorder()
    job = client.submit("f", b"1", heard)
    eventually(lambda: heard.created)
    assert client.ask_status(job)
    assert eventually(lambda: heard.known) == [(True, False)]
    assert job.handle is not None and admin.cancel(job.handle)
    if make == "gearmand":
        # It tells the client.
        assert heard.all_ended.wait(SECONDS)
        assert heard.ends == [("", Outcome.FAIL, b"")]
    else:
        assert client.ask_status(job)
        eventually(lambda: len(heard.known) == 2)
        assert heard.known[1] == (False, False)


def test_client_that_goes_takes_its_waiting_jobs_along(port: int, admin: AdminClient) -> None:
    client = GearmanClient("leaving", "127.0.0.1", port)
    heard = Recorder()
    client.submit("f", b"1", heard)
    eventually(lambda: heard.created)
    client.close()
    assert [outcome for _, outcome, _ in heard.ends] == [Outcome.LOST]
    with RawPeer(port) as peer:
        peer.can_do(b"f")

        def gone() -> bool:
            peer.send(PacketType.GRAB_JOB_UNIQ)
            return peer.next()[0] == "NO_JOB"

        eventually(gone)


def test_worker_that_disconnects(make: str, client: GearmanClient, port: int) -> None:
    heard = Recorder()
    client.submit("f", b"1", heard)
    eventually(lambda: heard.created)
    with RawPeer(port) as peer:
        peer.can_do(b"f")
        peer.grab()
    if make == "gearmand":
        # It gives the job to the next worker, and the client sees nothing.
        with RawPeer(port) as peer:
            peer.can_do(b"f")
            handle = eventually(lambda: _try_grab(peer))
            peer.send(PacketType.WORK_COMPLETE, handle, b"done")
            assert heard.all_ended.wait(SECONDS)
        assert heard.ends == [("", Outcome.COMPLETE, b"done")]
    else:
        assert heard.all_ended.wait(SECONDS)
        assert heard.ends == [("", Outcome.FAIL, b"")]


def _try_grab(peer: RawPeer) -> bytes | None:
    peer.send(PacketType.GRAB_JOB_UNIQ)
    name, arguments = peer.next()
    return arguments[0] if name == "JOB_ASSIGN_UNIQ" else None


def test_sleeping_worker_is_woken(client: GearmanClient, worker: GearmanWorker) -> None:
    for number in range(20):
        payload = b"%d" % number
        assert client.call("echo", payload, timeout_seconds=SECONDS) == (Outcome.COMPLETE, payload)


def test_four_connections_work_side_by_side(client: GearmanClient, port: int) -> None:
    meeting = threading.Barrier(4, timeout=SECONDS)

    def meet(_task: Task) -> Reply:
        meeting.wait()
        return b""

    worker = GearmanWorker("four", "127.0.0.1", port, {"meet": meet}, connections=4)
    worker.start()
    heard = Recorder()
    heard.expected = 4
    for number in range(4):
        client.submit("meet", b"", heard, unique=str(number))
    assert heard.all_ended.wait(SECONDS)
    assert {outcome for _, outcome, _ in heard.ends} == {Outcome.COMPLETE}
    assert worker.stop(SECONDS)

"""Build events over real sockets: ZeroMQ for those who listen, HTTP for those who missed some."""

from __future__ import annotations

import gc
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import zmq

from gearman_plugin_shim.events_http import EventsServer
from gearman_plugin_shim.publisher import BuildEvent, EventHistory, Publisher
from tests.integration.bridge_world import World
from zuul.lib.web.server import STOP_SECONDS

pytestmark = pytest.mark.integration

WAIT_SECONDS = 10.0


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


def event(number: int, node: str | None = "n1") -> BuildEvent:
    return BuildEvent("onStarted", json.dumps({"name": "ünit", "number": number}), node)


@pytest.fixture
def subscriber() -> Iterator[Callable[[str], zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    opened: list[zmq.Socket[bytes]] = []

    def connect(address: str) -> zmq.Socket[bytes]:
        sub = context.socket(zmq.SUB)
        opened.append(sub)
        sub.rcvtimeo = int(WAIT_SECONDS * 1000)
        sub.connect(address)
        sub.subscribe(b"")
        return sub

    yield connect
    for sub in opened:
        sub.close(linger=0)
    context.term()


def test_a_frame_is_word_space_and_json(
    subscriber: Callable[[str], zmq.Socket[bytes]],
) -> None:
    publisher = Publisher("tcp://127.0.0.1:*", EventHistory(10))
    publisher.start()
    eventually(lambda: publisher.address)
    assert publisher.address is not None
    sub = subscriber(publisher.address)

    def heard() -> bytes:
        # A subscription takes a moment to arrive; what was sent before it is not heard.
        publisher.publish(event(1))
        return sub.recv() if sub.poll(50) else b""

    frames: list[bytes] = []
    eventually(lambda: frames.append(heard()) or frames[-1])
    assert frames[-1] == b'onStarted {"name": "\\u00fcnit", "number": 1}'
    publisher.publish(event(2))
    publisher.stop()
    last = b""
    while not last.endswith(b'"number": 2}'):
        last = sub.recv()


def test_an_address_in_use_is_tried_until_it_is_free(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        publisher = Publisher(f"tcp://127.0.0.1:{port}", EventHistory(10))
        publisher.start()
        eventually(lambda: any("cannot be published" in each.message for each in caplog.records))
        assert publisher.address is None
    eventually(lambda: publisher.address)
    publisher.stop()


def test_the_last_events_of_a_node_are_told_over_http() -> None:
    history = EventHistory(2)
    publisher = Publisher(None, history, clock=lambda: 99.5)
    publisher.start()
    for number in range(4):
        publisher.publish(event(number))
    publisher.publish(event(9, node=None))
    server = EventsServer("127.0.0.1", 0, history)
    server.start()

    def ask(query: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{server.port}/events{query}"
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    try:
        told = ask("?node=n1")
        assert told["id"] == history.id
        assert (told["last"], told["more"]) == (5, False)
        assert abs(told["now"] - time.time()) < 60
        assert told["events"][0] == {
            "number": 3,
            "at": 99.5,
            "event": "onStarted",
            "build": {"name": "ünit", "number": 2},
        }
        assert [each["number"] for each in told["events"]] == [3, 4]
        assert [each["number"] for each in ask("?since=3")["events"]] == [4, 5]
        assert [each["number"] for each in ask("?node=")["events"]] == [5]
        assert ask("?node=other")["events"] == []
        for bad in ("?since=x", "?since=%C2%B2", "/more"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                ask(bad)
            caught.value.close()
    finally:
        server.stop()
        publisher.stop()


def test_an_address_for_http_that_is_taken_ends_the_bridge(tmp_path: Path) -> None:
    """And says which option it was."""
    world = World(tmp_path)
    world.add_master("m1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world.http_port = taken.getsockname()[1]
        with pytest.raises(OSError, match=r"cannot listen on .*http_port in \[publisher\]"):
            world.start()
    world.close()


def test_nodes_that_were_not_heard_of_for_long_are_forgotten() -> None:
    history = EventHistory(5, nodes=2)
    for node in ("a", "b", "a", "c"):
        history.add(event(1, node), 0.0)
    assert [kept.event.node for kept in history.page(0).events] == ["a", "a", "c"]


def test_builds_that_nobody_submitted_are_published_too(
    tmp_path: Path, subscriber: Callable[[str], zmq.Socket[bytes]]
) -> None:
    world = World(tmp_path)
    try:
        master = world.add_master("m1")
        master.add_node("n1", "linux", 1, "EXCLUSIVE")
        master.add_job("unit", "sleep 1\n", labels="linux")
        daemon = world.start()
        world.await_function("build:unit")
        eventually(lambda: daemon.publisher_address)
        sub = subscriber(str(daemon.publisher_address))
        # A subscription takes a moment to arrive; other builds show when it has.
        master.add_job("other", "true\n")
        eventually(lambda: [master.start_build("other")] and sub.poll(500))
        master.start_build("unit", ZUUL_BRANCH="a<b")
        frames: list[bytes] = []
        while len(frames) < 3:
            frame = sub.recv()
            if b'"name":"unit"' in frame:
                frames.append(frame)
        words = [frame.split(b" ", 1)[0] for frame in frames]
        assert words == [b"onStarted", b"onCompleted", b"onFinalized"]
        last = json.loads(frames[2].split(b" ", 1)[1])
        assert last["name"] == "unit"
        assert last["url"] == "job/unit/"
        assert last["build"]["phase"] == "FINISHED"
        assert last["build"]["status"] == "SUCCESS"
        assert last["build"]["node_name"] == "n1"
        assert last["build"]["parameters"]["ZUUL_BRANCH"] == "a<b"
        assert b"\\u003c" in frames[2]
        url = f"http://127.0.0.1:{daemon.events_port}/events?node=n1"
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS) as answer:
            told = json.load(answer)["events"]
        assert [each["event"] for each in told] == ["onStarted", "onCompleted", "onFinalized"]
        assert told[2]["build"] == last
    finally:
        world.close()


@pytest.mark.parametrize("asked", [False, True])
def test_no_client_outlives_the_server(asked: bool) -> None:
    """Neither one that is just coming in, nor one that does not take its answer. What is left open
    would fail the test as it is collected."""
    history = EventHistory(10)
    for _ in range(4):
        history.add(BuildEvent("onStarted", json.dumps({"text": "x" * 900_000}), "n1"), 0.0)
    for _ in range(10):
        server = EventsServer("127.0.0.1", 0, history)
        server.start()
        with ExitStack() as clients:
            for _ in range(3):
                address = ("127.0.0.1", server.port)
                client = clients.enter_context(socket.create_connection(address, WAIT_SECONDS))
                if asked:
                    client.sendall(b"GET /events HTTP/1.1\r\nHost: bridge\r\n\r\n")
                    assert client.recv(10) == b"HTTP/1.1 2"
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < STOP_SECONDS / 2, "nobody is waited for"
    gc.collect()

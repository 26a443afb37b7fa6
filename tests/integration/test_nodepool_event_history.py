"""The history watch on the bridge's own server, and on servers that answer otherwise."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import nodepool.drivers.event_history
from gearman_plugin_shim.events_http import EventsServer
from gearman_plugin_shim.publisher import BuildEvent, EventHistory
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.drivers.event_history import HistoryWatch
from nodepool.drivers.zmq import BuildWatch
from tests.integration.nodepool_inbox import Inbox
from tests.support.gearman import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


def build_event(node: str, word: str = "onStarted", **build: Any) -> BuildEvent:
    return BuildEvent(
        word, json.dumps({"name": "unit", "build": {"node_name": node, **build}}), node
    )


@contextlib.contextmanager
def served(history: EventHistory, port: int = 0) -> Iterator[str]:
    server = EventsServer("127.0.0.1", port, history)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


@contextlib.contextmanager
def answering(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that gives one answer a connection, the last one for good."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            waiting = list(answers)
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                with connection, contextlib.suppress(OSError):
                    connection.recv(10_000)
                    if isinstance(answer, bytes):
                        connection.sendall(answer)
                    else:
                        answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(20)


def ok(**page: Any) -> bytes:
    whole = {"id": "a", "now": 0, "last": 0, "more": False, "events": [], **page}
    body = json.dumps(whole).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.fixture
def watch(inbox: Inbox) -> Iterator[HistoryWatch]:
    watch = HistoryWatch(inbox, every=0.1, timeout_seconds=1.0)
    watch.start()
    yield watch
    watch.stop()


def test_a_history_is_read_page_by_page_and_followed(watch: HistoryWatch, inbox: Inbox) -> None:
    history = EventHistory(10, page_events=3)
    began = time.time()
    for number in range(7):
        history.add(build_event(f"n-{number}"), time.time())
    with served(history) as url:
        watch.configure((url,))
        for number in range(7):
            event = inbox.wait(BuildStarted)
            assert event.nodename == f"n-{number}"
            assert event.at is not None and began - 1 < event.at < time.time()
        history.add(build_event("n-9", "onFinalized", status="FAILURE"), time.time())
        assert inbox.wait(BuildFinalized).status == "FAILURE"
        time.sleep(0.5)
        assert inbox.seen(BuildStarted) == [], "nothing is told twice"


def test_a_bridge_that_was_restarted_is_read_from_the_beginning(
    watch: HistoryWatch, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = free_port()
    first, second = EventHistory(10), EventHistory(10)
    for _ in range(5):
        first.add(build_event("n-1"), time.time())
    with served(first, port) as url:
        watch.configure((url,))
        for _ in range(5):
            inbox.wait(BuildStarted)
    eventually(lambda: "is not read" in caplog.text, "a word on its being away")
    second.add(build_event("n-2"), time.time())
    with served(second, port):
        assert inbox.wait(BuildStarted).nodename == "n-2"
    assert caplog.text.count("Connection refused") <= 1
    assert "began anew" in caplog.text
    assert "is read again" in caplog.text


def drip(connection: socket.socket) -> None:
    """A byte now and then: each comes in time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b" ")
        time.sleep(0.1)


def hush(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/events\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "not"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"HTTP/1.1 200 \x1b[31mOK\r\n\r\n[]", "no object"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 5000, "more than 4096 bytes"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "header line"),
        (ok(more=True), "do not rise"),
        (drip, "too slowly"),
        (hush, "timed out"),
    ],
)
def test_other_answers_are_said_once_and_survived(
    watch: HistoryWatch,
    inbox: Inbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answer: Any,
    said: str,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(nodepool.drivers.event_history, "MAX_BODY_BYTES", 4096)
    row = {"at": 0, "event": "onStarted", "build": {"name": "u", "build": {"node_name": "n"}}}
    with answering(answer, answer, ok(last=1, events=[row])) as url:
        watch.configure((url,))
        assert inbox.wait(BuildStarted).nodename == "n"
        eventually(lambda: "read again" in caplog.text, "a word on its coming back")
    troubles = [each for each in caplog.messages if "is not read" in each]
    assert len(troubles) == 1
    assert said in troubles[0]
    assert troubles[0].isprintable() and len(troubles[0]) < 400


def test_rows_that_are_no_events_are_counted(
    watch: HistoryWatch, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    row = {"at": 0, "event": "onStarted", "build": {"name": "u", "build": {"node_name": "n"}}}
    bad = {**row, "event": "\x1b[31m" * 100}
    with answering(ok(last=3, events=[bad, bad, row]), ok(last=3)) as url:
        watch.configure((url,))
        assert inbox.wait(BuildStarted).nodename == "n"
    (said,) = [each for each in caplog.messages if "passed over" in each]
    assert "count=2" in said and said.isprintable()


def test_a_reload_disturbs_only_what_differs(watch: HistoryWatch, inbox: Inbox) -> None:
    kept, left = EventHistory(10), EventHistory(10)
    for history in (kept, left):
        history.add(build_event("n-1"), time.time())
    with served(kept) as first, served(left) as second:
        watch.configure((first, second))
        inbox.wait(BuildStarted)
        inbox.wait(BuildStarted)
        watch.configure((first,))
        left.add(build_event("n-left"), time.time())
        time.sleep(0.5)
        kept.add(build_event("n-2"), time.time())
        # Not from its beginning, and nothing of the other.
        assert inbox.wait(BuildStarted).nodename == "n-2"


def test_a_line_of_zeromq_that_comes_up_has_it_looked_at(inbox: Inbox) -> None:
    history = EventHistory(10)
    watch = HistoryWatch(inbox, every=3600)
    builds = BuildWatch(inbox, on_up=watch.wake)
    address = f"tcp://127.0.0.1:{free_port()}"
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        with served(history) as url:
            watch.configure((url,))
            builds.configure((address,))
            eventually(lambda: watch._watches[url]._id, "a first look")
            history.add(build_event("n-1"), time.time())
            press = context.socket(zmq.PUB)
            press.bind(address)
            assert inbox.wait(BuildStarted).nodename == "n-1"
    finally:
        builds.stop()
        watch.stop()
        context.destroy(linger=0)


def test_it_ends_soon_whatever_the_bridge_does(inbox: Inbox) -> None:
    watch = HistoryWatch(inbox, every=0.1, timeout_seconds=1.0)
    with answering(hush) as url:
        watch.configure((url,))
        time.sleep(0.3)
        began = time.monotonic()
        watch.stop()
        assert time.monotonic() - began < 3

"""The build watch on real ZeroMQ publishers: events, rubbish, reloads, lost connections."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import zmq

import nodepool.drivers.zmq
from nodepool.core import events
from nodepool.core.build_events import MAX_BYTES, BuildFinalized, BuildStarted
from nodepool.drivers.zmq import BuildWatch
from tests.integration.nodepool_inbox import Inbox
from tests.support.gearman import free_port
from tests.support.waiting import eventually
from zuul.lib import clock

pytestmark = pytest.mark.integration


class Press:
    """A publisher."""

    def __init__(self, port: int = 0) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(f"tcp://127.0.0.1:{port}")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def subscribed(self) -> bool:
        """Wait for somebody to subscribe to everything, or to do so anew."""
        while self._socket.poll(20_000):
            if self._socket.recv() == b"\x01":
                return True
        return False

    def send(self, *frames: bytes) -> None:
        self._socket.send_multipart(list(frames))

    def close(self) -> None:
        self._context.destroy(linger=0)


def message(topic: str, node: str, **build: Any) -> bytes:
    body = {"name": "unit", "build": {"node_name": node, **build}}
    return f"{topic} {json.dumps(body)}".encode()


class Ears(Inbox):
    """Build events alone; what was missed, and what was heard, is kept apart."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: list[events.BuildEventsMissed] = []
        #: with the number of words on what is missed that came before
        self.heard: list[tuple[events.BuildEventsHeard, int]] = []

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.BuildEventsMissed):
            self.missed.append(event)
        elif isinstance(event, events.BuildEventsHeard):
            self.heard.append((event, len(self.missed)))
        else:
            super().__call__(event)


@pytest.fixture
def inbox() -> Ears:
    return Ears()


@pytest.fixture
def watch(inbox: Inbox) -> Iterator[BuildWatch]:
    watch = BuildWatch(inbox)
    watch.start()
    yield watch
    watch.stop()


@pytest.fixture
def press() -> Iterator[Press]:
    press = Press()
    yield press
    press.close()


def test_builds_are_heard(watch: BuildWatch, inbox: Inbox, press: Press) -> None:
    watch.configure((press.address,))
    assert press.subscribed()
    press.send(message("onStarted", "n-1", number=3, host_name="j"))
    press.send(message("onCompleted", "n-1"))
    press.send(message("onFinalized", "n-1", status="FAILURE", parameters={"ZUUL_BRANCH": "b"}))
    assert inbox.next() == BuildStarted("n-1", "unit", 3, "j")
    assert inbox.next() == BuildFinalized("n-1", "unit", "FAILURE", "b")


def test_rubbish_is_passed_over_and_said_briefly(
    watch: BuildWatch, inbox: Inbox, press: Press, caplog: pytest.LogCaptureFixture
) -> None:
    watch.configure((press.address,))
    assert press.subscribed()
    press.send(b"\x1b[31mred\nline" * 100)
    for _ in range(200):
        press.send(b"onFinalized {")
        press.send(b"\xff\xfe")
        press.send(b"")
    press.send(message("onStarted", "n-1"), b"a second part")
    press.send(message("onStarted", "n-2"))
    assert inbox.next() == BuildStarted("n-2", "unit")
    said = [each for each in caplog.messages if "passed over" in each]
    assert 1 <= len(said) <= 5
    assert all(len(each) < 500 and each.isprintable() for each in said)


def test_a_message_that_is_too_long_costs_nothing_but_a_connection(
    watch: BuildWatch, inbox: Inbox, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library does not connect again by itself."""
    monkeypatch.setattr(nodepool.drivers.zmq, "CONNECT_SECONDS", 1.0)
    watch.configure((press.address,))
    assert press.subscribed()
    press.send(b"onStarted " + b"x" * (MAX_BYTES + 1))
    assert press.subscribed(), "it comes back"
    press.send(message("onStarted", "n-1"))
    assert inbox.next() == BuildStarted("n-1", "unit")


def test_a_publisher_that_comes_back(
    watch: BuildWatch,
    inbox: Inbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(nodepool.drivers.zmq, "CONNECT_SECONDS", 1.0)
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    watch.configure((address,))
    for node in ("n-1", "n-2"):
        with contextlib.closing(Press(port)) as press:
            assert press.subscribed()
            press.send(message("onStarted", node))
            assert inbox.next() == BuildStarted(node, "unit")
            eventually(lambda: f"come from {address}" in caplog.text, "a word on the connection")
        eventually(lambda: "no connection" in caplog.text, "a word on its loss")
        caplog.clear()


def test_what_was_missed_is_told_once_the_line_is_up(
    watch: BuildWatch, inbox: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time, since when; and not before the publisher has heard of the subscription."""
    monkeypatch.setattr(nodepool.drivers.zmq, "SUBSCRIBE_SECONDS", 0.3)
    monkeypatch.setattr(nodepool.drivers.zmq, "SILENT_SECONDS", 0.0)
    port = free_port()
    begun = clock.now()
    watch.configure((f"tcp://127.0.0.1:{port}",))
    for number in (1, 2):
        with contextlib.closing(Press(port)) as press:
            assert press.subscribed()
            assert len(inbox.missed) == number - 1
            eventually(lambda n=number: len(inbox.missed) == n, "a word on what was missed", 10)
            press.send(message("onStarted", "n-1"))
            assert inbox.next() == BuildStarted("n-1", "unit")
            up_until = clock.now()
            if number == 1:
                assert begun <= inbox.missed[0].since <= begun + 2
                first_up = up_until
    assert first_up - 0.1 <= inbox.missed[1].since <= up_until


def test_what_is_missed_is_told_while_nobody_is_heard(
    watch: BuildWatch, inbox: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodepool.drivers.zmq, "DEAF_SECONDS", 0.5)
    monkeypatch.setattr(nodepool.drivers.zmq, "SILENT_SECONDS", 0.0)
    begun = clock.now()
    watch.configure((f"tcp://127.0.0.1:{free_port()}",))
    eventually(lambda: len(inbox.missed) >= 3, "words on what is missed", 10)
    moments = [each.since for each in inbox.missed[:3]]
    assert begun <= moments[0] <= begun + 1
    assert all(0.4 <= later - earlier <= 5 for earlier, later in pairwise(moments))


def test_a_line_that_holds_misses_nothing(
    watch: BuildWatch, inbox: Ears, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodepool.drivers.zmq, "SUBSCRIBE_SECONDS", 0.0)
    watch.configure((press.address,))
    assert press.subscribed()
    for _ in range(5):
        press.send(message("onStarted", "n-1"))
        assert inbox.next() == BuildStarted("n-1", "unit")
        eventually(lambda: inbox.missed, "the first connection", 10)
    assert len(inbox.missed) == 1


def test_what_is_told_to_be_missed_is_vouched_for(
    watch: BuildWatch, inbox: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publisher that is not there keeps nothing in doubt but what is asked for."""
    monkeypatch.setattr(nodepool.drivers.zmq, "DEAF_SECONDS", 0.5)
    address = f"tcp://127.0.0.1:{free_port()}"
    begun = clock.now()
    watch.configure((address,))
    eventually(lambda: len(inbox.heard) >= 2, "words on what is missed", 10)
    for number, (event, missed) in enumerate(inbox.heard[:2], 1):
        assert event.publisher == address
        assert missed == number
        assert begun <= event.until <= clock.now()
    first, second = (event.until for event, _ in inbox.heard[:2])
    assert inbox.missed[1].since == first - nodepool.drivers.zmq.SILENT_SECONDS < second


def test_a_line_that_holds_is_vouched_for(
    inbox: Ears, press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for as long as it may be dead unseen; and not while something waits to be read."""
    monkeypatch.setattr(nodepool.drivers.zmq, "SUBSCRIBE_SECONDS", 0.0)
    monkeypatch.setattr(nodepool.drivers.zmq, "HEARD_SECONDS", 0.0)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    line = nodepool.drivers.zmq._Line(press.address, inbox, lambda: None)
    try:
        made = context.socket(zmq.SUB)
        made.setsockopt(zmq.SUBSCRIBE, b"")
        with line.watched(made) as look:
            made.connect(press.address)
            assert press.subscribed()
            eventually(lambda: look() and len(inbox.heard) >= 2, "a word that all was heard", 10)
            press.send(message("onStarted", "n-1"))
            assert made.poll(10_000)
            before, now = len(inbox.heard), clock.now()
            assert look()
            assert len(inbox.heard) == before
            made.recv()
            assert look()
    finally:
        context.destroy(linger=0)
    event, missed = inbox.heard[-1]
    assert (len(inbox.heard), missed) == (before + 1, 1)
    assert now <= event.until + nodepool.drivers.zmq.SILENT_SECONDS <= clock.now()


def test_a_reload_disturbs_only_what_differs(watch: BuildWatch, inbox: Inbox, press: Press) -> None:
    with contextlib.closing(Press()) as second, contextlib.closing(Press()) as third:
        watch.configure((press.address, second.address))
        assert press.subscribed()
        assert second.subscribed()
        kept = watch._listeners[press.address]
        watch.configure((press.address, third.address))
        assert third.subscribed()
        assert watch._listeners[press.address] is kept
        eventually(lambda: second._socket.poll(0), "the second is left")
        assert second._socket.recv() == b"\x00"
        second.send(message("onStarted", "n-2"))
        press.send(message("onStarted", "n-1"))
        assert inbox.next() == BuildStarted("n-1", "unit")
        third.send(message("onStarted", "n-3"))
        assert inbox.next() == BuildStarted("n-3", "unit")
        watch.configure(())
        eventually(lambda: third._socket.poll(0), "the third is left")
        third.send(message("onStarted", "n-3"))
        assert inbox.seen(BuildStarted) == []


def test_a_peer_that_speaks_no_zeromq_is_tried_again(
    watch: BuildWatch, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As happens while a host is set up: something else listens on the port for a while."""
    monkeypatch.setattr(nodepool.drivers.zmq, "CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        watch.configure((f"tcp://127.0.0.1:{port}",))
        connection, _ = other.accept()
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 10)
        eventually(lambda: connection.recv(1000) == b"", "it hangs up")
        connection.close()
    with contextlib.closing(Press(port)) as press:
        assert press.subscribed()
        press.send(message("onStarted", "n-1"))
        assert inbox.next() == BuildStarted("n-1", "unit")


def test_an_address_that_is_none(
    watch: BuildWatch, inbox: Inbox, press: Press, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    watch.configure(("tcp://127.0.0.1", press.address))
    assert press.subscribed()
    press.send(message("onStarted", "n-1"))
    assert inbox.next() == BuildStarted("n-1", "unit")
    assert "tcp://127.0.0.1 are not heard" in caplog.text
    assert "Traceback" not in caplog.text

"""The demand watch on real Gearman servers, and on what is none."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nodepool.config.values import ServerAddress
from nodepool.core import events
from nodepool.drivers.gearman import DemandWatch
from tests.integration.nodepool_inbox import Inbox
from tests.support.certificates import Authority
from tests.support.gearman import (
    RawPeer,
    Recorder,
    embedded,
    free_port,
    gear_library,
    gearmand,
)
from tests.support.waiting import eventually
from zuul.lib import clock
from zuul.lib.gearman import GearmanClient, GearmanServer, PacketType
from zuul.lib.gearman.acl import parse_acl
from zuul.lib.tls import TlsFiles, client_context, server_context

pytestmark = pytest.mark.integration
EVERY = 0.05


@pytest.fixture
def make_watch(inbox: Inbox) -> Iterator[Callable[..., DemandWatch]]:
    with ExitStack() as stack:

        def make(**more: Any) -> DemandWatch:
            watch = DemandWatch(inbox, every=EVERY, **more)
            stack.callback(watch.stop)
            watch.start()
            return watch

        yield make


def servers(*ports: int) -> tuple[ServerAddress, ...]:
    return tuple(ServerAddress("127.0.0.1", port) for port in ports)


def demand_is(inbox: Inbox, **wanted: int) -> events.DemandRead:
    return inbox.wait(events.DemandRead, lambda event: event.demand == wanted)


@pytest.mark.filterwarnings("ignore:notifyAll:DeprecationWarning")
@pytest.mark.parametrize("kind", [embedded, gear_library, gearmand])
def test_demand_of_each_make_of_server(
    make_watch: Callable[..., DemandWatch], inbox: Inbox, kind: Any
) -> None:
    with kind() as port, RawPeer(port) as client, RawPeer(port) as worker:
        worker.can_do(b"build:unit:bare", b"build:unit", b"merger:merge")
        for function in (b"build:unit:bare", b"build:docs:big", b"build:unit", b"merger:merge"):
            client.submit(function)
        before = clock.now()
        watch = make_watch()
        watch.configure(servers(port))
        told = demand_is(inbox, bare=2, big=1)
        assert before <= told.asked_at <= clock.now()
        worker.grab()
        demand_is(inbox, bare=2, big=1)
        watch.stop()


def test_a_server_that_fails_counts_for_nothing_until_it_answers(
    make_watch: Callable[..., DemandWatch], inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watch, absent = make_watch(), free_port()
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(embedded()) for _ in range(2)]
        clients = [stack.enter_context(RawPeer(port)) for port in ports]
        for client in clients:
            # it stays when its client goes, and is gone with its server alone
            client.submit(b"build:unit:bare", packet_type=PacketType.SUBMIT_JOB_BG)
        watch.configure(servers(ports[0], absent, ports[1]))
        demand_is(inbox, bare=2)
        watch.configure(servers(ports[0], absent))
        demand_is(inbox, bare=1)
    demand_is(inbox)
    eventually(lambda: str(ports[0]) in caplog.text, "a warning")
    watch.stop()
    assert caplog.text.count(f"{absent} is not asked") == 1, "once, not each time"


def test_without_servers_nothing_is_told(
    make_watch: Callable[..., DemandWatch], inbox: Inbox
) -> None:
    watch = make_watch()
    watch.configure(())
    with embedded() as port, RawPeer(port) as client:
        client.submit(b"build:unit:bare")
        watch.configure(servers(port))
        demand_is(inbox, bare=1)
        watch.configure(())
        demand_is(inbox)
        watch.configure(servers(port))
        demand_is(inbox, bare=1)
        watch.stop()


def test_a_reload_disturbs_only_what_differs(
    make_watch: Callable[..., DemandWatch], inbox: Inbox
) -> None:
    with embedded() as port:
        watch = make_watch()
        watch.configure(servers(port))
        (before,) = watch._servers.values()
        watch.configure(servers(free_port(), port))
        assert before in watch._servers.values()
        watch.stop()


def test_with_certificates(
    make_watch: Callable[..., DemandWatch],
    inbox: Inbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As zuul-server's own server wants them; ones that come later are found."""
    ours, files = Authority(tmp_path, "ours"), tmp_path / "later"
    context = server_context(ours.issue("server"))
    acl = parse_acl("[nodepool]\nadmin = status\n[zuul]\nsubmit = *\n", "acl")
    server = GearmanServer("127.0.0.1", 0, ssl_context=context, acl=acl)
    server.start()
    client = GearmanClient(
        "c",
        "127.0.0.1",
        server.port,
        ssl_context=client_context(ours.of("zuul"), check_hostname=True),
    )
    try:
        client.submit("build:unit:bare", b"{}", Recorder())
        papers = ours.of("nodepool")
        later = TlsFiles(papers.ca, papers.certificate, files)
        watch = make_watch()
        watch.configure((ServerAddress("127.0.0.1", server.port, tls=later),))
        inbox.wait(events.DemandRead, lambda event: event.demand == {})
        eventually(lambda: f"{files}: is not there" in caplog.text, "a warning")
        papers.key.rename(files)
        demand_is(inbox, bare=1)
        watch.stop()
    finally:
        client.close()
        server.stop()


class Odd:
    """A server that says the same to everything, and then keeps still."""

    def __init__(self, answer: bytes, *, hang_up: bool = False) -> None:
        self._answer = answer
        self._hang_up = hang_up
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Odd:
        self._thread.start()
        return self

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.recv(1000)
            connection.sendall(self._answer)
            if self._hang_up:
                connection.close()
            else:
                self._open.append(connection)

    def __exit__(self, *_exc: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()
        for connection in self._open:
            connection.close()


@pytest.mark.parametrize(
    ("answer", "hang_up"),
    [
        (b"", False),
        (b"", True),
        (b"build:unit:bare\t1\t0\t1\n", True),
        (b"build:unit:bare\t1\t0\t1\n", False),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", True),
    ],
)
def test_half_an_answer_counts_for_nothing(
    make_watch: Callable[..., DemandWatch], inbox: Inbox, answer: bytes, hang_up: bool
) -> None:
    watch = make_watch(timeout_seconds=0.3)
    with Odd(answer, hang_up=hang_up) as odd, embedded() as port, RawPeer(port) as client:
        client.submit(b"build:docs:big")
        watch.configure(servers(odd.port, port))
        for _ in range(5):
            told = inbox.wait(events.DemandRead)
            assert told.demand in ({}, {"big": 1})
        demand_is(inbox, big=1)
        watch.stop()


def test_bad_lines_are_passed_over(make_watch: Callable[..., DemandWatch], inbox: Inbox) -> None:
    text = b"\xff\xfe\t1\t0\t0\nbuild:x:big\tmany\t0\t0\nbuild:x:big\t2\t0\t0\nrubbish\n.\n"
    watch = make_watch()
    with Odd(text) as odd:
        watch.configure(servers(odd.port))
        demand_is(inbox, big=2)
        watch.stop()

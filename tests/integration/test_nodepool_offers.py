"""Nodes offered over real Gearman servers: taken, refused, lost, given up, revoked."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nodepool.config.values import ServerAddress
from nodepool.core import commands, events
from nodepool.core.events import Step
from nodepool.drivers.jenkins import TargetEdge
from nodepool.drivers.offers import Offers
from nodepool.model import MachineKey
from tests.integration.nodepool_inbox import Inbox
from tests.integration.nodepool_targets import HOME, node_of
from tests.support.certificates import Authority
from tests.support.gearman import RawPeer, embedded, free_port, gearmand
from tests.support.gearman_admin import ask_status
from tests.support.waiting import eventually
from zuul.lib.gearman import GearmanServer, GearmanWorker, PacketType
from zuul.lib.gearman.acl import parse_acl
from zuul.lib.tls import TlsFiles, client_context, server_context

pytestmark = pytest.mark.integration
NODE = node_of(target="launch ers")
ASSIGN = commands.AssignNode(NODE, HOME)
FUNCTION = b"node_assign:launch ers"


@pytest.fixture
def make_edge(inbox: Inbox) -> Iterator[Callable[..., TargetEdge]]:
    with ExitStack() as stack:

        def make(*ports: int, **more: Any) -> TargetEdge:
            offers = Offers(inbox, **more)
            offers.configure([ServerAddress("127.0.0.1", port) for port in ports])
            edge = TargetEdge(inbox, gearman=offers)
            stack.callback(edge.stop)
            edge.start()
            return edge

        yield make


def failed(inbox: Inbox) -> str:
    event = inbox.next()
    assert isinstance(event, events.StepFailed), event
    assert (event.key, event.step) == (MachineKey("node", NODE.id), Step.ASSIGN)
    return event.text


@pytest.mark.parametrize("kind", [embedded, gearmand])
def test_a_node_is_taken_and_revoked(
    make_edge: Callable[..., TargetEdge], inbox: Inbox, kind: Any
) -> None:
    with kind() as port, RawPeer(port) as launcher:
        launcher.can_do(FUNCTION, b"node_revoke:launcher-1")
        edge = make_edge(port)
        edge.submit(ASSIGN)
        handle, function, unique, arguments = grabbed(launcher)
        assert function == FUNCTION
        assert len(unique) == 32
        assert json.loads(arguments) == {
            "name": "bare-cloud-7",
            "host": "10.1.2.3",
            "description": "Dynamic single use bare node",
            "labels": "bare",
            "root": HOME,
        }
        launcher.send(PacketType.WORK_DATA, handle, b'{"manager": "launcher-0"}')
        launcher.send(PacketType.WORK_DATA, handle, b'{"manager": "launcher-1"}')
        launcher.send(PacketType.WORK_COMPLETE, handle, b"")
        assert inbox.next() == events.Assigned(NODE.id, "launcher-1"), "the last data count"
        edge.submit(commands.RevokeNode("launcher-1", "bare-cloud-7"))
        handle, function, _unique, arguments = grabbed(launcher)
        assert function == b"node_revoke:launcher-1"
        assert json.loads(arguments) == {"name": "bare-cloud-7"}
        launcher.send(PacketType.WORK_FAIL, handle)
        edge.submit(ASSIGN)
        handle = grabbed(launcher)[0]
        launcher.send(PacketType.WORK_COMPLETE, handle, b'{"manager": "launcher-2"}')
        assert inbox.next() == events.Assigned(NODE.id, "launcher-2"), "nothing came of the revoke"
        edge.stop()


def grabbed(launcher: RawPeer) -> list[bytes]:
    """The next job, once there is one."""

    def grab() -> list[bytes] | None:
        launcher.send(PacketType.GRAB_JOB_UNIQ)
        name, arguments = launcher.next()
        return arguments if name == "JOB_ASSIGN_UNIQ" else None

    found = eventually(grab, "a job")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (PacketType.WORK_FAIL, "fail"),
        (PacketType.WORK_EXCEPTION, "exception"),
    ],
)
def test_a_node_that_nobody_wants(
    make_edge: Callable[..., TargetEdge], inbox: Inbox, end: PacketType, said: str
) -> None:
    with embedded() as port, RawPeer(port) as launcher:
        launcher.can_do(FUNCTION)
        edge = make_edge(port)
        edge.submit(ASSIGN)
        handle = grabbed(launcher)[0]
        arguments = (handle, b"no room") if end is PacketType.WORK_EXCEPTION else (handle,)
        launcher.send(end, *arguments)
        assert said in failed(inbox)
        edge.stop()


def test_a_server_that_breaks_off(make_edge: Callable[..., TargetEdge], inbox: Inbox) -> None:
    with contextlib.ExitStack() as server:
        port = server.enter_context(embedded())
        with RawPeer(port) as launcher:
            launcher.can_do(FUNCTION)
            edge = make_edge(port)
            edge.submit(ASSIGN)
            grabbed(launcher)
            # Before its worker: whose jobs it would fail itself, if it saw that.
            server.close()
            assert "lost" in failed(inbox)
    edge.stop()


def test_a_server_that_is_not_there(make_edge: Callable[..., TargetEdge], inbox: Inbox) -> None:
    edge = make_edge(free_port(), handle_seconds=0.3)
    edge.submit(commands.RevokeNode("launcher-1", "bare-cloud-7"))
    edge.submit(ASSIGN)
    assert "no_handle" in failed(inbox)


def test_an_offer_that_is_given_up_is_taken_back(
    make_edge: Callable[..., TargetEdge], inbox: Inbox
) -> None:
    """A launcher that comes later must not take a node that is being deleted."""
    with embedded() as port, RawPeer(port) as launcher:
        edge = make_edge(port, assign_seconds=0.5, revoke_seconds=0.5)
        edge.submit(ASSIGN)
        edge.submit(commands.RevokeNode("launcher-1", "bare-cloud-7"))
        assert "nobody took it in time" in failed(inbox)
        launcher.can_do(FUNCTION, b"node_revoke:launcher-1")

        def is_empty() -> bool:
            launcher.line(b"status")
            return all(line.split(b"\t")[1] == b"0" for line in launcher.lines())

        eventually(is_empty, "both offers are taken back")
        edge.stop()


def test_the_server_at_which_somebody_waits_is_chosen(
    make_edge: Callable[..., TargetEdge], inbox: Inbox
) -> None:
    with embedded() as first, embedded() as second, RawPeer(second) as launcher:
        launcher.can_do(FUNCTION)
        edge = make_edge(free_port(), first, second)
        edge.submit(ASSIGN)
        launcher.send(PacketType.WORK_COMPLETE, grabbed(launcher)[0], b'{"manager": "m"}')
        assert inbox.next() == events.Assigned(NODE.id, "m")
        assert "node_assign:launch ers" not in ask_status(first)
        edge.stop()


def test_with_certificates(inbox: Inbox, tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    context = server_context(ours.issue("server"))
    acl = parse_acl("[nodepool]\nsubmit = node_*\n[launcher]\nregister = node_*\n", "acl")
    server = GearmanServer("127.0.0.1", 0, ssl_context=context, acl=acl)
    server.start()
    worker = GearmanWorker(
        "launcher",
        "127.0.0.1",
        server.port,
        {FUNCTION.decode(): lambda task: b'{"manager": "launcher"}'},
        ssl_context=client_context(ours.of("launcher"), check_hostname=True),
    )
    worker.start()
    offers = Offers(inbox)
    offers.start()
    try:
        good = ours.of("nodepool")
        bad = TlsFiles(good.ca, good.certificate, tmp_path / "no-such-key")
        offers.configure([ServerAddress("127.0.0.1", server.port, tls=bad)])
        offers.assign(ASSIGN)
        assert "no-such-key: is not there" in failed(inbox)
        offers.configure([ServerAddress("127.0.0.1", server.port, tls=good)])
        offers.assign(ASSIGN)
        assert inbox.next() == events.Assigned(NODE.id, "launcher")
    finally:
        offers.stop()
        worker.stop()
        server.stop()


def test_without_servers(make_edge: Callable[..., TargetEdge], inbox: Inbox) -> None:
    edge = make_edge()
    edge.submit(commands.RevokeNode("launcher-1", "bare-cloud-7"))
    edge.submit(ASSIGN)
    assert "no Gearman server" in failed(inbox)


def test_a_server_that_leaves_the_configuration(inbox: Inbox) -> None:
    offers = Offers(inbox)
    offers.start()
    with embedded() as port, RawPeer(port) as launcher:
        launcher.can_do(FUNCTION)
        offers.configure([ServerAddress("127.0.0.1", port)])
        offers.assign(ASSIGN)
        grabbed(launcher)
        offers.configure(())
        assert "lost" in failed(inbox)
        offers.stop()


def test_nothing_is_told_after_the_end(make_edge: Callable[..., TargetEdge], inbox: Inbox) -> None:
    """The node may well have been taken: the next start finds out."""
    with embedded() as port, RawPeer(port) as launcher:
        launcher.can_do(FUNCTION)
        edge = make_edge(port)
        edge.submit(ASSIGN)
        grabbed(launcher)
        edge.stop()
    assert inbox.seen(events.StepFailed) == []

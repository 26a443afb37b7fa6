"""The Gearman server among hostile connections: it answers or closes, and loses nobody's jobs."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tests.support.mutations import FUZZ, damaged
from zuul.lib.gearman.acl import parse_acl
from zuul.lib.gearman.broker import Broker
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import (
    RESPONSE,
    Packet,
    PacketType,
    ProtocolError,
    StreamReader,
    request,
)
from zuul.lib.gearman.session import WorkerSession

#: two of good will, the others of none
CLIENT, WORKER, FORGER, *HOSTILE = 1, 2, 3, 4, 5
ACL = parse_acl("[client]\nsubmit=*\ncancel=*\nadmin=status,workers\n[worker]\nregister=*\n", "acl")
LIMITS = Limits(
    packet_bytes=4096, jobs=50, argument_bytes=10_000, functions_per_connection=20, name_bytes=64
)

words = st.sampled_from([b"", b"f", b"build:unit", b"H:boot:1", b"H:boot:2", b"\xff\n", b"x" * 100])
types = st.sampled_from([*map(int, PacketType), 0, 5, 99, 255, 2**32 - 1])
packets = st.builds(lambda kind, parts: request(kind, *parts), types, st.lists(words, max_size=4))
lines = st.sampled_from(
    [b"status\n", b"workers\n", b"version\n", b"shutdown\n", b"cancel job H:boot:1\n", b"\r\n"]
)
headers = st.builds(
    lambda magic, kind, size: magic + struct.pack("!II", kind, size),
    st.sampled_from([b"\0REQ", b"\0RES", b"\0\0\0\0"]),
    types,
    st.sampled_from([0, 1, 4096, 4097, 2**32 - 1]),
)
noise = st.one_of(
    packets,
    packets,
    lines,
    headers,
    st.binary(max_size=30),
    damaged([request(PacketType.SUBMIT_JOB, b"f", b"u", b"{}"), b"status\nworkers\n"]),
)
attacks = st.lists(st.tuples(st.sampled_from(HOSTILE), noise), max_size=40)


def received(broker: Broker, connection: int) -> list[tuple[str, list[bytes]]]:
    reader = StreamReader(RESPONSE)
    items = [
        item
        for number, data in broker.take_output()
        if number == connection
        for item in reader.feed(data)
    ]
    return [
        (PacketType(item.type).name, item.data.split(b"\0"))
        if isinstance(item, Packet)
        else ("TEXT", [item])
        for item in items
    ]


def attack(broker: Broker, deeds: list[tuple[int, bytes]]) -> None:
    """What a hostile connection sends; it is closed when it speaks no Gearman, and comes back."""
    for number, (connection, data) in enumerate(deeds):
        try:
            broker.receive(connection, data, float(number))
        except ProtocolError:
            broker.disconnect(connection)
            broker.connect(connection, "10.6.6.6")
    broker.tick(float(len(deeds)))


def work(broker: Broker) -> None:
    """One job of the client, done by the worker, while the others are there."""
    broker.receive(WORKER, request(PacketType.CAN_DO, b"good"), 0.0)
    broker.receive(CLIENT, request(PacketType.SUBMIT_JOB, b"good", b"", b"task"), 0.0)
    (kind, (handle, *_)), *_ = [
        each for each in received(broker, CLIENT) if each[0] == "JOB_CREATED"
    ]
    broker.receive(WORKER, request(PacketType.GRAB_JOB_UNIQ), 0.0)
    assert [each[1][0] for each in received(broker, WORKER)] == [handle], kind
    broker.connect(FORGER, "10.6.6.6")
    for end in (PacketType.WORK_COMPLETE, PacketType.WORK_FAIL):
        broker.receive(FORGER, request(end, handle, b"forged"), 0.0)
    broker.disconnect(FORGER)
    broker.receive(WORKER, request(PacketType.WORK_COMPLETE, handle, b"done"), 0.0)
    ends = [each for each in received(broker, CLIENT) if each[0].startswith("WORK_")]
    assert ends == [("WORK_COMPLETE", [handle, b"done"])]


def clean_slate(*, acl: bool) -> Broker:
    broker = Broker("boot", "1.0", LIMITS, ACL if acl else None)
    broker.connect(CLIENT, "10.0.0.1", "client")
    broker.connect(WORKER, "10.0.0.2", "worker")
    for hostile in HOSTILE:
        broker.connect(hostile, "10.6.6.6")
    return broker


@FUZZ
@given(attacks)
def test_strangers_of_whom_nothing_is_known(deeds: list[tuple[int, bytes]]) -> None:
    """Without an access list they may fill the queue; they go, and what they did goes with them."""
    broker = clean_slate(acl=False)
    attack(broker, deeds)
    for hostile in HOSTILE:
        broker.disconnect(hostile)
        broker.connect(hostile, "10.6.6.6")
    broker.take_output()
    background = broker.totals.total
    work(broker)
    assert broker.totals.total == background
    assert broker.totals.running == 0


@FUZZ
@given(attacks, attacks)
def test_strangers_with_a_list_leave_no_trace(
    before: list[tuple[int, bytes]], after: list[tuple[int, bytes]]
) -> None:
    broker = clean_slate(acl=True)
    attack(broker, before)
    work(broker)
    attack(broker, after)
    assert broker.totals == (0, 0, 0)
    broker.take_output()
    broker.receive(CLIENT, b"status\n", 0.0)
    assert received(broker, CLIENT) == [("TEXT", [b"good\t0\t0\t1"]), ("TEXT", [b"."])]


@FUZZ
@given(st.lists(noise, max_size=20), st.data())
def test_a_worker_of_ours_on_a_hostile_server(pieces: list[bytes], data: st.DataObject) -> None:
    session = WorkerSession("bridge")
    session.set_functions(frozenset({"build:unit"}))
    session.allow(3)
    session.connected()
    sent = b"".join(pieces).replace(b"\0REQ", b"\0RES")
    cut = data.draw(st.integers(0, len(sent)))
    try:
        for piece in (sent[:cut], sent[cut:]):
            session.receive(piece)
    except ProtocolError:
        return
    assert all(isinstance(handle, bytes) for handle in session.open_jobs)

"""Cutting a byte stream into packets and lines."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zuul.lib.gearman.packets import (
    MAX_LINE_BYTES,
    REQUEST,
    RESPONSE,
    Packet,
    PacketType,
    ProtocolError,
    StreamReader,
    request,
    response,
)


def test_wire_form_of_a_packet() -> None:
    wire = request(PacketType.SUBMIT_JOB, b"f", b"u", b"a\x00b")
    assert wire == b"\x00REQ" + struct.pack("!II", 7, 7) + b"f\x00u\x00a\x00b"


def test_packets_and_lines_in_one_stream() -> None:
    stream = b"status\r\n" + request(PacketType.CAN_DO, b"f") + b"cancel job H:1\n"
    found = StreamReader(REQUEST).feed(stream)
    assert found == [b"status", Packet(REQUEST, 1, b"f"), b"cancel job H:1"]


items = st.lists(
    st.one_of(
        st.binary(max_size=60).map(lambda data: ("packet", data)),
        st.binary(max_size=20)
        .filter(lambda line: b"\n" not in line and not line.startswith(b"\x00"))
        .filter(lambda line: not line.endswith(b"\r"))
        .map(lambda line: ("line", line)),
    ),
    max_size=8,
)


@given(items, st.lists(st.integers(1, 30), min_size=1))
def test_pieces_do_not_matter(items: list[tuple[str, bytes]], sizes: list[int]) -> None:
    stream = b"".join(
        response(PacketType.WORK_DATA, data) if kind == "packet" else data + b"\n"
        for kind, data in items
    )
    reader = StreamReader(RESPONSE)
    found: list[Packet | bytes] = []
    position, turn = 0, 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        found += reader.feed(stream[position : position + size])
        position, turn = position + size, turn + 1
    wanted = [
        Packet(RESPONSE, int(PacketType.WORK_DATA), data) if kind == "packet" else data
        for kind, data in items
    ]
    assert found == wanted


def test_wrong_magic_is_refused() -> None:
    with pytest.raises(ProtocolError, match="magic"):
        StreamReader(REQUEST).feed(response(PacketType.NOOP))


def test_size_is_refused_before_the_packet_is_complete() -> None:
    reader = StreamReader(REQUEST, max_packet=1000)
    with pytest.raises(ProtocolError, match="1001 bytes"):
        reader.feed(b"\x00REQ" + struct.pack("!II", 7, 1001))


def test_endless_line_is_refused() -> None:
    reader = StreamReader(REQUEST)
    assert reader.feed(b"x" * MAX_LINE_BYTES) == []
    with pytest.raises(ProtocolError, match="line"):
        reader.feed(b"x")

"""How much one connection may ask of the Gearman server."""

from __future__ import annotations

import struct

import pytest

from zuul.lib.gearman.broker import Broker
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import (
    MAX_LINE_BYTES,
    MAX_PACKET_BYTES,
    PacketType,
    ProtocolError,
    request,
)


def ask(data: bytes, **limits: int) -> bytes:
    broker = Broker("boot", "1.0", Limits(**limits))
    broker.connect(1, "10.0.0.1")
    broker.receive(1, data, 0.0)
    return b"".join(answer for _, answer in broker.take_output())


def test_a_packet_is_refused_by_what_its_header_says() -> None:
    """Before anything of it is kept."""
    for size in (MAX_PACKET_BYTES + 1, 2**32 - 1):
        with pytest.raises(ProtocolError, match="over the limit"):
            ask(struct.pack("!4sII", b"\0REQ", PacketType.SUBMIT_JOB, size))
    with pytest.raises(ProtocolError):
        ask(request(PacketType.ECHO_REQ, b"x" * 11), packet_bytes=10)
    assert ask(request(PacketType.ECHO_REQ, b"x" * 10), packet_bytes=10)


def test_a_line_of_text_has_an_end() -> None:
    assert ask(b"x" * MAX_LINE_BYTES) == b""
    with pytest.raises(ProtocolError, match="too long"):
        ask(b"x" * (MAX_LINE_BYTES + 1))


@pytest.mark.parametrize("flags", [PacketType.SUBMIT_JOB, PacketType.SUBMIT_JOB_HIGH_BG])
def test_the_queue_is_full_by_jobs_or_bytes(flags: PacketType) -> None:
    one = request(flags, b"f", b"", b"x" * 100)
    assert ask(one * 3, jobs=2).count(b"ERR_QUEUE_FULL") == 1
    assert ask(one * 3, argument_bytes=250).count(b"ERR_QUEUE_FULL") == 1


def test_functions_are_few_and_their_names_short() -> None:
    many = b"".join(request(PacketType.CAN_DO, b"f%d" % n) for n in range(5))
    assert ask(many, functions_per_connection=3).count(b"ERR_TOO_MANY") == 2
    at_once = request(PacketType.MASS_DO, *(b"f%d" % n for n in range(5)))
    assert ask(at_once, functions_per_connection=3).count(b"ERR_TOO_MANY") == 1
    for kind, rest in ((PacketType.CAN_DO, ()), (PacketType.SUBMIT_JOB, (b"", b""))):
        assert b"ERR_NAME" in ask(request(kind, b"x" * 65, *rest), name_bytes=64)
        assert b"ERR_NAME" in ask(request(kind, b"two\nlines", *rest))

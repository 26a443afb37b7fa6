"""Gearman packets: their numbers, how they are written, and how a byte stream is cut into them.

Pure: bytes in, values out. A stream carries two languages, binary packets (they start with a NUL
byte) and lines of text (administrative commands); `StreamReader` tells them apart.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

REQUEST: Final = b"\x00REQ"
RESPONSE: Final = b"\x00RES"
_HEADER: Final = struct.Struct("!4sII")
HEADER_SIZE: Final = _HEADER.size

#: No packet of ours is near this; a larger one is an attack or a broken peer.
MAX_PACKET_BYTES: Final = 64 * 1024 * 1024
MAX_LINE_BYTES: Final = 64 * 1024


class PacketType(IntEnum):
    """Packet numbers of the Gearman protocol, and MASS_DO, which is gear's own."""

    CAN_DO = 1
    CANT_DO = 2
    RESET_ABILITIES = 3
    PRE_SLEEP = 4
    NOOP = 6
    SUBMIT_JOB = 7
    JOB_CREATED = 8
    GRAB_JOB = 9
    NO_JOB = 10
    JOB_ASSIGN = 11
    WORK_STATUS = 12
    WORK_COMPLETE = 13
    WORK_FAIL = 14
    GET_STATUS = 15
    ECHO_REQ = 16
    ECHO_RES = 17
    SUBMIT_JOB_BG = 18
    ERROR = 19
    STATUS_RES = 20
    SUBMIT_JOB_HIGH = 21
    SET_CLIENT_ID = 22
    CAN_DO_TIMEOUT = 23
    ALL_YOURS = 24
    WORK_EXCEPTION = 25
    OPTION_REQ = 26
    OPTION_RES = 27
    WORK_DATA = 28
    WORK_WARNING = 29
    GRAB_JOB_UNIQ = 30
    JOB_ASSIGN_UNIQ = 31
    SUBMIT_JOB_HIGH_BG = 32
    SUBMIT_JOB_LOW = 33
    SUBMIT_JOB_LOW_BG = 34
    SUBMIT_JOB_SCHED = 35
    SUBMIT_JOB_EPOCH = 36
    GRAB_JOB_ALL = 39
    JOB_ASSIGN_ALL = 40
    MASS_DO = 101


PACKET_NAMES: Final[dict[int, str]] = {int(member): member.name for member in PacketType}


class Packet(NamedTuple):
    """One binary packet without its header; `data` still holds its NUL-separated arguments."""

    magic: bytes
    type: int
    data: bytes


class ProtocolError(ValueError):
    """The bytes are no Gearman; the connection they came from cannot be used any more."""


def encode(magic: bytes, packet_type: int, *arguments: bytes) -> bytes:
    """The wire form of a packet; arguments are joined with NUL bytes."""
    data = b"\x00".join(arguments)
    return _HEADER.pack(magic, packet_type, len(data)) + data


def request(packet_type: int, *arguments: bytes) -> bytes:
    """A packet as clients and workers send it."""
    return encode(REQUEST, packet_type, *arguments)


def response(packet_type: int, *arguments: bytes) -> bytes:
    """A packet as the server sends it."""
    return encode(RESPONSE, packet_type, *arguments)


class StreamReader:
    """Cuts one connection's bytes into packets and text lines, whatever the pieces they come in."""

    __slots__ = ("_buffer", "_magics", "_max_packet", "_needed")

    def __init__(self, *magics: bytes, max_packet: int = MAX_PACKET_BYTES) -> None:
        self._magics = magics
        self._max_packet = max_packet
        self._buffer = bytearray()
        #: Do not look again before the buffer has this many bytes.
        self._needed = 1

    def feed(self, data: bytes) -> list[Packet | bytes]:
        """Everything that is complete with `data`: packets, and lines without their newline.

        Raises ProtocolError for a wrong magic code or something larger than the limits.
        """
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        found: list[Packet | bytes] = []
        position = self._cut(data, found)
        if position < len(data):
            self._buffer += data[position:]
        return found

    def _cut(self, data: bytes, found: list[Packet | bytes]) -> int:
        """Append what is complete to `found`; the position of the first byte not used."""
        position, end = 0, len(data)
        while position < end:
            if data[position] != 0:
                newline = data.find(b"\n", position)
                if newline < 0:
                    self._needed = 0
                    self._check(end - position <= MAX_LINE_BYTES, "line of text too long")
                    break
                found.append(data[position:newline].rstrip(b"\r"))
                position = newline + 1
                continue
            if end - position < HEADER_SIZE:
                self._needed = HEADER_SIZE
                break
            magic, packet_type, size = _HEADER.unpack_from(data, position)
            self._check(magic in self._magics, "wrong magic code in packet header")
            self._check(size <= self._max_packet, f"packet of {size} bytes is over the limit")
            stop = position + HEADER_SIZE + size
            if stop > end:
                self._needed = stop - position
                break
            found.append(Packet(magic, packet_type, data[position + HEADER_SIZE : stop]))
            position = stop
        return position

    @staticmethod
    def _check(holds: bool, text: str) -> None:
        if not holds:
            raise ProtocolError(text)

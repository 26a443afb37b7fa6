"""What the Gearman broker answers: status, lists, options, and requests that are none."""

from __future__ import annotations

import pytest

from tests.unit.zuul.lib.broker_bench import CLIENT, WORKER, Bench
from zuul.lib.gearman.packets import PacketType


def test_get_status() -> None:
    bench = Bench()
    handle = bench.submit()
    bench.send(CLIENT, PacketType.GET_STATUS, handle)
    assert bench.out() == {CLIENT: [("STATUS_RES", [handle, b"1", b"0", b"", b""])]}
    bench.assign(handle)
    bench.send(WORKER, PacketType.WORK_STATUS, handle, b"3", b"4")
    bench.out()
    bench.send(CLIENT, PacketType.GET_STATUS, handle)
    assert bench.out() == {CLIENT: [("STATUS_RES", [handle, b"1", b"1", b"3", b"4"])]}
    bench.send(CLIENT, PacketType.GET_STATUS, b"H:unknown")
    assert bench.out() == {CLIENT: [("STATUS_RES", [b"H:unknown", b"0", b"0", b"", b""])]}


def test_status_lists_known_served_and_queued_functions() -> None:
    bench = Bench()
    bench.send(WORKER, PacketType.CAN_DO, b"gone")
    bench.send(WORKER, PacketType.CANT_DO, b"gone")
    bench.send(WORKER, PacketType.CAN_DO, b"served")
    bench.submit(b"nobody")
    lines = bench.line(b"status").splitlines()
    assert sorted(lines) == [b".", b"gone\t0\t0\t0", b"nobody\t1\t0\t0", b"served\t0\t0\t1"]


def test_workers_version_and_unknown_commands() -> None:
    bench = Bench()
    bench.send(WORKER, PacketType.SET_CLIENT_ID, b"Zuul Merger\n\x1b")
    bench.send(WORKER, PacketType.CAN_DO, b"f")
    assert bench.line(b"workers").splitlines()[:2] == [
        b"1 10.0.0.1 - : ",
        b"2 10.0.0.2 ZuulMerger : f",
    ]
    assert bench.line(b"version") == b"OK 1.0\n"
    assert bench.line(b"shutdown").startswith(b"ERR ")


def test_echo_and_options_are_answered() -> None:
    bench = Bench()
    bench.send(CLIENT, PacketType.ECHO_REQ, b"hello")
    bench.send(CLIENT, PacketType.OPTION_REQ, b"exceptions")
    bench.send(CLIENT, PacketType.OPTION_REQ, b"other")
    assert bench.out() == {
        CLIENT: [
            ("ECHO_RES", [b"hello"]),
            ("OPTION_RES", [b"exceptions"]),
            ("ERROR", [b"ERR_OPTION", b"unknown option"]),
        ]
    }


@pytest.mark.parametrize(
    ("packet_type", "arguments", "code"),
    [
        (PacketType.SUBMIT_JOB, (b"f", b"u"), b"ERR_ARGUMENTS"),
        (PacketType.SUBMIT_JOB, (b"", b"u", b""), b"ERR_NAME"),
        (PacketType.SUBMIT_JOB, (b"f\tg", b"u", b""), b"ERR_NAME"),
        (PacketType.SUBMIT_JOB, (b"f" * 2000, b"u", b""), b"ERR_NAME"),
        (PacketType.SUBMIT_JOB_EPOCH, (b"f", b"u", b"1", b""), b"ERR_UNSUPPORTED"),
        (PacketType.CAN_DO, (b"f\n",), b"ERR_NAME"),
        (PacketType.CAN_DO_TIMEOUT, (b"f", b"soon"), b"ERR_ARGUMENTS"),
    ],
)
def test_bad_requests_are_answered(
    packet_type: int, arguments: tuple[bytes, ...], code: bytes
) -> None:
    bench = Bench()
    bench.send(CLIENT, packet_type, *arguments)
    ((name, answer),) = bench.out()[CLIENT]
    assert (name, answer[0]) == ("ERROR", code)


def test_unknown_packets_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.send(CLIENT, 99, b"x")
    assert bench.out() == {}
    assert "type=99" in caplog.text

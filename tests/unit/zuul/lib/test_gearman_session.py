"""A worker's session: what goes out for what came in, without a socket."""

from __future__ import annotations

import pytest

from zuul.lib.gearman.packets import (
    REQUEST,
    Packet,
    PacketType,
    ProtocolError,
    StreamReader,
    response,
)
from zuul.lib.gearman.session import TakenJob, WorkerSession

ASSIGN = response(PacketType.JOB_ASSIGN_UNIQ, b"H:1", b"build:a", b"u1", b'{"a": "\x00"}')


def names(data: bytes) -> list[str]:
    """`CAN_DO build:a` and the like, for each packet of `data`."""
    packets = StreamReader(REQUEST).feed(data)
    found = []
    for packet in packets:
        assert isinstance(packet, Packet)
        words = [PacketType(packet.type).name, packet.data.replace(b"\x00", b" ").decode()]
        found.append(" ".join(filter(None, words)))
    return found


def connected(*functions: str, total: int = 0) -> WorkerSession:
    session = WorkerSession("n1_exec-0")
    session.set_functions(frozenset(functions))
    session.allow(total)
    session.connected()
    return session


def test_a_connection_begins_with_who_we_are_and_what_we_can() -> None:
    session = WorkerSession("n1_exec-0")
    assert session.set_functions(frozenset({"build:b", "build:a"})) == b""
    assert session.allow(1) == b""
    assert names(session.connected()) == [
        "SET_CLIENT_ID n1_exec-0",
        "RESET_ABILITIES",
        "CAN_DO build:a",
        "CAN_DO build:b",
        "GRAB_JOB_UNIQ",
    ]


def test_without_allowance_functions_are_registered_and_nothing_is_asked_for() -> None:
    session = connected("build:a")
    _, answer = session.receive(response(PacketType.NOOP))
    assert answer == b""
    assert not session.is_busy


def test_functions_change_by_delta_and_a_new_one_asks_for_its_jobs() -> None:
    session = connected("build:a", "build:b", total=1)
    session.receive(response(PacketType.NO_JOB))
    assert names(session.set_functions(frozenset({"build:b", "build:c"}))) == [
        "CANT_DO build:a",
        "CAN_DO build:c",
        "GRAB_JOB_UNIQ",
    ]
    assert session.set_functions(frozenset({"build:b", "build:c"})) == b""


def test_it_sleeps_when_there_is_no_job_and_asks_when_woken() -> None:
    session = connected("build:a", total=1)
    assert names(session.receive(response(PacketType.NO_JOB))[1]) == ["PRE_SLEEP"]
    assert names(session.receive(response(PacketType.NOOP))[1]) == ["GRAB_JOB_UNIQ"]
    assert session.receive(response(PacketType.NOOP))[1] == b""


def test_a_job_is_taken_as_it_came() -> None:
    session = connected("build:a", total=1)
    jobs, answer = session.receive(ASSIGN)
    assert jobs == [TakenJob(b"H:1", "build:a", "u1", b'{"a": "\x00"}')]
    assert answer == b""
    assert (session.taken, session.is_busy) == (1, True)


def test_the_allowance_counts_every_job_ever_taken() -> None:
    session = connected("build:a", total=2)
    assert names(session.receive(ASSIGN)[1]) == ["GRAB_JOB_UNIQ"]
    assert session.receive(ASSIGN.replace(b"H:1", b"H:2"))[1] == b""
    assert session.allow(2) == b""
    assert names(session.allow(3)) == ["GRAB_JOB_UNIQ"]
    assert session.allow(4) == b""


def test_lowering_the_allowance_keeps_it_from_sleeping() -> None:
    session = connected("build:a", total=1)
    session.allow(0)
    assert session.receive(response(PacketType.NO_JOB))[1] == b""


def test_nothing_follows_a_jobs_end() -> None:
    session = connected("build:a", total=1)
    session.receive(ASSIGN)
    assert names(session.report(PacketType.WORK_DATA, b"H:1", b"d")) == ["WORK_DATA H:1 d"]
    assert names(session.report(PacketType.WORK_EXCEPTION, b"H:1", b"x"))
    assert names(session.report(PacketType.WORK_FAIL, b"H:1")) == ["WORK_FAIL H:1"]
    assert session.report(PacketType.WORK_COMPLETE, b"H:1", b"") == b""
    assert not session.is_busy


def test_a_function_with_an_open_job_has_to_stay() -> None:
    session = connected("build:a", "build:b", total=1)
    session.receive(ASSIGN)
    assert session.keeps(frozenset({"build:a"}))
    assert not session.keeps(frozenset({"build:b"}))
    session.report(PacketType.WORK_COMPLETE, b"H:1", b"")
    assert session.keeps(frozenset())


def test_errors_and_unknown_packets_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    session = connected("build:a")
    answer = response(PacketType.ERROR, b"ERR_NAME", b"bad") + response(PacketType.ECHO_RES, b"x")
    assert session.receive(answer + b"hello\n") == ([], b"")
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "WARNING"]


def test_what_is_no_gearman_ends_the_connection() -> None:
    with pytest.raises(ProtocolError):
        connected("build:a").receive(b"\x00HTTP/1.1 400 Bad Request")


def test_one_that_defers_is_woken_and_asks_when_told() -> None:
    session = connected("build:a", total=1)
    session.defers = True
    session.receive(response(PacketType.NO_JOB))
    assert session.receive(response(PacketType.NOOP)) == ([], b"")
    assert session.is_woken
    assert not session.is_busy
    assert names(session.ask()) == ["GRAB_JOB_UNIQ"]
    assert not session.is_woken
    session.receive(ASSIGN)
    assert session.allow(2) == b""
    assert session.is_woken
    session.allow(1)
    assert session.ask() == b""

"""The server without sockets: what goes in on one connection, what comes out on which."""

from __future__ import annotations

import logging

import pytest

from tests.unit.zuul.lib.broker_bench import CLIENT, OTHER, WORKER, Bench
from zuul.lib.gearman.limits import Limits
from zuul.lib.gearman.packets import PacketType


def test_a_job_from_submission_to_completion() -> None:
    bench = Bench()
    handle = bench.submit(arguments=b"a\x00b")
    bench.send(WORKER, PacketType.CAN_DO, b"f")
    bench.send(WORKER, PacketType.GRAB_JOB_UNIQ)
    assert bench.out() == {WORKER: [("JOB_ASSIGN_UNIQ", [handle, b"f", b"u", b"a", b"b"])]}
    bench.send(WORKER, PacketType.WORK_DATA, handle, b"news")
    bench.send(WORKER, PacketType.WORK_STATUS, handle, b"1", b"2")
    bench.send(WORKER, PacketType.WORK_COMPLETE, handle, b"done")
    assert bench.out() == {
        CLIENT: [
            ("WORK_DATA", [handle, b"news"]),
            ("WORK_STATUS", [handle, b"1", b"2"]),
            ("WORK_COMPLETE", [handle, b"done"]),
        ]
    }
    assert bench.broker.totals.total == 0


@pytest.mark.parametrize(
    ("grab", "answer"),
    [
        (PacketType.GRAB_JOB, ("JOB_ASSIGN", [b"f", b"{}"])),
        (PacketType.GRAB_JOB_UNIQ, ("JOB_ASSIGN_UNIQ", [b"f", b"u", b"{}"])),
        (PacketType.GRAB_JOB_ALL, ("JOB_ASSIGN_ALL", [b"f", b"u", b"", b"{}"])),
    ],
)
def test_three_ways_to_take_a_job(grab: int, answer: tuple[str, list[bytes]]) -> None:
    bench = Bench()
    handle = bench.submit()
    bench.send(WORKER, PacketType.CAN_DO, b"f")
    bench.send(WORKER, grab)
    name, arguments = answer
    assert bench.out() == {WORKER: [(name, [handle, *arguments])]}


def asleep(bench: Bench, workers: range) -> None:
    for worker in workers:
        bench.broker.connect(worker, "10.0.1.1")
        bench.send(worker, PacketType.CAN_DO, b"f")
        bench.send(worker, PacketType.PRE_SLEEP)


def test_of_many_sleepers_each_job_wakes_a_few_others() -> None:
    bench = Bench()
    asleep(bench, range(10, 50))
    woken: set[int] = set()
    for _ in range(5):
        bench.send(CLIENT, PacketType.SUBMIT_JOB, b"f", b"", b"")
        now_woken = set(bench.out()) - {CLIENT}
        assert len(now_woken) == 8 and not now_woken & woken
        woken |= now_woken
    assert woken == set(range(10, 50))


def test_sleepers_are_not_forgotten_when_those_woken_do_not_come() -> None:
    bench = Bench()
    asleep(bench, range(10, 50))
    bench.submit()
    bench.broker.tick(1.0)
    assert len(bench.out()) == 32
    bench.broker.tick(2.0)
    assert bench.out() == {}


def test_all_sleepers_that_can_do_it_are_woken_once() -> None:
    bench = Bench()
    for worker in (WORKER, OTHER):
        bench.send(worker, PacketType.CAN_DO, b"f")
        bench.send(worker, PacketType.GRAB_JOB_UNIQ)
        bench.send(worker, PacketType.PRE_SLEEP)
    assert bench.out() == {WORKER: [("NO_JOB", [])], OTHER: [("NO_JOB", [])]}
    bench.send(CLIENT, PacketType.SUBMIT_JOB, b"f", b"", b"")
    bench.send(CLIENT, PacketType.SUBMIT_JOB, b"f", b"", b"")
    bench.send(CLIENT, PacketType.SUBMIT_JOB, b"other", b"", b"")
    out = bench.out()
    assert out[WORKER] == out[OTHER] == [("NOOP", [])]


def test_going_to_sleep_while_a_job_waits_is_answered_with_noop() -> None:
    bench = Bench()
    bench.send(WORKER, PacketType.CAN_DO, b"f")
    bench.submit()
    bench.send(WORKER, PacketType.PRE_SLEEP)
    assert bench.out() == {WORKER: [("NOOP", [])]}


def test_priorities() -> None:
    bench = Bench()
    low = bench.submit(packet_type=PacketType.SUBMIT_JOB_LOW)
    normal = bench.submit(packet_type=PacketType.SUBMIT_JOB)
    high = bench.submit(packet_type=PacketType.SUBMIT_JOB_HIGH)
    for handle in (high, normal, low):
        bench.assign(handle)


def test_worker_that_disconnects_fails_its_jobs_and_leaves_none_behind() -> None:
    bench = Bench()
    handle = bench.submit()
    bench.assign(handle)
    bench.broker.disconnect(WORKER)
    assert bench.out() == {CLIENT: [("WORK_FAIL", [handle])]}
    assert bench.broker.totals.total == 0
    assert bench.line(b"status") == b"f\t0\t0\t0\n.\n"


def test_client_that_disconnects_takes_its_foreground_jobs_along() -> None:
    bench = Bench()
    running, _waiting = bench.submit(), bench.submit()
    background = bench.submit(packet_type=PacketType.SUBMIT_JOB_BG)
    bench.assign(running)
    bench.broker.disconnect(CLIENT)
    assert bench.out() == {}
    assert bench.broker.totals.total == 1
    bench.send(WORKER, PacketType.WORK_COMPLETE, running, b"late")
    assert bench.out() == {}
    bench.assign(background)
    bench.send(WORKER, PacketType.WORK_COMPLETE, background, b"")
    assert bench.out() == {}
    assert bench.broker.totals.total == 0


def test_reports_are_believed_from_the_assigned_worker_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "zuul.GearServer")
    bench = Bench()
    handle = bench.submit()
    bench.assign(handle)
    for packet_type in (
        PacketType.WORK_DATA,
        PacketType.WORK_WARNING,
        PacketType.WORK_STATUS,
        PacketType.WORK_COMPLETE,
        PacketType.WORK_FAIL,
        PacketType.WORK_EXCEPTION,
    ):
        bench.send(OTHER, packet_type, handle, b"forged", b"")
    assert bench.out() == {}
    assert bench.broker.totals.running == 1
    assert len(caplog.records) == 6


def test_second_end_of_a_job_is_dropped_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zuul.GearServer")
    bench = Bench()
    handle = bench.submit()
    bench.assign(handle)
    bench.send(WORKER, PacketType.WORK_COMPLETE, handle, b"1")
    bench.send(WORKER, PacketType.WORK_COMPLETE, handle, b"2")
    assert bench.out() == {CLIENT: [("WORK_COMPLETE", [handle, b"1"])]}
    assert handle.decode() in caplog.text


def test_exception_ends_a_job_and_the_failure_behind_it_is_expected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "zuul.GearServer")
    bench = Bench()
    handle = bench.submit()
    bench.assign(handle)
    bench.send(WORKER, PacketType.WORK_EXCEPTION, handle, b"boom")
    bench.send(WORKER, PacketType.WORK_FAIL, handle)
    assert bench.out() == {CLIENT: [("WORK_EXCEPTION", [handle, b"boom"])]}
    assert not caplog.records


def test_handles_of_two_lives_differ() -> None:
    assert Bench(boot_id="one").submit() != Bench(boot_id="two").submit()


def test_cancel_takes_waiting_jobs_only_and_tells_nobody() -> None:
    bench = Bench()
    waiting = bench.submit(b"g")
    running = bench.submit()
    bench.assign(running)
    assert bench.line(b"cancel job " + waiting) == b"OK\n"
    assert bench.line(b"cancel job " + waiting) == b"ERR UNKNOWN_JOB\n"
    assert bench.line(b"cancel job " + running) == b"ERR UNKNOWN_JOB\n"
    assert bench.line(b"cancel") == b"ERR UNKNOWN_JOB\n"
    assert bench.broker.totals.total == 1


def test_mass_do_replaces_the_whole_set() -> None:
    bench = Bench()
    bench.send(WORKER, PacketType.CAN_DO, b"old")
    bench.send(WORKER, PacketType.CAN_DO, b"kept")
    bench.send(WORKER, PacketType.MASS_DO, b"kept", b"new")
    assert sorted(bench.line(b"status").splitlines()[:-1]) == [
        b"kept\t0\t0\t1",
        b"new\t0\t0\t1",
        b"old\t0\t0\t0",
    ]
    bench.send(WORKER, PacketType.RESET_ABILITIES)
    bench.submit(b"new")
    bench.send(WORKER, PacketType.GRAB_JOB_UNIQ)
    assert bench.out() == {WORKER: [("NO_JOB", [])]}


def test_job_that_takes_too_long_fails() -> None:
    bench = Bench()
    handle = bench.submit()
    bench.send(WORKER, PacketType.CAN_DO_TIMEOUT, b"f", b"60")
    bench.send(WORKER, PacketType.GRAB_JOB_UNIQ, now=100.0)
    bench.out()
    bench.broker.tick(159.9)
    assert bench.out() == {}
    bench.broker.tick(160.0)
    assert bench.out() == {CLIENT: [("WORK_FAIL", [handle])]}


def test_full_queue_refuses_and_serves_again() -> None:
    bench = Bench(Limits(jobs=1))
    handle = bench.submit()
    bench.send(CLIENT, PacketType.SUBMIT_JOB, b"f", b"", b"")
    assert bench.out()[CLIENT][0][1][0] == b"ERR_QUEUE_FULL"
    bench.assign(handle)
    bench.send(WORKER, PacketType.WORK_COMPLETE, handle, b"")
    bench.out()
    bench.submit()

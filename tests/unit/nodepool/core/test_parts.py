"""Timers, census and health."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nodepool.core.census import Census, take_census
from nodepool.core.health import LONGEST_PAUSE, MAX_UNDER_WAY, Health, most_under_way
from nodepool.core.steps import Step
from nodepool.core.timers import Timers
from nodepool.model import Fault, Machine, MachineKey, Node, NodeState, Presence


def test_timers_go_off_in_order_once() -> None:
    timers = Timers()
    for key, at in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        timers.set(key, at)
    timers.set("b", 2.5)
    timers.drop("c")
    assert timers.next_at == 1.0
    assert list(timers.pop_due(2.4)) == ["a"]
    assert (timers.next_at, timers.due_at("b"), len(timers)) == (2.5, 2.5, 1)
    assert list(timers.pop_due(9.0)) == ["b"]
    assert timers.next_at is None


def test_a_timer_set_while_others_go_off_waits_for_the_next_time() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    for key in timers.pop_due(5.0):
        timers.set(key, 2.0)
    assert timers.due_at("a") == 2.0


def test_replaced_times_do_not_pile_up() -> None:
    timers = Timers()
    for at in range(10_000):
        timers.set("a", float(at))
    assert len(timers._heap) < 200
    assert list(timers.pop_due(1e9)) == ["a"]


def node(number: int, state: NodeState, **changes: object) -> Node:
    first = Node(number, "p", "one", "t", state, 0.0, (Machine(), Machine()), f"n{number}")
    return replace(first, **changes)  # type: ignore[arg-type]


def test_the_census_counts_what_is_there() -> None:
    nodes = [
        node(1, NodeState.READY),
        node(2, NodeState.USED),
        node(3, NodeState.USED, delete_at=9.0),
        node(4, NodeState.HOLD, job="j"),
        node(5, NodeState.DELETE, machines=(Machine(presence=Presence.GONE), Machine())),
    ]
    census = take_census(nodes)
    place = ("one", "t")
    assert (census.room["p"], census.idle[place], census.busy[place]) == (9, 1, 1)
    assert (census.current[place], census.held["j"]) == (2, 1)
    for each in nodes:
        census.change(each, None)
    assert census == Census()


KEYS = [MachineKey("node", n) for n in range(200)]


def test_creates_under_way_are_bounded() -> None:
    health = Health()
    assert health.allowance(0.0, 1) == MAX_UNDER_WAY
    for key in KEYS[:MAX_UNDER_WAY]:
        health.asked(key, 0.0)
    assert health.allowance(0.0, 1) == 0
    health.created(KEYS[0], 0.0)
    assert health.allowance(0.0, 1) == 1
    assert Health().allowance(0.0, 100) == 100
    assert Health().allowance(0.0, 3, 7) == 7
    assert Health().allowance(0.0, 3, 0) == 3


@pytest.mark.parametrize(
    ("rate", "launch_timeout", "most"),
    [
        *((0.0, 3600.0, 50), (0.001, 3600.0, 50), (1.0, 3600.0, 50), (10.0, 3600.0, 50)),
        *((10.0, 600.0, 15), (10.0, 120.0, 3), (10.0, 30.0, 0), (0.1, 10.0, 25), (1.0, 0.0, 0)),
    ],
)
def test_no_more_creates_than_the_rate_lets_out_in_time(
    rate: float, launch_timeout: float, most: int
) -> None:
    assert most_under_way(rate, launch_timeout) == most


def test_refusals_pause_longer_each_time_and_one_goes_ahead() -> None:
    health, now, pauses = Health(), 0.0, []
    for key in KEYS[:12]:
        health.asked(key, now)
        pauses.append(health.failed(key, Fault.REFUSED, now))
        assert health.allowance(now + pauses[-1] - 0.1, 3) == 0
        now += pauses[-1]
        assert health.allowance(now, 3) == 3
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses[-1] == LONGEST_PAUSE
    health.asked(KEYS[50], 0.0)
    assert health.allowance(now, 3) == 0
    health.created(KEYS[50], now)
    assert health.allowance(now, 3) == MAX_UNDER_WAY


def test_refusals_of_one_burst_count_once() -> None:
    health = Health()
    for key in KEYS[:20]:
        health.asked(key, 0.0)
    pauses = [health.failed(key, Fault.REFUSED, 1.0) for key in KEYS[:20]]
    assert pauses == [5.0] + [0.0] * 19
    assert health.failed(KEYS[0], Fault.REFUSED, 100.0) == 0.0


def test_servers_in_a_row_that_go_to_error_are_a_refusal() -> None:
    health, now = Health(), 100.0
    assert [health.went_wrong(Step.BOOT, now) for _ in range(20)] == [0.0, 0.0, 5.0] + [0.0] * 17
    assert health.allowance(now + 4.9, 3) == 0
    pauses = []
    for number in range(9):
        now = health.paused_until
        assert health.allowance(now, 3) == 3
        health.asked(KEYS[number], now)
        health.created(KEYS[number], now)
        assert health.allowance(now + 1, 3) == 0  # one goes ahead, and its fate is waited for
        pauses.append(health.went_wrong(Step.BOOT, now + 2))
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600]
    health.asked(KEYS[50], health.paused_until)
    health.created(KEYS[50], health.paused_until)
    now = health.trial_until
    assert health.allowance(now, 3) == 3  # it is still booting: the next one may try
    assert health.went_well(Step.BOOT)
    assert health.allowance(0.0, 3) == MAX_UNDER_WAY
    assert health.went_wrong(Step.BOOT, now) == 0.0


def test_a_server_that_goes_to_error_now_and_then_pauses_nothing() -> None:
    health = Health()
    for _ in range(20):
        assert [health.went_wrong(Step.BOOT, 1.0) for _ in range(2)] == [0.0, 0.0]
        assert not health.went_well(Step.BOOT)


def test_only_the_step_that_failed_ends_the_pause() -> None:
    health, pauses = Health(), []
    for _ in range(9):
        now = health.paused_until
        health.went_well(Step.BOOT)  # each gets so far
        pauses.append(health.went_wrong(Step.CONNECT, now))
    assert pauses == [0, 0, 5, 10, 20, 40, 80, 120, 120]
    assert not health.went_well(Step.ADDRESS)
    assert health.paused_until > now
    assert health.went_well(Step.CONNECT)
    assert health.paused_until == 0.0


def test_the_account_s_room_counts() -> None:
    health = Health()
    health.asked(KEYS[0], 0.0)
    health.limits(3, 10.0)
    assert health.allowance(0.0, 1) == 2
    health.asked(KEYS[1], 0.0)
    health.asked(KEYS[2], 0.0)
    assert health.allowance(0.0, 1) == 0
    health.failed(KEYS[1], Fault.QUOTA, 0.0)
    assert health.room == 0


def test_creates_answered_while_the_account_was_asked_count() -> None:
    health = Health()
    for key in KEYS[:3]:
        health.asked(key, 0.0)
    health.created(KEYS[0], 9.0)
    health.created(KEYS[1], 11.0)
    health.limits(5, 10.0)
    assert health.room == 3
    health.limits(9, 5.0)  # came late
    assert health.room == 3
    health.limits(None, 20.0)
    assert health.room is None
    assert not health.freed(30.0)


def test_a_server_that_went_is_counted_once() -> None:
    health = Health()
    health.limits(0, 10.0)
    assert health.freed(9.0)  # the account may have counted it already: ask again
    assert health.room == 0
    assert not health.freed(11.0)
    assert health.room == 1
    assert not health.freed(None)

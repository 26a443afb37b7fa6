"""When calls may go out; a clock that the test moves."""

from __future__ import annotations

from nodepool.drivers.pace import LONGEST_PAUSE, LONGEST_RETRY_AFTER, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_starts_keep_their_distance() -> None:
    clock = Clock()
    pace = Pace(2.0, clock)
    assert [pace.reserve() for _ in range(3)] == [0.0, 2.0, 4.0]
    clock.now += 10
    assert pace.reserve() == 0.0


def test_pauses_double_until_a_call_goes_well() -> None:
    clock = Clock()
    pace = Pace(0.0, clock)
    assert [pace.had_trouble() for _ in range(3)] == [0.5, 1.0, 2.0]
    assert pace.reserve() == 2.0
    pace.went_well()
    assert pace.had_trouble() == 0.5
    assert [pace.had_trouble() for _ in range(100)][-1] == LONGEST_PAUSE


def test_a_cloud_may_say_when_to_come_back() -> None:
    clock = Clock()
    pace = Pace(0.0, clock)
    assert pace.had_trouble(7.0) == 7.0
    assert pace.reserve() == 7.0
    assert pace.had_trouble(99_999.0) == LONGEST_RETRY_AFTER


def test_whoever_waits_is_sent_away_at_the_end() -> None:
    pace = Pace(1000.0)
    assert pace.take_turn()
    pace.close()
    assert not pace.take_turn()
    assert not pace.pause(1000.0)


def test_a_turn_that_would_come_too_late_is_left_to_others() -> None:
    clock = Clock()
    pace = Pace(2.0, clock)
    assert pace.reserve(until=101.0) == 0.0
    assert pace.reserve(until=101.0) is None
    assert not pace.take_turn(until=101.0)
    assert pace.reserve(until=102.0) == 2.0
    pace.had_trouble(30.0)
    assert pace.reserve(until=129.0) is None
    assert pace.reserve(until=130.0) == 30.0

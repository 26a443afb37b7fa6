"""When it is whose turn, and who is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.waiting import eventually
from tests.unit.zuul.core.layouts import check_config, make_layout, tree
from zuul.core.events import Event, TriggerReceived
from zuul.drivers.timer import Schedule, TimerDriver
from zuul.model.change import NullChange, NullKey
from zuul.model.layout import Layout
from zuul.model.matching import EventFilter
from zuul.model.trigger import TIMER, TriggerEvent

#: a full minute of the epoch
NOON = 1_480_000_020.0
MINUTELY = "* * * * *"


def layout(*timespecs: str, projects: tuple[str, ...] = ("p", "q"), jitter: int = 0) -> Layout:
    filters = tuple(
        EventFilter(TIMER, frozenset({TIMER}), timespec=each, jitter=jitter) for each in timespecs
    )
    config = check_config(dict.fromkeys(projects, tree("unit")))
    return make_layout(replace(config, name="periodic", filters=filters))


def taken(schedule: Schedule, now: float) -> list[str]:
    return [f"{tick.pipeline} {tick.project}" for tick in schedule.take_due(now)]


BOTH = ["periodic p", "periodic q"]


def test_every_project_with_jobs_has_its_turn() -> None:
    schedule = Schedule()
    schedule.set_layout(layout(MINUTELY), NOON)
    assert schedule.next_at() == NOON + 60
    assert taken(schedule, NOON + 59.9) == []
    assert taken(schedule, NOON + 60) == BOTH
    assert taken(schedule, NOON + 60.1) == []
    assert schedule.next_at() == NOON + 120


def test_what_was_slept_through_is_told_once() -> None:
    schedule = Schedule()
    schedule.set_layout(layout(MINUTELY), NOON)
    assert taken(schedule, NOON + 605) == BOTH
    assert schedule.next_at() == NOON + 660


def test_a_reload_keeps_the_next_tick() -> None:
    schedule = Schedule()
    schedule.set_layout(layout(MINUTELY), NOON)
    # the tick is due, and the reload comes first
    schedule.set_layout(layout(MINUTELY, projects=("p", "r")), NOON + 60.5)
    assert taken(schedule, NOON + 60.6) == ["periodic p", "periodic r"]
    schedule.set_layout(layout(MINUTELY, projects=("p", "r")), NOON + 60.7)
    assert taken(schedule, NOON + 60.8) == []


def test_a_timer_that_goes_is_forgotten_and_one_that_comes_starts_anew() -> None:
    schedule = Schedule()
    schedule.set_layout(layout(MINUTELY), NOON)
    schedule.set_layout(layout(), NOON + 1)
    assert schedule.next_at() is None
    assert taken(schedule, NOON + 3600) == []
    schedule.set_layout(layout(MINUTELY), NOON + 3600)
    assert schedule.next_at() == NOON + 3660


def test_a_clock_that_is_set_back_a_little_doubles_nothing() -> None:
    schedule = Schedule()
    schedule.set_layout(layout(MINUTELY), NOON)
    assert taken(schedule, NOON + 60) == BOTH
    assert taken(schedule, NOON + 58) == []
    assert taken(schedule, NOON + 61) == []


def test_a_clock_that_is_set_back_far_stops_no_timer() -> None:
    schedule = Schedule()
    schedule.set_layout(layout(MINUTELY), NOON)
    assert taken(schedule, NOON + 60) == BOTH
    assert taken(schedule, NOON - 7199) == []
    assert schedule.next_at() == NOON - 7140


def test_a_time_that_never_comes() -> None:
    schedule = Schedule()
    schedule.set_layout(layout("0 0 30 2 *"), NOON)
    assert schedule.next_at() is None
    assert taken(schedule, NOON + 1e9) == []


def test_jitter_spreads_the_projects_and_keeps_their_distance() -> None:
    projects = tuple(f"p{number}" for number in range(50))
    schedule = Schedule()
    schedule.set_layout(layout(MINUTELY, projects=projects, jitter=40), NOON)
    first = {tick.project: tick.at for tick in drain(schedule, NOON + 119)}
    assert set(first) == set(projects)
    assert all(NOON + 60 <= at <= NOON + 100 for at in first.values())
    assert len(set(first.values())) > 20
    schedule.set_layout(layout(MINUTELY, projects=projects, jitter=40), NOON + 119)
    second = {tick.project: tick.at for tick in drain(schedule, NOON + 179)}
    assert {project: at - 60 for project, at in second.items()} == first


def drain(schedule: Schedule, until: float) -> list:
    found = []
    while (at := schedule.next_at()) is not None and at <= until:
        found += schedule.take_due(at)
    return found


def test_a_jitter_longer_than_the_interval_keeps_one_turn_a_project() -> None:
    schedule = Schedule()
    schedule.set_layout(layout("* * * * * *", projects=("p",), jitter=86_400), NOON)
    for second in range(1, 100):
        schedule.take_due(NOON + second)
    (timer,) = schedule._timers.values()
    assert len(timer.turns) == 1


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def driver(clock: Clock, told: list[Event]) -> Iterator[TimerDriver]:
    driver = TimerDriver(told.append, clock)
    driver.start()
    yield driver
    driver.stop()


def test_the_thread_tells_what_is_due(driver: TimerDriver, clock: Clock, told: list[Event]) -> None:
    driver.set_layout(layout(MINUTELY))
    clock.now = NOON + 59.999
    driver.set_layout(layout(MINUTELY))
    clock.now = NOON + 60
    eventually(lambda: len(told) == 2, "the ticks")
    event = told[0]
    assert isinstance(event, TriggerReceived)
    assert event.subject == NullChange(NullKey("gerrit", "p"))
    assert (event.event.type, event.event.forced_pipeline) == ("timer", "periodic")


def test_ticks_of_a_process_that_exits_are_kept_once(
    driver: TimerDriver, clock: Clock, told: list[Event]
) -> None:
    driver.set_layout(layout(MINUTELY))
    driver.hold()
    for minute in range(1, 4):
        clock.now = NOON + 60 * minute
        driver.set_layout(layout(MINUTELY))
        eventually(lambda: len(told) == 2, "the ticks")
    driver.set_layout(layout(MINUTELY, projects=("p", "q", "r")))
    clock.now += 60
    driver.set_layout(layout(MINUTELY, projects=("p", "q", "r")))
    eventually(lambda: len(told) == 3, "the tick of a new project")


def test_a_kept_tick_comes_back_while_its_pipeline_exists(
    driver: TimerDriver, told: list[Event]
) -> None:
    driver.set_layout(layout())
    event = TriggerEvent(TIMER, TIMER, project="p", forced_pipeline="periodic")
    driver.hear(event)
    driver.hear(replace(event, forced_pipeline="gone"))
    assert told == [TriggerReceived(event, NullChange(NullKey("gerrit", "p")))]

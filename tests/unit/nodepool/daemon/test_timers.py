"""Periodic jobs, and what people leave in the database."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from nodepool.config.values import CronConfig
from nodepool.core import events
from nodepool.daemon.timers import LONGEST_WAIT_SECONDS, CronTimer, PeopleWatch
from nodepool.model import NodeState

NEVER = "0 0 30 2 *"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 30).timestamp()

    def __call__(self) -> float:
        return self.now


def test_jobs_come_when_they_are_due() -> None:
    told: list[events.Event] = []
    clock = Clock()
    cron = CronTimer(told.append, clock)
    cron.configure(CronConfig(image_update=NEVER, cleanup="* * * * *", check="*/2 * * * *"))
    assert cron.look() == LONGEST_WAIT_SECONDS
    assert told == []
    clock.now += 30
    assert cron.look() == LONGEST_WAIT_SECONDS
    assert told == [events.CronCame("cleanup")]
    clock.now += 50
    assert cron.look() == 10
    clock.now += 15  # late
    cron.look()
    assert told[1:] == [events.CronCame("cleanup"), events.CronCame("check")]


def test_a_job_that_stays_the_same_keeps_its_time_when_another_changes() -> None:
    told: list[events.Event] = []
    clock = Clock()
    cron = CronTimer(told.append, clock)
    cron.configure(CronConfig(NEVER, "* * * * *", "* * * * * 40"))
    assert cron.look() == 10
    clock.now += 5
    cron.configure(CronConfig(NEVER, "*/5 * * * *", "* * * * * 40"))
    assert cron.look() == 5
    clock.now += 5
    cron.look()
    assert told == [events.CronCame("check")]
    clock.now += 30
    cron.look()
    assert told == [events.CronCame("check")]


class Store:
    def __init__(self) -> None:
        self.row_changes: list[Any] = []
        self.job_holds: dict[str, int] = {}
        self.wishes: list[Any] = []

    def changes(self) -> list[Any]:
        return self.row_changes

    def holds(self) -> dict[str, int]:
        return self.job_holds

    def requests(self) -> list[Any]:
        return self.wishes


@pytest.fixture
def store() -> Store:
    return Store()


def watch(store: Any, told: Callable[[events.Event], None], **options: Any) -> PeopleWatch:
    return PeopleWatch(store, told, {"unit": 1}, **options)


def test_what_people_did_is_told(store: Store) -> None:
    told: list[events.Event] = []
    store.job_holds = {"unit": 1}
    people = watch(store, told.append)
    people.look()
    assert told == []
    store.row_changes = [events.RowChanged(1, NodeState.HOLD)]
    store.job_holds = {"unit": 2}
    store.wishes = [events.ImageRequested("p", "i", 3)]
    people.look()
    people.look()
    assert told == [
        events.RowChanged(1, NodeState.HOLD),
        events.HoldsRead({"unit": 2}),
        events.ImageRequested("p", "i", 3),
        # Until we write the rows.
        events.RowChanged(1, NodeState.HOLD),
        events.ImageRequested("p", "i", 3),
    ]


def test_requests_for_images_stay_where_none_are_built(store: Store) -> None:
    told: list[events.Event] = []
    store.job_holds = {"unit": 1}
    store.wishes = [events.ImageRequested("p", "i", 3)]
    watch(store, told.append, with_images=False).look()
    assert told == []

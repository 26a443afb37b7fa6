"""A bridge's history: how a page is read, and that what was heard before changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nodepool.core import commands, events
from nodepool.core.build_events import BuildFinalized, BuildStarted
from nodepool.core.build_history import parse_history
from nodepool.errors import BuildEventError
from nodepool.model import NodeState
from tests.unit.nodepool.core.site import CONFIG, Site

BUILD = {"name": "unit", "build": {"node_name": "n-1", "number": 3, "host_name": "j"}}
ROW = {"number": 8, "at": 100.0, "event": "onStarted", "build": BUILD}
PAGE = {"id": "a1", "now": 130.0, "last": 8, "more": False, "events": [ROW]}
WITH_TEST = CONFIG.replace("apikey: k", "apikey: k, test-job: tt")


def page(**changes: Any) -> bytes:
    return json.dumps({**PAGE, **changes}).encode()


# -- a page ----------------------------------------------------------------------------------------


def test_a_page() -> None:
    found = parse_history(page(more=True), 1000.0)
    assert (found.id, found.last, found.more, found.bad) == ("a1", 8, True, 0)
    assert found.events == (BuildStarted("n-1", "unit", 3, "j", at=970.0),)


def test_a_finalized_row() -> None:
    build = {**BUILD, "build": {**BUILD["build"], "status": "FAILURE"}}  # type: ignore[dict-item]
    (event,) = parse_history(
        page(events=[{**ROW, "event": "onFinalized", "build": build}]), 0
    ).events
    assert event == BuildFinalized("n-1", "unit", "FAILURE", None, 3, "j", at=-30.0)


def test_nothing_happened_after_it_was_asked_for() -> None:
    (event,) = parse_history(page(events=[{**ROW, "at": 500.0}]), 1000.0).events
    assert event.at == 1000.0


@pytest.mark.parametrize(
    "row",
    [
        3,
        {},
        {**ROW, "at": "now"},
        {**ROW, "at": float("nan")},
        {**ROW, "at": 10**400},
        {**ROW, "at": True},
        {**ROW, "event": ["onStarted"]},
        {**ROW, "event": "onDeleted"},
        {**ROW, "build": "text"},
        {**ROW, "build": {"name": "n" * 300, "build": {"node_name": "n"}}},
    ],
)
def test_a_row_that_is_no_event_costs_no_other(row: Any) -> None:
    found = parse_history(page(events=[row, ROW]), 0.0)
    assert (len(found.events), found.bad) == (1, 1)
    assert found.reason


def test_rows_of_no_concern() -> None:
    found = parse_history(page(events=[{**ROW, "event": "onCompleted"}]), 0.0)
    assert (found.events, found.bad) == ((), 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 200_000,
        page(id=""),
        page(id="x" * 65),
        page(id=None),
        page(last=-1),
        page(last=True),
        page(last=1.5),
        page(last=1 << 70),
        page(more=None),
        page(events={}),
        page(now=None),
        page(now=float("inf")),
    ],
)
def test_what_is_no_page(body: bytes) -> None:
    with pytest.raises(BuildEventError):
        parse_history(body, 0.0)


# -- heard before ----------------------------------------------------------------------------------


class Heard(Site):
    """A site that hears builds as they happen, while a bridge keeps them."""

    def __init__(self, text: str = CONFIG, holds: dict[str, int] | None = None) -> None:
        super().__init__(text, holds=holds)
        self.history: list[BuildStarted | BuildFinalized] = []

    def started(self, job: str = "A", *, lost: bool = False) -> None:
        self._happens(BuildStarted(self.rows[1].nodename, job), lost)

    def finalized(self, job: str = "A", status: str = "SUCCESS", *, lost: bool = False) -> None:
        self._happens(BuildFinalized(self.rows[1].nodename, job, status), lost)

    def _happens(self, event: BuildStarted | BuildFinalized, lost: bool) -> None:
        self.now += 5
        self.history.append(replace(event, at=self.now))
        self.now += 0.1
        if not lost:
            self.tell(event)

    def survey(self, *, idle: bool, asked_at: float | None = None) -> None:
        self.now += 30 if asked_at is None else 0
        computers = {self.rows[1].nodename: events.Computer(idle=idle)}
        self.tell(events.TargetSurveyed("t", computers, asked_at or self.now))

    def read_history(self) -> None:
        for event in self.history:
            self.tell(event)


def ready(text: str = CONFIG, holds: dict[str, int] | None = None) -> Heard:
    site = Heard(text, holds)
    site.launch()
    return site


def being_tested() -> Heard:
    site = ready(WITH_TEST)
    site.take(commands.StartTestJob)
    site.started("tt")
    return site


def ready_after_its_test() -> Heard:
    site = being_tested()
    site.finalized("tt")
    site.take(commands.RelabelNode)
    site.tell(events.Relabeled(1))
    assert site.rows[1].state is NodeState.READY
    return site


def about_to_get_its_label() -> Heard:
    site = being_tested()
    site.finalized("tt")
    return site


def building() -> Heard:
    site = ready()
    site.started()
    return site


def done() -> Heard:
    site = building()
    site.finalized()
    return site


def building_another_that_a_survey_saw() -> Heard:
    site = done()
    site.survey(idle=False)
    assert site.rows[1].is_busy
    return site


def building_another_after_an_end_that_was_lost() -> Heard:
    site = building()
    site.finalized(lost=True)
    site.started("B")
    assert site.rows[1].is_busy
    return site


def held_after_a_failure() -> Heard:
    site = ready(holds={"A": 1})
    site.started()
    site.finalized(status="FAILURE")
    assert site.rows[1].state is NodeState.HOLD
    return site


def held_by_a_person() -> Heard:
    site = building()
    site.now += 1
    site.person(1, NodeState.HOLD)
    return site


def deleted() -> Heard:
    site = done()
    site.wait(60)
    assert site.rows[1].state is NodeState.DELETE
    return site


@pytest.mark.parametrize("seconds", [1.0, 7200.0])
@pytest.mark.parametrize(
    "make",
    [
        being_tested,
        about_to_get_its_label,
        ready_after_its_test,
        building,
        done,
        building_another_that_a_survey_saw,
        building_another_after_an_end_that_was_lost,
        held_after_a_failure,
        held_by_a_person,
        deleted,
    ],
)
def test_what_was_heard_before_changes_nothing(make: Callable[[], Heard], seconds: float) -> None:
    site = make()
    rows, calls, timer = dict(site.rows), list(site.calls), site.pool.next_at
    counts = {name: site.observer.counts[name] for name in ("job_ended", "node_held")}
    site.now += seconds
    site.read_history()
    assert (site.rows, site.calls, site.pool.next_at) == (rows, calls, timer)
    assert {name: site.observer.counts[name] for name in counts} == counts


@pytest.mark.parametrize(
    "make", [building_another_that_a_survey_saw, building_another_after_an_end_that_was_lost]
)
def test_nor_does_it_after_a_restart(make: Callable[[], Heard]) -> None:
    """Of the state's time only whole seconds are in the database."""
    before = make()
    row = replace(before.rows[1], state_at=float(int(before.rows[1].state_at)))
    site = Site(nodes=(row,))
    site.now = before.now + 60
    for event in before.history:
        site.tell(event)
    assert site.rows[1].is_busy
    assert site.rows[1].job == row.job


def test_a_build_that_was_quicker_than_the_word_that_its_node_is_ready() -> None:
    site = ready()
    site.tell(BuildStarted(site.rows[1].nodename, "A", at=site.now - 200))
    assert site.rows[1].is_busy


def test_a_node_of_a_name_that_was_there_before_is_another() -> None:
    """As with a new database: the numbers begin again."""
    site = ready()
    site.tell(BuildStarted(site.rows[1].nodename, "A", at=site.now - 500))
    site.tell(BuildFinalized(site.rows[1].nodename, "A", "SUCCESS", at=site.now - 400))
    assert site.rows[1].state is NodeState.READY


# -- not heard -------------------------------------------------------------------------------------


def test_a_build_that_nobody_heard_of_is_caught_up_with() -> None:
    site = ready()
    site.started(lost=True)
    began_at = site.now - 0.1
    site.now += 60
    site.finalized(lost=True)
    site.now += 10
    site.read_history()
    assert (site.rows[1].state, site.rows[1].job) == (NodeState.USED, "A")
    assert site.rows[1].state_at == pytest.approx(began_at)
    assert site.rows[1].delete_at == site.now + 60
    (ended,) = [told for told in site.observer.told if told[0] == "job_ended"]
    assert ended[-1] == pytest.approx(65.1)


def test_a_failure_that_nobody_heard_of_is_held() -> None:
    site = ready(holds={"A": 1})
    site.started()
    site.finalized(status="FAILURE", lost=True)
    site.read_history()
    assert site.rows[1].state is NodeState.HOLD


def test_an_end_after_a_survey_saw_the_build() -> None:
    site = ready()
    site.started(lost=True)
    site.now += 30
    asked_at = site.now
    site.finalized(lost=True)
    site.survey(idle=False, asked_at=asked_at)
    assert site.rows[1].is_busy
    site.read_history()
    assert site.rows[1].delete_at is not None
    assert site.observer.counts["job_ended"] == 1


def test_a_test_that_passed_unheard_gives_the_label() -> None:
    site = being_tested()
    site.finalized("tt", lost=True)
    site.read_history()
    site.take_one(commands.RelabelNode)

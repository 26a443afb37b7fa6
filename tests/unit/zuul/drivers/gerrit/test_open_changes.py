"""The open changes of a project: each told once, for few queries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from typing import cast

import pytest

from tests.unit.zuul.drivers.gerrit.rows import change_id, make_row
from tests.unit.zuul.drivers.gerrit.test_closure import Server, ref
from zuul.core.events import Event, TriggerReceived
from zuul.drivers.gerrit.delivery import Delivery
from zuul.drivers.gerrit.open_changes import OpenChanges
from zuul.drivers.gerrit.queries import by_project
from zuul.drivers.gerrit.records import Row
from zuul.errors import ConnectionLost
from zuul.lib.workers import Lanes
from zuul.model.change import ChangeKey


class Site:
    """An OpenChanges among fakes; `run` does what it gave to threads."""

    def __init__(self, server: Server) -> None:
        self.work: list[Callable[[], object]] = []
        self.told: list[Delivery] = []
        self.kept: list[Event] = []
        self.stopping = threading.Event()
        self.open_changes = OpenChanges(
            "gerrit",
            cast(Lanes, self),
            server.look_up,
            server.look_up,
            self.told.append,
            self.kept.append,
            self.stopping,
        )

    def submit(self, lane: Hashable, work: Callable[[], object], what: str) -> None:
        self.work.append(work)

    def run(self) -> None:
        while self.work:
            self.work.pop(0)()


def find(*rows: Row) -> tuple[list[Delivery], Server]:
    server = Server(*rows)
    site = Site(server)
    site.open_changes.find("org/demo", "1")
    site.run()
    return site.told, server


def keys(told: list[Delivery]) -> list[str]:
    return [str(delivery.changes[0].key) for delivery in told]


def test_each_open_change_but_the_merged_one() -> None:
    rows = [make_row(number) for number in (1, 2, 3)]
    rows.append(make_row(4, project="org/other"))
    rows.append(make_row(5, open=False, status="ABANDONED"))
    told, _ = find(*rows)
    assert keys(told) == ["2,1", "3,1"]
    event = told[0].event
    assert event is not None
    assert (event.connection, event.type) == ("zuul", "project-change-merged")
    assert (event.project, event.branch, event.change_key) == (
        "org/demo",
        "master",
        ChangeKey("gerrit", "2", "1"),
    )


def test_067_the_query() -> None:
    assert str(by_project("org/project")) == "(project:org/project status:open)"
    assert str(by_project("odd name")) == '(project:"odd name" status:open)'
    for name in ("", 'a" OR owner:"x', "a\\", "a\n"):
        with pytest.raises(ValueError, match="project"):
            by_project(name)


def test_queries_do_not_grow_with_the_changes() -> None:
    _, few = find(*(make_row(number) for number in range(2, 5)))
    _, many = find(*(make_row(number) for number in range(2, 200)))
    assert len(many.waves) == len(few.waves) == 2


def test_relatives_are_told_of_once_with_the_first() -> None:
    rows = [
        make_row(2, neededBy=[ref(3)]),
        make_row(3, dependsOn=[ref(2)]),
        make_row(4, depends_on=(9,)),
        make_row(9, project="org/other"),
    ]
    told, server = find(*rows)
    assert keys(told) == ["2,1", "3,1", "4,1"]
    assert [[str(c.key) for c in each.changes] for each in told] == [
        ["2,1", "3,1"],
        ["3,1"],
        ["4,1", "9,1"],
    ]
    assert told[1].changes[0].needs == (ChangeKey("gerrit", "2", "1"),)
    assert all(each.asked_at is not None and each.changes[0].key in each.asked_at for each in told)
    assert f"message:{change_id(9)}" in str(server.waves)


def test_a_change_in_a_cycle_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    told, _ = find(make_row(2, depends_on=(3,)), make_row(3, depends_on=(2,)), make_row(4))
    assert keys(told) == ["4,1"]
    assert "An open change is passed over change=2,1" in caplog.text


class Away(Server):
    def look_up(self, terms: object) -> dict:
        raise ConnectionLost("gone", connection="gerrit")


def test_trouble_is_logged_and_the_next_merge_asks_again(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(Away())
    for _ in range(2):
        site.open_changes.find("org/demo", "1")
        site.open_changes.find("org/demo", "2")
        assert len(site.work) == 1, "one that has not begun will do"
        with caplog.at_level(logging.ERROR):
            site.run()
    assert caplog.text.count("Open changes could not be looked up") == 2
    assert site.kept == []


def test_what_the_process_is_stopped_in_waits_for_the_next_start() -> None:
    site = Site(Away())
    site.open_changes.find("org/demo", "1")
    site.stopping.set()
    site.run()
    (kept,) = site.kept
    assert isinstance(kept, TriggerReceived)
    event = kept.event
    assert (event.type, event.project, event.source) == (
        "project-change-merged",
        "org/demo",
        "gerrit",
    )
    assert (event.number, event.patchset) == ("1", None)

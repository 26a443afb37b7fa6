"""Several daemons on one database, commits in doubt, and a database that goes away."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from nodepool.core.commands import SaveHeard, SaveNode
from nodepool.core.events import RowChanged
from nodepool.db.lease import LeaseLost
from nodepool.db.store import Store
from nodepool.errors import StoreError, StoreUnavailable
from nodepool.model import Heard, NodeState
from tests.integration.nodepool_store_world import TTL, Site, new_node
from tests.support.databases import DatabaseServer


def test_the_second_stands_by_and_takes_over(site: Site) -> None:
    second = site.new_lease("two")
    assert not second.take()
    site.clock.time += TTL - 1
    site.lease.renew()
    assert not second.take()
    site.clock.time += TTL - 1
    site.store.commit([SaveNode(new_node(site), None)])  # a sign of life as well
    assert not second.take()
    site.clock.time += TTL - 0.1
    assert not second.take()
    site.clock.time += 0.2
    assert second.take()
    with pytest.raises(LeaseLost):
        site.lease.renew()
    with pytest.raises(LeaseLost):
        site.store.commit([SaveNode(new_node(site), None)])
    with pytest.raises(LeaseLost):
        site.store.load()
    nodes, _, _ = site.new_store(second).load()
    assert len(nodes) == 1


def test_who_takes_over_knows_what_was_heard_last(site: Site) -> None:
    second = site.new_lease("two")
    site.store.commit([SaveHeard(Heard({}, {"t": 1.0}))])
    assert not second.take()
    site.store.commit([SaveHeard(last := Heard({}, {"t": 2.0}))])
    site.clock.time += TTL
    assert not second.take()
    site.clock.time += TTL
    assert second.take()
    with pytest.raises(LeaseLost):
        site.store.commit([SaveHeard(Heard({}, {"t": 3.0}))])
    store = site.new_store(second)
    store.load()
    assert store.heard() == last


def test_of_two_that_stand_by_one_takes_over(site: Site) -> None:
    others = [site.new_lease("two"), site.new_lease("three")]
    assert not any(other.take() for other in others)
    site.clock.time += TTL
    assert [other.take() for other in others] == [True, False]


def test_a_race_for_a_free_lease_has_one_winner(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.lease.release()
    second, third = site.new_lease("two"), site.new_lease("three")
    read = site.database.read

    @contextlib.contextmanager
    def third_comes_between() -> Iterator[sa.Connection]:
        with read() as connection:
            yield connection
        monkeypatch.setattr(site.database, "read", read)
        assert third.take()

    monkeypatch.setattr(site.database, "read", third_comes_between)
    assert not second.take()
    third.renew()


def test_writers_of_sqlite_wait_for_each_other_from_the_start(sqlite_site: Site) -> None:
    with (
        sqlite_site.database.write(),
        pytest.raises(StoreUnavailable),
        sqlite_site.database.write(),
    ):
        pass


def test_released_is_free_at_once(site: Site) -> None:
    second = site.new_lease("two")
    assert not second.take()
    site.lease.release()
    site.lease.release()
    assert second.take()
    with pytest.raises(LeaseLost):
        site.store.commit([SaveNode(new_node(site), None)])


def test_a_lease_whose_answer_was_lost_is_still_ours(site: Site) -> None:
    site.lease.token = None
    assert site.lease.take()
    site.store.commit([SaveNode(new_node(site), None)])


def test_who_stands_by_counts_anew_after_an_outage(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = site.new_lease("two")
    assert not second.take()
    site.clock.time += TTL
    with monkeypatch.context() as patch:
        patch.setattr(site.database, "read", _away)
        with pytest.raises(StoreUnavailable):
            second.take()
    # Nobody could show that it lived meanwhile.
    assert not second.take()
    site.clock.time += TTL
    assert second.take()


@contextlib.contextmanager
def _away() -> Iterator[sa.Connection]:
    raise StoreUnavailable("no route to host")
    yield


def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = new_node(site)
    site.store.commit([SaveNode(old, None)])
    site.set_state(old.id, NodeState.HOLD, "mine")
    write, lost = site.database.write, [1]

    @contextlib.contextmanager
    def answer_is_lost() -> Iterator[sa.Connection]:
        with write() as connection:
            yield connection
        if lost:
            lost.clear()
            raise StoreUnavailable("server closed the connection")

    monkeypatch.setattr(site.database, "write", answer_is_lost)
    rows = [SaveNode(new_node(site), None), SaveNode(old, NodeState.BUILDING)]
    told = site.store.commit(rows)
    assert told == [RowChanged(old.id, NodeState.HOLD, "mine")]
    assert len(site.clock.pauses) == 1
    assert site.store.commit([SaveNode(new_node(site), None)]) == []
    assert len(site.new_store(site.lease).load()[0]) == 3


def test_an_outage_is_waited_out(sqlite_site: Site, caplog: pytest.LogCaptureFixture) -> None:
    path = sqlite_site.url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    pause = sqlite_site.clock.pause

    def wait(seconds: float) -> None:
        pause(seconds)
        if sqlite_site.clock.time > 3:
            other.rollback()

    store = Store(sqlite_site.database, sqlite_site.lease, 60.0, wait, sqlite_site.clock)
    try:
        store.load()
        other.execute("BEGIN IMMEDIATE")
        store.commit([SaveNode(new_node(sqlite_site), None)])
    finally:
        other.close()
    assert sqlite_site.clock.pauses[:3] == [0.25, 0.5, 1.0]
    assert "Database away, trying again" in caplog.text
    assert "Database is back" in caplog.text
    assert len(sqlite_site.new_store(sqlite_site.lease).load()[0]) == 1


def test_patience_has_an_end_and_a_stop_cuts_it_short(sqlite_site: Site) -> None:
    store = Store(
        sqlite_site.database, sqlite_site.lease, 4.0, sqlite_site.clock.pause, sqlite_site.clock
    )
    store.load()
    stopping = Store(
        sqlite_site.database, sqlite_site.lease, 60.0, lambda seconds: True, sqlite_site.clock
    )
    stopping.load()
    rows = [SaveNode(new_node(sqlite_site), None)]
    other = sqlite3.connect(sqlite_site.url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"tried \d+ times"):
            store.commit(rows)
        assert sqlite_site.clock.pauses == [0.25, 0.5, 1.0, 2.0]
        with pytest.raises(StoreUnavailable):
            stopping.commit(rows)
        other.rollback()
    finally:
        other.close()
    assert sqlite_site.new_store(sqlite_site.lease).load()[0] == []


def test_a_server_that_is_stopped_and_started(database_server: DatabaseServer) -> None:
    with database_server.database() as url:
        site = Site(url)
        pause, down = site.clock.pause, [True]

        def wait(seconds: float) -> None:
            pause(seconds)
            if len(site.clock.pauses) == 3 and down:
                down.clear()
                database_server.start()

        try:
            store = Store(site.database, site.lease, 600.0, wait, site.clock)
            store.load()
            database_server.stop()
            assert store.commit([SaveNode(new_node(site), None)]) == []
            assert len(site.clock.pauses) == 3
            assert site.only().id == 1
            site.lease.renew()
        finally:
            if down:
                database_server.start()
            site.database.close()

"""The ledger on real databases."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from nodepool.core.commands import RemoveImage, RemoveNode, SaveImage, SaveNode
from nodepool.core.events import ImageDeletionRequested, ImageRequested, RowChanged
from nodepool.db.database import Database, StoreUnavailable
from nodepool.db.lease import Lease, LeaseLost
from nodepool.db.schema import DAEMON, IMAGE_REQUEST, JOB, METADATA, NODE, SUBNODE
from nodepool.db.store import Store
from nodepool.errors import RowConflict, StoreError
from nodepool.model import Machine, Node, NodeState, Presence, SnapshotImage
from tests.integration.nodepool_databases import KINDS, Postgres, emptied, started_postgres
from zuul.lib.secret import Secret

TTL = 15.0


class Clock:
    def __init__(self) -> None:
        self.time = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds
        self.pauses.append(seconds)


class Site:
    """A database, and daemons on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.database = Database(Secret(url), busy_seconds=0.2)
        self.database.migrate()
        self.lease = self.new_lease("one")
        assert self.lease.take()
        self.store = self.new_store(self.lease)
        self.store.load()

    def new_lease(self, holder: str) -> Lease:
        return Lease(self.database, holder, TTL, self.clock)

    def new_store(self, lease: Lease) -> Store:
        return Store(self.database, lease, 60.0, self.clock.pause, self.clock)

    def set_state(self, node_id: int, state: int, comment: str | None = None) -> None:
        """As a person does, by hand."""
        this = NODE.update().where(NODE.c.id == node_id)
        with self.database.write() as connection:
            connection.execute(this.values(state=state, comment=comment))

    def only(self) -> Node:
        nodes, _, _ = self.new_store(self.lease).load()
        assert len(nodes) == 1
        return nodes[0]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with started_postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path}/nodepool.sqlite"
        elif request.param == "postgresql":
            server = request.getfixturevalue("postgres")
            yield stack.enter_context(emptied(server.url("postgres")))
        elif given := os.environ.get("NODEPOOL_TEST_DBURI"):
            yield stack.enter_context(emptied(given))
        else:
            pytest.skip("NODEPOOL_TEST_DBURI names no other database (MariaDB, say)")


@pytest.fixture
def site(url: str) -> Iterator[Site]:
    made = Site(url)
    try:
        yield made
    finally:
        made.database.close()


def new_node(site: Site, machines: int = 1, **values: Any) -> Node:
    number = site.store.next_node()
    names = [
        f"n-{number}.example.org",
        *(f"n-{number}-{i}.example.org" for i in range(1, machines)),
    ]
    given = {"nodename": f"n-{number}", **values}
    made = tuple(Machine(name) for name in names)
    return Node(number, "cloud", "label", "jenkins", NodeState.BUILDING, 100.0, made, **given)


def new_image(site: Site) -> SnapshotImage:
    number = site.store.next_image()
    return SnapshotImage(number, "cloud", "precise", NodeState.BUILDING, 90.0, "precise", 90)


def test_what_is_committed_is_loaded(site: Site) -> None:
    node, image = new_node(site, machines=3), new_image(site)
    assert site.store.commit([SaveNode(node, None), SaveImage(image)]) == []
    grown = node.with_machine(1, Machine("x", Presence.EXISTS, "s-2", "192.0.2.2", "10.0.0.2", "f"))
    grown = replace(grown.with_state(NodeState.READY, 200.0), registered=True, delete_at=7.25)
    built = replace(image.with_state(NodeState.READY, 210.0), external_id="i", proven=True)
    assert site.store.commit([SaveNode(grown, NodeState.BUILDING), SaveImage(built)]) == []
    nodes, images, holds = site.new_store(site.lease).load()
    assert (nodes, images, holds) == ([grown], [built], {})
    site.store.commit([RemoveNode(node.id), RemoveImage(image.id)])
    assert site.new_store(site.lease).load() == ([], [], {})
    with site.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(SUBNODE)) == 0


def test_order_and_holds(site: Site) -> None:
    nodes = [new_node(site) for _ in range(3)]
    nodes = [replace(nodes[0], provider="z"), replace(nodes[1], label="z"), nodes[2]]
    site.store.commit([SaveNode(node, None) for node in nodes])
    with site.database.write() as connection:
        connection.execute(JOB.insert().values(name="unit", hold_on_failure=2))
    loaded, _, holds = site.new_store(site.lease).load()
    assert [node.id for node in loaded] == [3, 2, 1]
    assert holds == site.store.holds() == {"unit": 2}


def test_numbers_are_never_given_twice(site: Site) -> None:
    node, image = new_node(site), new_image(site)
    site.store.commit([SaveNode(node, None), SaveImage(image)])
    site.store.commit([RemoveNode(node.id), RemoveImage(image.id)])
    later = site.new_store(site.lease)
    later.load()
    assert later.next_node() > node.id
    assert later.next_image() > image.id


def test_all_rows_or_none(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    with pytest.raises(RowConflict):
        site.store.commit([SaveNode(new_node(site), None), SaveNode(node, None)])
    assert site.only() == node
    # The failed one counts for nothing: the next goes through.
    assert site.store.commit([SaveNode(replace(node, az="z"), NodeState.BUILDING)]) == []


def test_a_person_wins(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, NodeState.HOLD, "mine")
    assert site.store.changes() == [RowChanged(node.id, NodeState.HOLD, "mine")]
    ours = replace(node.with_state(NodeState.READY, 300.0, "theirs"), az="z")
    told = site.store.commit([SaveNode(ours, NodeState.BUILDING)])
    assert told == [RowChanged(node.id, NodeState.HOLD, "mine")]
    held = replace(ours, state=NodeState.HOLD, state_at=100.0, comment="mine")
    # Told until it is taken over, so that it cannot be lost.
    assert site.store.changes() == told
    assert site.store.commit([SaveNode(held, NodeState.HOLD)]) == []
    assert site.store.changes() == []
    assert site.only() == held


def test_a_person_who_wants_the_same_is_told_once(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, NodeState.DELETE, "mine")
    ours = node.with_state(NodeState.DELETE, 300.0, "ours")
    told = site.store.commit([SaveNode(ours, NodeState.BUILDING)])
    assert told == [RowChanged(node.id, NodeState.DELETE, "mine")]
    assert site.store.changes() == []


@pytest.mark.parametrize("state", [NodeState.READY, NodeState.USED, 9])
def test_states_that_are_not_peoples_are_set_back(site: Site, state: int) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, state)
    assert site.store.changes() == []
    tested = node.with_state(NodeState.TEST, 300.0)
    assert site.store.commit([SaveNode(tested, NodeState.BUILDING)]) == []
    assert site.only() == tested


def test_what_people_did_before_the_start_is_loaded_and_not_told(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    site.set_state(node.id, NodeState.HOLD)
    store = site.new_store(site.lease)
    nodes, _, _ = store.load()
    assert nodes[0].state is NodeState.HOLD
    assert store.changes() == []


def test_a_row_that_somebody_removed_comes_back(site: Site) -> None:
    node = new_node(site, machines=2)
    site.store.commit([SaveNode(node, None)])
    with site.database.write() as connection:
        connection.execute(NODE.delete())
    ready = node.with_state(NodeState.READY, 300.0)
    assert site.store.commit([SaveNode(ready, NodeState.BUILDING)]) == []
    assert site.only() == ready


def test_text_from_outside_never_stops_a_commit(site: Site) -> None:
    node = new_node(site, job="j\0\ud800" + "x" * 9000, comment="c" * 300)
    site.store.commit([SaveNode(node, None)])
    kept = site.only()
    assert kept.job is not None
    assert kept.job.startswith("j?xx")
    assert kept.comment == "c" * 255


def test_requests_are_taken_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    asked = [
        {"action": "update", "provider_name": "cloud", "image_name": "precise", "image_id": None},
        {"action": "delete", "provider_name": None, "image_name": None, "image_id": 4},
        {"action": "paint", "provider_name": None, "image_name": None, "image_id": 4},
    ]
    with site.database.write() as connection:
        connection.execute(IMAGE_REQUEST.insert(), asked)
    requests = [ImageRequested("cloud", "precise"), ImageDeletionRequested(4)]
    assert site.store.take_requests() == requests
    assert site.store.take_requests() == []
    assert "action=paint" in caplog.text


# -- two daemons -----------------------------------------------------------------------------------


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
        site.store.take_requests()
    with pytest.raises(LeaseLost):
        site.store.load()
    nodes, _, _ = site.new_store(second).load()
    assert len(nodes) == 1


def test_of_two_that_stand_by_one_takes_over(site: Site) -> None:
    others = [site.new_lease("two"), site.new_lease("three")]
    assert not any(other.take() for other in others)
    site.clock.time += TTL
    assert [other.take() for other in others] == [True, False]


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


# -- commits in doubt, and a database that goes away -----------------------------------------------


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


def test_an_outage_is_waited_out(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    if not site.url.startswith("sqlite"):
        pytest.skip("this way to be away is SQLite's")
    path = site.url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    pause = site.clock.pause

    def wait(seconds: float) -> None:
        pause(seconds)
        if site.clock.time > 3:
            other.rollback()

    store = Store(site.database, site.lease, 60.0, wait, site.clock)
    try:
        store.load()
        other.execute("BEGIN IMMEDIATE")
        store.commit([SaveNode(new_node(site), None)])
    finally:
        other.close()
    assert site.clock.pauses[:3] == [0.25, 0.5, 1.0]
    assert "Database away, trying again" in caplog.text
    assert "Database is back" in caplog.text
    assert len(site.new_store(site.lease).load()[0]) == 1


def test_patience_has_an_end_and_a_stop_cuts_it_short(site: Site) -> None:
    if not site.url.startswith("sqlite"):
        pytest.skip("this way to be away is SQLite's")
    store = Store(site.database, site.lease, 4.0, site.clock.pause, site.clock)
    store.load()
    stopping = Store(site.database, site.lease, 60.0, lambda seconds: True, site.clock)
    stopping.load()
    rows = [SaveNode(new_node(site), None)]
    other = sqlite3.connect(site.url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"tried \d+ times"):
            store.commit(rows)
        assert site.clock.pauses == [0.25, 0.5, 1.0, 2.0]
        with pytest.raises(StoreUnavailable):
            stopping.commit(rows)
        other.rollback()
    finally:
        other.close()
    assert site.new_store(site.lease).load()[0] == []


def test_a_server_that_is_stopped_and_started(postgres: Postgres) -> None:
    with emptied(postgres.url("postgres")) as url:
        site = Site(url)
        pause, down = site.clock.pause, [True]

        def wait(seconds: float) -> None:
            pause(seconds)
            if len(site.clock.pauses) == 3 and down:
                down.clear()
                postgres.start()

        try:
            store = Store(site.database, site.lease, 600.0, wait, site.clock)
            store.load()
            postgres.stop()
            assert store.commit([SaveNode(new_node(site), None)]) == []
            assert len(site.clock.pauses) == 3
            assert site.only().id == 1
            site.lease.renew()
        finally:
            if down:
                postgres.start()
            site.database.close()


# -- migrations ------------------------------------------------------------------------------------


def test_migrations_arrive_at_the_schema(site: Site) -> None:
    site.database.migrate()  # nothing is left to do
    known = site.store.nodepool_id()
    assert len(known) == 32
    with site.database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "nodepool_schema_version"}
        )
        assert compare_metadata(context, METADATA) == []
    assert site.new_store(site.lease).nodepool_id() == known


def test_a_newer_schema_is_refused(site: Site) -> None:
    with site.database.write() as connection:
        connection.execute(sa.text("UPDATE nodepool_schema_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="another version of nodepool"):
        site.database.migrate()


ERA_B = """
CREATE TABLE node (id INTEGER NOT NULL PRIMARY KEY, provider_name VARCHAR(255) NOT NULL,
 label_name VARCHAR(255) NOT NULL, target_name VARCHAR(255) NOT NULL, hostname VARCHAR(255),
 nodename VARCHAR(255), external_id VARCHAR(255), az VARCHAR(255), ip VARCHAR(255),
 ip_private VARCHAR(255), state INTEGER, state_time INTEGER);
CREATE INDEX ix_node_hostname ON node (hostname);
CREATE TABLE subnode (id INTEGER NOT NULL PRIMARY KEY, node_id INTEGER NOT NULL,
 hostname VARCHAR(255), external_id VARCHAR(255), ip VARCHAR(255), ip_private VARCHAR(255), state INTEGER,
 state_time INTEGER);
CREATE TABLE snapshot_image (id INTEGER NOT NULL PRIMARY KEY, provider_name VARCHAR(255) NOT NULL,
 image_name VARCHAR(255) NOT NULL, hostname VARCHAR(255), version INTEGER,
 external_id VARCHAR(255), server_external_id VARCHAR(255), state INTEGER, state_time INTEGER);
INSERT INTO node VALUES (41, 'cloud', 'bare', 'jenkins', 'n-41.example.org', 'n-41', 's-41', 'z',
 '192.0.2.1', '10.0.0.1', 2, 1400000000);
INSERT INTO node VALUES (42, 'cloud', 'bare', 'jenkins', NULL, NULL, NULL, NULL, NULL, NULL, 1,
 1400000001);
INSERT INTO subnode VALUES (8, 41, 'n-41-8', 's-8', '192.0.2.2', NULL, 2, 1400000000);
INSERT INTO subnode VALUES (9, 41, 'n-41-9', NULL, NULL, NULL, 1, 1400000000);
INSERT INTO snapshot_image VALUES (5, 'cloud', 'precise', 'precise-1', 1399999999, 'i-5', NULL, 2,
 1399999999)
"""


def test_a_database_of_an_earlier_era_is_taken_over(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in ERA_B.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    site = Site(url)
    try:
        nodes, images, holds = site.new_store(site.lease).load()
        assert (site.store.next_node(), site.store.next_image()) == (43, 6)
        test_migrations_arrive_at_the_schema(site)
        ready, building = nodes
        assert (ready.state, ready.registered, ready.nodename) == (NodeState.READY, True, "n-41")
        assert [machine.presence for machine in ready.machines] == [
            *(Presence.EXISTS, Presence.EXISTS, Presence.ASKED)
        ]
        assert (building.id, building.machines[0].presence) == (42, Presence.ASKED)
        image = images[0]
        assert (image.presence, image.machine.presence) == (Presence.EXISTS, Presence.GONE)
        assert image.proven
        assert holds == {}
        moved = ready.with_machine(1, replace(ready.machines[1], ip="192.0.2.9"))
        assert site.store.commit([SaveNode(moved, NodeState.READY)]) == []
        assert site.new_store(site.lease).load()[0][0] == moved
    finally:
        site.database.close()


def test_a_database_that_cannot_be_opened_is_told_without_its_password() -> None:
    for text in ("no url", "nonsense://nodepool:hunter2@127.0.0.1/x"):
        with pytest.raises(StoreError) as caught:
            Database(Secret(text))
        assert "hunter2" not in str(caught.value)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "nodepool.sqlite"
    database = Database(Secret(f"sqlite:///{path}"))
    database.migrate()
    database.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_daemons_row_is_one(site: Site) -> None:
    with site.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(DAEMON)) == 1

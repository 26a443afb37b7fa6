"""From no database, or one of an earlier era, to the tables of today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from nodepool.core.commands import SaveNode
from nodepool.db.database import Database
from nodepool.db.schema import DAEMON, METADATA
from nodepool.errors import StoreError
from nodepool.model import NodeState, Presence
from tests.integration.nodepool_store_world import Site, new_node
from tests.support.databases import DatabaseServer
from zuul.lib.secret import Secret


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
 hostname VARCHAR(255), external_id VARCHAR(255), ip VARCHAR(255), ip_private VARCHAR(255),
 state INTEGER, state_time INTEGER);
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


def test_a_database_of_an_earlier_era_is_taken_over(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        for statement in ERA_B.split(";"):
            connection.exec_driver_sql(statement)
    engine.dispose()
    site = Site(database_url)
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


def test_nodes_of_a_database_without_host_keys_have_none(site: Site) -> None:
    node = new_node(site)
    site.store.commit([SaveNode(node, None)])
    with site.database.write() as connection:
        for table, column in (
            *(("node", "host_keys"), ("subnode", "host_keys")),
            ("snapshot_image", "server_host_keys"),
        ):
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(sa.text("UPDATE nodepool_schema_version SET version_num = '0002'"))
    site.database.migrate()
    test_migrations_arrive_at_the_schema(site)
    assert site.only() == node


def test_nodes_that_the_earlier_era_held_count_for_their_jobs(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        for statement in ERA_B.split(";"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("ALTER TABLE node ADD COLUMN comment VARCHAR(255)")
        node = sa.table("node", sa.column("id"), sa.column("state"), sa.column("comment"))
        for number, comment in (
            (41, "Automatically held after failing gate-one: 50%"),
            (42, "mine"),
        ):
            this = node.update().where(node.c.id == number)
            connection.execute(this.values(state=5, comment=comment))
    engine.dispose()
    site = Site(database_url)
    try:
        nodes, _, _ = site.new_store(site.lease).load()
        assert [node.job for node in nodes] == ["gate-one: 50%", None]
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


@pytest.mark.real
@pytest.mark.parametrize(
    "statement",
    [
        *("position", "IF NOT EXISTS nodepool_daemon", "INSERT INTO nodepool_daemon"),
        "snapshot_image ADD COLUMN server_host_keys",
        *("IF NOT EXISTS heard", "version_num='0006'"),
    ],
)
def test_a_daemon_that_was_killed_on_its_way_leaves_the_rest_to_the_next(
    mariadb: DatabaseServer, statement: str
) -> None:
    """The others undo what they began."""

    class Killed(Exception):
        pass

    def kill(conn: object, cursor: object, text: str, *rest: object) -> None:
        if statement in " ".join(text.split()):
            raise Killed

    with mariadb.database() as url:
        database = Database(Secret(url))
        sa.event.listen(sa.Engine, "before_cursor_execute", kill)
        try:
            with pytest.raises(Killed):
                database.migrate()
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", kill)
            database.close()
        site = Site(url)
        try:
            test_migrations_arrive_at_the_schema(site)
        finally:
            site.database.close()

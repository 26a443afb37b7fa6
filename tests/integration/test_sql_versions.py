"""Databases of other versions of Zuul, and of none."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.integration.sql_world import Rows, job, started_driver
from tests.support.reports import make_report, send
from zuul.drivers.sql.tables import METADATA

#: as Zuul 2.6 made them
ZUUL_2 = (
    """CREATE TABLE zuul_buildset (id INTEGER NOT NULL PRIMARY KEY, zuul_ref VARCHAR(255),
     pipeline VARCHAR(255), project VARCHAR(255), {change} INTEGER, patchset INTEGER,
     ref VARCHAR(255), score INTEGER, message TEXT)""",
    """CREATE TABLE zuul_build (id INTEGER NOT NULL PRIMARY KEY, buildset_id INTEGER REFERENCES
     zuul_buildset (id), uuid VARCHAR(36), job_name VARCHAR(255), result VARCHAR(255),
     start_time {time}, end_time {time}, voting BOOLEAN, log_url VARCHAR(255),
     node_name VARCHAR(255))""",
    """INSERT INTO zuul_buildset VALUES (7, 'Z1', 'check', 'p', 3, 1, 'refs/changes/03/3/1', 1,
     'Build succeeded.')""",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('4d3ebd7f06b9')",
)


def test_a_database_of_zuul_2_is_taken_over(database_url: str) -> None:
    rows = Rows(database_url)
    words = {
        "change": "`change`" if database_url.startswith("mysql") else "change",
        "time": "TIMESTAMP" if database_url.startswith("postgresql") else "DATETIME",
    }
    key = "INTEGER NOT NULL PRIMARY KEY"
    if database_url.startswith("mysql"):
        own = "INTEGER NOT NULL PRIMARY KEY AUTO_INCREMENT"
    elif database_url.startswith("postgresql"):
        own = "SERIAL NOT NULL PRIMARY KEY"
    else:
        own = key
    rows.execute(*(text.format(**words).replace(key, own) for text in ZUUL_2))
    if database_url.startswith("postgresql"):
        rows.execute("SELECT setval('zuul_buildset_id_seq', 7)")
    with started_driver(database_url) as driver:
        send(driver, make_report(jobs=(job(),)))
    old, new = rows.buildsets()
    assert (old["id"], old["zuul_ref"], old["change"]) == (7, "Z1", 3)
    assert (new["id"], new["change"], new["message"]) == (8, 1, "Build succeeded.")
    assert [build["job_name"] for build in rows.builds(8)] == ["unit"]
    assert rows.select("SELECT version_num FROM alembic_version") == [
        {"version_num": "4d3ebd7f06b9"}
    ]


def test_a_database_of_a_later_zuul_is_left_alone(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = Rows(database_url)
    rows.execute(ZUUL_2[3], "INSERT INTO alembic_version VALUES ('1dd914d4a482')")
    with started_driver(database_url) as driver:
        send(driver, make_report())
    assert "the database is of another version of zuul" in caplog.text
    with rows.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]


def test_migrations_arrive_at_the_tables(database_url: str) -> None:
    for _ in range(2):
        with started_driver(database_url):
            pass
    with Rows(database_url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_two_connections_to_one_new_database(database_url: str) -> None:
    with started_driver(database_url) as first, started_driver(database_url) as second:
        send(first, make_report())
        send(second, make_report())
    assert len(Rows(database_url).buildsets()) == 2

"""Reports as rows of a database: contract zuul.md 8.2, 12.17."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
import sqlalchemy as sa

from tests.integration.sql_world import FAST, Rows, job, started_driver
from tests.support.databases import DatabaseServer
from tests.support.layouts import pipeline
from tests.support.processes import find_free_port
from tests.support.reports import CHANGE, TICK, make_report, send
from tests.support.waiting import eventually
from tests.support.world import World
from zuul.drivers.outbox import OutboxTuning
from zuul.lib.sql.database import Database
from zuul.lib.sql.errors import DatabaseUnavailable
from zuul.model.change import Change, ChangeKey, Ref, RefKey

BUILDSET_COLUMNS = [
    *("id", "zuul_ref", "pipeline", "project", "change", "patchset", "ref", "score", "message"),
]

BUILD_COLUMNS = [
    *("id", "buildset_id", "uuid", "job_name", "result", "start_time", "end_time", "voting"),
    *("log_url", "node_name"),
]


def test_138_tables_and_rows(database_url: str) -> None:
    world = World()
    with started_driver(database_url) as driver:
        world.reporters.real["database"] = driver
        world.reload(
            pipeline(
                "check",
                success={"gerrit": {"verified": 1}, "database": {"score": 1}},
                failure={"gerrit": {"verified": -1}, "database": {"score": -1}},
            )
        )
        world.push()
        b = world.change()
        world.fails("project-test1", b)
        world.created(b)
        history = world.gearman.history
    a_built = {build.job: build for build in history if build.parameters["ZUUL_CHANGE"] == "1"}
    rows = Rows(database_url)
    with rows.connect() as connection:
        inspector = sa.inspect(connection)
        for table, columns in (("zuul_buildset", BUILDSET_COLUMNS), ("zuul_build", BUILD_COLUMNS)):
            assert [column["name"] for column in inspector.get_columns(table)] == columns
    success, failure = rows.buildsets()
    assert success["zuul_ref"].startswith("Z")
    assert success == {
        "id": success["id"],
        "zuul_ref": success["zuul_ref"],
        "pipeline": "check",
        "project": "org/project",
        "change": 1,
        "patchset": 1,
        "ref": "refs/changes/01/1/1",
        "score": 1,
        "message": "Build succeeded.",
    }
    first = rows.builds(success["id"])[0]
    number = a_built["project-merge"].number
    assert first["job_name"] == "project-merge"
    assert first["result"] == "SUCCESS"
    assert first["log_url"] == f"http://logs.example.com/1/1/check/project-merge/{number}"
    assert first["uuid"] == a_built["project-merge"].uuid
    assert (failure["change"], failure["score"], failure["message"]) == (2, -1, "Build failed.")
    builds = rows.builds(failure["id"])
    assert [(build["job_name"], build["result"]) for build in builds][-2:] == [
        ("project-test1", "FAILURE"),
        ("project-test2", "SUCCESS"),
    ]


def test_139_two_databases(database_url: str, sqlite_url: str) -> None:
    world, other = World(), sqlite_url + "-other"
    with started_driver(database_url) as first, started_driver(other) as second:
        world.reporters.real |= {"database": first, "failures": second}
        world.reload(
            pipeline(
                "check",
                success={"database": {"score": 1}},
                failure={"database": {"score": -1}, "failures": {"score": -1}},
            )
        )
        world.push()
        b = world.change()
        world.fails("project-test1", b)
        world.created(b)
    assert [row["change"] for row in Rows(database_url).buildsets()] == [1, 2]
    assert [(row["change"], row["score"]) for row in Rows(other).buildsets()] == [(2, -1)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://zuul:very-secret@127.0.0.1:{port}/zuul", "not available"),
        ("mysql+pymysql://zuul:very-secret@127.0.0.1:{port}/zuul", "not available"),
        ("sqlite:////proc/no/such/place.sqlite", "cannot be opened"),
        ("oracle+nodriver://zuul:very-secret@127.0.0.1/zuul", "cannot be opened"),
        ("very-secret is no URL", "no SQLAlchemy URL"),
        (None, "no dburi"),
    ],
)
def test_140_a_database_that_is_not_there(
    url: str | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    tuning = OutboxTuning(first_pause=0.01, max_pause=0.05, patience=0.2)
    url = url.format(port=find_free_port()) if url else None
    with started_driver(url, tuning=tuning) as driver:
        world.reporters.real["database"] = driver
        world.reload(
            pipeline("check", success={"gerrit": {"verified": 1}, "database": {"score": 1}})
        )
        a = world.push()
        world.expect_reports(1, a)
        world.expect_idle()
        eventually(lambda: "A report is dropped" in caplog.text, "the end of patience")
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name == "connection.sql" and record.levelno == logging.ERROR
    ]
    assert len(told) == 2
    assert told[0].startswith("Reports cannot be recorded now connection=database: ")
    assert told[1].startswith('A report is dropped connection=database report="check success 1,1"')
    assert all(reason in text for text in told)
    assert "very-secret" not in caplog.text


def test_140_a_database_that_comes_back_gets_all(
    database_server: DatabaseServer, caplog: pytest.LogCaptureFixture
) -> None:
    with database_server.database() as url, started_driver(url) as driver:
        rows = Rows(url)
        send(driver, make_report())
        rows.wait(1)
        database_server.stop()
        try:
            for number in range(2, 5):
                key = ChangeKey("gerrit", str(number), "1")
                change = Change(key, "p", "master", f"refs/changes/0{number}/{number}/1")
                assert send(driver, make_report(change=change)).reported
            eventually(lambda: "tried again" in caplog.text, "a failed try")
        finally:
            database_server.start()
        assert [row["change"] for row in rows.wait(4)] == [1, 2, 3, 4]


def test_what_never_ran_and_what_is_no_change_is_recorded(database_url: str) -> None:
    """In 2.6 either lost the row, and the reporters after it."""
    skipped = job("b", build=None, result="SKIPPED", url="b", started_at=None, ended_at=None)
    ref = Ref(RefKey("gerrit", "p", "refs/heads/stable", "f" * 40), "0" * 40)
    with started_driver(database_url) as driver:
        send(driver, make_report(jobs=(job(), skipped)), score=5)
        send(driver, make_report(change=ref))
        send(driver, make_report(change=TICK))
    rows = Rows(database_url)
    change, moved, tick = rows.buildsets()
    assert (change["change"], change["patchset"], change["score"]) == (1, 2, 5)
    assert (moved["change"], moved["patchset"], moved["ref"]) == (None, None, "refs/heads/stable")
    assert (tick["change"], tick["ref"], tick["project"]) == (None, None, "org/project")
    ran, not_run = rows.select("SELECT * FROM zuul_build ORDER BY id")
    assert bool(ran["voting"])
    assert (not_run["uuid"], not_run["start_time"], not_run["result"]) == (None, None, "SKIPPED")


def test_times_are_local(database_url: str) -> None:
    with started_driver(database_url) as driver:
        send(driver, make_report(jobs=(job(),)))
    (row,) = Rows(database_url).select("SELECT * FROM zuul_build")
    expected = datetime.fromtimestamp(1_500_000_000)
    assert str(row["start_time"]).split(".")[0] == str(expected)


def test_what_does_not_fit_is_made_to(database_url: str) -> None:
    long = "é" * 300 + "\x00\ud800"
    change = Change(ChangeKey("gerrit", "9" * 30, "x"), long, "master", long)
    report = make_report(
        change=change,
        pipeline=long,
        summary="\U0001f600" * 20_000,
        jobs=(job(long, url="http://" + long, result=long, node_name=long),),
    )
    with started_driver(database_url) as driver:
        send(driver, report)
    rows = Rows(database_url)
    (row,) = rows.buildsets()
    assert (row["change"], row["patchset"]) == (None, None)
    assert row["project"] == row["pipeline"] == "é" * 255
    assert set(row["message"]) == {"\U0001f600"}
    assert len(row["message"]) > 16_000
    (build,) = rows.builds(row["id"])
    assert build["log_url"] == "http://" + "é" * 248


@pytest.mark.real
def test_tables_that_know_few_characters_get_what_they_can_keep(
    mariadb: DatabaseServer, caplog: pytest.LogCaptureFixture
) -> None:
    with mariadb.database() as url:
        rows = Rows(url)
        with started_driver(url):
            pass
        for table in ("zuul_buildset", "zuul_build"):
            rows.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET latin1")
        with started_driver(url) as driver:
            send(driver, make_report(summary="Build succeeded. 世界", jobs=(job("世"),)))
        (row,) = rows.buildsets()
        assert row["message"] == "Build succeeded. \\u4e16\\u754c"
        assert rows.builds(row["id"])[0]["job_name"] == "\\u4e16"
    assert "recorded in ASCII alone" in caplog.text


def test_tables_that_somebody_took_away_come_back(sqlite_url: str) -> None:
    rows = Rows(sqlite_url)
    with started_driver(sqlite_url) as driver:
        send(driver, make_report())
        rows.wait()
        tables = ("zuul_build", "zuul_buildset", "alembic_version")
        rows.execute(*(f"DROP TABLE {table}" for table in tables))
        send(driver, make_report(pipeline="gate"))
        assert [row["pipeline"] for row in rows.wait()] == ["gate"]


def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What has no name is a look at the tables, which follows each failure, or goes well.
    faults = ["after the commit", "", "before it", "", "", "after the commit", "", "before it"]
    write = Database.write

    @contextlib.contextmanager
    def breaks(self: Database) -> Iterator[sa.Connection]:
        how = faults.pop(0) if faults else ""
        with write(self) as connection:
            yield connection
            if how == "before it":
                raise DatabaseUnavailable("server closed the connection")
        if how == "after the commit":
            raise DatabaseUnavailable("server closed the connection")

    with started_driver(database_url) as driver:
        send(driver, make_report(pipeline="first"))
        Rows(database_url).wait()
        monkeypatch.setattr(Database, "write", breaks)
        # Two that are the same are two, each once; a timer's reports are so.
        told = ["second", "second", "third", "third"]
        for name in told:
            send(driver, make_report(change=TICK, pipeline=name))
        Rows(database_url).wait(5)
    assert [row["pipeline"] for row in Rows(database_url).buildsets()] == ["first", *told]


def test_reports_of_one_change_keep_their_order(sqlite_url: str) -> None:
    with started_driver(sqlite_url, tuning=FAST) as driver:
        for number in range(30):
            send(driver, make_report(change=CHANGE), score=number)
    assert [row["score"] for row in Rows(sqlite_url).buildsets()] == list(range(30))

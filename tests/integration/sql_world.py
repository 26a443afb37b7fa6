"""A database, the SQL reporter on it, and what a dashboard of Zuul 2 reads from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tests.support.waiting import WAIT_SECONDS, eventually
from zuul.config import SqlConnectionConfig
from zuul.drivers.outbox import OutboxTuning
from zuul.drivers.sql.driver import SqlDriver
from zuul.lib.secret import Secret
from zuul.model.build import ReportedJob

FAST = OutboxTuning(first_pause=0.01, max_pause=0.05, patience=WAIT_SECONDS, drain=WAIT_SECONDS)


@contextlib.contextmanager
def started_driver(url: str | None, **how: Any) -> Iterator[SqlDriver]:
    """What was reported is in the database once this is left."""
    config = SqlConnectionConfig("database", Secret(url) if url else None)
    driver = SqlDriver(config, **{"tuning": FAST, "busy_seconds": 0.5, **how})
    driver.start()
    try:
        yield driver
    finally:
        driver.stop()


@dataclass(slots=True)
class Rows:
    """The tables, read as others read them: by SQL."""

    url: str

    def buildsets(self) -> list[dict[str, Any]]:
        return self.select("SELECT * FROM zuul_buildset ORDER BY id")

    def builds(self, buildset: int) -> list[dict[str, Any]]:
        text = f"SELECT * FROM zuul_build WHERE buildset_id = {buildset} ORDER BY id"
        return self.select(text)

    def wait(self, count: int = 1) -> list[dict[str, Any]]:
        """The build sets, once there are as many."""
        eventually(lambda: len(self._if_there()) >= count, f"{count} build sets")
        return self.buildsets()

    def _if_there(self) -> list[dict[str, Any]]:
        with contextlib.suppress(sa.exc.DBAPIError):
            return self.buildsets()
        return []

    def select(self, text: str) -> list[dict[str, Any]]:
        with self.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(text).mappings()]

    def execute(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    @contextlib.contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()


def job(name: str = "unit", **values: object) -> ReportedJob:
    given = {
        "build": "a" * 32,
        "result": "SUCCESS",
        "url": f"http://logs/{name}",
        "voting": True,
        "started_at": 1_500_000_000.9,
        "ended_at": 1_500_000_060.0,
        "node_name": "n-1",
        **values,
    }
    return ReportedJob(name=name, **given)  # type: ignore[arg-type]

"""Makes engines: of each kind of database, no wait without end, and a file for its owner alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from zuul.lib.modes import make_folder, refuse_writers
from zuul.lib.secret import Secret
from zuul.lib.sql.errors import DatabaseError

#: a server that does not answer a connection request is as good as down
CONNECT_SECONDS: Final = 10
#: servers, and what is between, drop connections that idle for long
RECYCLE_SECONDS: Final = 3600
#: execution option of a connection whose transaction will write
WRITES: Final = "zuul_writes"


def parse_url(dburi: Secret) -> URL:
    try:
        return make_url(dburi.reveal())
    except ArgumentError:
        # Its text may hold the password.
        raise DatabaseError("dburi is no SQLAlchemy URL") from None


def file_of(url: URL) -> Path | None:
    """Where SQLite keeps it; None: in memory, or it is no SQLite."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def make_engine(url: URL, busy_seconds: float) -> Engine:
    """Raises DatabaseError; ConfigError for a file of SQLite that others can change."""
    try:
        backend = url.get_backend_name()
        if backend != "sqlite":
            return sa.create_engine(
                url,
                # A write sees what it changes, and a look after a lost race sees who won.
                isolation_level="READ COMMITTED",
                pool_pre_ping=True,
                pool_recycle=RECYCLE_SECONDS,
                pool_timeout=busy_seconds,
                connect_args=_connect_args(url, busy_seconds),
            )
        if (file := file_of(url)) is not None:
            _make_private(file)
        engine = sa.create_engine(
            url, connect_args={"timeout": busy_seconds, "check_same_thread": False}
        )
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise DatabaseError(f"the database cannot be opened: {error}") from error
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _connect_args(url: URL, busy_seconds: float) -> dict[str, Any]:
    """Of the drivers we know: no wait without end, neither for the server nor for a lock."""
    seconds = max(1, int(busy_seconds))
    driver = url.get_driver_name()
    if driver in ("psycopg", "psycopg2"):
        limits = f"-c lock_timeout={seconds}s -c statement_timeout={6 * seconds}s"
        # A server that fell silent is given up by the kernel.
        quiet = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        return {"connect_timeout": CONNECT_SECONDS, "options": limits, **quiet}
    if driver == "pymysql":
        waits = {"read_timeout": 6 * seconds, "write_timeout": 6 * seconds}
        lock = f"SET innodb_lock_wait_timeout={seconds}"
        return {"connect_timeout": CONNECT_SECONDS, "init_command": lock, **waits}
    return {}


def _make_private(file: Path) -> None:
    """For its owner alone, as the originals' database server was."""
    make_folder(file.parent)
    refuse_writers(file.parent, file)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    file.chmod(0o600)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # We begin transactions ourselves: Python's driver would not before a SELECT.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # NORMAL would lose the last commits to a power cut; servers are made on the strength of one.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer that began as a reader is refused, not made to wait, when another wrote in between.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

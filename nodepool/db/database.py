"""Database: one engine, its short transactions, and the migrations that are run at start."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from nodepool.db.schema import VERSION_TABLE
from nodepool.errors import RowConflict, StoreError
from zuul.lib.modes import refuse_writers
from zuul.lib.secret import Secret

log = logging.getLogger("nodepool.NodeDatabase")

#: a server that does not answer a connection request is as good as down
CONNECT_SECONDS: Final = 10
#: how long one transaction waits for another's locks
BUSY_SECONDS: Final = 10.0
#: servers, and what is between, drop connections that idle for long
RECYCLE_SECONDS: Final = 3600
_MIGRATE_SECONDS: Final = 60
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
#: any number, the same in all nodepoolds: who runs the migrations
_LOCK: Final = 7052013


class StoreUnavailable(StoreError):
    """The database cannot be reached or is busy; later it may be there again."""


class Database:
    """A connection pool; for all threads. Raises StoreError."""

    def __init__(
        self, dburi: Secret, busy_seconds: float = BUSY_SECONDS, *, create: bool = True
    ) -> None:
        """`create`: of SQLite, a file that is not there."""
        self._engine = _engine(_parse(dburi), busy_seconds, create)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that writes nothing."""
        with self._transaction(False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed when left; an exception undoes it."""
        with self._transaction(True) as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the tables to what this program knows; of several daemons one does it at a time."""
        config = _alembic()
        try:
            with self.write() as connection, _only_one(connection):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(f"the database is of another version of nodepool: {error}") from error

    def check(self) -> None:
        """Raises StoreError unless the tables are those this program knows."""
        options = {"version_table": VERSION_TABLE}
        with self.read() as connection:
            found = MigrationContext.configure(connection, opts=options).get_current_revision()
        wanted = ScriptDirectory.from_config(_alembic()).get_current_head()
        if found is None:
            raise StoreError("the database has no tables yet: nodepoold makes them as it starts")
        if found != wanted:
            text = f"the database is of version {found}, and this program of {wanted}"
            raise StoreError(f"{text}: nodepoold brings it up to date as it starts")

    @contextmanager
    def _transaction(self, writes: bool) -> Iterator[Connection]:
        try:
            connected = self._engine.connect().execution_options(nodepool_writes=writes)
            with connected as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise _translate(error) from error


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _translate(error: SQLAlchemyError) -> StoreError:
    # The statement and its values stay out: they fill screens and tell nothing.
    cause = str(getattr(error, "orig", None) or type(error).__name__).strip()
    if isinstance(error, IntegrityError):
        return RowConflict(f"the database refused a row: {cause}")
    passing = isinstance(error, OperationalError | InterfaceError | PoolTimeout)
    if passing or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return StoreUnavailable(f"the database is not available: {cause}")
    return StoreError(f"the database failed: {cause}")


@contextmanager
def _only_one(connection: Connection) -> Iterator[None]:
    """SQLite's write transaction is lock enough."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    if dialect not in ("mysql", "mariadb"):
        yield
        return
    # MariaDB commits with each change of a table, so the lock is the connection's.
    name = f"nodepool-{_LOCK}"
    if connection.scalar(sa.select(sa.func.get_lock(name, _MIGRATE_SECONDS))) != 1:
        raise StoreUnavailable("another nodepoold is at work on the tables")
    try:
        yield
    finally:
        connection.execute(sa.select(sa.func.release_lock(name)))


def _parse(dburi: Secret) -> URL:
    try:
        return make_url(dburi.reveal())
    except ArgumentError as error:
        raise StoreError("dburi is no SQLAlchemy URL") from error


def _engine(url: URL, busy_seconds: float, create: bool) -> Engine:
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
        if url.database not in (None, "", ":memory:"):
            file = Path(str(url.database))
            if create:
                _make_private(file)
            elif not file.exists():
                raise StoreError(f"there is no database {file}: nodepoold makes it as it starts")
        engine = sa.create_engine(
            url, connect_args={"timeout": busy_seconds, "check_same_thread": False}
        )
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise StoreError(f"the database cannot be opened: {error}") from error
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
    file.parent.mkdir(parents=True, exist_ok=True)
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
    writes = connection.get_execution_options().get("nodepool_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

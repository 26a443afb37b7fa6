"""Database: one engine, its short transactions, and the migrations that are run at start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from zuul.lib.secret import Secret
from zuul.lib.sql.engines import WRITES, file_of, make_engine, parse_url
from zuul.lib.sql.errors import DatabaseError, DatabaseUnavailable, RowConflict, ValueRefused

#: how long one transaction waits for another's locks
BUSY_SECONDS: Final = 10.0
_MIGRATE_SECONDS: Final = 60
#: Alembic keeps what it is at in its modules
_migrating = Lock()


@dataclass(frozen=True, slots=True)
class Migrations:
    """Whose tables these are, and the steps that make them."""

    #: the program, and what of it runs these as it starts; for people
    program: str
    daemon: str
    #: Alembic's: env.py and versions/
    folder: Path
    version_table: str
    #: any number, the same in all processes that run these: one does it at a time
    lock: int


class Database:
    """A connection pool; for all threads. Raises DatabaseError."""

    def __init__(
        self,
        dburi: Secret,
        migrations: Migrations,
        busy_seconds: float = BUSY_SECONDS,
        *,
        create: bool = True,
    ) -> None:
        """`create`: of SQLite, a file that is not there."""
        self._migrations = migrations
        url = parse_url(dburi)
        if not create and (file := file_of(url)) is not None and not file.exists():
            maker = migrations.daemon
            raise DatabaseError(f"there is no database {file}: {maker} makes it as it starts")
        self._engine = make_engine(url, busy_seconds)

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
        """Bring the tables to what this program knows; of several processes one at a time."""
        wanted = self._migrations
        config = _alembic(wanted)
        try:
            with _migrating, self.write() as connection, _only_one(connection, wanted):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            text = f"the database is of another version of {wanted.program}: {error}"
            raise DatabaseError(text) from error

    def check(self) -> None:
        """Raises DatabaseError unless the tables are those this program knows."""
        known = self._migrations
        options = {"version_table": known.version_table}
        with self.read() as connection:
            found = MigrationContext.configure(connection, opts=options).get_current_revision()
        wanted = ScriptDirectory.from_config(_alembic(known)).get_current_head()
        if found is None:
            text = f"the database has no tables yet: {known.daemon} makes them as it starts"
            raise DatabaseError(text)
        if found != wanted:
            text = f"the database is of version {found}, and this program of {wanted}"
            raise DatabaseError(f"{text}: {known.daemon} brings it up to date as it starts")

    @contextmanager
    def _transaction(self, writes: bool) -> Iterator[Connection]:
        try:
            connected = self._engine.connect().execution_options(**{WRITES: writes})
            with connected as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise _translate(error) from error


def _alembic(migrations: Migrations) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations.folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _translate(error: SQLAlchemyError) -> DatabaseError:
    # The statement and its values stay out: they fill screens and tell nothing.
    cause = str(getattr(error, "orig", None) or type(error).__name__).strip()
    if isinstance(error, IntegrityError):
        return RowConflict(f"the database refused a row: {cause}")
    if isinstance(error, DataError):
        return ValueRefused(f"the database refused a value: {cause}")
    passing = isinstance(error, OperationalError | InterfaceError | PoolTimeout)
    if passing or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return DatabaseUnavailable(f"the database is not available: {cause}")
    return DatabaseError(f"the database failed: {cause}")


@contextmanager
def _only_one(connection: Connection, migrations: Migrations) -> Iterator[None]:
    """SQLite's write transaction is lock enough."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(migrations.lock)))
    if dialect not in ("mysql", "mariadb"):
        yield
        return
    # MariaDB commits with each change of a table, so the lock is the connection's.
    name = f"{migrations.program}-{migrations.lock}"
    if connection.scalar(sa.select(sa.func.get_lock(name, _MIGRATE_SECONDS))) != 1:
        raise DatabaseUnavailable("another process is at work on the tables")
    try:
        yield
    finally:
        connection.execute(sa.select(sa.func.release_lock(name)))

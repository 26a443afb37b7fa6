"""Journal: what the bridge runs, on disk before the master hears of it.

A row is a build by its ZUUL_UUID. It is committed before the build is posted, so that a bridge that
was killed finds on its return every build that may exist. Every call is one short transaction.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from gearman_plugin_shim.errors import JournalError
from zuul.lib.logs import fields
from zuul.lib.modes import make_folder, refuse_writers
from zuul.lib.secret import Secret

log = logging.getLogger("zuul.ShimJournal")

SCHEMA_VERSION: Final = 1
_BUSY_SECONDS: Final = 10.0
#: a backend that does not answer a connection request is as good as down
_CONNECT_SECONDS: Final = 10

_METADATA: Final = sa.MetaData()
_SCHEMA: Final = sa.Table(
    "shim_schema", _METADATA, sa.Column("version", sa.Integer, nullable=False)
)
_BUILDS: Final = sa.Table(
    "shim_build",
    _METADATA,
    sa.Column("uuid", sa.String(190), primary_key=True),
    sa.Column("master", sa.String(190), nullable=False),
    sa.Column("finished_at", sa.Float(53), nullable=True, index=True),
    sa.Column("state", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One build as it is kept."""

    #: ZUUL_UUID
    uuid: str
    master: str
    #: what the bridge wants to know again, in JSON's types
    state: Mapping[str, Any]
    #: epoch seconds; None while the build may run
    finished_at: float | None = None


class Journal:
    """The journal of one bridge. One thread at a time; raises JournalError."""

    def __init__(self, dburi: Secret) -> None:
        url = _parse(dburi)
        self._engine = _engine(url)
        with self._transaction() as connection:
            _METADATA.create_all(connection)
            versions = connection.scalars(sa.select(_SCHEMA.c.version)).all()
            if not versions:
                connection.execute(_SCHEMA.insert().values(version=SCHEMA_VERSION))
            elif list(versions) != [SCHEMA_VERSION]:
                text = f"journal has schema {max(versions)}, this program knows {SCHEMA_VERSION}"
                raise JournalError(text)

    def close(self) -> None:
        self._engine.dispose()

    def write(self, rows: Iterable[Row]) -> None:
        """Keep these, instead of what was kept of the same builds; on disk when it returns."""
        values = [
            {
                "uuid": row.uuid,
                "master": row.master,
                "finished_at": row.finished_at,
                "state": json.dumps(dict(row.state)),
            }
            for row in {row.uuid: row for row in rows}.values()
        ]
        if not values:
            return
        with self._transaction() as connection:
            uuids = [{"gone": value["uuid"]} for value in values]
            gone = _BUILDS.delete().where(_BUILDS.c.uuid == sa.bindparam("gone"))
            connection.execute(gone, uuids)
            connection.execute(_BUILDS.insert(), values)

    def read(self) -> list[Row]:
        """Every build that is kept; a row nobody can read is logged and passed over."""
        with self._transaction() as connection:
            found = connection.execute(sa.select(_BUILDS)).all()
        rows = []
        for uuid, master, finished_at, state in found:
            try:
                value = json.loads(state)
                if not isinstance(value, dict):
                    raise ValueError("no object")
            except ValueError as error:
                log.error("Row of the journal not understood %s", fields(build=uuid, reason=error))
                continue
            rows.append(Row(uuid, master, value, finished_at))
        return rows

    def prune(self, before: float) -> int:
        """Forget builds that finished before that time; how many."""
        with self._transaction() as connection:
            old = _BUILDS.c.finished_at < before
            return connection.execute(_BUILDS.delete().where(old)).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            # The statement and its values stay out: they fill screens and tell nothing.
            cause = getattr(error, "orig", None) or type(error).__name__
            raise JournalError(f"journal failed: {cause}") from error


def _parse(dburi: Secret) -> URL:
    try:
        return make_url(dburi.reveal())
    except ArgumentError as error:
        raise JournalError("dburi is no SQLAlchemy URL") from error


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() != "sqlite":
            return sa.create_engine(
                url, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT_SECONDS}
            )
        if url.database not in (None, "", ":memory:"):
            _make_private(Path(str(url.database)))
        engine = sa.create_engine(
            url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False}
        )
    except (SQLAlchemyError, ImportError, OSError) as error:
        raise JournalError(f"journal cannot be opened: {error}") from error
    sa.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _make_private(file: Path) -> None:
    """Parameters of builds are kept in it: for its owner alone."""
    make_folder(file.parent)
    refuse_writers(file.parent, file)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    file.chmod(0o600)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # NORMAL would lose the last commits to a power cut; a build is posted on the strength of one.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()

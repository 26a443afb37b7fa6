"""SqlDriver: reports as rows of a database, contract zuul.md 8.2."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from zuul.core.commands import SendReport
from zuul.core.events import ReportCompleted
from zuul.drivers.outbox import Outbox, OutboxTuning
from zuul.drivers.sql.rows import Row, in_ascii, report_rows
from zuul.drivers.sql.statements import find_report, last_buildset, write_report
from zuul.drivers.sql.tables import VERSION_TABLE
from zuul.errors import ConnectionLost, DriverError
from zuul.lib.logs import fields
from zuul.lib.problems import ConfigError
from zuul.lib.secret import Secret
from zuul.lib.sql.database import BUSY_SECONDS, Database, Migrations
from zuul.lib.sql.errors import DatabaseError, DatabaseUnavailable, ValueRefused
from zuul.model.layout import ReportAction

log = logging.getLogger("connection.sql")

_MIGRATIONS: Final = Migrations(
    "zuul", "zuul-server", Path(__file__).parent / "migrations", VERSION_TABLE, 4037069
)


class SqlConfig(Protocol):
    """What of zuul.config.SqlConnectionConfig the driver needs."""

    @property
    def name(self) -> str: ...

    @property
    def dburi(self) -> Secret | None: ...


@dataclass(frozen=True, slots=True)
class _Letter:
    request: SendReport
    parameters: Mapping[str, Any]


class SqlDriver:
    """One configured database as Reporter."""

    def __init__(
        self,
        config: SqlConfig,
        *,
        busy_seconds: float = BUSY_SECONDS,
        tuning: OutboxTuning | None = None,
    ) -> None:
        self.name = config.name
        self._dburi = config.dburi
        self._busy_seconds = busy_seconds
        self._outbox: Outbox[_Letter] = Outbox(self.name, log, self._send, tuning)
        #: made and used on the outbox's thread alone
        self._database: Database | None = None
        self._migrated = False
        #: the highest build set known to be in the database
        self._last = 0
        #: a connection broke while this was written: it may be there
        self._in_doubt: _Letter | None = None

    def start(self) -> None:
        self._outbox.start()
        self._outbox.run(self._look, "open the database")

    def stop(self) -> None:
        self._outbox.stop()
        if self._database is not None:
            self._database.close()

    def report(
        self,
        request: SendReport,
        action: ReportAction,
        done: Callable[[ReportCompleted], None],
    ) -> None:
        """Compat: a row that cannot be written is no failure of the report; the log tells of it."""
        letter = _Letter(request, action.parameters)
        self._outbox.put(letter, f"{request.pipeline} {request.kind.value} {request.change.key}")
        done(ReportCompleted(request.report, reported=True))

    def _look(self) -> None:
        """Make the tables now: trouble is told at the start rather than at the first report."""
        try:
            self._open()
        except DriverError as error:
            log.error("Reports cannot be recorded now %s: %s", fields(connection=self.name), error)

    def _open(self) -> Database:
        """Raises DriverError, ConnectionLost."""
        if self._dburi is None:
            raise DriverError("there is no dburi in zuul.conf")
        try:
            if self._database is None:
                self._database = Database(self._dburi, _MIGRATIONS, self._busy_seconds)
            if not self._migrated:
                self._database.migrate()
                if self._in_doubt is None:
                    self._last = last_buildset(self._database)
                self._migrated = True
                log.info("The database is open %s", fields(connection=self.name))
        except DatabaseError as error:
            raise self._explain(error) from error
        except ConfigError as error:
            raise DriverError(str(error), connection=self.name) from error
        return self._database

    def _send(self, letter: _Letter) -> None:
        database = self._open()
        buildset, builds = report_rows(letter.request, letter.parameters)
        try:
            written = None
            if self._in_doubt is letter:
                written = find_report(database, buildset, self._last)
            if written is None:
                written = self._write(database, letter, buildset, builds)
            self._last, self._in_doubt = written, None
        except DatabaseError as error:
            # Somebody may have taken the tables away: the next look makes them.
            self._migrated = False
            if isinstance(error, DatabaseUnavailable):
                self._in_doubt = letter
            raise self._explain(error) from error

    def _write(self, database: Database, letter: _Letter, buildset: Row, builds: list[Row]) -> int:
        try:
            return write_report(database, buildset, builds)
        except ValueRefused as error:
            log.warning(
                "A report is recorded in ASCII alone %s: %s",
                fields(connection=self.name, change=letter.request.change.key),
                error,
            )
            return write_report(database, in_ascii(buildset), list(map(in_ascii, builds)))

    def _explain(self, error: DatabaseError) -> DriverError:
        kind = ConnectionLost if isinstance(error, DatabaseUnavailable) else DriverError
        return kind(str(error), connection=self.name)

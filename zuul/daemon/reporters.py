"""Makes the reporters of zuul.conf's connections that only report."""

from __future__ import annotations

from collections.abc import Mapping

from zuul.config import ConnectionConfig, SmtpConnectionConfig, SqlConnectionConfig
from zuul.drivers import Reporter
from zuul.drivers.smtp import SmtpDriver


def make_reporters(connections: Mapping[str, ConnectionConfig]) -> dict[str, Reporter]:
    """By connection name, not started."""
    reporters: dict[str, Reporter] = {}
    for name, config in connections.items():
        if isinstance(config, SmtpConnectionConfig):
            reporters[name] = SmtpDriver(config)
        elif isinstance(config, SqlConnectionConfig):
            # SQLAlchemy and Alembic take a third of a start, and most sites report to no database.
            from zuul.drivers.sql.driver import SqlDriver

            reporters[name] = SqlDriver(config)
    return reporters

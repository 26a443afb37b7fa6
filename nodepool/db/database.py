"""Nodepool's database: zuul.lib.sql with the migrations of our tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nodepool.db.schema import VERSION_TABLE
from zuul.lib.secret import Secret
from zuul.lib.sql import database
from zuul.lib.sql.database import BUSY_SECONDS, Migrations

_MIGRATIONS: Final = Migrations(
    "nodepool", "nodepoold", Path(__file__).parent / "migrations", VERSION_TABLE, 7052013
)


class Database(database.Database):
    """A connection pool; for all threads. Raises StoreError."""

    def __init__(
        self, dburi: Secret, busy_seconds: float = BUSY_SECONDS, *, create: bool = True
    ) -> None:
        super().__init__(dburi, _MIGRATIONS, busy_seconds, create=create)

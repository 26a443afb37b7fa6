"""The tables of Nodepool 0.x; a database that has them already is brought to the latest of those.

Those had no migrations: of databases begun in earlier years some columns may be missing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_INDEXED = {
    "node": ("provider_name", "label_name", "target_name", "hostname", "nodename"),
    "subnode": ("node_id", "hostname"),
    "snapshot_image": ("provider_name", "image_name"),
    "job": ("name",),
}


def upgrade() -> None:
    inspector = sa.inspect(op.get_bind())
    for table, columns in _tables().items():
        if not inspector.has_table(table):
            op.create_table(table, *columns, **_OPTIONS)
            present: set[tuple[str | None, ...]] = set()
        else:
            known = {column["name"] for column in inspector.get_columns(table)}
            for column in columns:
                if column.name not in known:
                    op.add_column(table, column)
            present = {tuple(index["column_names"]) for index in inspector.get_indexes(table)}
        for name in _INDEXED[table]:
            if (name,) not in present:
                op.create_index(f"ix_{table}_{name}", table, [name])


def _text(name: str, nullable: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(255), nullable=nullable)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer)


def _key() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _tables() -> dict[str, list[sa.Column[Any]]]:
    return {
        "node": [
            _key(),
            _text("provider_name", False),
            _text("label_name", False),
            _text("target_name", False),
            *map(_text, ("manager_name", "hostname", "nodename", "external_id", "az")),
            *map(_text, ("ip", "ip_private")),
            _number("state"),
            _number("state_time"),
            _text("comment"),
        ],
        "subnode": [
            _key(),
            sa.Column("node_id", sa.Integer, nullable=False),
            *map(_text, ("hostname", "external_id", "ip", "ip_private")),
            _number("state"),
            _number("state_time"),
        ],
        "snapshot_image": [
            _key(),
            _text("provider_name", False),
            _text("image_name", False),
            _text("hostname"),
            _number("version"),
            _text("external_id"),
            _text("server_external_id"),
            _number("state"),
            _number("state_time"),
        ],
        "job": [_key(), _text("name"), _number("hold_on_failure")],
    }

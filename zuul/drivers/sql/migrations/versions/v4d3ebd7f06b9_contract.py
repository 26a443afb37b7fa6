"""The tables of Zuul 2.5.2 to 2.6, under the revision that those gave them.

So a database of theirs is taken over as it is, and one of ours is theirs again after a way back.
Tables that exist without a revision are kept.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "4d3ebd7f06b9"
down_revision = None

_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def upgrade() -> None:
    inspector = sa.inspect(op.get_bind())
    for table, columns in _tables().items():
        if not inspector.has_table(table):
            op.create_table(table, *columns, **_OPTIONS)


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(255)) for name in names]


def _tables() -> dict[str, list[sa.Column[Any]]]:
    return {
        "zuul_buildset": [
            sa.Column("id", sa.Integer, primary_key=True),
            *_texts("zuul_ref", "pipeline", "project"),
            sa.Column("change", sa.Integer, nullable=True),
            sa.Column("patchset", sa.Integer, nullable=True),
            *_texts("ref"),
            sa.Column("score", sa.Integer),
            sa.Column("message", sa.Text),
        ],
        "zuul_build": [
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("buildset_id", sa.Integer, sa.ForeignKey("zuul_buildset.id")),
            sa.Column("uuid", sa.String(36)),
            *_texts("job_name", "result"),
            sa.Column("start_time", sa.DateTime),
            sa.Column("end_time", sa.DateTime),
            sa.Column("voting", sa.Boolean),
            *_texts("log_url", "node_name"),
        ],
    }

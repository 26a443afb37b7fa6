"""The tables of contract zuul.md 8.2, which Zuul 2's dashboards read: names and types are fixed."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
LENGTH: Final = 255
#: Compat: Alembic's own name, as in Zuul 2
VERSION_TABLE: Final = "alembic_version"

_OPTIONS: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(LENGTH))


BUILDSET: Final = sa.Table(
    "zuul_buildset",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("zuul_ref"),
    _text("pipeline"),
    _text("project"),
    sa.Column("change", sa.Integer, nullable=True),
    sa.Column("patchset", sa.Integer, nullable=True),
    # of a change its refspec
    _text("ref"),
    sa.Column("score", sa.Integer),
    sa.Column("message", sa.Text),
    **_OPTIONS,
)

BUILD: Final = sa.Table(
    "zuul_build",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("buildset_id", sa.Integer, sa.ForeignKey("zuul_buildset.id")),
    sa.Column("uuid", sa.String(36)),
    _text("job_name"),
    _text("result"),
    # Compat: local times, as in Zuul 2
    sa.Column("start_time", sa.DateTime),
    sa.Column("end_time", sa.DateTime),
    sa.Column("voting", sa.Boolean),
    _text("log_url"),
    _text("node_name"),
    **_OPTIONS,
)

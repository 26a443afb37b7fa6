"""What the ledger needs besides: presence of each machine, the daemon's row, people's requests.

Rows of Nodepool 0.x are taken over: a machine with a cloud's id exists, one without was asked for.

MariaDB commits each change of a table. So a daemon that was killed on the way leaves some of them
made, and the next one makes the others.
"""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
_READY, _HOLD = 2, 5
#: what Nodepool 0.x wrote on nodes that it held by itself, before the job's name
_HELD = "Automatically held after failing "


def upgrade() -> None:
    _add("node", "presence", "floating_ip")
    _add_column("node", sa.Column("image_id", sa.Integer))
    _add_column("node", sa.Column("registered", sa.Boolean))
    _add_column("node", sa.Column("job_name", sa.Text))
    _add_column("node", sa.Column("delete_at", sa.Double))
    _add_column("node", sa.Column("written_state", sa.Integer))
    _add_column("subnode", sa.Column("position", sa.Integer))
    _add("subnode", "presence", "floating_ip")
    _add("snapshot_image", "server_presence", "server_hostname", "server_ip")
    _add("snapshot_image", "server_ip_private", "server_floating_ip", "presence", "keypair")
    _add_column("snapshot_image", sa.Column("proven", sa.Boolean))
    _add_column("snapshot_image", sa.Column("failures", sa.Integer))
    op.create_table(
        "image_request",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("provider_name", sa.String(255)),
        sa.Column("image_name", sa.String(255)),
        sa.Column("image_id", sa.Integer),
        if_not_exists=True,
        **_OPTIONS,
    )
    daemon = op.create_table(
        "nodepool_daemon",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("nodepool_id", sa.String(255), nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("token", "beat", "serial", "last_node", "last_image")
        ),
        if_not_exists=True,
        **_OPTIONS,
    )
    connection = op.get_bind()
    tables = sa.MetaData()
    tables.reflect(connection, only=["node", "subnode", "snapshot_image"])
    node, image = tables.tables["node"], tables.tables["snapshot_image"]
    _take_over(connection, node, tables.tables["subnode"], image)
    highest = [
        connection.scalar(sa.select(sa.func.max(table.c.id))) or 0 for table in (node, image)
    ]
    # Two databases of one site must differ, so that neither takes the other's servers for its own.
    connection.execute(
        daemon.insert().values(
            id=1,
            nodepool_id=uuid.uuid4().hex,
            holder="",
            token=0,
            beat=0,
            serial=0,
            last_node=highest[0],
            last_image=highest[1],
        )
    )


def _add(table: str, *names: str) -> None:
    for name in names:
        _add_column(table, sa.Column(name, sa.String(255)))


def _add_column(table: str, column: sa.Column[Any]) -> None:
    known = sa.inspect(op.get_bind()).get_columns(table)
    if column.name not in [each["name"] for each in known]:
        op.add_column(table, column)


def _take_over(
    connection: sa.Connection, node: sa.Table, subnode: sa.Table, image: sa.Table
) -> None:
    # A target may know any of them: to forget a node that it never had does no harm.
    connection.execute(
        node.update().values(
            presence=_presence(node.c.external_id, "asked"),
            registered=sa.true(),
            written_state=node.c.state,
        )
    )
    # They count against what their job may hold; those that people hold do not.
    comment = node.c.comment
    connection.execute(
        node.update()
        .where(node.c.state == _HOLD, comment.startswith(_HELD))
        .values(job_name=sa.func.substr(comment, len(_HELD) + 1))
    )
    places: dict[Any, int] = {}
    rows = connection.execute(
        sa.select(subnode.c.id, subnode.c.node_id).order_by(subnode.c.node_id, subnode.c.id)
    ).all()
    for key, node_id in rows:
        places[node_id] = place = places.get(node_id, 0) + 1
        connection.execute(
            subnode.update()
            .where(subnode.c.id == key)
            .values(position=place, presence=_presence(subnode.c.external_id, "asked"))
        )
    connection.execute(
        image.update().values(
            presence=_presence(image.c.external_id, "gone"),
            server_presence=_presence(image.c.server_external_id, "gone"),
            proven=sa.case((image.c.state == _READY, sa.true()), else_=sa.false()),
            failures=0,
        )
    )


def _presence(external_id: sa.ColumnElement[Any], without: str) -> sa.Case[str]:
    return sa.case((external_id.is_not(None), "exists"), else_=without)

"""Tables and columns, named as the contract names them (nodepool.md 2), and ours besides.

What is here is what the migrations arrive at; a test compares both. `dib_image` of older databases
is left alone.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
#: Alembic's, which says what migrations were done
VERSION_TABLE: Final = "nodepool_schema_version"
#: characters of a text column, as the contract has them
LENGTH: Final = 255

_OPTIONS: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _text(name: str, *, index: bool = False, nullable: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.String(LENGTH), index=index, nullable=nullable)


def _host_keys(name: str) -> sa.Column[str]:
    """As in known_hosts, one a line."""
    return sa.Column(name, sa.Text)


NODE: Final = sa.Table(
    "node",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("provider_name", index=True, nullable=False),
    _text("label_name", index=True, nullable=False),
    _text("target_name", index=True, nullable=False),
    _text("manager_name"),
    _text("hostname", index=True),
    _text("nodename", index=True),
    _text("external_id"),
    _text("az"),
    _text("ip"),
    _text("ip_private"),
    sa.Column("state", sa.Integer),
    # epoch seconds
    sa.Column("state_time", sa.Integer),
    _text("comment"),
    # Ours; of the first machine: presence, floating_ip, host_keys, mark.
    _text("presence"),
    _text("floating_ip"),
    _host_keys("host_keys"),
    _text("mark"),
    sa.Column("image_id", sa.Integer),
    sa.Column("registered", sa.Boolean),
    sa.Column("job_name", sa.Text),
    sa.Column("delete_at", sa.Double),
    # What the daemon gave it last: where `state` is another, a person was at work. NULL: a person
    # held it anew.
    sa.Column("written_state", sa.Integer),
    **_OPTIONS,
)

SUBNODE: Final = sa.Table(
    "subnode",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("node_id", sa.Integer, nullable=False, index=True),
    _text("hostname", index=True),
    _text("external_id"),
    _text("ip"),
    _text("ip_private"),
    sa.Column("state", sa.Integer),
    sa.Column("state_time", sa.Integer),
    # Ours: 1 for the first subnode, as in MachineKey.index.
    sa.Column("position", sa.Integer),
    _text("presence"),
    _text("floating_ip"),
    _host_keys("host_keys"),
    _text("mark"),
    **_OPTIONS,
)

SNAPSHOT_IMAGE: Final = sa.Table(
    "snapshot_image",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("provider_name", index=True, nullable=False),
    _text("image_name", index=True, nullable=False),
    _text("hostname"),
    sa.Column("version", sa.Integer),
    _text("external_id"),
    _text("server_external_id"),
    sa.Column("state", sa.Integer),
    sa.Column("state_time", sa.Integer),
    # Ours: of the server it is built on, and of the image.
    _text("server_presence"),
    _text("server_hostname"),
    _text("server_ip"),
    _text("server_ip_private"),
    _text("server_floating_ip"),
    _host_keys("server_host_keys"),
    _text("server_mark"),
    _text("presence"),
    _text("keypair"),
    sa.Column("proven", sa.Boolean),
    sa.Column("failures", sa.Integer),
    **_OPTIONS,
)

JOB: Final = sa.Table(
    "job",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("name", index=True),
    sa.Column("hold_on_failure", sa.Integer),
    **_OPTIONS,
)

#: what a person asked for about images, until the rows of what came of it were written
IMAGE_REQUEST: Final = sa.Table(
    "image_request",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    # "update", with provider and image; or "delete" or "forget" (by force), with image_id
    sa.Column("action", sa.String(16), nullable=False),
    _text("provider_name"),
    _text("image_name"),
    sa.Column("image_id", sa.Integer),
    # An id names one request for ever; elsewhere that is so by itself.
    sqlite_autoincrement=True,
    **_OPTIONS,
)

#: up to when all was heard; all rows are written at once
HEARD: Final = sa.Table(
    "heard",
    METADATA,
    # Counted by us: databases differ in which names are the same to them.
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    # "publisher" or "target"
    sa.Column("kind", sa.String(16), nullable=False),
    _text("name", nullable=False),
    # epoch seconds
    sa.Column("heard_until", sa.Double, nullable=False),
    **_OPTIONS,
)

#: one row: whose the database is, and who may write it
DAEMON: Final = sa.Table(
    "nodepool_daemon",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("nodepool_id", nullable=False),
    # "" if nobody holds the lease
    _text("holder", nullable=False),
    # one higher with every holder: whose it no longer is cannot write
    sa.Column("token", sa.Integer, nullable=False),
    # one higher with every sign of life
    sa.Column("beat", sa.Integer, nullable=False),
    # one higher with every commit: tells after a broken connection whether it was done
    sa.Column("serial", sa.Integer, nullable=False),
    sa.Column("last_node", sa.Integer, nullable=False),
    sa.Column("last_image", sa.Integer, nullable=False),
    **_OPTIONS,
)

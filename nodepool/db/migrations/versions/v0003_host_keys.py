"""SSH host keys of machines, so that a restart does not make each login a first contact.

Of machines that are there already none are known: the next check records what they show.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_COLUMNS = (
    ("node", "host_keys"),
    ("subnode", "host_keys"),
    ("snapshot_image", "server_host_keys"),
)


def upgrade() -> None:
    # MariaDB commits each change of a table: one that was killed on the way has made some.
    for table, name in _COLUMNS:
        known = sa.inspect(op.get_bind()).get_columns(table)
        if name not in [each["name"] for each in known]:
            op.add_column(table, sa.Column(name, sa.Text))

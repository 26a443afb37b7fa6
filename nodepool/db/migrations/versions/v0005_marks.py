"""The nodepool id that a machine's server carries: another may be configured before it is listed.

Of machines that are there already it is not known: they are taken to carry the one of today.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_COLUMNS = (("node", "mark"), ("subnode", "mark"), ("snapshot_image", "server_mark"))


def upgrade() -> None:
    # MariaDB commits each change of a table: one that was killed on the way has made some.
    for table, name in _COLUMNS:
        known = sa.inspect(op.get_bind()).get_columns(table)
        if name not in [each["name"] for each in known]:
            op.add_column(table, sa.Column(name, sa.String(255)))

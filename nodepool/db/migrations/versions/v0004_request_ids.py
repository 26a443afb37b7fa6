"""The id of a request about images is never given again, on SQLite either.

A request is told of until its row is gone: were its id given to another one meanwhile, the answer
to the first would remove the second.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        counted = {"sqlite_autoincrement": True}
        with op.batch_alter_table("image_request", recreate="always", table_kwargs=counted):
            pass

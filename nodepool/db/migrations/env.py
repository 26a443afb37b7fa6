"""Run by Alembic: the steps, in the transaction that database.py opened."""

from alembic import context

from nodepool.db.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table="nodepool_schema_version",
)
with context.begin_transaction():
    context.run_migrations()

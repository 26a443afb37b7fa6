"""Run by Alembic: the steps, in the transaction that database.py opened."""

from alembic import context

from nodepool.db.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()

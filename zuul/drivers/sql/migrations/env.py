"""Run by Alembic: the steps, in the transaction that zuul.lib.sql opened."""

from alembic import context

from zuul.drivers.sql.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()

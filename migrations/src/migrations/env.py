"""Run by Alembic."""

from __future__ import annotations

from alembic import context

# Fail rather than wait behind a long transaction: a migration that queues for a lock blocks everyone behind it.
LOCK_TIMEOUT = "10s"

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=None, version_table="alembic_version")
with context.begin_transaction():
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    context.run_migrations()

"""Alembic's entry: it runs on the connection that `server.ledger.storage.tables` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()

"""The record of writes, and its history, which nothing changes or removes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "operations",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("scope", sa.String(80), nullable=False),
        sa.Column("tool", sa.String(80), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("claim", sa.String(64), unique=True),
        sa.Column("busy", sa.String(64), unique=True),
        sa.Column("keeps", sa.String(10), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("does", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("requests", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("approved_by", sa.Text),
        sa.Column("approved_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("owner", sa.String(80)),
        sa.Column("lease_until", sa.Double),
    )
    op.create_index("operations_by_identity", "operations", ["identity", "created_at"])
    op.create_index("operations_by_state", "operations", ["state", "created_at"])
    op.create_index("operations_by_time", "operations", ["created_at"])
    op.create_table(
        "operation_history",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("operation_id", sa.String(40), sa.ForeignKey("operations.id"), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("operation_history_by_operation", "operation_history", ["operation_id"])
    _append_only()


def _append_only() -> None:
    if op.get_context().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER operation_history_no_{action.lower()} BEFORE {action} ON operation_history"
                " BEGIN SELECT RAISE(ABORT, 'the history of operations is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION operation_history_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the history of operations is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER operation_history_append_only BEFORE UPDATE OR DELETE ON operation_history"
        " FOR EACH ROW EXECUTE FUNCTION operation_history_append_only()"
    )

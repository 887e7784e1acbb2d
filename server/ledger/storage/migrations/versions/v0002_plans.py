"""What a person is shown who decides on a write, decisions that are states of their own, and who called over HTTP."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("operations", sa.Column("plan", sa.Text))
    op.add_column("operations", sa.Column("question", sa.String(40)))
    op.add_column("operations", sa.Column("caller", sa.String(64)))
    op.create_index("operations_by_question", "operations", ["question"], unique=True)
    op.create_index("operations_by_resource", "operations", ["resource", "created_at"])
    op.execute("UPDATE operations SET state = 'approved' WHERE state = 'awaiting_approval' AND approved_at IS NOT NULL")
    op.execute(
        "UPDATE operations SET state = 'rejected' WHERE state = 'failed' AND error LIKE '{\"code\": \"rejected\"%'"
    )

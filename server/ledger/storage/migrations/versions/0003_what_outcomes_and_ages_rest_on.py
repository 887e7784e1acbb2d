"""What an outcome rests on, the moments of leases and departures by every clock, and a ledger that went back in time.

Of what departed before, only the wall clock's time is stored, which may have been wrong. It departed no later than
now: so its age is counted from this moment, as what has passed at least, and what has passed at most is not known.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from alembic import context, op

from server.clocks import Stamp

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("operations", sa.Column("ground", sa.String(10)))
    op.add_column("operations", sa.Column("leased", sa.Text))
    op.add_column("operations", sa.Column("departed", sa.Text))
    op.add_column("operations", sa.Column("departure", sa.Integer))
    op.add_column("operations", sa.Column("corrected", sa.Text))
    op.create_table(
        "operation_restorations",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("lost", sa.Text, nullable=False),
    )
    op.execute("UPDATE operations SET ground = 'proof' WHERE state IN ('succeeded', 'superseded', 'failed')")
    op.execute(
        "UPDATE operations SET ground = 'inference' WHERE ground = 'proof' AND (error LIKE '{\"code\": \"not_sent\"%' "
        'OR result LIKE \'%"what_happened": "The answer was lost; looking at the vendor showed%\')'
    )
    _departures()


def _departures() -> None:
    stamp: Stamp = context.config.attributes["stamp"]
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        now = connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one()
        stamp = replace(stamp, clock=now)
    connection.execute(
        sa.text(
            "UPDATE operations SET departed = :departed, departure = (SELECT min(number) FROM operation_history "
            "WHERE operation_id = operations.id AND operation_history.state = 'sending') WHERE sent_at IS NOT NULL"
        ),
        {"departed": replace(stamp, exact=False).text()},
    )

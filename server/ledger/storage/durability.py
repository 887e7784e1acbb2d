"""What a PostgreSQL server says of whether it keeps what it commits, also when another one takes its place."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tools.vendor_http.replies import printable

_SETTINGS = sa.text(
    "SELECT current_setting('full_page_writes'),"
    " (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),"
    " current_setting('synchronous_standby_names')"
)
_STANDBYS = sa.text(
    "SELECT count(*), count(sync_state), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum'))"
    " FROM pg_stat_replication"
)


def durability(connection: Connection) -> Sequence[str]:
    """What could make it forget, a line each; what stops writes altogether is not among it."""
    if connection.dialect.name != "postgresql":
        return []
    full_pages, commit, names = connection.execute(_SETTINGS).one()
    standbys, readable, synchronous = connection.execute(_STANDBYS).one()
    told: list[str] = []
    if full_pages != "on":
        told.append("PostgreSQL has full_page_writes = off: a crash of its machine can damage the record of writes.")
    if commit not in ("on", "remote_apply"):
        shown = printable(str(commit), limit=20)
        told.append(f"PostgreSQL has synchronous_commit = {shown}: each transaction of the record sets it to on.")
    if names and readable and not synchronous:
        told.append("PostgreSQL names synchronous standbys, and none is connected: each write waits for one.")
    if standbys and not names:
        told.append(
            f"PostgreSQL has {standbys} standby{'s' if standbys > 1 else ''} that it does not wait for: one that is "
            "promoted while it lags has forgotten what was sent. Failover needs synchronous_standby_names; after one "
            "that lagged, writes stop until the operator has looked."
        )
    return told

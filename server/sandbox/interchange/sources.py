"""The storefront's inventory sources: finding one, and refusing an operation that it cannot do."""

from __future__ import annotations

import sqlite3

from server.sandbox.interchange.wire import Refusal, invalid_state, not_found


def find_source(connection: sqlite3.Connection, source_id: str) -> sqlite3.Row:
    """Return the source, whatever its type. Refuses with 404 NOT_FOUND if there is none."""
    source: sqlite3.Row | None = connection.execute(
        "SELECT * FROM interchange_sources WHERE source_id = ?", (source_id,)
    ).fetchone()
    if source is None:
        raise not_found(f"Inventory source {source_id} not found")
    return source


def modular_source(connection: sqlite3.Connection, source_id: str) -> sqlite3.Row:
    """Return the source. Refuses with 404 NOT_FOUND, or with 422 CAPABILITY_NOT_SUPPORTED if it is not modular."""
    source = find_source(connection, source_id)
    if source["execution_type"] != "MODULAR_SOURCE":
        raise Refusal(
            422,
            "CAPABILITY_NOT_SUPPORTED",
            f"Inventory source {source_id} is a {source['execution_type']}; modular operations need a MODULAR_SOURCE",
        )
    return source


def active_modular_source(connection: sqlite3.Connection, source_id: str) -> sqlite3.Row:
    """Return the modular source. Refuses like `modular_source`, and with 400 INVALID_STATE if it is not ACTIVE."""
    source = modular_source(connection, source_id)
    if source["status"] != "ACTIVE":
        raise invalid_state(f"Inventory source {source_id} is {source['status']}, not ACTIVE")
    return source

"""The embedded default: each vendor's API as an ASGI app with its own small state.

It imports nothing from `tools`: the contracts are read twice, independently.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from pathlib import Path

from starlette.applications import Starlette

from server.sandbox.freewheel.seed import network as freewheel_seed
from server.sandbox.google_ad_manager import app as google_ad_manager
from server.sandbox.interchange.seed import storefront as interchange_seed
from server.sandbox.store import Clock, Store, utc_now

FILE_NAME = "sandbox.sqlite3"
REVISION = 3
"""Raised whenever tables or seed data change; an older file is made anew, since its data is nobody's."""


class Sandbox:
    """The three vendors over one state.

    path: the SQLite file, made when absent; None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None, clock: Clock = utc_now) -> None:
        self._store = Store(path)
        self._clock = clock
        with self._store.transaction() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != REVISION:
                self._make(connection)

    def reset(self) -> None:
        """Forget everything that was done, and seed again."""
        with self._store.transaction() as connection:
            self._make(connection)

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys=ON")
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f'DROP TABLE "{table}"')
        now = self._clock()
        for vendor in (interchange_seed, freewheel_seed, google_ad_manager):
            vendor.create(connection, now)
        connection.execute("CREATE TABLE sandbox (generation TEXT NOT NULL)")
        connection.execute("INSERT INTO sandbox VALUES (?)", (secrets.token_hex(8),))
        connection.execute(f"PRAGMA user_version={REVISION}")

    def generation(self) -> str:
        """Which sandbox this is: another one after every reset, so that nothing that was done before counts."""
        with self._store.transaction() as connection:
            return str(connection.execute("SELECT generation FROM sandbox").fetchone()[0])

    def interchange(self) -> Starlette:
        from server.sandbox.interchange import app as interchange  # noqa: PLC0415 - a session may never ask it

        return interchange.app(self._store, self._clock)

    def freewheel(self) -> Starlette:
        from server.sandbox.freewheel import app as freewheel  # noqa: PLC0415 - a session may never ask it

        return freewheel.app(self._store, self._clock)

    def google_ad_manager(self) -> Starlette:
        return google_ad_manager.app(self._store, self._clock)

    def service_account_key(self, token_uri: str) -> str:
        """The text of the key file of the sandbox's Google service account."""
        return json.dumps(google_ad_manager.service_account_key(self._store, token_uri))

    def close(self) -> None:
        self._store.close()

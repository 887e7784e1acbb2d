"""The embedded vendors, which are the default environment: each vendor's API as an ASGI app with a small state.

`Sandbox` is the entrance. Each vendor has a folder: `app` has its routes, `wire` what all its answers have in common,
`seed` its tables and first data, and `*bodies` the validation of its request bodies. `store` is the SQLite file,
`faults` makes requests fail on purpose, and `faulty_server` does that over real connections.

`clients`, `commands`, the settings and the tests may import this package. It imports nothing of ours but itself, in
particular nothing from `tools`: the vendors' documents are read twice, independently of each other.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from pathlib import Path

from starlette.applications import Starlette

from server.sandbox.freewheel.seed import network as freewheel_seed
from server.sandbox.google_ad_manager import seed as google_ad_manager_seed
from server.sandbox.google_ad_manager.service_account import service_account_key
from server.sandbox.interchange.seed import storefront as interchange_seed
from server.sandbox.store import Clock, Store, utc_now

FILE_NAME = "sandbox.sqlite3"
REVISION = 3
"""Raise this when tables or seed data change. An older file is then seeded again: its data is worth nothing."""


class Sandbox:
    """The three vendors over one state.

    path: the SQLite file, which is created if it is missing. None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None, clock: Clock = utc_now) -> None:
        self._store = Store(path)
        self._clock = clock
        with self._store.transaction() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != REVISION:
                self._seed(connection)

    def reset(self) -> None:
        """Delete everything that was done, and seed again."""
        with self._store.transaction() as connection:
            self._seed(connection)

    def _seed(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys=ON")
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f'DROP TABLE "{table}"')
        now = self._clock()
        for seed in (interchange_seed, freewheel_seed, google_ad_manager_seed):
            seed.create(connection, now)
        connection.execute("CREATE TABLE sandbox (generation TEXT NOT NULL)")
        connection.execute("INSERT INTO sandbox VALUES (?)", (secrets.token_hex(8),))
        connection.execute(f"PRAGMA user_version={REVISION}")

    def generation(self) -> str:
        """The id of this sandbox. It changes with every reset, so that writes made before the reset no longer count."""
        with self._store.transaction() as connection:
            return str(connection.execute("SELECT generation FROM sandbox").fetchone()[0])

    def interchange(self) -> Starlette:
        from server.sandbox.interchange import app as interchange  # noqa: PLC0415 - a slow import that a session may not need

        return interchange.app(self._store, self._clock)

    def freewheel(self) -> Starlette:
        from server.sandbox.freewheel import app as freewheel  # noqa: PLC0415 - a slow import that a session may not need

        return freewheel.app(self._store, self._clock)

    def google_ad_manager(self) -> Starlette:
        from server.sandbox.google_ad_manager import app as google_ad_manager  # noqa: PLC0415 - as above

        return google_ad_manager.app(self._store, self._clock)

    def service_account_key(self, token_uri: str) -> str:
        """The key file of the sandbox's Google service account, as text."""
        return json.dumps(service_account_key(self._store, token_uri))

    def close(self) -> None:
        self._store.close()

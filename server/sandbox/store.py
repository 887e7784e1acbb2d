"""Where the sandbox vendors keep their state: one SQLite file, or memory in tests.

The standard library's `sqlite3` on purpose: this is a stand-in vendor whose data is disposable, it sits on
the path to the first answer of the default environment, and an ORM's import costs more than all its queries.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

Clock = Callable[[], datetime]
"""The time as an aware UTC datetime."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """The vendors' date-time on the wire, to the second: `2026-11-22T13:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """One connection to the sandbox's state; every access is one serialised transaction.

    Several processes may share the file (an agent's server and a demo at once): transactions take the write
    lock at their start, so what a vendor decides on is what it changes. Several threads may too, as the service
    account's key is read in one. Nothing is awaited inside a transaction.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._one_at_a_time = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path, isolation_level=None, check_same_thread=False, timeout=10
        )
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        with self._one_at_a_time:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()

"""Where the record of writes is kept: its tables, and a database that is opened and brought up to date.

SQLite in the user's data directory, or PostgreSQL where several servers share one record. The migrations beside this
file create the tables; they are declared here again for the queries.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy import event
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from server.clocks import Clocks
from server.ledger.storage.journal import check_journal

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

HEAD = "0003"
"""The newest migration. Alembic is imported only when the database is not there yet: it costs more than a write."""

_MIGRATING = 7_261_104_009
"""PostgreSQL's advisory lock for bringing the tables up to date: any number that nobody else uses."""

LONGEST_CONVERSION = 5.0
"""Seconds for which others may have a file open that has a write-ahead log."""

LARGEST_CHECKED = 32 * 1024 * 1024
"""Bytes of a file that is looked through when it is opened."""

METADATA = sa.MetaData()

OPERATIONS = sa.Table(
    "operations",
    METADATA,
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
    sa.Column("plan", sa.Text),
    sa.Column("question", sa.String(40)),
    sa.Column("caller", sa.String(64)),
    sa.Column("ground", sa.String(10)),
    sa.Column("leased", sa.Text),
    sa.Column("departed", sa.Text),
    sa.Column("departure", sa.Integer),
    sa.Column("corrected", sa.Text),
)

HISTORY = sa.Table(
    "operation_history",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("operation_id", sa.String(40), sa.ForeignKey("operations.id"), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

RESTORATIONS = sa.Table(
    "operation_restorations",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("lost", sa.Text, nullable=False),
)
"""When the ledger went back in time, and who let writes go on."""


class StillWriteAhead(Exception):
    """Another process has the file open with a write-ahead log, so that it cannot be done without; or it is locked."""

    is_locked = False


def open_engine(url: str, clocks: Clocks | None = None) -> Engine:
    """The database with its tables as this version needs them.

    Raises sqlalchemy.exc.SQLAlchemyError, alembic.util.CommandError (a newer version made it), ImportError (no driver)
    or OSError.
    """
    engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url)
    try:
        with engine.begin() as connection:
            _check(connection)
            current = _version(connection)
        if current != HEAD:
            _migrate(engine, clocks or Clocks())
    except BaseException:
        engine.dispose()
        raise
    return engine


def _sqlite(url: str) -> Engine:
    parsed = sa.make_url(url)
    if parsed.database:
        path = Path(parsed.database)
        check_journal(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # what was sold to whom is for the eyes of its owner
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = sa.create_engine(parsed, connect_args={"timeout": 10})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        # the driver begins no transaction of its own, so that each one takes the write lock at its start
        connection.isolation_level = None
        _roll_back(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        # by the driver itself: SQLAlchemy takes ten times as long over this as SQLite
        driver = cast("sqlite3.Connection", connection.connection.driver_connection)
        # a file that was restored in place may by chance have the counter by which SQLite takes its pages for fresh
        driver.execute("PRAGMA shrink_memory")
        driver.execute("BEGIN IMMEDIATE")
        while driver.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            driver.execute("ROLLBACK")
            _roll_back(driver)
            driver.execute("BEGIN IMMEDIATE")

    return engine


def _roll_back(connection: sqlite3.Connection) -> None:
    """Keep a rollback journal, and convert a file that has a write-ahead log, once nobody else has it open.

    Every transaction here takes the write lock, so that a write-ahead log gains little; without one, the file alone
    is the ledger after each commit, and each transaction sees when it was changed. SQLite does not wait for this:
    while another process makes or converts the file, it says at once that it is locked. Raises StillWriteAhead.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(StillWriteAhead),
        stop=stop_after_delay(LONGEST_CONVERSION),
        wait=wait_random(0.005, 0.05),
        reraise=True,
    ):
        with attempt:
            try:
                if connection.execute("PRAGMA journal_mode=TRUNCATE").fetchone()[0] == "wal":
                    raise StillWriteAhead
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                still = StillWriteAhead()
                still.is_locked = not _has_write_ahead_log(connection)
                raise still from error


def _has_write_ahead_log(connection: sqlite3.Connection) -> bool:
    """By the file's header, which tells it also while the file is locked."""
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    with Path(path).open("rb") as file:
        return file.read(20)[18:] == b"\x02\x02"


def _postgresql(url: str) -> Engine:
    parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
    return sa.create_engine(
        parsed, pool_pre_ping=True, connect_args={"connect_timeout": 5, "options": "-c statement_timeout=15000"}
    )


def _check(connection: Connection) -> None:
    """Look once whether a file is whole, as long as it is small enough for that to be quick.

    Raises sqlite3.DatabaseError."""
    if connection.dialect.name != "sqlite":
        return
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    pages, size = (driver.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if pages * size <= LARGEST_CHECKED and driver.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("malformed: its quick_check found something")


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(engine: Engine, clocks: Clocks) -> None:
    from alembic import command  # noqa: PLC0415 - see HEAD
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATING})
        config.attributes["connection"] = connection
        config.attributes["stamp"] = clocks.stamp()
        command.upgrade(config, "head")


def back_up(url: str, file: Path) -> str:
    """Copy a ledger in a file by SQLite's own means, while others use it; why not, when it cannot be.

    Raises OSError or sqlite3.Error.
    """
    if not url.startswith("sqlite"):
        return "the record is in PostgreSQL: use pg_dump, or a base backup with an archive of its write-ahead log."
    source = Path(sa.make_url(url).database or "")
    if not source.is_file():
        return "there is no record of writes here yet."
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return f"{file} is there already, and is left alone: give the name of a new file."
    except OSError as error:
        return f"{file} cannot be made: {error.strerror}."
    try:
        there = f"{source.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(there, uri=True, timeout=10)) as ledger, closing(sqlite3.connect(file)) as copy:
            ledger.backup(copy)
        with file.open("rb+") as copied:
            os.fsync(copied.fileno())
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return ""

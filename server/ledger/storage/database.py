"""The database of the ledger, as one process has it open: what holds before each transaction, and what its errors mean.

Reads go on where writes must not: a server that is a standby or does not keep what it commits, and a ledger that went
back in time.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from server.clocks import Clocks, Stamp
from server.ledger.storage.marks import Entry, Marks
from tools.errors import Unavailable
from tools.vendor_http.replies import printable

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R", bound="Transaction")

MOST_WATCHED = 1000
"""Departures and leases of which a process remembers since when it has seen them."""

RESTORED = "adops-mcp operations restored"


class Unrecorded(Unavailable):
    """The record of writes cannot be read or written; nothing was sent on account of it."""

    @classmethod
    def because(cls, why: str, does: str) -> Unrecorded:
        return cls(
            f"The record of writes cannot be used: {why}. Without it no write is sent.",
            next_step=f"The operator {does}; then make the same call again.",
        )


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why nothing may be claimed, sent or concluded now, although the ledger can be read. does: what the operator does.
    lost: what this machine wrote, and the ledger does not have."""

    why: str
    does: str
    lost: tuple[Entry, ...] = ()

    def error(self) -> Unrecorded:
        return Unrecorded.because(self.why, self.does)


@dataclass(slots=True)
class Transaction:
    """What one transaction stands on. now: its moment. one_machine: whether all who share the ledger are on this
    machine. watched: for how many seconds this process has seen something, told by its name and its text in the ledger.

    stopped: why nothing is claimed, sent or concluded now. noted: what was added to the history. claimed: whether
    something may be sent after it.
    """

    connection: Connection
    now: Stamp
    one_machine: bool
    watched: Callable[[str, str], float]
    stopped: Stopped | None = field(default=None, kw_only=True)
    noted: list[Entry] = field(default_factory=list[Entry], kw_only=True)
    claimed: bool = field(default=False, kw_only=True)


@dataclass
class Database(Generic[R]):
    """url: SQLAlchemy's. setting: what the operator mends when it cannot be used. record: makes a transaction from its
    connection, its moment, and why nothing may be written in it."""

    url: str
    setting: str
    clocks: Clocks
    marks: Marks
    record: Callable[[Connection, Stamp, Stopped | None], R]
    _engine: Engine | None = None
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _file: tuple[int, int] | None = None
    _read: tuple[float, float] | None = None
    _watched: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])

    @property
    def is_open(self) -> bool:
        return self._engine is not None

    @property
    def one_machine(self) -> bool:
        """Whether all who share it are on this machine."""
        return self.url.startswith("sqlite")

    def now(self) -> float:
        """Seconds since the epoch, by the clock that the ledger goes by, as far as it was read."""
        if self._read is None:
            return self.clocks.wall()
        then, monotonic = self._read
        return then + self.clocks.monotonic() - monotonic

    def watched(self, name: str, text: str) -> float:
        """For how many seconds this process has seen something in the ledger as it is, by its monotonic clock."""
        now = self.clocks.monotonic()
        was, since = self._watched.get(name, ("", now))
        if was != text:
            since = now
            self._watched.pop(name, None)
            self._watched[name] = text, since
            while len(self._watched) > MOST_WATCHED:
                self._watched.pop(next(iter(self._watched)), None)
        return now - since

    def open(self) -> None:
        """Raises Unrecorded."""
        self._guarded(self._opened)

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = self._open()
            return self._engine

    def close(self) -> None:
        self.marks.save()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def forget(self) -> None:
        """Begin anew with what this machine wrote. Raises Unrecorded."""
        self._guarded(self.marks.forget)

    def stamp(self) -> Stamp:
        """Now, by every clock."""
        return self.clocks.stamp(None if self.one_machine else self.now())

    def backup(self, file: Path) -> str:
        """See `Operations.backup`. Raises Unrecorded."""
        from server.ledger.storage.tables import back_up  # noqa: PLC0415 - see _open

        return self._guarded(lambda: back_up(self.url, file))

    def run(self, work: Callable[[R], T]) -> T:
        """One transaction. Raises Unrecorded."""
        return self._guarded(lambda: self._transaction(work))

    def _transaction(self, work: Callable[[R], T]) -> T:
        """Of two that insert the same unique value at once the second fails, and then finds the first one's row."""
        from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - see _open

        engine = self._engine or self._opened()
        self._watch(engine)
        for tries_left in (2, 1, 0):
            try:
                with engine.begin() as connection:
                    record = self._record(connection)
                    result = work(record)
            except IntegrityError:
                if not tries_left:
                    raise
            else:
                if record.noted:
                    self.marks.wrote(record.noted)
                    # what was committed to a file that is not there any more was not recorded
                    self._watch(engine)
                    if record.claimed:
                        self.marks.save()
                return result
        raise AssertionError

    def _record(self, connection: Connection) -> R:
        self.marks.refresh()
        known = self.marks.known
        look = _in_a_file if self.one_machine else _in_a_server
        found = look(connection, self.clocks, [entry.number for entry in known])
        if not self.one_machine:
            self._read = found.now.clock, found.now.monotonic
        stopped = found.stopped
        if stopped is None and any(_name(entry) not in found.there for entry in known):
            stopped = self._gone(connection, found.word)
        elif found.newest is not None:
            self.marks.saw(found.newest, found.word)
        return self.record(connection, found.now, stopped)

    def _gone(self, connection: Connection, word: float) -> Stopped | None:
        """What this machine wrote or saw and the ledger does not have, unless an operator was shown it and let writes
        go on since, on this machine or, as the ledger says, on another one."""
        self.marks.load()
        if word > self.marks.word:
            with contextlib.suppress(OSError):
                self.marks.go_on(word, _compared(connection, self.marks.word))
        known = self.marks.known
        there = _there(connection, [entry.number for entry in known])
        lost = tuple(entry for entry in known if _name(entry) not in there)
        return _went_back(lost) if lost else None

    def _watch(self, engine: Engine) -> None:
        if self._file != _identity_of(engine):
            # whoever is started next has to know what this process does
            self.marks.refresh()
            self.marks.save()
            raise Unrecorded.because(
                "its file was moved, deleted or replaced while this server ran",
                "puts the newest one back and starts the server anew; where there is only an older one, compares what "
                f"was lost with the vendors and then gives `{RESTORED} --note ...`",
            )

    def _open(self) -> Engine:
        from server.ledger.storage.durability import durability  # noqa: PLC0415 - reads never pay for SQLAlchemy
        from server.ledger.storage.tables import open_engine  # noqa: PLC0415 - as above

        engine = open_engine(self.url, self.clocks)
        self._file = _identity_of(engine)
        first = "SELECT operation_id FROM operation_history ORDER BY number LIMIT 1"
        try:
            with engine.begin() as connection:
                self.marks.load(connection.exec_driver_sql(first).scalar() or "")
                for line in durability(connection):
                    logger.warning(line)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _guarded(self, work: Callable[[], T]) -> T:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - see _open

        from server.ledger.storage.journal import ForeignJournal  # noqa: PLC0415 - see _open
        from server.ledger.storage.tables import StillWriteAhead  # noqa: PLC0415 - see _open

        try:
            return work()
        except ImportError as error:
            raise Unrecorded.because(
                "its driver is not installed: pip install 'adops-mcp[postgresql]'", f"checks {self.setting}"
            ) from error
        except ForeignJournal as error:
            raise Unrecorded.because(
                "beside it lies a journal that is not of this file, as when it was restored and what a killed process "
                "left beside it was not removed",
                f"moves {error} away, if the file was restored: {self.setting}",
            ) from error
        except StillWriteAhead as error:
            if error.is_locked:
                why, does = reason_of(error.__cause__ or error)
                raise Unrecorded.because(why, does % self.setting) from error
            raise Unrecorded.because(
                "another process, an older adops-mcp or a database tool, has it open with a write-ahead log",
                f"ends that process: {self.setting}",
            ) from error
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            if any(words in str(error) for words in _DAMAGED):
                keeps = f"keeps its file aside, since it tells what was sent, and restores it: {self.setting}"
                raise Unrecorded.because("it is damaged", keeps) from error
            why, does = reason_of(error)
            raise Unrecorded.because(why, does % self.setting) from error
        except Exception as error:
            if type(error).__name__ != "CommandError":
                raise
            raise Unrecorded.because("a newer adops-mcp made it", "updates adops-mcp") from error


_REASONS: Sequence[tuple[Sequence[str], str, str]] = (
    (
        ("database is locked", "database table is locked"),
        "another process has held its lock for longer than is waited for; which one cannot be told",
        "looks which process has the file open, a database tool or a copy that hangs, and ends that: %s",
    ),
    (
        ("disk is full", os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)),
        "its disk is full",
        "makes room on the disk: %s",
    ),
    (
        ("readonly database", os.strerror(errno.EROFS), os.strerror(errno.EACCES)),
        "it, or its directory, may not be written to",
        "lets the user of this server write there, and looks whether the disk is mounted read-only: %s",
    ),
)
"""What the errors of the database and of the system say, why that is, and what the operator does."""


def reason_of(error: BaseException) -> tuple[str, str]:
    """Why the ledger cannot be used, and what the operator does, with a place for the setting."""
    for signs, why, does in _REASONS:
        if any(sign in str(error) for sign in signs):
            return why, does
    return "it cannot be opened, read or written", "checks %s"


_DAMAGED = ("not a database", "malformed", "no such table")


def _name(entry: Entry) -> str:
    return f"{entry.number}:{entry.operation}"


def _there(connection: Connection, numbers: Sequence[int]) -> set[str]:
    """Those entries of the history that there are, by number and operation."""
    if not numbers:
        return set()
    # by the driver itself, as each transaction asks this
    driver = cast("Any", connection.connection.driver_connection)
    signs = ", ".join(["?" if connection.dialect.name == "sqlite" else "%s"] * len(numbers))
    entries = f"SELECT number, operation_id FROM operation_history WHERE number IN ({signs})"  # noqa: S608 - only signs
    return {f"{number}:{operation}" for number, operation in driver.execute(entries, tuple(numbers))}


@dataclass(frozen=True, slots=True)
class _Found:
    """What a transaction finds at its start. there: which of the entries that it looked for there are, by number and
    operation. newest: of all; None where that is not looked at. word: when an operator let writes go on last."""

    now: Stamp
    stopped: Stopped | None
    there: set[str]
    newest: Entry | None = None
    word: float = 0.0


def _compared(connection: Connection, since: float) -> set[str]:
    """The operations that operators were shown as lost, and let go, since then."""
    rows = connection.exec_driver_sql(
        f"SELECT lost FROM operation_restorations WHERE at > {float(since)!r}"  # noqa: S608 - a number
    )
    return {operation for (lost,) in rows for operation in json.loads(lost)}


def _in_a_file(connection: Connection, clocks: Clocks, numbers: Sequence[int]) -> _Found:
    return _Found(clocks.stamp(), None, _there(connection, numbers))


_SERVER = """
SELECT extract(epoch FROM clock_timestamp())::float8, current_setting('fsync'), pg_is_in_recovery(),
set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply')
THEN current_setting('synchronous_commit') ELSE 'on' END, true),
(SELECT string_agg(number || ':' || operation_id, ',') FROM operation_history WHERE number = ANY (%s::bigint[])),
(SELECT number || ':' || operation_id FROM operation_history ORDER BY number DESC LIMIT 1),
(SELECT coalesce(max(at), 0) FROM operation_restorations)
"""
"""Its clock, whether it keeps what it commits, and which entries it has; and, for this transaction alone, that a commit
is on its disk."""


def _in_a_server(connection: Connection, clocks: Clocks, numbers: Sequence[int]) -> _Found:
    found = connection.exec_driver_sql(_SERVER, (list(numbers),)).one()
    clock, fsync, in_recovery, _commit, there, newest, word = found
    stopped = None
    if in_recovery:
        stopped = Stopped(
            "its PostgreSQL is a standby (pg_is_in_recovery), which takes no writes", "points it to the primary"
        )
    elif fsync != "on":
        stopped = Stopped(
            f"its PostgreSQL does not keep what it commits (fsync = {printable(str(fsync), limit=20)})",
            "sets fsync = on",
        )
    number, _, operation = (newest or "").partition(":")
    now = clocks.stamp(clock)
    last = Entry(int(number), operation, clock, stamp=now.text()) if number else None
    return _Found(now, stopped, set((there or "").split(",")), last, word)


def _went_back(lost: tuple[Entry, ...]) -> Stopped:
    named = ", ".join(dict.fromkeys(entry.operation for entry in lost))
    return Stopped(
        f"it went back in time: what this machine wrote to it last, or saw in it, is not in it ({named}), so it may "
        "have forgotten what was sent",
        "puts the newest record back, or compares what was lost with the vendors and then lets writes go on with "
        f"`{RESTORED} --note ...`",
        lost,
    )


def _identity_of(engine: Engine) -> tuple[int, int] | None:
    """Which file a database is in, so that another one in its place is noticed; None where it is in none."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if not path or path == ":memory:":
        return None
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino

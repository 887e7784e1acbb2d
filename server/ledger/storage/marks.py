"""What this machine last wrote to the ledger, and saw in it, so that a ledger that went back in time is noticed.

A database that was restored from a backup, or a standby that was promoted while it lagged, has forgotten what was sent.
It cannot know that; the servers can. Each keeps the newest entries of the history that it wrote itself, and the newest
one that it saw, and in every transaction they have to be there. A small file keeps them beyond a restart. All processes
of a machine share it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import logging
import os
import secrets
import threading
from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

KEPT = 8
"""Entries that are kept: transactions that commit at once may be lost in another order than their numbers."""


_AFTERWARDS = 0.005
"""Seconds after a transaction in which the first byte of what it let depart has left."""


_SEEN_AFTERWARDS = 1.0
"""Seconds after which what others wrote is in the file, so that not each read of theirs is a write of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the history. operation: its id. at: seconds since the epoch. tool, subject: empty when not known.
    stamp: the moment by each clock of this machine, when it was written or seen (see `server.clocks.Stamp`)."""

    number: int
    operation: str
    at: float
    tool: str = ""
    subject: str = ""
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file has of one ledger. restored: names the last time that an operator let writes go on, on this
    machine. word: when one did on any machine, as far as it is known here."""

    url: str
    first: str
    restored: str = ""
    entries: tuple[Entry, ...] = ()
    seen: Entry | None = None
    word: float = 0.0

    def told(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "first": self.first,
            "restored": self.restored,
            "entries": [_row(one) for one in self.entries],
            "seen": self.seen and _row(self.seen),
            "word": self.word,
        }


@dataclass
class Marks:
    """The newest entries that this machine wrote to one ledger, and the newest one of anybody that it saw.

    path: the file; None for this process alone. url: of the database. first: the operation of the first entry of the
    history, which a copy of the ledger has too, wherever it is. word: when an operator let writes go on, on any
    machine, as the ledger has it.
    """

    path: Path | None
    url: str
    first: str = ""
    entries: tuple[Entry, ...] = ()
    seen: Entry | None = None
    word: float = 0.0
    _restored: str = ""
    _saw_more: bool = False
    _pending: tuple[Entry, ...] = ()
    _file: tuple[int, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _saving: asyncio.TimerHandle | None = None
    _complained: bool = False

    def __post_init__(self) -> None:
        self.url = hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def is_saved(self) -> bool:
        """Whether all of it is in the file, where there is one."""
        return self.path is None or not (self._pending or self._saw_more)

    @property
    def known(self) -> tuple[Entry, ...]:
        """All that has to be there."""
        return self.entries if self.seen is None else (*self.entries, self.seen)

    def load(self, first: str = "") -> None:
        """Take up what the file has: at the start, and after an operator may have let writes go on."""
        with self._lock:
            self.first = self.first or first
            self._file = self._version()
            self._take(kept := self._own(self._read()))
            # a file that is gone, or was restored as well, is told again what this process knows
            missing = [entry for entry in self.entries if entry not in kept.entries]
            self._pending = _newest((*self._pending, *missing))
            self._saw_more = self._saw_more or self.seen != kept.seen

    def refresh(self) -> None:
        """Take up what other processes of this machine wrote since, if they did."""
        if self.path is not None and self._version() != self._file:
            self.load()

    def saw(self, entry: Entry, word: float = 0.0) -> None:
        """Remember the newest entry, whoever wrote it; `save` puts it into the file. word: see `Marks`."""
        if self.seen is None or entry.number > self.seen.number or word > self.word:
            self.seen, self.word, self._saw_more = _newer(self.seen, entry), max(self.word, word), True

    def wrote(self, entries: Iterable[Entry]) -> None:
        """Remember what this process committed; `save` puts it into the file."""
        told = {entry.operation: entry for entry in self.entries if entry.tool}
        new = tuple(
            entry if entry.tool or (known := told.get(entry.operation)) is None else _named(entry, known)
            for entry in entries
        )
        with self._lock:
            self._pending = _newest((*self._pending, *new))
            self.entries = _newest((*self.entries, *new))
            self.first = self.first or (new[0].operation if new else "")

    def save(self) -> None:
        """Put what is not there yet into the file. A file that cannot be written is a warning: the ledger is not."""
        if self.path is None or self.is_saved:
            return
        with self._lock:
            # it was closed, and saved by that, while this waited for the lock
            if self.is_saved:
                return
            try:
                with self._alone() as file:
                    pending, restored = self._pending, self._restored
                    self._take(self._own(told := self._read()))
                    # what an operator let go meanwhile does not come back
                    if self._restored == restored:
                        self.entries = _newest((*self.entries, *pending))
                    self._write(file, told)
                self._pending, self._saw_more, self._file = (), False, self._version()
            except OSError:
                if not self._complained:
                    what = "a ledger that goes back in time is not noticed after a restart"
                    logger.warning("%s cannot be written: %s", self.path.name, what)
                self._complained = True

    def save_soon(self) -> None:
        """Save it from the event loop, once the first byte of what has just departed has left."""
        if self.is_saved:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + (_AFTERWARDS if self._pending else _SEEN_AFTERWARDS)
        if self._saving is not None and self._saving.when() > at:
            self._saving.cancel()
            self._saving = None
        if self._saving is None:
            self._saving = loop.call_at(at, self._save_now)

    def _save_now(self) -> None:
        self._saving = None
        with contextlib.suppress(RuntimeError):
            # where the loop is being closed, whoever closes the ledger saves it
            asyncio.get_running_loop().run_in_executor(None, self.save)

    def forget(self) -> None:
        """Begin anew: an operator compared what was lost with the vendors. Raises OSError."""
        with self._lock:
            self._begin_anew(self._next_restoration())
            self._write_alone()

    def _next_restoration(self) -> str:
        times = int(self._restored.partition("-")[0] or 0) + 1
        return f"{times:06}-{secrets.token_hex(8)}"

    def _write_alone(self) -> None:
        if self.path is not None:
            with self._alone() as file:
                self._write(file, self._read())

    def go_on(self, word: float, compared: Collection[str]) -> None:
        """Go on, since an operator let writes go on at some machine. Raises OSError.

        compared: the operations that they were shown as lost, and compared with the vendors. What this machine knows
        beside those stays, so that an operator is shown it, too.
        """
        own = tuple(entry for entry in self.entries if entry.operation not in compared)
        seen = self.seen if self.seen is not None and self.seen.operation not in compared else None
        self.word = word
        with self._lock:
            self._begin_anew(self._next_restoration(), own, seen)
            self._write_alone()

    def _begin_anew(self, restored: str, entries: tuple[Entry, ...] = (), seen: Entry | None = None) -> None:
        self.entries, self._pending, self.seen, self._restored = entries, (), seen, restored
        self._saw_more = False

    def _take(self, kept: _Kept) -> None:
        """A file that is gone, or was restored as well, takes nothing back; an operator who let writes go on does."""
        if kept.restored > self._restored:
            self._begin_anew(kept.restored)
        if kept.restored == self._restored:
            self.entries = _newest((*self.entries, *kept.entries))
            self.seen = _newer(self.seen, kept.seen)
        self.word = max(self.word, kept.word)

    def _version(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat() if self.path is not None else None
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns) if found is not None else None

    def _own(self, told: Sequence[_Kept]) -> _Kept:
        mine = [kept for kept in told if self._is_own(kept)]
        entries = [entry for kept in mine for entry in kept.entries]
        restored = max((kept.restored for kept in mine), default=self._restored)
        seen = functools.reduce(_newer, (kept.seen for kept in mine), None)
        word = max((kept.word for kept in mine), default=0.0)
        return _Kept(self.url, self.first, restored, _newest(entries), seen, word)

    def _is_own(self, kept: _Kept) -> bool:
        return kept.url == self.url or (kept.first == self.first != "")

    def _read(self) -> list[_Kept]:
        if self.path is None:
            return []
        try:
            told = json.loads(self.path.read_text("utf-8"))
            return [
                _Kept(
                    str(one["url"]),
                    str(one["first"]),
                    str(one["restored"]),
                    tuple(Entry(*entry) for entry in one["entries"]),
                    Entry(*one["seen"]) if one.get("seen") else None,
                    float(one.get("word", 0.0)),
                )
                for one in told["ledgers"]
            ]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError):
            logger.warning("%s cannot be read, and is begun anew", self.path.name)
            return []

    def _write(self, file: Path, told: Sequence[_Kept]) -> None:
        own = _Kept(self.url, self.first, self._restored, self.entries, self.seen, self.word)
        ledgers = [kept.told() for kept in (*(kept for kept in told if not self._is_own(kept)), own)]
        other = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
        descriptor = os.open(other, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, json.dumps({"ledgers": ledgers}).encode())
        finally:
            os.close(descriptor)
        other.replace(file)

    @contextlib.contextmanager
    def _alone(self) -> Generator[Path]:
        """The file, while no other process of this machine writes it, where the system has such locks."""
        assert self.path is not None  # noqa: S101 - the callers look
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            with contextlib.suppress(ImportError):
                import fcntl  # noqa: PLC0415 - not on Windows

                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self.path
        finally:
            os.close(descriptor)


def _named(entry: Entry, known: Entry) -> Entry:
    return replace(entry, tool=known.tool, subject=known.subject)


def _row(entry: Entry) -> tuple[int, str, float, str, str, str]:
    return entry.number, entry.operation, entry.at, entry.tool, entry.subject, entry.stamp


def _newer(one: Entry | None, other: Entry | None) -> Entry | None:
    return max((entry for entry in (one, other) if entry is not None), key=lambda entry: entry.number, default=None)


def _newest(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Each once, by number, the newest last."""
    return tuple(sorted(set(entries), key=lambda entry: entry.number)[-KEPT:])

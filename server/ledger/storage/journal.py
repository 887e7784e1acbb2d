"""What SQLite's rollback journal beside the file of a ledger tells, before SQLite opens it.

A process that is killed while it commits leaves one, and whoever opens the file next rolls it back. When the file was
restored from a copy meanwhile, that would write pages of the newer file into the older one.
"""

from __future__ import annotations

from pathlib import Path

_MAGIC = bytes.fromhex("d9d505f920a163d7")
_COUNTER = slice(24, 28)
"""Where the first page of a file has the number of its changes."""


class ForeignJournal(Exception):
    """The journal beside the file is of another state of it."""


def check_journal(file: Path) -> None:
    """Raises ForeignJournal when the journal cannot be of the file as it is, or OSError.

    A journal has pages as they were before the commit that it belongs to. If the first page is among them, the file has
    it as it is there, or with a counter of changes that is one more.
    """
    journal = file.with_name(f"{file.name}-journal")
    if not file.exists() or not (before := _bytes(journal)):
        return
    first = _first_page(before)
    with file.open("rb") as opened:
        now = opened.read(max(100, len(first)))
    # where it is another one by now, a living process commits, and this is no hot one
    if not first or not now or _bytes(journal) != before:
        return
    ahead = int.from_bytes(now[_COUNTER]) - int.from_bytes(first[_COUNTER])
    if ahead not in (0, 1) or (ahead == 0 and now != first):
        raise ForeignJournal(journal)


def _bytes(journal: Path) -> bytes:
    try:
        return journal.read_bytes()
    except FileNotFoundError:
        return b""


def _first_page(journal: bytes) -> bytes:
    """The first page of the file as the journal keeps it; empty where it does not."""
    if not journal.startswith(_MAGIC):
        return b""
    count, _, _, sector, size = (int.from_bytes(journal[at : at + 4]) for at in range(8, 28, 4))
    fits = (len(journal) - sector) // (size + 8)
    for number in range(min(count, fits) if count else fits):
        at = sector + number * (size + 8)
        if int.from_bytes(journal[at : at + 4]) == 1:
            return journal[at + 4 : at + 4 + size]
    return b""

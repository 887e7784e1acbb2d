"""Reading FreeWheel's lists that have no search of their own: whole, or page by page for words.

Words are looked for in the pages of the whole list, so `page` and `per_page` mean the same with and without words. The
note says how far the search went. If its time was too short, `next` continues it with `search_from`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import anyio

from tools.effects import report_progress
from tools.errors import NotFound, RateLimited, Unavailable, UnexpectedAnswer
from tools.fields import empty_page_note, next_page
from tools.freewheel.models import Entry, PageOf
from tools.schema import Arguments
from tools.updates import read_before_write

LARGEST_PAGE = 50

MAX_PAGES = 400
"""The largest number of pages that are read of one list."""

BASELINE_TIMEOUT = 15.0
"""Seconds for reading a list before a write."""

MAX_BASELINE_ENTRIES = 10_000
"""The longest list that is read before a write. FreeWheel takes 20 requests a second, and the write waits."""

MAX_BASELINE_READINGS = 10
"""How often a list is read before a write, until a reading can be used."""

MAX_READINGS = 3
"""How often a list is read, until two readings in a row agree."""

SEARCH_TIMEOUT = 20.0
"""Seconds for the pages of one search after the first one."""

T = TypeVar("T", bound=Entry)
ReadPage = Callable[[int, int], Awaitable[PageOf[T]]]
"""Reads one page of a list, given its number and its size."""


class SearchArguments(Protocol):
    """The arguments of a list that can be searched."""

    @property
    def text(self) -> str | None: ...
    @property
    def page(self) -> int: ...
    @property
    def per_page(self) -> int: ...
    @property
    def search_from(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SearchPage(Generic[T]):
    """One page of a list or of what a search found.

    more: whether another page follows.
    total: the length of the list, or the number of matches; None when not known.
    resume_at: FreeWheel's page at which the search can continue, if it stopped before the end.
    """

    entries: list[T]
    more: bool
    total: int | None
    note: str | None
    resume_at: int | None = None

    def next(self, arguments: Arguments, page: int) -> dict[str, Any] | None:
        """The arguments of the next call; None when there is nothing more."""
        if self.more:
            return next_page(arguments, page)
        return {**next_page(arguments, 0), "search_from": self.resume_at} if self.resume_at else None


async def search_page(
    arguments: SearchArguments, read: ReadPage[T], searchable_text: Callable[[T], str], *, plural: str, empty_note: str
) -> SearchPage[T]:
    """The requested page.

    searchable_text: returns the text of an entry in which words are looked for.
    plural: what the entries are called.
    empty_note: the note of an empty list.
    """
    if arguments.text is not None:
        return await _search(arguments, arguments.text.casefold().split(), read, searchable_text, plural)
    answer = await read(arguments.page, arguments.per_page)
    note = None if answer.items else empty_page_note(arguments.page) if arguments.page > 1 else empty_note
    return SearchPage(answer.items, answer.has_more(arguments.page, arguments.per_page), answer.total, note)


async def read_all(read: ReadPage[T], plural: str) -> tuple[list[T], bool]:
    """Every entry of a list once, and whether this is the whole list. Reports progress."""
    reading = await _read_through(read, plural, until_empty=False)
    return reading.matches, reading.is_complete


async def read_proven(read: ReadPage[T], plural: str) -> tuple[list[T], bool]:
    """Every entry that was seen in a list, and whether it is proven that there are no others.

    While the pages of a list are read, entries may move between them. So it takes two readings in a row that are
    complete and hold the same entries. A third one is made where the first two disagree.
    """
    entries: dict[int, T] = {}
    ids_before: frozenset[int] | None = None
    for number in range(MAX_READINGS):
        reading = await _read_through(read, plural, earlier_readings=number)
        entries |= {entry.id: entry for entry in reading.matches}
        if reading.goes_on:
            break
        ids = frozenset(reading.ids) if reading.is_complete else None
        if ids is not None and ids == ids_before:
            return list(entries.values()), True
        ids_before = ids
    return list(entries.values()), False


async def read_baseline(read: ReadPage[T], plural: str) -> list[T] | None:
    """The entries of a list before a write, or None when they could not be read in time or are too many.

    It takes one complete reading, or two readings together that both went on to an empty page. An entry that both
    missed would later look new, and its content would decide.
    """

    answered: list[int] = []

    async def read_and_note(page: int, per_page: int) -> PageOf[T]:
        answer = await read(page, per_page)
        answered.append(page)
        return answer

    async def read_whole() -> list[T] | None:
        entries: dict[int, T] = {}
        disturbed = 0
        for _ in range(MAX_BASELINE_READINGS):
            answered.clear()
            try:
                reading = await _read_through(read_and_note, plural, give_up_above=MAX_BASELINE_ENTRIES)
            except (RateLimited, UnexpectedAnswer):
                continue
            except Unavailable:
                # a vendor that answered nothing is down: another reading would open the circuit breaker
                if answered:
                    continue
                return None
            entries |= {entry.id: entry for entry in reading.matches}
            disturbed += reading.ended_empty
            if reading.is_complete or disturbed == 2:
                return list(entries.values())
            if reading.is_too_long(MAX_BASELINE_ENTRIES):
                return None
        return None

    return await read_before_write(read_whole, within=BASELINE_TIMEOUT)


async def _read_through(
    read: ReadPage[T],
    plural: str,
    *,
    earlier_readings: int = 0,
    until_empty: bool = True,
    give_up_above: int | None = None,
) -> _Reading[T]:
    """Read a list to its end.

    earlier_readings: how many readings of this list came before, for the progress that is reported.
    until_empty: read on until a page is empty, because the stated length may be that of the page alone.
    give_up_above: stop at once when the list has more entries than this.
    """
    reading = _Reading[T](lambda _: True, 1, until_empty=until_empty)
    while reading.goes_on and reading.page_number <= MAX_PAGES:
        reading.add_page(await _page(read, reading.page_number, until_empty=until_empty))
        entries, total = len(reading.ids), reading.counted
        again = " again" if earlier_readings else ""
        done = entries + earlier_readings * max(total or 0, entries)
        if not reading.ended_empty:
            await report_progress(done, total and total * (earlier_readings + 1), f"reading {plural}{again}")
        if give_up_above is not None and reading.is_too_long(give_up_above):
            break
    return reading


async def _page(read: ReadPage[T], page: int, *, until_empty: bool) -> PageOf[T]:
    """One page. A server may answer 404 for a page past the end."""
    try:
        return await read(page, LARGEST_PAGE)
    except NotFound:
        if not until_empty or page == 1:
            raise
        return PageOf[T](items=[])


async def _search(
    arguments: SearchArguments, words: list[str], read: ReadPage[T], searchable_text: Callable[[T], str], plural: str
) -> SearchPage[T]:
    first, last = (arguments.page - 1) * arguments.per_page, arguments.page * arguments.per_page
    reading = _Reading[T](
        lambda entry: all(word in searchable_text(entry).casefold() for word in words), arguments.search_from
    )
    reading.add_page(await read(reading.page_number, LARGEST_PAGE))
    with anyio.move_on_after(SEARCH_TIMEOUT):
        while reading.goes_on and len(reading.matches) <= last:
            await report_progress(len(reading.ids), reading.counted, f"searching {plural}")
            reading.add_page(await read(reading.page_number, LARGEST_PAGE))
    shown, enough = reading.matches[first:last], len(reading.matches) > last
    nothing = empty_page_note(arguments.page) if reading.matches else "None of them has all words of `text`."
    is_whole = arguments.search_from == 1 and reading.is_complete
    return SearchPage(
        shown,
        more=enough,
        total=len(reading.matches) if is_whole else None,
        note=reading.note(plural) + ("" if shown else f" {nothing}"),
        resume_at=reading.page_number if reading.goes_on and not enough else None,
    )


@dataclass
class _Reading(Generic[T]):
    """What has been read of a list so far. It begins with the page `page_number`.

    until_empty: read on until a page is empty, whatever length the list states.
    counted: the number of entries, as FreeWheel states it.
    is_over: no further page is expected, because this one was empty, repeated others, or was the last one by every
    sign. One sign alone is not enough: a server may ignore the page's size or number, and may state the page's length
    as the list's.
    is_missing_entries: FreeWheel stated more entries or pages than were read.
    is_contradicted: a page contradicted an earlier one, or itself.
    """

    is_match: Callable[[T], bool]
    page_number: int
    until_empty: bool = False
    counted: int | None = None
    pages: int | None = None
    is_over: bool = False
    is_contradicted: bool = False
    is_missing_entries: bool = False
    ended_empty: bool = False
    ids: set[int] = field(default_factory=set[int])
    matches: list[T] = field(default_factory=list[Any])
    skipped: int = 0

    def __post_init__(self) -> None:
        self.skipped = (self.page_number - 1) * LARGEST_PAGE

    @property
    def goes_on(self) -> bool:
        return not self.is_over

    @property
    def is_complete(self) -> bool:
        """Whether the list was read from the first page of this reading to its end."""
        return self.is_over and not self.is_missing_entries and not self.is_contradicted

    def is_too_long(self, most: int) -> bool:
        return max(self.counted or 0, len(self.ids)) > most

    def add_page(self, answer: PageOf[T]) -> None:
        fresh = {entry.id: entry for entry in answer.items if entry.id not in self.ids}
        self.ids |= fresh.keys()
        self.matches += [entry for entry in fresh.values() if self.is_match(entry)]
        self.is_contradicted = self.is_contradicted or self._contradicts(answer, len(fresh))
        self.counted = answer.total if answer.total is not None else self.counted
        self.pages = answer.total_pages if answer.total_pages is not None else self.pages
        read = self.skipped + len(self.ids)
        self.is_missing_entries = self.counted is not None and read < self.counted
        more_pages = self.pages is not None and self.page_number < self.pages
        self.ended_empty = not answer.items
        if fresh and self.until_empty:
            self.is_over = False
        elif fresh:
            is_full = len(answer.items) >= (answer.per_page or LARGEST_PAGE)
            unstated = self.counted is None and self.pages is None
            self.is_over = not (self.is_missing_entries or more_pages or unstated or (is_full and self.pages is None))
        else:
            self.is_over = True
            repeated = bool(answer.items) and (self.until_empty or self.counted is None)
            self.is_missing_entries = self.is_missing_entries or more_pages or repeated
        self.page_number += 1

    def _contradicts(self, answer: PageOf[T], fresh: int) -> bool:
        """Whether this page contradicts an earlier one, or itself."""
        overlaps = 0 < fresh < len(answer.items)
        total, pages = answer.total, answer.total_pages
        changed = (total is not None and self.counted not in (None, total)) or (
            pages is not None and self.pages not in (None, pages)
        )
        too_few = total is not None and bool(fresh) and total < self.skipped + len(self.ids)
        inconsistent = (
            total is not None and pages is not None and answer.per_page and pages != -(-total // answer.per_page)
        ) or (pages == 0 and bool(answer.items))
        other_page = answer.page is not None and answer.page != self.page_number and bool(fresh)
        return bool(overlaps or changed or too_few or inconsistent or other_page)

    def note(self, plural: str) -> str:
        """How far the list was searched, in a sentence."""
        searched = f"Searched: {len(self.ids):,} {plural}"
        if self.is_complete:
            return f"{searched}, to the end of the list."
        if self.is_over:
            if self.counted is None or len(self.ids) + self.skipped >= self.counted:
                return f"{searched}; there may be more, and the others are not known."
            return f"{searched}; FreeWheel counts {self.counted:,}, and the others are not known."
        return f"{searched}; there are more, and `next` goes on."

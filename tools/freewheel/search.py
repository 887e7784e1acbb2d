"""Pages of FreeWheel lists that have no search of their own, whole or of what matches some words.

Words are looked for here, page by page of the whole list, so that `page` and `per_page` mean the same with and without
them. The note says how far was looked; where the time did not do, `next` goes on from there with `search_from`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import anyio

from tools.effects import report
from tools.errors import NotFound, RateLimited, Unavailable, UnexpectedAnswer
from tools.fields import next_page, nothing_on
from tools.freewheel.models import Entry, PageOf
from tools.schema import Arguments
from tools.updates import before_a_write

LARGEST_PAGE = 50

MOST_PAGES = 400
"""Pages of a list that are read to its end."""

LONGEST_BASELINE = 15.0
"""Seconds for reading a list before a write."""

MOST_IN_A_BASELINE = 10_000
"""Entries of a list that is read before a write: FreeWheel takes 20 requests a second, and a write does not wait for
longer."""

MOST_BASELINES = 10
"""Readings of a list before a write."""

MOST_READINGS = 3
"""Readings of one list for two in a row that agree."""

LONGEST = 20.0
"""Seconds for the pages of one search after the first one."""

T = TypeVar("T", bound=Entry)
Read = Callable[[int, int], Awaitable[PageOf[T]]]
"""Reads one page of a list: its number and how many entries it holds at most."""


class Wanted(Protocol):
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
class Found(Generic[T]):
    """One page.

    more: whether another page follows. unread: FreeWheel's page from which a search did not look any further. total:
    of the list, or of what matches; None when not known.
    """

    entries: list[T]
    more: bool
    total: int | None
    note: str | None
    unread: int | None = None

    def next(self, arguments: Arguments, page: int) -> dict[str, Any] | None:
        """The arguments that go on from here."""
        if self.more:
            return next_page(arguments, page)
        return {**next_page(arguments, 0), "search_from": self.unread} if self.unread else None


async def found(wanted: Wanted, read: Read[T], described: Callable[[T], str], *, name: str, none: str) -> Found[T]:
    """The page that is wanted.

    described: what words are looked for in. name: of the entries, plural. none: the note of an empty list.
    """
    if wanted.text is not None:
        return await _searched(wanted, wanted.text.casefold().split(), read, described, name)
    answer = await read(wanted.page, wanted.per_page)
    note = None if answer.items else nothing_on(wanted.page) if wanted.page > 1 else none
    return Found(answer.items, answer.has_more(wanted.page, wanted.per_page), answer.total, note)


async def every(read: Read[T], what: str) -> tuple[list[T], bool]:
    """Every entry of a list once, and whether this is the whole list; it says how far it has come."""
    reading = await _read_through(read, what, past_the_end=False)
    return reading.matches, reading.at_the_end


async def proven(read: Read[T], what: str) -> tuple[list[T], bool]:
    """Every entry that was seen in the list, and whether what was not seen is proven not to be there.

    A list is not a moment: while its pages are read, entries move between them. So absence is proven by two readings in
    a row that are complete by every sign and hold the same entries; a third one is made where the first two disagree.
    """
    seen: dict[int, T] = {}
    before: frozenset[int] | None = None
    for number in range(MOST_READINGS):
        reading = await _read_through(read, what, before=number)
        seen |= {entry.id: entry for entry in reading.matches}
        if reading.goes_on:
            break
        ids = frozenset(reading.ids) if reading.at_the_end else None
        if ids is not None and ids == before:
            return list(seen.values()), True
        before = ids
    return list(seen.values()), False


async def entries_before(read: Read[T], what: str) -> list[T] | None:
    """The entries of a list before a write, for a later look to be compared with; None when they could not be read in
    time, or are more than that takes.

    One whole reading will do, or what two readings saw together that each went on to an empty page. An entry that both
    missed would be taken for a new one, and its content would then tell.
    """

    answers: list[int] = []

    async def counted(page: int, per_page: int) -> PageOf[T]:
        answer = await read(page, per_page)
        answers.append(page)
        return answer

    async def whole() -> list[T] | None:
        seen: dict[int, T] = {}
        disturbed = 0
        for _ in range(MOST_BASELINES):
            answers.clear()
            try:
                reading = await _read_through(counted, what, most=MOST_IN_A_BASELINE)
            except (RateLimited, UnexpectedAnswer):
                continue
            except Unavailable:
                # a vendor that answered nothing is down: it is not asked until the circuit breaker opens
                if answers:
                    continue
                return None
            seen |= {entry.id: entry for entry in reading.matches}
            disturbed += reading.ended_empty
            if reading.at_the_end or disturbed == 2:
                return list(seen.values())
            if reading.is_too_long(MOST_IN_A_BASELINE):
                return None
        return None

    return await before_a_write(whole, within=LONGEST_BASELINE)


async def _read_through(
    read: Read[T], what: str, *, before: int = 0, past_the_end: bool = True, most: int | None = None
) -> _Reading[T]:
    """before: how many readings of the same list were made before this one, for the progress to go on from.
    past_the_end: go on until a page is empty: what is told of a list's length may be of this page alone. most: entries
    of a list that is given up at once when it is longer."""
    reading = _Reading[T](lambda _: True, 1, past_the_end=past_the_end)
    while reading.goes_on and reading.following <= MOST_PAGES:
        reading.take(await _page(read, reading.following, past_the_end=past_the_end))
        entries, total = len(reading.ids), reading.counted
        again = " again" if before else ""
        done = entries + before * max(total or 0, entries)
        if not reading.ended_empty:
            await report(done, total and total * (before + 1), f"reading {what}{again}")
        if most is not None and reading.is_too_long(most):
            break
    return reading


async def _page(read: Read[T], page: int, *, past_the_end: bool) -> PageOf[T]:
    """One page. A server may say of one past the end that it is not there."""
    try:
        return await read(page, LARGEST_PAGE)
    except NotFound:
        if not past_the_end or page == 1:
            raise
        return PageOf[T](items=[])


async def _searched(
    wanted: Wanted, words: list[str], read: Read[T], described: Callable[[T], str], name: str
) -> Found[T]:
    first, last = (wanted.page - 1) * wanted.per_page, wanted.page * wanted.per_page
    reading = _Reading[T](lambda entry: all(word in described(entry).casefold() for word in words), wanted.search_from)
    reading.take(await read(reading.following, LARGEST_PAGE))
    with anyio.move_on_after(LONGEST):
        while reading.goes_on and len(reading.matches) <= last:
            await report(len(reading.ids), reading.counted, f"searching {name}")
            reading.take(await read(reading.following, LARGEST_PAGE))
    shown, enough = reading.matches[first:last], len(reading.matches) > last
    nothing = nothing_on(wanted.page) if reading.matches else "None of them has all words of `text`."
    whole = wanted.search_from == 1 and reading.at_the_end
    return Found(
        shown,
        more=enough,
        total=len(reading.matches) if whole else None,
        note=reading.how_far(name) + ("" if shown else f" {nothing}"),
        unread=reading.following if reading.goes_on and not enough else None,
    )


@dataclass
class _Reading(Generic[T]):
    """What has been read of a list so far, from the page `following` at its start.

    past_the_end: read on until a page is empty, whatever is told of the list's length.

    counted: how many entries FreeWheel says there are. over: no further page is to be expected: this one was empty,
    repeated others, or was the last one by everything that is told. A server may ignore the size, or the number, of the
    page that it is asked for, and may count the entries of this page where others count all: one sign alone ends
    nothing. at_the_end: it is over, and no sign speaks against it.
    """

    is_match: Callable[[T], bool]
    following: int
    past_the_end: bool = False
    counted: int | None = None
    pages: int | None = None
    over: bool = False
    contradicted: bool = False
    missing: bool = False
    ended_empty: bool = False
    ids: set[int] = field(default_factory=set[int])
    matches: list[T] = field(default_factory=list[Any])
    skipped: int = 0

    def __post_init__(self) -> None:
        self.skipped = (self.following - 1) * LARGEST_PAGE

    @property
    def goes_on(self) -> bool:
        return not self.over

    @property
    def at_the_end(self) -> bool:
        """Whether the whole list has been seen from where it was begun."""
        return self.over and not self.missing and not self.contradicted

    def is_too_long(self, most: int) -> bool:
        return max(self.counted or 0, len(self.ids)) > most

    def take(self, answer: PageOf[T]) -> None:
        fresh = {entry.id: entry for entry in answer.items if entry.id not in self.ids}
        self.ids |= fresh.keys()
        self.matches += [entry for entry in fresh.values() if self.is_match(entry)]
        self.contradicted = self.contradicted or self._contradicts(answer, len(fresh))
        self.counted = answer.total if answer.total is not None else self.counted
        self.pages = answer.total_pages if answer.total_pages is not None else self.pages
        read = self.skipped + len(self.ids)
        self.missing = self.counted is not None and read < self.counted
        more_pages = self.pages is not None and self.following < self.pages
        self.ended_empty = not answer.items
        if fresh and self.past_the_end:
            self.over = False
        elif fresh:
            is_full = len(answer.items) >= (answer.per_page or LARGEST_PAGE)
            untold = self.counted is None and self.pages is None
            self.over = not (self.missing or more_pages or untold or (is_full and self.pages is None))
        else:
            self.over = True
            repeated = bool(answer.items) and (self.past_the_end or self.counted is None)
            self.missing = self.missing or more_pages or repeated
        self.following += 1

    def _contradicts(self, answer: PageOf[T], fresh: int) -> bool:
        """Whether this page does not go with what was told before, or with itself."""
        moved = 0 < fresh < len(answer.items)
        total, pages = answer.total, answer.total_pages
        changed = (total is not None and self.counted not in (None, total)) or (
            pages is not None and self.pages not in (None, pages)
        )
        too_few = total is not None and bool(fresh) and total < self.skipped + len(self.ids)
        apart = (
            total is not None and pages is not None and answer.per_page and pages != -(-total // answer.per_page)
        ) or (pages == 0 and bool(answer.items))
        other_page = answer.page is not None and answer.page != self.following and bool(fresh)
        return bool(moved or changed or too_few or apart or other_page)

    def how_far(self, name: str) -> str:
        told = f"Searched: {len(self.ids):,} {name}"
        if self.at_the_end:
            return f"{told}, to the end of the list."
        if self.over:
            if self.counted is None or len(self.ids) + self.skipped >= self.counted:
                return f"{told}; there may be more, and the others are not known."
            return f"{told}; FreeWheel counts {self.counted:,}, and the others are not known."
        return f"{told}; there are more, and `next` goes on."

"""Pages of FreeWheel lists that have no search of their own, whole or of what matches some words.

Words are looked for here, page by page of the whole list, so that `page` and `per_page` mean the same with and without
them. The note says how far was looked; where the time did not do, `next` goes on from there with `search_from`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import anyio

from tools.fields import next_page, nothing_on
from tools.freewheel.models import Entry, PageOf
from tools.schema import Arguments
from tools.writes import report

LARGEST_PAGE = 50

MOST_PAGES = 400
"""Pages of a list that are read to its end."""

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
    reading = _Reading[T](lambda _: True, 1)
    while reading.goes_on and reading.following <= MOST_PAGES:
        reading.take(await read(reading.following, LARGEST_PAGE))
        await report(len(reading.ids), reading.counted, f"reading {what}")
    return reading.matches, reading.at_the_end


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
    """What has been read so far.

    counted: how many entries FreeWheel says there are. over: it has no further page, by its own word or because it
    repeated itself or sent an empty one: a server may ignore the size, or the number, of the page that it is asked for.
    """

    is_match: Callable[[T], bool]
    following: int
    counted: int | None = None
    over: bool = False
    stopped_short: bool = False
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
        return self.over and not self.stopped_short

    def take(self, answer: PageOf[T]) -> None:
        fresh = [entry for entry in answer.items if entry.id not in self.ids]
        self.ids |= {entry.id for entry in fresh}
        self.matches += [entry for entry in fresh if self.is_match(entry)]
        self.counted = answer.total if answer.total is not None else self.counted
        missing = self.counted is not None and self.skipped + len(self.ids) < self.counted
        last = answer.total_pages is not None and self.following >= answer.total_pages
        all_there = self.counted is not None and not missing
        self.over = not fresh or last or all_there
        unfinished = (
            not fresh and not all_there and (bool(answer.items) or (answer.total_pages is not None and not last))
        )
        self.stopped_short = missing or unfinished
        self.following += 1

    def how_far(self, name: str) -> str:
        told = f"Searched: {len(self.ids):,} {name}"
        if self.at_the_end:
            return f"{told}, to the end of the list."
        if self.over:
            of = "there may be more" if self.counted is None else f"FreeWheel counts {self.counted:,}"
            return f"{told}; {of}, and the others are not known."
        return f"{told}; there are more, and `next` goes on."

"""List proposed insertion orders (Proposed Insertion Order API v4, "List Proposed Insertion Orders").

No parameter of this list is documented: `page` and `per_page` are those of FreeWheel's other v4 lists, and it has no
search. `text` is looked for here, page by page, and the answer says how far.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
from pydantic import Field

from tools.backends import Backends
from tools.fields import Listing, next_page, nothing_on
from tools.freewheel.models import PageOf, ProposedInsertionOrder
from tools.replies import shown
from tools.schema import Arguments, Result
from tools.tool import READ, Tool

PER_PAGE = 12
LARGEST_PAGE = 50

MOST_PAGES = 20
"""FreeWheel's pages that one search reads, at most."""

LONGEST_SEARCH = 20.0
"""Seconds for the pages after the first one; what was not read by then is left to the next call."""

ENOUGH = 20
"""Matches with which a search reads no further page."""


class ListProposedIos(Arguments):
    text: str | None = Field(default=None, max_length=255, pattern=r"\S", description="Words in name or external_id.")
    page: int = Field(default=1, ge=1, description="From 1.")
    per_page: int | None = Field(default=None, ge=5, le=LARGEST_PAGE, description="Default 12; with text 50.")


class ListedProposedIo(Result):
    id: int = Field(description="Proposed IO id.")
    external_id: str | None = None
    name: str | None = None
    proposed_io_status: str | None = Field(default=None, description="PROPOSED, COMPLETED or LOST.")
    brand_id: int | None = None
    probability_of_close: int | None = None
    flight_start: str | None = Field(default=None, description="UTC; absent while nothing is scheduled.")
    flight_end: str | None = None
    updated_at: str | None = None


async def list_proposed_ios(arguments: ListProposedIos, backends: Backends) -> Listing[ListedProposedIo]:
    """List FreeWheel's proposed insertion orders with status, flight and probability of close.

    Use it to find orders, or brand ids (in the advertiser's other orders). `note` says how far `text` was searched.
    For budget and users, get_proposed_io.
    """
    if arguments.text is not None:
        return await _searched(arguments, arguments.text.casefold().split(), backends)
    per_page = arguments.per_page or PER_PAGE
    answer = await _read(backends, arguments.page, per_page)
    more = answer.has_more(arguments.page, per_page)
    return Listing[ListedProposedIo](
        items=[_listed(order) for order in answer.items],
        total=answer.total,
        next=next_page(arguments, arguments.page) if more else None,
        note=None if answer.items else nothing_on(arguments.page) if arguments.page > 1 else _NONE,
    )


_NONE = "FreeWheel lists no proposed IOs for this network."


async def _read(backends: Backends, page: int, per_page: int) -> PageOf[ProposedInsertionOrder]:
    return await backends.freewheel.list_proposed_insertion_orders({"page": page, "per_page": per_page})


@dataclass
class _Search:
    """What has been read so far. repeats: FreeWheel answered a page with what it had answered before."""

    words: list[str]
    first: int
    per_page: int
    pages: int = 0
    more: bool = True
    repeats: bool = False
    read: dict[int, ProposedInsertionOrder] = field(default_factory=dict[int, ProposedInsertionOrder])

    @property
    def following(self) -> int:
        return self.first + self.pages

    @property
    def found(self) -> list[ProposedInsertionOrder]:
        return [order for order in self.read.values() if all(word in _described(order) for word in self.words)]

    @property
    def goes_on(self) -> bool:
        return self.more and not self.repeats and self.pages < MOST_PAGES and len(self.found) < ENOUGH

    def take(self, answer: PageOf[ProposedInsertionOrder]) -> None:
        self.more = answer.has_more(self.following, self.per_page)
        fresh = {order.id: order for order in answer.items if order.id not in self.read}
        self.repeats = self.more and not fresh
        self.read |= fresh
        self.pages += 1

    def how_far(self) -> str:
        last = self.following - 1
        pages = f"page {last}" if self.pages == 1 else f"pages {self.first} to {last}"
        told = f"Proposed IOs searched: {len(self.read):,} ({pages})"
        if self.repeats:
            return f"{told}; then FreeWheel repeated itself, so whether there are more is not known."
        return f"{told}; there are more, and `next` goes on." if self.more else f"{told}, to the end of the list."


async def _searched(arguments: ListProposedIos, words: list[str], backends: Backends) -> Listing[ListedProposedIo]:
    search = _Search(words, arguments.page, arguments.per_page or LARGEST_PAGE)
    search.take(await _read(backends, search.following, search.per_page))
    with anyio.move_on_after(LONGEST_SEARCH):
        while search.goes_on:
            search.take(await _read(backends, search.following, search.per_page))
    found, to_the_end = search.found, not search.more
    return Listing[ListedProposedIo](
        items=[_listed(order) for order in found],
        total=len(found) if to_the_end and search.first == 1 else None,
        next=next_page(arguments, search.following - 1) if search.more and not search.repeats else None,
        note=search.how_far() if found else f"{search.how_far()} None of them has all words of `text`.",
    )


def _described(order: ProposedInsertionOrder) -> str:
    return f"{order.name or ''} {order.external_id or ''}".casefold()


def _listed(order: ProposedInsertionOrder) -> ListedProposedIo:
    return ListedProposedIo(
        id=order.id,
        external_id=order.external_id and shown(order.external_id),
        name=order.name and shown(order.name),
        proposed_io_status=order.proposed_io_status,
        brand_id=order.brand_id,
        probability_of_close=order.probability_of_close,
        flight_start=order.schedule and order.schedule.start_time,
        flight_end=order.schedule and order.schedule.end_time,
        updated_at=order.updated_at,
    )


TOOL = Tool(
    name="list_proposed_ios",
    title="List proposed insertion orders",
    arguments=ListProposedIos,
    result=Listing[ListedProposedIo],
    effect=READ,
    vendors=frozenset({"freewheel"}),
    handler=list_proposed_ios,
)

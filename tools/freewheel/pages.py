"""Reading a FreeWheel list to its end, where a page of it is not enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tools.freewheel.models import Campaign, InventoryPackage, Named, PageOf, ProposedInsertionOrder
from tools.writes import report

T = TypeVar("T", InventoryPackage, ProposedInsertionOrder, Campaign, Named)

MOST_PAGES = 400


async def every(read: Callable[[int], Awaitable[PageOf[T]]], what: str) -> tuple[list[T], bool]:
    """Every entry once, and whether this is the whole list; it says how far it has come.

    A server may ignore the number of the page that it is asked for, so a page without anything new ends it: then the
    list is whole only when its own count says so.
    """
    found: dict[int, T] = {}
    for page in range(1, MOST_PAGES + 1):
        answer = await read(page)
        fresh = {entry.id: entry for entry in answer.items if entry.id not in found}
        found |= fresh
        await report(len(found), answer.total, f"reading {what}")
        last = answer.total_pages is not None and page >= answer.total_pages
        counted = answer.total is not None and len(found) >= answer.total
        if last or counted or not fresh:
            return list(found.values()), counted or (answer.total is None and (last or not answer.items))
    return list(found.values()), False

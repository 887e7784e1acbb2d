"""Completions of prompt arguments and of resource templates, from live lists.

What is typed is looked for in ids and names, so that "sports" finds `northlight-live-sports`. A vendor that does not
answer completes nothing: a suggestion is never worth an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

import anyio
import mcp_types as types

from prompts import ArgumentType
from server.access.accounts_in_reach import Places
from tools.backends import Backends
from tools.errors import AdOpsError
from tools.freewheel.search import LARGEST_PAGE

MOST = 100
"""Values of one answer: the protocol's limit."""

KEPT = 30.0
"""Seconds for which a list serves the next keystrokes."""

MOST_PAGES = 5
"""Pages of a FreeWheel list that are looked through; beyond them only the name finds more."""

PATIENCE = 5.0
"""Seconds for one list; nobody waits longer for a suggestion."""


Kind = ArgumentType | Literal["account"]
"""What can be typed: an argument of a prompt, or whose account it is."""


class Candidate(NamedTuple):
    value: str
    label: str


class Listed(NamedTuple):
    """whole: whether nothing that could match was left out."""

    candidates: list[Candidate]
    whole: bool = True


Lister = Callable[[Backends, str], Awaitable[Listed]]


class Completions:
    """clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, ArgumentType, str], tuple[float, Listed]] = {}

    async def complete(self, kind: Kind, typed: str, places: Places, account: str = "") -> types.CompleteResult:
        """account: as it is filled in already, where there are several; else what all of them have is suggested."""
        typed = typed.strip()
        if kind == "account":
            return _matching(typed, Listed([Candidate(name, name) for name in places.choice.names]))
        if kind not in _LISTERS:
            return _matching(typed, Listed([]))
        reached = [one.name for one in places.choice.accounts if account in ("", one.name)]
        found = [await self._candidates(kind, typed, places.account(name)) for name in reached]
        candidates = [candidate for one in found for candidate in one.candidates]
        return _matching(typed, Listed(candidates, whole=all(one.whole for one in found)))

    async def _candidates(self, kind: ArgumentType, typed: str, backends: Backends) -> Listed:
        lister, searches = _LISTERS[kind]
        key = (backends.account, kind, typed if searches else "")
        ends, kept = self._kept.get(key, (0.0, Listed([])))
        if self._clock() < ends:
            return kept
        try:
            with anyio.fail_after(PATIENCE):
                found = await lister(backends, typed)
        except (AdOpsError, TimeoutError):
            return Listed([], whole=False)
        self._kept = {key: entry for key, entry in self._kept.items() if self._clock() < entry[0]}
        self._kept[key] = (self._clock() + KEPT, found)
        return found


def _matching(typed: str, found: Listed) -> types.CompleteResult:
    wanted = typed.casefold()
    matching = [
        candidate.value
        for candidate in found.candidates
        if wanted in candidate.value.casefold() or wanted in candidate.label.casefold()
    ]
    values = list(dict.fromkeys(matching))
    more = len(values) > MOST or not found.whole
    return types.CompleteResult(completion=types.Completion(values=values[:MOST], has_more=more))


def _sources(*execution_types: str) -> Lister:
    async def listed(backends: Backends, _: str) -> Listed:
        return Listed(
            [
                Candidate(source.source_id, source.name)
                for source in await backends.interchange.list_inventory_sources()
                if not execution_types or source.execution_type in execution_types
            ]
        )

    return listed


async def _network_codes(backends: Backends, _: str) -> Listed:
    """The networks that the storefront's ad-server sources are configured with."""
    return Listed(
        [
            Candidate(source.managed_sa.ad_server.network_code, source.name)
            for source in await backends.interchange.list_inventory_sources()
            if source.managed_sa and source.managed_sa.ad_server and source.managed_sa.ad_server.network_code
        ]
    )


async def _media_buys(backends: Backends, _: str) -> Listed:
    buys = await backends.interchange.media_buys({"take": 200, "skip": 0})
    found = [Candidate(buy.media_buy_id, (buy.buyer.name if buy.buyer else None) or "") for buy in buys.items]
    return Listed(found, whole=len(found) < 200)


async def _packages(backends: Backends, typed: str) -> Listed:
    """The packages whose name holds what was typed; all of them when it may be a part of an id."""
    query: dict[str, str | int] = {"name": typed[:255]} if typed and not typed.isdigit() else {}

    async def read(number: int) -> Listed:
        page = await backends.freewheel.list_inventory_packages({**query, "page": number, "per_page": LARGEST_PAGE})
        found = [Candidate(str(package.id), package.name or "") for package in page.items]
        return Listed(found, whole=not page.has_more(number, LARGEST_PAGE))

    return await _some_pages(read)


async def _proposed_ios(backends: Backends, _: str) -> Listed:
    async def read(number: int) -> Listed:
        page = await backends.freewheel.list_proposed_insertion_orders({"page": number, "per_page": LARGEST_PAGE})
        found = [Candidate(str(order.id), f"{order.name or ''} {order.external_id or ''}") for order in page.items]
        return Listed(found, whole=not page.has_more(number, LARGEST_PAGE))

    return await _some_pages(read)


async def _some_pages(read: Callable[[int], Awaitable[Listed]]) -> Listed:
    found: list[Candidate] = []
    for number in range(1, MOST_PAGES + 1):
        page = await read(number)
        found += page.candidates
        if page.whole:
            return Listed(found)
    return Listed(found, whole=False)


_LISTERS: dict[ArgumentType, tuple[Lister, bool]] = {
    "source_id": (_sources(), False),
    "modular_source_id": (_sources("MODULAR_SOURCE"), False),
    "gam_source_id": (_sources("MANAGED_SALES_AGENT"), False),
    "network_code": (_network_codes, False),
    "media_buy_id": (_media_buys, False),
    "package_id": (_packages, True),
    "proposed_io_id": (_proposed_ios, False),
}
"""How each kind is listed, and whether the list depends on what was typed."""

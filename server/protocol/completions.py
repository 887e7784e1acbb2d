"""Completions of prompt arguments and of resource templates, from the vendors' lists.

What is typed is searched in ids and names, so that "sports" finds `northlight-live-sports`. A vendor that does not
answer suggests nothing, since a suggestion is not worth an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple

import anyio
import mcp_types as types

from prompts import ArgumentType
from server.access.accounts_in_reach import ReachableAccounts
from tools.backends import Backends
from tools.errors import AdOpsError
from tools.freewheel.search import LARGEST_PAGE

MOST = 100
"""Values of one answer: the limit of the protocol."""

CACHED_FOR = 30.0
"""Seconds for which a list is used for the next keystrokes."""

MOST_PAGES = 5
"""Pages of a FreeWheel list that are read. Beyond them only a search by name finds more."""

PATIENCE = 5.0
"""Seconds for one list, since nobody waits longer for a suggestion."""


Kind = ArgumentType | Literal["account"]
"""What can be typed: an argument of a prompt, or the name of an account."""


class Candidate(NamedTuple):
    value: str
    label: str


class Candidates(NamedTuple):
    """What may be suggested. whole: whether nothing that could match was left out."""

    candidates: list[Candidate]
    whole: bool = True


Lister = Callable[[Backends, str], Awaitable[Candidates]]


class Completions:
    """Suggests values, and caches the lists that they come from. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cached: dict[tuple[str, ArgumentType, str], tuple[float, Candidates]] = {}

    async def complete(
        self, kind: Kind, typed: str, accounts: ReachableAccounts, account: str = ""
    ) -> types.CompleteResult:
        """The values for what was typed. account: the one that was filled in already; else those of all are
        suggested."""
        typed = typed.strip()
        if kind == "account":
            return _matching(typed, Candidates([Candidate(name, name) for name in accounts.choice.names]))
        if kind not in _LISTERS:
            return _matching(typed, Candidates([]))
        reached = [one.name for one in accounts.choice.accounts if account in ("", one.name)]
        found = [await self._candidates(kind, typed, accounts.account(name)) for name in reached]
        candidates = [candidate for one in found for candidate in one.candidates]
        return _matching(typed, Candidates(candidates, whole=all(one.whole for one in found)))

    async def _candidates(self, kind: ArgumentType, typed: str, backends: Backends) -> Candidates:
        lister, searches = _LISTERS[kind]
        key = (backends.account, kind, typed if searches else "")
        ends, cached = self._cached.get(key, (0.0, Candidates([])))
        if self._clock() < ends:
            return cached
        try:
            with anyio.fail_after(PATIENCE):
                found = await lister(backends, typed)
        except (AdOpsError, TimeoutError):
            return Candidates([], whole=False)
        self._cached = {key: entry for key, entry in self._cached.items() if self._clock() < entry[0]}
        self._cached[key] = (self._clock() + CACHED_FOR, found)
        return found


def _matching(typed: str, found: Candidates) -> types.CompleteResult:
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
    async def listed(backends: Backends, _: str) -> Candidates:
        return Candidates(
            [
                Candidate(source.source_id, source.name)
                for source in await backends.interchange.list_inventory_sources()
                if not execution_types or source.execution_type in execution_types
            ]
        )

    return listed


async def _network_codes(backends: Backends, _: str) -> Candidates:
    """The networks that the storefront's ad-server sources are configured with."""
    return Candidates(
        [
            Candidate(source.managed_sa.ad_server.network_code, source.name)
            for source in await backends.interchange.list_inventory_sources()
            if source.managed_sa and source.managed_sa.ad_server and source.managed_sa.ad_server.network_code
        ]
    )


async def _media_buys(backends: Backends, _: str) -> Candidates:
    buys = await backends.interchange.media_buys({"take": 200, "skip": 0})
    found = [Candidate(buy.media_buy_id, (buy.buyer.name if buy.buyer else None) or "") for buy in buys.items]
    return Candidates(found, whole=len(found) < 200)


async def _packages(backends: Backends, typed: str) -> Candidates:
    """The packages whose name contains what was typed, or all of them when it may be a part of an id."""
    query: dict[str, str | int] = {"name": typed[:255]} if typed and not typed.isdigit() else {}

    async def read(number: int) -> Candidates:
        page = await backends.freewheel.list_inventory_packages({**query, "page": number, "per_page": LARGEST_PAGE})
        found = [Candidate(str(package.id), package.name or "") for package in page.items]
        return Candidates(found, whole=not page.has_more(number, LARGEST_PAGE))

    return await _some_pages(read)


async def _proposed_ios(backends: Backends, _: str) -> Candidates:
    async def read(number: int) -> Candidates:
        page = await backends.freewheel.list_proposed_insertion_orders({"page": number, "per_page": LARGEST_PAGE})
        found = [Candidate(str(order.id), f"{order.name or ''} {order.external_id or ''}") for order in page.items]
        return Candidates(found, whole=not page.has_more(number, LARGEST_PAGE))

    return await _some_pages(read)


async def _some_pages(read: Callable[[int], Awaitable[Candidates]]) -> Candidates:
    found: list[Candidate] = []
    for number in range(1, MOST_PAGES + 1):
        page = await read(number)
        found += page.candidates
        if page.whole:
            return Candidates(found)
    return Candidates(found, whole=False)


_LISTERS: dict[ArgumentType, tuple[Lister, bool]] = {
    "source_id": (_sources(), False),
    "modular_source_id": (_sources("MODULAR_SOURCE"), False),
    "gam_source_id": (_sources("MANAGED_SALES_AGENT"), False),
    "network_code": (_network_codes, False),
    "media_buy_id": (_media_buys, False),
    "package_id": (_packages, True),
    "proposed_io_id": (_proposed_ios, False),
}
"""For each kind its lister, and whether the list depends on what was typed."""

"""What is looked up about proposed insertion orders before and after a write: orders by external_id, and references."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from tools.backends import Backends
from tools.errors import AdOpsError
from tools.freewheel.models import Campaign, Named, PageOf, ProposedInsertionOrder
from tools.freewheel.proposals import Budget
from tools.freewheel.search import Read, entries_before, every, proven

LONGEST_LOOK = 15.0
"""Seconds for looking a brand up: FreeWheel only lists brands by advertiser."""


async def of_that_external_id(external_id: str, backends: Backends) -> tuple[list[ProposedInsertionOrder], bool]:
    """The orders with exactly that external_id, and whether the list was read to its end: it has no search."""
    orders, whole = await every_order(backends)
    return [order for order in orders if is_named(order, external_id)], whole


def is_named(order: ProposedInsertionOrder, external_id: str) -> bool:
    return (order.external_id or "").strip() == external_id.strip()


async def every_order(backends: Backends) -> tuple[list[ProposedInsertionOrder], bool]:
    """All orders, and whether the list was read to its end."""
    return await every(_pages(backends), _WHAT)


async def proven_orders(backends: Backends) -> tuple[list[ProposedInsertionOrder], bool]:
    """The orders that were seen, and whether it is proven that there are no others."""
    return await proven(_pages(backends), _WHAT)


async def orders_before(backends: Backends) -> list[ProposedInsertionOrder] | None:
    """All orders before a write; None when they could not be read."""
    return await entries_before(_pages(backends), _WHAT)


_WHAT = "proposed IOs"


def _pages(backends: Backends) -> Read[ProposedInsertionOrder]:
    async def read(page: int, per_page: int) -> PageOf[ProposedInsertionOrder]:
        return await backends.freewheel.list_proposed_insertion_orders({"page": page, "per_page": per_page})

    return read


def money(budget: Budget | None) -> str:
    """A budget's goal in a clause."""
    if budget is None:
        return ", with no budget given"
    if budget.currency is not None:
        return f", with a budget of {budget.currency:,.2f} in the network's currency"
    return f", with a goal of {budget.impression or 0:,} impressions"


@dataclass
class References:
    problems: list[str] = field(default_factory=list[str])
    not_checked: list[str] = field(default_factory=list[str])


async def references(backends: Backends, *, campaign_id: int | None, brand_id: int | None) -> References:
    """Whether campaign and brand exist, as far as FreeWheel's lists tell: they hold active ones only."""
    found = References()
    try:
        with anyio.fail_after(LONGEST_LOOK):
            campaign = await _campaign(backends, campaign_id, found) if campaign_id is not None else None
            if brand_id is not None:
                await _brand(backends, brand_id, campaign, found)
    except AdOpsError as error:
        found.not_checked.append(f"Campaign and brand: {error.message}")
    except TimeoutError:
        found.not_checked.append("Whether the brand exists: FreeWheel has more advertisers than could be read in time.")
    return found


async def _campaign(backends: Backends, campaign_id: int, found: References) -> Campaign | None:
    async def read(page: int, per_page: int) -> PageOf[Campaign]:
        return await backends.freewheel.list_campaigns({"page": page, "per_page": per_page})

    campaigns, whole = await every(read, "campaigns")
    campaign = next((one for one in campaigns if one.id == campaign_id), None)
    if campaign is None and whole:
        found.problems.append(f"FreeWheel lists no active campaign {campaign_id}: see list_campaigns.")
    elif campaign is None:
        found.not_checked.append(f"Whether campaign {campaign_id} exists: FreeWheel's list could not be read whole.")
    return campaign


async def _brand(backends: Backends, brand_id: int, campaign: Campaign | None, found: References) -> None:
    async def advertisers(page: int, per_page: int) -> PageOf[Named]:
        return await backends.freewheel.list_advertisers({"page": page, "per_page": per_page})

    listed, whole = await every(advertisers, "advertisers")
    of_campaign = campaign.advertiser_id if campaign else None
    for advertiser in sorted(listed, key=lambda one: one.id != of_campaign):
        brands, all_read = await _brands_of(backends, advertiser.id)
        whole = whole and all_read
        if any(brand.id == brand_id for brand in brands):
            if of_campaign is not None and advertiser.id != of_campaign:
                found.problems.append(
                    f"Brand {brand_id} is of advertiser {advertiser.id}, and the campaign is of {of_campaign}."
                )
            return
    if whole:
        found.problems.append(f"No active advertiser has a brand {brand_id}: see list_advertisers.")
    else:
        found.not_checked.append(f"Whether brand {brand_id} exists: FreeWheel's lists could not be read whole.")


async def _brands_of(backends: Backends, advertiser_id: int) -> tuple[list[Named], bool]:
    async def read(page: int, per_page: int) -> PageOf[Named]:
        return await backends.freewheel.list_brands(advertiser_id, {"page": page, "per_page": per_page})

    return await every(read, "brands")

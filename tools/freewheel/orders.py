"""What the tools that write proposed insertion orders look up: orders by external_id, campaigns and brands."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from tools.backends import Backends
from tools.errors import AdOpsError
from tools.freewheel.models import Campaign, Named, PageOf, ProposedInsertionOrder
from tools.freewheel.proposals import Budget
from tools.freewheel.search import ReadPage, read_all

REFERENCES_TIMEOUT = 15.0
"""Seconds for looking up campaign and brand. FreeWheel lists brands only by advertiser."""


async def orders_with_external_id(external_id: str, backends: Backends) -> tuple[list[ProposedInsertionOrder], bool]:
    """The orders with exactly this external_id, and whether the whole list was read: FreeWheel has no search for it."""
    orders, is_whole = await read_all(order_pages(backends), "proposed IOs")
    return [order for order in orders if has_external_id(order, external_id)], is_whole


def has_external_id(order: ProposedInsertionOrder, external_id: str) -> bool:
    return (order.external_id or "").strip() == external_id.strip()


def order_pages(backends: Backends) -> ReadPage[ProposedInsertionOrder]:
    """Reads the pages of the list of orders."""

    async def read(page: int, per_page: int) -> PageOf[ProposedInsertionOrder]:
        return await backends.freewheel.list_proposed_insertion_orders({"page": page, "per_page": per_page})

    return read


def budget_clause(budget: Budget | None) -> str:
    """A budget's goal in a clause."""
    if budget is None:
        return ", with no budget given"
    if budget.currency is not None:
        return f", with a budget of {budget.currency:,.2f} in the network's currency"
    return f", with a goal of {budget.impression or 0:,} impressions"


@dataclass
class ReferenceFindings:
    """Parts of a `tools.effects.Preview`."""

    problems: list[str] = field(default_factory=list[str])
    not_checked: list[str] = field(default_factory=list[str])


async def check_references(backends: Backends, *, campaign_id: int | None, brand_id: int | None) -> ReferenceFindings:
    """Whether campaign and brand exist, as far as FreeWheel's lists show: they hold active ones only."""
    findings = ReferenceFindings()
    try:
        with anyio.fail_after(REFERENCES_TIMEOUT):
            campaign = await _check_campaign(backends, campaign_id, findings) if campaign_id is not None else None
            if brand_id is not None:
                await _check_brand(backends, brand_id, campaign, findings)
    except AdOpsError as error:
        findings.not_checked.append(f"Campaign and brand: {error.message}")
    except TimeoutError:
        findings.not_checked.append(
            "Whether the brand exists: FreeWheel has more advertisers than could be read in time."
        )
    return findings


async def _check_campaign(backends: Backends, campaign_id: int, findings: ReferenceFindings) -> Campaign | None:
    async def read(page: int, per_page: int) -> PageOf[Campaign]:
        return await backends.freewheel.list_campaigns({"page": page, "per_page": per_page})

    campaigns, is_whole = await read_all(read, "campaigns")
    campaign = next((one for one in campaigns if one.id == campaign_id), None)
    if campaign is None and is_whole:
        findings.problems.append(f"FreeWheel lists no active campaign {campaign_id}: see list_campaigns.")
    elif campaign is None:
        findings.not_checked.append(f"Whether campaign {campaign_id} exists: FreeWheel's list could not be read whole.")
    return campaign


async def _check_brand(
    backends: Backends, brand_id: int, campaign: Campaign | None, findings: ReferenceFindings
) -> None:
    async def advertisers(page: int, per_page: int) -> PageOf[Named]:
        return await backends.freewheel.list_advertisers({"page": page, "per_page": per_page})

    listed, is_whole = await read_all(advertisers, "advertisers")
    of_campaign = campaign.advertiser_id if campaign else None
    for advertiser in sorted(listed, key=lambda one: one.id != of_campaign):
        brands, all_read = await _brands_of(backends, advertiser.id)
        is_whole = is_whole and all_read
        if any(brand.id == brand_id for brand in brands):
            if of_campaign is not None and advertiser.id != of_campaign:
                findings.problems.append(
                    f"Brand {brand_id} is of advertiser {advertiser.id}, and the campaign is of {of_campaign}."
                )
            return
    if is_whole:
        findings.problems.append(f"No active advertiser has a brand {brand_id}: see list_advertisers.")
    else:
        findings.not_checked.append(f"Whether brand {brand_id} exists: FreeWheel's lists could not be read whole.")


async def _brands_of(backends: Backends, advertiser_id: int) -> tuple[list[Named], bool]:
    async def read(page: int, per_page: int) -> PageOf[Named]:
        return await backends.freewheel.list_brands(advertiser_id, {"page": page, "per_page": per_page})

    return await read_all(read, "brands")

"""List the storefront's inventory sources (Interchange: `GET /inventory-sources`, listInventorySources)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tools.backends import Backends
from tools.fields import Listing, empty_page_note, paginate
from tools.interchange import models
from tools.schema import Arguments, Result
from tools.tool import READ, Tool


class ListInventorySources(Arguments):
    execution_type: Literal["AGENT", "MANAGED_SALES_AGENT", "LINKED_STOREFRONT", "MODULAR_SOURCE"] | None = Field(
        default=None, description="Only this type."
    )
    status: Literal["PENDING", "ACTIVE", "DISABLED"] | None = Field(default=None, description="Only this status.")
    page: int = Field(default=1, ge=1, description="From 1.")
    per_page: int = Field(default=20, ge=1, le=50, description="Sources per page.")


class InventorySource(Result):
    source_id: str
    name: str
    execution_type: str | None = None
    status: str | None = None
    ad_server_type: str | None = Field(
        default=None, description="Of a MANAGED_SALES_AGENT; absent when none is configured."
    )
    network_code: str | None = None
    last_error_code: str | None = Field(
        default=None, description="Of the last provisioning or test of the ad server, when it failed."
    )


async def list_inventory_sources(arguments: ListInventorySources, backends: Backends) -> Listing[InventorySource]:
    """List the inventory sources of the Interchange storefront.

    Use it to find source_id. For a MODULAR_SOURCE use list_avails next, for a MANAGED_SALES_AGENT get_gam_connection,
    for details get_inventory_source.
    """
    everything = await backends.interchange.list_inventory_sources()
    found = [source for source in everything if _matches(arguments, source)]
    shown, following = paginate(found, arguments, page=arguments.page, per_page=arguments.per_page)
    return Listing[InventorySource](
        items=[_source(source) for source in shown],
        total=len(found),
        next=following,
        note=None if shown else _why_empty(arguments, everything, found),
    )


def _matches(arguments: ListInventorySources, source: models.InventorySource) -> bool:
    return arguments.execution_type in (None, source.execution_type) and arguments.status in (None, source.status)


def _why_empty(
    arguments: ListInventorySources, everything: list[models.InventorySource], found: list[models.InventorySource]
) -> str:
    if found:
        return empty_page_note(arguments.page)
    if not everything:
        return "This storefront has no inventory source: a person adds one in Interchange."
    given = [name for name in ("execution_type", "status") if getattr(arguments, name) is not None]
    return f"None of {len(everything)} sources matches: leave out {' or '.join(given)}."


def _source(source: models.InventorySource) -> InventorySource:
    managed = source.managed_sa
    ad_server = managed.ad_server if managed else None
    return InventorySource(
        source_id=source.source_id,
        name=source.name,
        execution_type=source.execution_type,
        status=source.status,
        ad_server_type=ad_server.type if ad_server else None,
        network_code=ad_server.network_code if ad_server else None,
        last_error_code=managed.last_error_code if managed else None,
    )


TOOL = Tool(
    name="list_inventory_sources",
    title="List inventory sources",
    arguments=ListInventorySources,
    result=Listing[InventorySource],
    effect=READ,
    handler=list_inventory_sources,
)

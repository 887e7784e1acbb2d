"""List inventory packages (Inventory Package API v4, "Query Parameters")."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.fields import Listing, Moment, empty_page_note, next_page, wire_time
from tools.freewheel.models import InventoryPackage, PageOf
from tools.schema import Arguments, Result
from tools.tool import READ, Tool

LAST_PAGE = 1000


class ListInventoryPackages(Arguments):
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="Part of the name, case-sensitive: STB finds `Linear STB package`.",
    )
    status: Literal["ACTIVE", "INACTIVE"] | None = Field(default=None, description="Only this status.")
    updated_since: Moment | None = Field(default=None, description="Updated at or after this, ISO 8601 with offset.")
    updated_until: Moment | None = Field(default=None, description="Updated at or before this, likewise.")
    sort_by_updated: Literal["ascending", "descending"] | None = Field(
        default=None,
        description="By last update; descending: newest first. Default: ascending with a range, else FreeWheel's.",
    )
    page: int = Field(default=1, ge=1, le=LAST_PAGE, description="Page number, from 1.")
    per_page: int = Field(default=15, ge=5, le=50, description="Packages a page.")

    @model_validator(mode="after")
    def _range_runs_forward(self) -> ListInventoryPackages:
        if self.updated_since and self.updated_until and self.updated_since > self.updated_until:
            raise ValueError("updated_since is after updated_until")
        return self


class Package(Result):
    id: int = Field(description="Inventory package id.")
    name: str | None = None
    status: str | None = Field(default=None, description="ACTIVE or INACTIVE.")
    description: str | None = None
    created_at: str | None = Field(default=None, description="UTC.")
    updated_at: str | None = Field(default=None, description="Last update, UTC.")


async def list_inventory_packages(arguments: ListInventoryPackages, backends: Backends) -> Listing[Package]:
    """List the FreeWheel network's inventory packages (named bundles of targetable inventory).

    Use it to find a package and its id by name, status or last update. For impressions for sale,
    with prices, use list_avails; for a package's targeting, get_inventory_package.
    """
    answer = await backends.freewheel.list_inventory_packages(_query(arguments))
    more = answer.has_more(arguments.page, arguments.per_page)
    at_the_end = more and arguments.page == LAST_PAGE
    return Listing[Package](
        items=[_package(item) for item in answer.items],
        total=answer.total,
        next=next_page(arguments, arguments.page) if more and not at_the_end else None,
        note=_note(arguments, answer, at_the_end=at_the_end),
    )


def _query(arguments: ListInventoryPackages) -> dict[str, str | int]:
    """FreeWheel sorts only by the parameter that filters: its plain name sorts ascending, with a minus descending."""
    query: dict[str, str | int] = {"page": arguments.page, "per_page": arguments.per_page}
    if arguments.name is not None:
        query["name"] = arguments.name
    if arguments.status is not None:
        query["status"] = arguments.status
    since = wire_time(arguments.updated_since) if arguments.updated_since else ""
    until = wire_time(arguments.updated_until) if arguments.updated_until else ""
    if arguments.sort_by_updated and not (since or until):
        since = "1970-01-01T00:00:00Z"
    if since or until:
        parameter = "-updated_at" if arguments.sort_by_updated == "descending" else "updated_at"
        query[parameter] = f"{since}..{until}"
    return query


def _note(arguments: ListInventoryPackages, answer: PageOf[InventoryPackage], *, at_the_end: bool) -> str | None:
    if at_the_end:
        return "FreeWheel gives no page after 1000: narrow the list by name, status or updated range."
    if answer.items:
        return None
    if answer.total and (arguments.page - 1) * arguments.per_page < answer.total:
        return f"FreeWheel counts {answer.total:,} and sent none of them on this page: call again, or narrow the list."
    if arguments.page > 1:
        return empty_page_note(arguments.page)
    if arguments.name or arguments.status or arguments.updated_since or arguments.updated_until:
        return "No package matches all filters: drop one, or shorten `name` (it is matched case-sensitively)."
    return "This network has no inventory packages, or Marketplace is not enabled for it: ask the account team."


def _package(item: InventoryPackage) -> Package:
    return Package(
        id=item.id,
        name=item.name,
        status=item.status,
        description=item.description,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


TOOL = Tool(
    name="list_inventory_packages",
    title="List inventory packages",
    arguments=ListInventoryPackages,
    result=Listing[Package],
    effect=READ,
    handler=list_inventory_packages,
)

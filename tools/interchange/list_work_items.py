"""List what people have to do for bookings and sources (Interchange: `GET .../modular/work-items`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tools.backends import Backends
from tools.errors import AdOpsError
from tools.fields import BodyId, BuyerCustomerId, Listing, SourceId, empty_page_note, paginate
from tools.interchange import models
from tools.interchange.sources import UnreadSource, unread_sources
from tools.interchange.work_items import WorkItem, item_fields
from tools.schema import Arguments
from tools.tool import READ, Tool
from tools.vendor_http.replies import printable

MAX_PER_SOURCE = 100
"""How many items Interchange lists for a source at most. There is no second page."""

Status = Literal["OPEN", "IN_PROGRESS", "BLOCKED", "COMPLETED", "CANCELLED"]


class ListWorkItems(Arguments):
    source_id: SourceId | None = Field(
        default=None, description="Only this source. Left out: all active modular sources."
    )
    statuses: Annotated[list[Status], Field(min_length=1)] | None = Field(
        default=None, description="Left out: OPEN, IN_PROGRESS and BLOCKED."
    )
    kind: (
        Literal[
            "REVIEW_CREATIVE",
            "CONFIRM_AVAILS",
            "APPROVE_RATE_EXCEPTION",
            "MAP_CREATIVE_REF",
            "SYNC_UPSTREAM_CREATIVE",
            "EXECUTE_UPSTREAM_BOOKING",
            "TRAFFIC_TO_CADENT",
            "RESOLVE_TRAFFICKING_ERROR",
            "UPLOAD_FINAL_REPORT",
            "RESOLVE_SOURCE_HEALTH",
            "GENERAL",
        ]
        | None
    ) = Field(default=None, description="Only this kind.")
    media_buy_id: BodyId | None = Field(default=None, description="From list_media_buys.")
    buyer_customer_id: BuyerCustomerId | None = Field(default=None, description="From list_media_buys.")
    page: int = Field(default=1, ge=1, description="From 1.")
    per_page: int = Field(default=10, ge=1, le=50, description="Items per page.")


class WorkItems(Listing[WorkItem]):
    not_read: list[UnreadSource] | None = Field(
        default=None, description="Sources that could not be read: their items are missing here."
    )


async def list_work_items(arguments: ListWorkItems, backends: Backends) -> WorkItems:
    """List the work that people have to do for Interchange bookings and sources, by priority, then due date.

    Use it to see what holds a booking up; get_work_item tells all of one item. Approvals of media buys are not
    listed: see list_media_buys.
    """
    query = _query(arguments)
    if arguments.source_id is None:
        sources, unread = await backends.interchange.all_work_items(query)
    else:
        sources, unread = [(arguments.source_id, await backends.interchange.work_items(arguments.source_id, query))], {}
    found = sorted((_item(source_id, item) for source_id, answer in sources for item in answer.items), key=_urgency)
    shown, following = paginate(found, arguments, page=arguments.page, per_page=arguments.per_page)
    cut = [source_id for source_id, answer in sources if answer.window_full is not False]
    notes = [_why_empty(arguments, sources, found, unread) if not shown else "", _cut_note(cut)]
    return WorkItems(
        items=shown,
        total=None if cut or unread else len(found),
        next=following,
        not_read=unread_sources(unread),
        note=" ".join(filter(None, notes)) or None,
    )


def _query(arguments: ListWorkItems) -> dict[str, str | int]:
    query: dict[str, str | int | None] = {
        "status": ",".join(arguments.statuses) if arguments.statuses else None,
        "kind": arguments.kind,
        "mediaBuyId": arguments.media_buy_id,
        "buyerCustomerId": arguments.buyer_customer_id,
        "limit": MAX_PER_SOURCE,
    }
    return {name: value for name, value in query.items() if value is not None}


def _item(source_id: str, item: models.WorkItem) -> WorkItem:
    """An item in a list has only the beginning of a long reason."""
    values = item_fields(source_id, item)
    values["blocked_reason"] = printable(item.blocked_reason or "") or None
    return WorkItem(**values)


_PRIORITIES = {"URGENT": 0, "HIGH": 1, "NORMAL": 2, "LOW": 3}


def _urgency(item: WorkItem) -> tuple[int, str]:
    """A sort key: Interchange documents no order. Date-times are all in UTC, so they sort as text."""
    return _PRIORITIES.get(item.priority or "", _PRIORITIES["NORMAL"]), item.due_at or "~"


def _cut_note(sources: list[str]) -> str:
    if not sources:
        return ""
    return (
        f"There may be more on {', '.join(sources)}: Interchange gives at most {MAX_PER_SOURCE} of a source. Narrow by "
        "kind, statuses or media_buy_id."
    )


def _why_empty(
    arguments: ListWorkItems,
    sources: list[tuple[str, models.WorkItems]],
    found: list[WorkItem],
    unread: Mapping[str, AdOpsError],
) -> str:
    if found:
        return empty_page_note(arguments.page)
    if not sources:
        return "This storefront has no active modular source: list_inventory_sources shows what there is."
    filters = [name for name in ("kind", "media_buy_id", "buyer_customer_id") if getattr(arguments, name) is not None]
    unfinished = "" if arguments.statuses else "unfinished "
    sentences = [f"The sources that were read show no {unfinished}work items{' that match' if filters else ''}."]
    if unread:
        sentences.append("What the others have is not known (see not_read).")
    if filters:
        sentences.append(f"To see more, leave out {' or '.join(filters)}.")
    if not arguments.statuses:
        sentences.append("Finished ones show with statuses COMPLETED or CANCELLED.")
    return " ".join(sentences)


TOOL = Tool(
    name="list_work_items",
    title="List work items",
    arguments=ListWorkItems,
    result=WorkItems,
    effect=READ,
    handler=list_work_items,
)

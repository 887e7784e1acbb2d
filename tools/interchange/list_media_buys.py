"""List what buyers have bought from the storefront (Interchange: `GET /media-buys`, listStorefrontMediaBuys)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.fields import (
    LARGEST_INTEGER,
    BuyerCustomerId,
    Listing,
    Moment,
    SourceId,
    empty_page_note,
    next_page,
    wire_time,
)
from tools.interchange import models
from tools.schema import Arguments, Result
from tools.tool import READ, Tool


class ListMediaBuys(Arguments):
    status: (
        Literal[
            "pending_approval",
            "forwarding",
            "forward_failed",
            "awaiting_source",
            "rejected",
            "canceled",
            "booked",
            "delivering",
            "paused",
            "completed",
        ]
        | None
    ) = Field(default=None, description="Only this status.")
    buyer_customer_id: BuyerCustomerId | None = Field(default=None, description="Only this buyer.")
    source_id: SourceId | None = Field(default=None, description="Only on this source (list_inventory_sources).")
    flight_start_from: Moment | None = Field(
        default=None, description="Flight starts at or after, ISO 8601 with offset."
    )
    flight_start_to: Moment | None = Field(default=None, description="Flight starts at or before.")
    page: int = Field(default=1, ge=1, le=LARGEST_INTEGER, description="Page number, from 1.")
    per_page: int = Field(default=10, ge=1, le=50, description="Buys per page.")

    @model_validator(mode="after")
    def _range_runs_forward(self) -> ListMediaBuys:
        if self.flight_start_from and self.flight_start_to and self.flight_start_from > self.flight_start_to:
            raise ValueError("flight_start_from is after flight_start_to")
        return self


class MediaBuy(Result):
    media_buy_id: str = Field(description="What reserve_avail takes.")
    buyer: str | None = None
    buyer_customer_id: int | None = Field(
        default=None, description="What reserve_avail takes; absent: Interchange knows no customer for this buyer."
    )
    status: str | None = None
    pending_reason: str | None = Field(default=None, description="Why it is not delivering yet.")
    error_code: str | None = Field(default=None, description="Of the latest exchange, when that failed.")
    flight_start: str | None = Field(default=None, description="UTC, or asap.")
    flight_end: str | None = Field(default=None, description="UTC.")
    kind: str | None = Field(
        default=None,
        description="routed: forwarded by the storefront. esa: managed in an ad server, where no hold is documented.",
    )


class MediaBuys(Listing[MediaBuy]):
    warnings: list[str] | None = Field(
        default=None, description="What Interchange could not read: media buys may be missing here and in total."
    )
    statuses_not_current: str | None = Field(
        default=None, description="Interchange's note that statuses may be out of date."
    )


async def list_media_buys(arguments: ListMediaBuys, backends: Backends) -> MediaBuys:
    """List the media buys of the Interchange storefront with buyer, status, flight and what each waits for.

    Use it to find media_buy_id and buyer_customer_id for reserve_avail, and why a buy is not delivering. Those that
    wait and start within 48 hours come first. For open work use list_work_items, for what can be sold list_avails.
    """
    skip = (arguments.page - 1) * arguments.per_page
    answer = await backends.interchange.media_buys(_query(arguments, skip))
    more = bool(answer.items) and skip + len(answer.items) < answer.total
    return MediaBuys(
        items=[_media_buy(item) for item in answer.items],
        total=answer.total,
        next=next_page(arguments, arguments.page) if more else None,
        warnings=answer.warnings or None,
        statuses_not_current=_not_current(answer.status_freshness),
        note=_note(arguments, answer, skip),
    )


def _query(arguments: ListMediaBuys, skip: int) -> dict[str, str | int]:
    since, until = arguments.flight_start_from, arguments.flight_start_to
    query: dict[str, str | int | None] = {
        "status": arguments.status,
        "buyerCustomerId": arguments.buyer_customer_id,
        "sourceId": arguments.source_id,
        "flightStartFrom": wire_time(since) if since else None,
        "flightStartTo": wire_time(until) if until else None,
        "take": arguments.per_page,
        "skip": skip,
    }
    return {name: value for name, value in query.items() if value is not None}


def _media_buy(item: models.MediaBuy) -> MediaBuy:
    return MediaBuy(
        media_buy_id=item.media_buy_id,
        buyer=item.buyer.name if item.buyer else None,
        buyer_customer_id=item.buyer.customer_id if item.buyer else None,
        status=item.status,
        pending_reason=item.pending_reason,
        error_code=item.error_code,
        flight_start=item.flight_start,
        flight_end=item.flight_end,
        kind=item.kind,
    )


def _not_current(freshness: models.StatusFreshness | None) -> str | None:
    if freshness is None:
        return None
    return freshness.message or "Interchange does not say since when."


def _note(arguments: ListMediaBuys, answer: models.MediaBuys, skip: int) -> str | None:
    expected = min(arguments.per_page, max(0, answer.total - skip))
    if len(answer.items) < expected:
        return (
            f"Interchange counts {answer.total:,} and sent {len(answer.items)} of the {expected} of this page: the "
            "others are not known. Call again, or narrow the list."
        )
    if answer.items:
        return None
    return empty_page_note(arguments.page) if answer.total else _why_empty(arguments, answer)


def _why_empty(arguments: ListMediaBuys, answer: models.MediaBuys) -> str:
    given = [name for name in ("status", "buyer_customer_id", "source_id") if getattr(arguments, name) is not None]
    advice = [f"leave out {' or '.join(given)}" if given else ""]
    if arguments.flight_start_from or arguments.flight_start_to:
        advice.append("widen the range of the flight's start (one that starts asap has no date to compare)")
    if any(advice):
        note = f"No media buy matches all filters: {', or '.join(filter(None, advice))}."
    else:
        note = "Interchange shows no media buy on this storefront."
    return f"{note} What it could not read is not known (see warnings)." if answer.warnings else note


TOOL = Tool(
    name="list_media_buys",
    title="List media buys",
    arguments=ListMediaBuys,
    result=MediaBuys,
    effect=READ,
    handler=list_media_buys,
)

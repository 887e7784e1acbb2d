"""Hold impressions of an avail (Interchange: `POST .../modular/reservations`, ReserveModularInventoryProductBody)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict
from tools.fields import LARGEST_INTEGER, BodyId, BuyerCustomerId, SourceId
from tools.interchange import capacity, holds, media_buys, models
from tools.interchange.bookings import Booking, booking_result, other_media_buy_note, status_clause, without_none
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, differences, printable


class ReserveAvail(Arguments):
    source_id: SourceId = Field(description="From list_avails.")
    avail_id: BodyId = Field(description="From list_avails.")
    media_buy_id: BodyId = Field(description="From list_media_buys; never invented.")
    buyer_customer_id: BuyerCustomerId = Field(description="The media buy's, from list_media_buys.")
    requested_impressions: int = Field(ge=1, le=LARGEST_INTEGER, description="Impressions to hold.")
    package_id: BodyId | None = Field(default=None, description="Package of the media buy, from the person.")
    hold_minutes: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_INTEGER,
        description="Left out: Interchange's default.",
    )


class Reservation(Result):
    booking: Booking
    what_happened: str
    next_step: str


async def reserve_avail(arguments: ReserveAvail, backends: Backends) -> Reservation:
    """Hold impressions of one avail for a media buy, so that nobody else can take them. A hold is not a booking.

    Use it after list_avails, once the person has agreed to avail, amount and media buy. The hold ends by itself;
    finalize_booking carries it further, release_booking gives it up.
    """
    answer = await backends.interchange.reserve(
        arguments.source_id,
        _body(arguments),
        look=f"By hand: list_avails for source {arguments.source_id} and compare the held impressions of avail "
        f"{arguments.avail_id} with what they were, and ask a person to look in Interchange for a hold of media buy "
        f"{arguments.media_buy_id}.",
    )
    requested = arguments.model_dump(include={"avail_id", "package_id", "requested_impressions"})
    difference = differences(requested, answer)
    return Reservation(
        booking=booking_result(arguments.source_id, answer),
        what_happened=_what_happened(arguments, answer, difference),
        next_step=_next_step(answer, difference),
    )


def _body(arguments: ReserveAvail) -> dict[str, Any]:
    body = {
        "availId": arguments.avail_id,
        "mediaBuyId": arguments.media_buy_id,
        "packageId": arguments.package_id,
        "buyerCustomerId": arguments.buyer_customer_id,
        "requestedImpressions": arguments.requested_impressions,
        "holdMinutes": arguments.hold_minutes,
    }
    return without_none(body)


def _what_happened(arguments: ReserveAvail, answer: models.Booking, difference: str) -> str:
    count = answer.requested_impressions
    impressions = (
        "impressions that it does not state" if count is None else f"{count:,} impression{'' if count == 1 else 's'}"
    )
    sentences = [
        f"Interchange recorded booking {printable(answer.booking_id, limit=80)} for {impressions}: "
        f"{status_clause(answer)}."
    ]
    if answer.status == "HELD":
        duration = f"A hold of {arguments.hold_minutes} minutes was requested; " if arguments.hold_minutes else ""
        sentences.append(f"{duration}Interchange does not say when it ends.")
    sentences += filter(None, (other_media_buy_note(arguments.media_buy_id, answer), difference))
    return " ".join(sentences)


def _next_step(answer: models.Booking, difference: str) -> str:
    if difference:
        return STOP_AT_A_DIFFERENCE
    if answer.status == "HELD":
        return (
            "When the person agrees, call finalize_booking with the same source, avail, media buy and buyer, and with "
            "the package_id that you gave, if you gave one. release_booking gives the hold up."
        )
    if answer.status is None:
        return (
            "Whether it holds is not known: call list_avails for this source and see whether the held impressions "
            "rose, before doing anything else."
        )
    return "Tell the person this status before doing anything else."


async def _preview(arguments: ReserveAvail, backends: Backends) -> Preview:
    count = arguments.requested_impressions
    avail = await capacity.find_avail(arguments, backends)
    if avail is None:
        return capacity.preview_without_avail(arguments, f"Hold {count:,} impressions of")
    media_buy = await media_buys.check_media_buy(arguments, arguments.buyer_customer_id, backends)
    available, held = avail.available_impressions, avail.held_impressions
    return Preview(
        does=f"Hold {count:,} impressions of {capacity.avail_label(avail)} of source {arguments.source_id} for media "
        f"buy {arguments.media_buy_id}{capacity.price_clause(avail, [count])}.",
        changes=[f"Available {available:,} -> {available - count:,}, held {held:,} -> {held + count:,}."],
        current_state=media_buy.current_state,
        problems=[
            *([f"Only {available:,} impressions are available."] if count > available else []),
            *media_buy.problems,
        ],
        not_checked=media_buy.not_checked,
        baseline=capacity.baseline(avail),
    )


async def _reconcile(arguments: ReserveAvail, backends: Backends, doubt: Doubt) -> Verdict:
    return await capacity.verdict_by_counts(arguments, backends, doubt)


def _present(arguments: ReserveAvail, result: dict[str, Any]) -> dict[str, Any]:
    """A replayed answer is about a hold that may be over by now."""
    if not result.get("replayed"):
        return result
    duration = f" (one of {arguments.hold_minutes} minutes was requested)" if arguments.hold_minutes else ""
    return result | {
        "next_step": f"This does not show whether it still holds: a hold ends by itself{duration}, and people may have "
        "given it up. If it does, call finalize_booking or release_booking with the same ids. If it is over and the "
        "person agrees, the same call with a new idempotency_key makes a new hold."
    }


TOOL = Tool(
    name="reserve_avail",
    title="Hold an avail",
    arguments=ReserveAvail,
    result=Reservation,
    effect=Write(
        subject=holds.subject,
        resource=holds.resource,
        preview=_preview,
        reconcile=_reconcile,
        replays_success=True,
        needs_baseline=True,
        supersedes=holds.superseded_by_hold,
        blocked_by=holds.blocking_write("reserve_avail"),
        present=_present,
    ),
    handler=reserve_avail,
)

"""Hold impressions of an avail (Interchange: `POST .../modular/reservations`, ReserveModularInventoryProductBody)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.effects import Brief, Doubt, Verdict
from tools.fields import LARGEST_INTEGER, BodyId, BuyerCustomerId, SourceId
from tools.interchange import capacity, holds, media_buys, models
from tools.interchange.bookings import Booking, another_buy, booking, state, without_none
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
    asked = arguments.model_dump(include={"avail_id", "package_id", "requested_impressions"})
    different = differences(asked, answer)
    return Reservation(
        booking=booking(arguments.source_id, answer),
        what_happened=_what_happened(arguments, answer, different),
        next_step=_next_step(answer, different),
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


def _what_happened(arguments: ReserveAvail, answer: models.Booking, different: str) -> str:
    count = answer.requested_impressions
    impressions = (
        "impressions that it does not state" if count is None else f"{count:,} impression{'' if count == 1 else 's'}"
    )
    told = [
        f"Interchange recorded booking {printable(answer.booking_id, limit=80)} for {impressions}: {state(answer)}."
    ]
    if answer.status == "HELD":
        asked = f"A hold of {arguments.hold_minutes} minutes was asked for; " if arguments.hold_minutes else ""
        told.append(f"{asked}Interchange does not say when it ends.")
    told += filter(None, (another_buy(arguments.media_buy_id, answer), different))
    return " ".join(told)


def _next_step(answer: models.Booking, different: str) -> str:
    if different:
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


async def _brief(arguments: ReserveAvail, backends: Backends) -> Brief:
    count = arguments.requested_impressions
    avail = await capacity.find_avail(arguments, backends)
    if avail is None:
        return capacity.no_avail(arguments, f"Hold {count:,} impressions of")
    media_buy = await media_buys.look(arguments, arguments.buyer_customer_id, backends)
    available, held = avail.available_impressions, avail.held_impressions
    return Brief(
        does=f"Hold {count:,} impressions of {capacity.named(avail)} of source {arguments.source_id} for media buy "
        f"{arguments.media_buy_id}{capacity.worth(avail, [count])}.",
        changes=[f"Available {available:,} -> {available - count:,}, held {held:,} -> {held + count:,}."],
        now=media_buy.now,
        problems=[
            *([f"Only {available:,} impressions are available."] if count > available else []),
            *media_buy.problems,
        ],
        not_checked=media_buy.not_checked,
        before=capacity.counts(avail),
    )


async def _reconcile(arguments: ReserveAvail, backends: Backends, doubt: Doubt) -> Verdict:
    return await capacity.by_counts(arguments, backends, doubt)


def _present(arguments: ReserveAvail, told: dict[str, Any]) -> dict[str, Any]:
    """An answer of then speaks of a hold that may be over."""
    if not told.get("replayed"):
        return told
    asked = f" (one of {arguments.hold_minutes} minutes was asked for)" if arguments.hold_minutes else ""
    return told | {
        "next_step": f"Whether it still holds is not in this: a hold ends by itself{asked}, and people may have given "
        "it up. If it does, finalize_booking or release_booking with the same ids. If it is over, the same call with "
        "an idempotency_key that was not used before holds anew, once the person agreed."
    }


TOOL = Tool(
    name="reserve_avail",
    title="Hold an avail",
    arguments=ReserveAvail,
    result=Reservation,
    effect=Write(
        subject=holds.subject,
        resource=holds.resource,
        brief=_brief,
        reconcile=_reconcile,
        holds=True,
        baseline=True,
        supersedes=holds.ended_by_hold,
        against=holds.against("reserve_avail"),
        present=_present,
    ),
    handler=reserve_avail,
)

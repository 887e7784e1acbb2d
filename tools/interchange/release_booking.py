"""Give up a hold or a booking (Interchange: `POST .../bookings/release`, ReleaseModularInventoryBookingBody)."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict
from tools.fields import BodyId, BuyerCustomerId, SourceId
from tools.interchange import capacity, holds, models
from tools.interchange.bookings import Booking, booking_result, other_media_buy_note, status_clause, without_none
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, differences, printable


class ReleaseBooking(Arguments):
    source_id: SourceId = Field(description="As in reserve_avail.")
    media_buy_id: BodyId = Field(description="As in reserve_avail.")
    buyer_customer_id: BuyerCustomerId = Field(description="As in reserve_avail.")
    avail_id: BodyId = Field(description="As in reserve_avail.")
    package_id: BodyId | None = Field(default=None, description="Give it exactly when reserve_avail had it.")


class Release(Result):
    booking: Booking
    what_happened: str
    next_step: str


async def release_booking(arguments: ReleaseBooking, backends: Backends) -> Release:
    """Give up one hold (HELD becomes RELEASED) or cancel one booking (BOOKED becomes CANCELLED) in Interchange.

    First confirm with the person which impressions are given up: others can take them at once. Of several holds
    with the same ids it ends one, picked by Interchange: look at list_avails before the next.
    """
    source_id, avail_id, media_buy_id = arguments.source_id, arguments.avail_id, arguments.media_buy_id
    known = await holds.known_bookings(arguments, backends)
    answer = await backends.interchange.release(
        source_id,
        without_none(
            {
                "mediaBuyId": media_buy_id,
                "packageId": arguments.package_id,
                "buyerCustomerId": arguments.buyer_customer_id,
                "availId": avail_id,
            }
        ),
        look=f"By hand: list_avails for source {source_id} and compare the held and booked impressions of avail "
        f"{avail_id} with what they were, and list_work_items with media_buy_id {media_buy_id} to see what became of "
        "its work; a person looks up the rest in Interchange.",
    )
    difference = differences(arguments.model_dump(include={"avail_id", "package_id"}), answer)
    return Release(
        booking=booking_result(source_id, answer),
        what_happened=_what_happened(
            answer, other_media_buy_note(media_buy_id, answer), known.difference_note(answer), difference
        ),
        next_step=STOP_AT_A_DIFFERENCE if difference else _next_step(source_id, answer),
    )


def _what_happened(answer: models.Booking, *notes: str) -> str:
    label = f"booking {printable(answer.booking_id, limit=80)}"
    count = answer.requested_impressions
    if count is not None:
        label += f" ({count:,} impression{'' if count == 1 else 's'})"
    if answer.status == "RELEASED":
        sentence = f"Interchange reports {label} as RELEASED: it is no longer held."
    elif answer.status == "CANCELLED":
        sentence = f"Interchange reports {label} as CANCELLED: it is no longer booked there."
    else:
        sentence = f"Interchange answered for {label}: {status_clause(answer)}. Nothing here says that it was given up."
    return " ".join(filter(None, (sentence, *notes)))


def _next_step(source_id: str, answer: models.Booking) -> str:
    if answer.status not in ("RELEASED", "CANCELLED"):
        return (
            f"Tell the person this, and call list_avails for source {source_id} to see whether the held or booked "
            "impressions fell, before anything is sent again."
        )
    todo = [
        f"list_avails for source {source_id} shows what is available again.",
        "Whether Interchange cancels the booking's work items is not documented: list_work_items shows those left.",
    ]
    if answer.status == "CANCELLED":
        todo.append("People also cancel what was booked upstream: nothing here says that it was.")
    else:
        todo.append("If the handoff was prepared, people also stop what was begun upstream.")
    return " ".join(todo)


async def _preview(arguments: ReleaseBooking, backends: Backends) -> Preview:
    avail = await capacity.find_avail(arguments, backends)
    if avail is None:
        return capacity.preview_without_avail(arguments, "Give up what is held or booked of")
    known = await holds.known_bookings(arguments, backends)
    label = known.label() or "impressions (this server has no record of how many)"
    held, booked = avail.held_impressions, avail.booked_impressions
    return Preview(
        does=f"Give up {label} of {capacity.avail_label(avail)} of source {arguments.source_id}, held or booked for "
        f"media buy {arguments.media_buy_id}{capacity.price_clause(avail, known.hold_sizes)}. Others can take them at "
        "once.",
        changes=[
            f"Held {held:,} or booked {booked:,} fall by that.",
            *(f"Booking {one} was handed over: people may have begun on it." for one in known.handed_over_bookings()),
        ],
        current_state=[f"Available {avail.available_impressions:,} rises by that."],
        problems=[] if held or booked else ["Nothing of this avail is held or booked now."],
        not_checked=["Whether it is a hold or a booking: Interchange lists neither."],
        baseline=capacity.baseline(avail),
    )


async def _reconcile(arguments: ReleaseBooking, backends: Backends, doubt: Doubt) -> Verdict:
    return await capacity.verdict_by_counts(arguments, backends, doubt)


TOOL = Tool(
    name="release_booking",
    title="Release a hold or booking",
    arguments=ReleaseBooking,
    result=Release,
    effect=Write(
        subject=holds.subject,
        resource=holds.resource,
        preview=_preview,
        reconcile=_reconcile,
        destructive=True,
        replays_success=True,
        needs_baseline=True,
        consequential=lambda _: True,
        supersedes=holds.superseded_by_release,
        blocked_by=holds.blocking_write("release_booking"),
    ),
    handler=release_booking,
)

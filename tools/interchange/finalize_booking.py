"""Prepare a held booking for handoff (Interchange: "Prepare modular booking handoff")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field, field_validator

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict
from tools.fields import BodyId, BuyerCustomerId, Name, SourceId, require_json_numbers
from tools.interchange import capacity, handoffs, holds, media_buys, models, readiness
from tools.interchange.bookings import Booking, booking_result, other_media_buy_note, status_clause, without_none
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, differences, printable

_UNKNOWN_AMOUNT = "what is held (this server has no record of how much)"
_MAY_HAND_OVER_AGAIN = (
    "nothing in the request says which hold is meant, so it may be handed over again, and people get its work twice. "
    "To hand over another hold, hold it under a package_id of its own, or a person does it in Interchange"
)
_CREATIVE_NAMES = {"client_copy_master_ref": "clientCopyMasterRef", "duration": "duration"}


class Creative(Arguments):
    client_copy_master_ref: Name | None = Field(default=None, description="Client's copy master reference.")
    duration: Name | None = Field(default=None, description="Spot length, as the source expects it.")
    other: dict[str, Any] | None = Field(default=None, description="Further attributes, with Interchange's names.")

    @field_validator("other")
    @classmethod
    def _check_other(cls, other: dict[str, Any] | None) -> dict[str, Any] | None:
        require_json_numbers(other)
        for name, wire in _CREATIVE_NAMES.items():
            if other and wire in other:
                raise ValueError(f"{wire} is given as creative.{name}, not in other")
        return other


class FinalizeBooking(Arguments):
    source_id: SourceId = Field(description="As in reserve_avail.")
    media_buy_id: BodyId = Field(description="As in reserve_avail.")
    buyer_customer_id: BuyerCustomerId = Field(description="As in reserve_avail.")
    avail_id: BodyId = Field(description="As in reserve_avail.")
    package_id: BodyId | None = Field(default=None, description="Give it exactly when reserve_avail had it.")
    campaign_name: Name | None = Field(default=None, description="For the handoff.")
    advertiser_name: Name | None = Field(default=None, description="For the handoff.")
    advertiser_external_ref: Name | None = Field(
        default=None, description="Advertiser's reference in the executing system."
    )
    creative: Creative | None = Field(default=None, description="What is known of it.")
    include_cadent: bool = Field(default=False, description="Also the Cadent campaign and request XML (long).")
    include_projection: bool = Field(default=False, description="Also the source's raw setup (long).")


class WorkItem(Result):
    work_item_id: str | None = Field(default=None, description="What get_work_item takes, with source_id.")
    kind: str | None = None
    title: str | None = None
    status: str | None = None


class Cadent(Result):
    has_campaign: bool
    has_request_xml: bool
    campaign: dict[str, Any] | None = Field(default=None, description="Only with include_cadent, as it came.")
    request_xml: str | None = Field(default=None, description="Only with include_cadent.")


class BookingHandoff(Result):
    booking: Booking
    what_happened: str
    next_step: str
    execution_status: str | None = Field(
        default=None, description="PENDING_TRAFFICKING or BOOKED, as Interchange states it; absent when it did not."
    )
    open_work_items: list[WorkItem] | None = Field(
        default=None, description="What people have to do now; absent when Interchange's list could not be read."
    )
    unread_work_items: int | None = Field(
        default=None, description="How many further work items came in a shape that could not be read."
    )
    cadent: Cadent = Field(description="What the answer holds for a Cadent source.")
    in_the_way: readiness.InTheWay | None = Field(
        default=None, description="What keeps the source from carrying this out; absent when nothing is known to."
    )
    setup_not_read: bool | None = Field(
        default=None, description="True when the source's setup could not be read: something may be in the way."
    )
    waiting_stages: dict[str, list[str]] | None = Field(default=None, description=readiness.WAITING_DESCRIPTION)
    projection: dict[str, Any] | None = Field(default=None, description="Only with include_projection, as it came.")


async def finalize_booking(arguments: FinalizeBooking, backends: Backends) -> BookingHandoff:
    """Hand a held booking over for execution: Cadent sources get request XML, FreeWheel sources work items for people.

    Use it after reserve_avail, with the same ids, once the person has agreed. The impressions stay HELD until the
    upstream work succeeds: report it as booked only if a status here says BOOKED. To give the hold up, use
    release_booking.
    """
    source_id, media_buy_id = arguments.source_id, arguments.media_buy_id
    known = await holds.known_bookings(arguments, backends)
    handoff, raw = await backends.interchange.finalize(
        source_id,
        _body(arguments),
        look=f"By hand: list_work_items for source {source_id} and media buy {media_buy_id}: if there are new ones for "
        f"avail {arguments.avail_id} (see get_work_item), it was done; if not, a person looks in Interchange. Report "
        "nothing as booked before Interchange says BOOKED.",
    )
    items = _open_work_items(handoff.work_items)
    in_the_way = readiness.in_the_way(handoff.projection)
    difference = differences(arguments.model_dump(include={"avail_id", "package_id"}), handoff.booking)
    return BookingHandoff(
        booking=booking_result(source_id, handoff.booking),
        what_happened=_what_happened(
            handoff,
            items,
            other_media_buy_note(arguments.media_buy_id, handoff.booking),
            known.difference_note(handoff.booking),
            _handed_over_before_note(known, handoff.booking),
            difference,
        ),
        next_step=_next_step(handoff, items, in_the_way, difference),
        execution_status=handoff.execution_status,
        open_work_items=items,
        unread_work_items=_unread_count(handoff.work_items),
        cadent=_cadent(raw),
        in_the_way=in_the_way,
        setup_not_read=handoff.projection is None or None,
        waiting_stages=readiness.waiting_stages(handoff.projection),
        projection=readiness.raw_object(raw.get("projection")),
    )


def _body(arguments: FinalizeBooking) -> dict[str, Any]:
    body: dict[str, Any] = {
        "mediaBuyId": arguments.media_buy_id,
        "buyerCustomerId": arguments.buyer_customer_id,
        "availId": arguments.avail_id,
        "packageId": arguments.package_id,
        "campaignName": arguments.campaign_name,
        "advertiserName": arguments.advertiser_name,
        "advertiserExternalRef": arguments.advertiser_external_ref,
        "creative": _creative(arguments.creative) if arguments.creative else None,
    }
    return without_none(body)


def _cadent(raw: dict[str, Any]) -> Cadent:
    """What the answer holds for Cadent, also where its shape cannot be shown."""
    campaign, xml = raw.get("cadentCampaign"), raw.get("cadentRequestXml")
    return Cadent(
        has_campaign=bool(campaign),
        has_request_xml=bool(xml),
        campaign=readiness.raw_object(campaign) if campaign else None,
        request_xml=xml if isinstance(xml, str) and xml else None,
    )


def _creative(creative: Creative) -> dict[str, Any]:
    known = {wire: getattr(creative, name) for name, wire in _CREATIVE_NAMES.items()}
    return {**(creative.other or {}), **without_none(known)}


def _is_booked(handoff: models.Handoff) -> bool:
    """Whether the ledger's status is BOOKED; the execution status counts only where there is no ledger status."""
    return (handoff.booking.status or handoff.execution_status) == "BOOKED"


def _statuses_disagree(handoff: models.Handoff) -> bool:
    """Whether the execution status does not fit a booking that is not booked."""
    return handoff.execution_status not in (None, "PENDING_TRAFFICKING")


def _open_work_items(items: list[models.WorkItem | None] | None) -> list[WorkItem] | None:
    if items is None or (items and not any(items)):
        return None
    return [
        WorkItem(work_item_id=item.id, kind=item.kind, title=item.title, status=item.status)
        for item in items
        if item is not None and item.status not in ("COMPLETED", "CANCELLED")
    ]


def _unread_count(items: list[models.WorkItem | None] | None) -> int | None:
    return (items or []).count(None) or None


def _handed_over_before_note(known: holds.KnownBookings, booking: models.Booking) -> str:
    before = known.handed_over.get(booking.booking_id)
    return f"It was handed over before ({before}), so people may have its work twice: tell them." if before else ""


def _what_happened(handoff: models.Handoff, items: list[WorkItem] | None, *notes: str) -> str:
    booking_id = printable(handoff.booking.booking_id, limit=80)
    if _is_booked(handoff):
        sentences = [f"Interchange reports booking {booking_id} as BOOKED ({_statuses(handoff)})."]
    else:
        until = "until the upstream work succeeds"
        if items:
            until += f" and people have done {len(items)} work item{'s' if len(items) > 1 else ''}"
        held = f"still HELD {until}" if handoff.booking.status == "HELD" else status_clause(handoff.booking)
        sentences = [f"Booking {booking_id} is prepared for handoff; {held}.", _not_booked(handoff)]
    return " ".join([*sentences, *filter(None, notes)])


def _not_booked(handoff: models.Handoff) -> str:
    if _statuses_disagree(handoff):
        return f"Interchange's statuses do not agree ({_statuses(handoff)}): do not rely on it as booked."
    if handoff.booking.status in ("HELD", "RELEASED", "CANCELLED"):
        return "It is not booked."
    return "Nothing here says that it is booked."


def _statuses(handoff: models.Handoff) -> str:
    ledger, execution = (
        printable(status, limit=40) if status else "not stated"
        for status in (handoff.booking.status, handoff.execution_status)
    )
    return f"ledger {ledger}, execution {execution}"


def _next_step(
    handoff: models.Handoff, items: list[WorkItem] | None, in_the_way: readiness.InTheWay | None, difference: str
) -> str:
    if difference:
        return STOP_AT_A_DIFFERENCE
    if _is_booked(handoff):
        return "Tell the person that it is booked, with both statuses as they stand here."
    if handoff.booking.status != "HELD" or _statuses_disagree(handoff):
        return "Tell the person exactly these statuses, and have it looked at in Interchange before anything else."
    todo = ["Tell the person that it is held, not booked."]
    if in_the_way:
        todo.append("An operator fixes what is in_the_way of the source in Interchange.")
    if items:
        todo.append("People do the open work items; complete_work_item records each once a person says it is done.")
    todo.append("list_avails shows when the impressions move from held to booked.")
    return " ".join(todo)


def _present(arguments: FinalizeBooking, result: dict[str, Any]) -> dict[str, Any]:
    """The ledger keeps the whole result, so a later call can still ask for its long parts."""
    shown = dict(result)
    if not arguments.include_projection:
        shown.pop("projection", None)
    if not arguments.include_cadent and "cadent" in shown:
        shown["cadent"] = {name: value for name, value in shown["cadent"].items() if name.startswith("has_")}
    return shown


async def _preview(arguments: FinalizeBooking, backends: Backends) -> Preview:
    avail = await capacity.find_avail(arguments, backends)
    items, is_whole = await handoffs.media_buy_work_items(arguments, backends)
    baseline = {"work_items": [item.id for item in items if item.id]} if is_whole else None
    if avail is None:
        preview = capacity.preview_without_avail(arguments, "Hand over for execution what is held of")
        return replace(preview, baseline=baseline)
    media_buy = await media_buys.check_media_buy(arguments, arguments.buyer_customer_id, backends)
    known = await holds.known_bookings(arguments, backends)
    label = f"the {known.label()}" if len(known.holds) == 1 else known.label()
    return Preview(
        does=f"Hand {label or _UNKNOWN_AMOUNT} of {capacity.avail_label(avail)} of source {arguments.source_id} for "
        f"media buy {arguments.media_buy_id} over for execution{capacity.price_clause(avail, known.hold_sizes)}. "
        "People then book it upstream.",
        changes=["People get work items; the impressions stay HELD until that work succeeds."],
        current_state=media_buy.current_state,
        problems=[
            *([] if avail.held_impressions else ["Nothing of this avail is held now."]),
            *(
                f"Booking {one} was handed over already: {_MAY_HAND_OVER_AGAIN}."
                for one in known.handed_over_bookings()
            ),
            *media_buy.problems,
        ],
        not_checked=["Whether the hold is still there: Interchange lists no holds.", *media_buy.not_checked],
        baseline=baseline,
    )


async def _reconcile(arguments: FinalizeBooking, backends: Backends, doubt: Doubt) -> Verdict:
    return await handoffs.verdict_by_work_items(arguments, backends, doubt)


TOOL = Tool(
    name="finalize_booking",
    title="Finalise a booking",
    arguments=FinalizeBooking,
    result=BookingHandoff,
    effect=Write(
        subject=holds.subject,
        resource=holds.resource,
        preview=_preview,
        reconcile=_reconcile,
        replays_success=True,
        needs_baseline=True,
        consequential=lambda _: True,
        blocked_by=holds.blocking_write("finalize_booking"),
        display_arguments=frozenset({"include_cadent", "include_projection"}),
        present=_present,
    ),
    handler=finalize_booking,
)

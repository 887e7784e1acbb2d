"""Prepare a held booking for handoff (Interchange: "Prepare modular booking handoff")."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import Field, field_validator
from pydantic_core import to_json

from tools.backends import Backends
from tools.fields import BodyId, BuyerCustomerId, Name, SourceId
from tools.interchange import models
from tools.interchange.bookings import Booking, booking, state, without_none
from tools.replies import STOP_AT_A_DIFFERENCE, differences, printable
from tools.schema import Arguments, Result
from tools.tool import Tool, Write

_CREATIVE_NAMES = {"client_copy_master_ref": "clientCopyMasterRef", "duration": "duration"}


class Creative(Arguments):
    client_copy_master_ref: Name | None = Field(default=None, description="The client's reference of the copy master.")
    duration: Name | None = Field(default=None, description="Length of the spot, as the source expects it.")
    other: dict[str, Any] | None = Field(
        default=None, description="Further attributes that the source expects, in Interchange's spelling."
    )

    @field_validator("other")
    @classmethod
    def _goes_into_the_body(cls, other: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            json.dumps(other, allow_nan=False)
        except ValueError:
            raise ValueError("a number is infinite or none at all") from None
        for name, wire in _CREATIVE_NAMES.items():
            if other and wire in other:
                raise ValueError(f"{wire} is given as creative.{name}, not in other")
        return other


class FinalizeBooking(Arguments):
    source_id: SourceId = Field(description="Inventory source of the hold, as in reserve_avail.")
    media_buy_id: BodyId = Field(description="Media buy of the hold, as in reserve_avail.")
    buyer_customer_id: BuyerCustomerId = Field(description="The buyer's Interchange customer id, as in reserve_avail.")
    avail_id: BodyId = Field(description="Avail that is held, as in reserve_avail.")
    package_id: BodyId | None = Field(
        default=None, description="Package of the hold; give it exactly when reserve_avail had it."
    )
    campaign_name: Name | None = Field(default=None, description="Campaign name for the handoff.")
    advertiser_name: Name | None = Field(default=None, description="Advertiser name for the handoff.")
    advertiser_external_ref: Name | None = Field(
        default=None, description="Advertiser's reference in the executing system."
    )
    creative: Creative | None = Field(default=None, description="What is known of the creative.")
    include_cadent_xml: bool = Field(default=False, description="Also return the Cadent request XML (long).")
    include_projection: bool = Field(
        default=False, description="Also return the source's raw setup projection (tens of kilobytes)."
    )


class WorkItem(Result):
    id: str | None = None
    kind: str | None = None
    title: str | None = None
    status: str | None = None


class CadentXml(Result):
    present: bool
    xml: str | None = Field(default=None, description="Only with include_cadent_xml.")


class Stage(Result):
    stage: str
    status: str | None = None
    missing_setup_fields: list[str] | None = Field(
        default=None, description="Setup fields that an operator fills in Interchange: key (label)."
    )
    issues: list[str] | None = None


class InTheWay(Result):
    """Of the source's setup, only what keeps it from carrying the booking out."""

    source_status: str | None = None
    source_health: str | None = None
    last_error: str | None = None
    stages: list[Stage] | None = Field(default=None, description="Lifecycle stages that cannot run as they are.")


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
    cadent_xml: CadentXml
    in_the_way: InTheWay | None = Field(
        default=None, description="What keeps the source from carrying this out; absent when nothing is known to."
    )
    setup_not_read: bool | None = Field(
        default=None, description="True when the source's setup could not be read: something may be in the way."
    )
    waiting_stages: dict[str, list[str]] | None = Field(
        default=None,
        description="Stages that are not READY in the normal course, by status: HITL_PENDING waits for people, "
        "RUNTIME_INPUTS_REQUIRED for what comes with each booking.",
    )
    projection: dict[str, Any] | None = Field(default=None, description="Only with include_projection, as it came.")


async def finalize_booking(arguments: FinalizeBooking, backends: Backends) -> BookingHandoff:
    """Hand a held booking over for execution: Cadent sources get request XML, FreeWheel sources work items for people.

    Use it after reserve_avail, with the same ids, once the person has agreed. It prepares a handoff: the impressions
    stay HELD until the upstream work succeeds, so report it as booked only if a status here says BOOKED. Answers
    with the booking, open work items and whatever of the source's setup is in the way. Never repeat a call whose
    answer was lost: work items may be made twice.
    """
    handoff, raw = await backends.interchange.finalize(
        arguments.source_id,
        _body(arguments),
        look=f"First have a person look at the work items of media buy {arguments.media_buy_id} on source "
        f"{arguments.source_id} in Interchange: if there are new ones for avail {arguments.avail_id}, it was done. "
        "Report nothing as booked before Interchange says BOOKED.",
    )
    items = _open(handoff.work_items)
    in_the_way = _in_the_way(handoff.projection)
    different = differences(arguments.model_dump(include={"avail_id", "package_id"}), handoff.booking)
    xml = handoff.cadent_request_xml
    return BookingHandoff(
        booking=booking(arguments.source_id, handoff.booking),
        what_happened=_what_happened(handoff, items, different),
        next_step=_next_step(handoff, items, in_the_way, different),
        execution_status=handoff.execution_status,
        open_work_items=items,
        unread_work_items=_unread(handoff.work_items),
        cadent_xml=CadentXml(present=bool(xml), xml=xml if arguments.include_cadent_xml else None),
        in_the_way=in_the_way,
        setup_not_read=handoff.projection is None or None,
        waiting_stages=_waiting(handoff.projection),
        projection=_object(raw.get("projection")) if arguments.include_projection else None,
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


def _object(value: Any) -> dict[str, Any] | None:
    """The projection as it came, unless it is no object or nested deeper than a result may be."""
    try:
        to_json(value)
    except ValueError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _creative(creative: Creative) -> dict[str, Any]:
    known = {wire: getattr(creative, name) for name, wire in _CREATIVE_NAMES.items()}
    return {**(creative.other or {}), **without_none(known)}


def _is_booked(handoff: models.Handoff) -> bool:
    """The ledger's word; the execution's stands in only where the ledger says nothing."""
    return (handoff.booking.status or handoff.execution_status) == "BOOKED"


def _is_out_of_step(handoff: models.Handoff) -> bool:
    """Whether the execution says something that does not go with a booking that is not booked."""
    return handoff.execution_status not in (None, "PENDING_TRAFFICKING")


def _open(items: list[models.WorkItem | None] | None) -> list[WorkItem] | None:
    if items is None or (items and not any(items)):
        return None
    return [
        WorkItem(id=item.id, kind=item.kind, title=item.title, status=item.status)
        for item in items
        if item is not None and item.status not in ("COMPLETED", "CANCELLED")
    ]


def _unread(items: list[models.WorkItem | None] | None) -> int | None:
    return (items or []).count(None) or None


def _what_happened(handoff: models.Handoff, items: list[WorkItem] | None, different: str) -> str:
    booking_id = printable(handoff.booking.booking_id, limit=80)
    if _is_booked(handoff):
        told = [f"Interchange reports booking {booking_id} as BOOKED ({_statuses(handoff)})."]
    else:
        until = "until the upstream work succeeds"
        if items:
            until += f" and people have done {len(items)} work item{'s' if len(items) > 1 else ''}"
        held = f"still HELD {until}" if handoff.booking.status == "HELD" else state(handoff.booking)
        told = [f"Booking {booking_id} is prepared for handoff; {held}.", _not_booked(handoff)]
    if different:
        told.append(different)
    return " ".join(told)


def _not_booked(handoff: models.Handoff) -> str:
    if _is_out_of_step(handoff):
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
    handoff: models.Handoff, items: list[WorkItem] | None, in_the_way: InTheWay | None, different: str
) -> str:
    if different:
        return STOP_AT_A_DIFFERENCE
    if _is_booked(handoff):
        return "Tell the person that it is booked, with both statuses as they stand here."
    if handoff.booking.status != "HELD" or _is_out_of_step(handoff):
        return "Tell the person exactly these statuses, and have it looked at in Interchange before anything else."
    todo = ["Tell the person that it is held, not booked."]
    if in_the_way:
        todo.append("An operator mends what is in_the_way of the source in Interchange.")
    if items:
        todo.append("People do the open work items in Interchange.")
    todo.append("list_avails shows when the impressions move from held to booked.")
    return " ".join(todo)


def _in_the_way(projection: models.Projection | None) -> InTheWay | None:
    if projection is None:
        return None
    source = projection.inventory_source
    stages = [_stage(stage) for stage in projection.lifecycle_summary if _is_obstacle(stage)]
    well = source.status in (None, "ACTIVE") and _is_well(source.health_status) and not source.last_error
    if well and not stages:
        return None
    return InTheWay(
        source_status=source.status,
        source_health=source.health_status,
        last_error=source.last_error,
        stages=stages or None,
    )


_DONE = ("READY", "UNSUPPORTED")
_NORMAL = ("HITL_PENDING", "RUNTIME_INPUTS_REQUIRED")


def _is_obstacle(stage: models.LifecycleStage) -> bool:
    if stage.status in _DONE:
        return False
    return stage.status not in _NORMAL or bool(stage.missing_setup_fields_by_source or stage.issues)


def _waiting(projection: models.Projection | None) -> dict[str, list[str]] | None:
    waiting: dict[str, list[str]] = {}
    for stage in projection.lifecycle_summary if projection else ():
        if stage.status in _NORMAL and stage.stage and not _is_obstacle(stage):
            waiting.setdefault(stage.status, []).append(stage.stage)
    return waiting or None


def _is_well(health: str | None) -> bool:
    return health is None or health.upper() in ("HEALTHY", "OK")


def _stage(stage: models.LifecycleStage) -> Stage:
    missing = [
        f"{field.key} ({field.label})" if field.label else field.key
        for group in stage.missing_setup_fields_by_source
        for field in group.fields
    ]
    return Stage(
        stage=stage.stage or "unnamed stage",
        status=stage.status,
        missing_setup_fields=missing or None,
        issues=stage.issues or None,
    )


TOOL = Tool(
    name="finalize_booking",
    title="Finalise a booking",
    arguments=FinalizeBooking,
    result=BookingHandoff,
    effect=Write(),
    vendors=frozenset({"interchange"}),
    handler=finalize_booking,
)

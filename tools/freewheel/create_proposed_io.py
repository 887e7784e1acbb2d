"""Create a proposed insertion order (Proposed Insertion Order API v4, "Attributes" and their child tables)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict, record_baseline
from tools.fields import BodyId, FreeWheelId, Name, Prose
from tools.freewheel.creation import Creation
from tools.freewheel.models import ProposedInsertionOrder
from tools.freewheel.order_state import EVERGREEN, attributes, in_words, same_value
from tools.freewheel.orders import (
    budget_clause,
    check_references,
    order_pages,
    orders_with_external_id,
)
from tools.freewheel.proposals import MAX_CAPS, Budget, FrequencyCap, ProposedIo, proposed_io, wire_body
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, printable


class CreateProposedIo(Arguments):
    external_id: BodyId = Field(description="Your own key, as in the CRM; a new one.")
    name: Name = Field(description="Order name.")
    description: Prose | None = Field(default=None, description="Free text.")
    campaign_id: FreeWheelId | None = Field(
        default=None, description="From list_campaigns, where the network wants one."
    )
    brand_id: FreeWheelId | None = Field(default=None, description="The advertiser's, from list_advertisers.")
    probability_of_close: int | None = Field(default=None, ge=0, le=100, description="Percent.")
    budget: Budget | None = Field(default=None, description="Its goal.")
    frequency_caps: list[FrequencyCap] | None = Field(
        default=None, min_length=1, max_length=MAX_CAPS, description="Delivery caps."
    )
    assigned_user_ids: list[FreeWheelId] | None = Field(default=None, min_length=1, description="FreeWheel user ids.")


class CreatedProposedIo(Result):
    proposed_io: ProposedIo = Field(description="As FreeWheel answered.")
    unconfirmed: list[str] | None = Field(default=None, description="What was asked for and is not in the answer.")
    what_happened: str
    next_step: str


async def create_proposed_io(arguments: CreateProposedIo, backends: Backends) -> CreatedProposedIo:
    """Create a proposed insertion order in FreeWheel: the proposal that a seller works on until it closes.

    It holds and books no inventory: for that, use reserve_avail. User ids come from get_proposed_io (of other
    orders), or from the person.
    """
    creation = _creation(arguments, backends)
    baseline = await creation.baseline()
    record_baseline(baseline)
    order = await backends.freewheel.create_proposed_insertion_order(
        _body(arguments),
        campaign_id=arguments.campaign_id,
        look="By hand: list_proposed_ios with the external_id of this call as `text`, to the end of the list; if one "
        "that is new is there, the write was done.",
    )
    creation.check_new(order, baseline)
    requested = _requested_attributes(arguments)
    now = attributes(order)
    difference = _difference(requested, now)
    unconfirmed = [name for name, value in requested.items() if value is not None and name not in now]
    return CreatedProposedIo(
        proposed_io=proposed_io(order),
        unconfirmed=unconfirmed or None,
        what_happened=_what_happened(arguments, order, unconfirmed, difference),
        next_step=_next_step(order, unconfirmed, difference),
    )


def _body(arguments: CreateProposedIo) -> dict[str, Any]:
    return wire_body(arguments.model_dump(mode="json", exclude_none=True, exclude={"campaign_id"}))


def _requested_attributes(arguments: CreateProposedIo) -> dict[str, Any]:
    """The attributes of the requested order. Its id does not matter."""
    order = {"id": 1, "proposed_io_status": "PROPOSED", **_body(arguments)}
    return attributes(ProposedInsertionOrder.model_validate(order))


def _difference(requested: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    differences = [
        f"{name} {in_words(now[name])} instead of {in_words(value)}"
        for name, value in requested.items()
        if name in now and not same_value(now[name], value)
    ]
    return f"The answer is not what was asked for: {', '.join(differences)}." if differences else ""


def _what_happened(
    arguments: CreateProposedIo, order: ProposedInsertionOrder, unconfirmed: list[str], difference: str
) -> str:
    under = f" under campaign {arguments.campaign_id}" if arguments.campaign_id else ""
    sentences = [
        f"FreeWheel created proposed IO {order.id}{under}. It is a proposal: no inventory is held or booked by it."
    ]
    if unconfirmed:
        sentences.append(f"Its answer does not state {', '.join(unconfirmed)}.")
    if difference:
        sentences.append(difference)
    return " ".join(sentences)


def _next_step(order: ProposedInsertionOrder, unconfirmed: list[str], difference: str) -> str:
    if difference:
        return STOP_AT_A_DIFFERENCE
    look = f"get_proposed_io for {order.id} shows whether {', '.join(unconfirmed)} was kept. " if unconfirmed else ""
    return f"{look}A person adds placements in FreeWheel. To hold inventory, use list_avails, then reserve_avail."


def _subject(arguments: CreateProposedIo) -> str:
    return f"proposed_io:{arguments.external_id.strip()}"


async def _preview(arguments: CreateProposedIo, backends: Backends) -> Preview:
    findings = await check_references(backends, campaign_id=arguments.campaign_id, brand_id=arguments.brand_id)
    same_external_id, is_whole = await orders_with_external_id(arguments.external_id, backends)
    listed = ", ".join(str(order.id) for order in same_external_id[:5])
    under = f" under campaign {arguments.campaign_id}" if arguments.campaign_id else ""
    users = ["The assigned users."] if arguments.assigned_user_ids else []
    return Preview(
        does=f"Create proposed IO {printable(arguments.external_id, limit=80)} ({printable(arguments.name, limit=200)})"
        f"{under} in FreeWheel{budget_clause(arguments.budget)}.",
        changes=["There is one proposal more. No inventory is held or booked by it."],
        problems=[
            *findings.problems,
            *([f"There is one with that external_id already: {listed}."] if same_external_id else []),
        ],
        not_checked=[*findings.not_checked, *users, *([] if is_whole else ["Orders past what FreeWheel listed."])],
    )


def _creation(arguments: CreateProposedIo, backends: Backends) -> Creation[ProposedInsertionOrder]:
    external_id = printable(arguments.external_id, limit=80)
    return Creation[ProposedInsertionOrder](
        noun="proposed IO",
        field="external_id",
        identity=arguments.external_id,
        result_key="proposed_io",
        found_key="proposed_io_ids",
        read_page=order_pages(backends),
        read=backends.freewheel.proposed_insertion_order,
        difference=lambda order: (
            _difference(_requested_attributes(arguments), attributes(order)) or _extra_attributes_note(arguments, order)
        ),
        unstated=lambda order: [name for name in _requested_attributes(arguments) if name not in attributes(order)],
        check=f"A person looks in FreeWheel for proposed IOs with external_id {external_id}.",
    )


async def _reconcile(arguments: CreateProposedIo, backends: Backends, doubt: Doubt) -> Verdict:
    return await _creation(arguments, backends).reconcile(doubt)


_OPTIONAL = ("description", "brand_id", "budget", "frequency_caps", "assigned_user_ids", "probability_of_close")
"""Attributes that an order has only if somebody set them."""


def _extra_attributes_note(arguments: CreateProposedIo, order: ProposedInsertionOrder) -> str:
    """What an order has beyond the request, in a sentence."""
    now = attributes(order)
    not_requested = [name for name in _OPTIONAL if getattr(arguments, name) is None]
    extra = [name for name in not_requested if now.get(name) not in (None, "", 0, [], EVERGREEN)]
    return f"It has {', '.join(extra)}, which was not asked for." if extra else ""


TOOL = Tool(
    name="create_proposed_io",
    title="Create proposed insertion order",
    arguments=CreateProposedIo,
    result=CreatedProposedIo,
    effect=Write(subject=_subject, preview=_preview, reconcile=_reconcile, replays_success=True),
    handler=create_proposed_io,
)

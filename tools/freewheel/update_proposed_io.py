"""Update a proposed insertion order (Proposed Insertion Order API v4, "Attributes", column "Updatable?").

It is not documented whether an update replaces the order or only what is sent, nor whether assigned users are replaced
or added. So the order is read first, everything updatable is sent, and the order is read again to see the result. A
change that somebody else makes between the two reads is overwritten; FreeWheel documents nothing against that.
Undocumented fields inside an attribute are sent back as they came. Those beside the attributes are not sent, since
nobody knows whether they are updatable.

FreeWheel may not state `delivery`, `budget` and `assignments` (see get_proposed_io). What it does not state cannot be
sent back, and a full replacement would remove it: a lost budget costs more than a question. So such an update is
refused until the caller gives the values or, for networks where FreeWheel never states them, `accept_unknown`.
EVERGREEN is never sent: an order without a goal keeps having none if none is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict, record_baseline
from tools.errors import Conflict
from tools.fields import BodyId, FreeWheelId, Name, Prose
from tools.freewheel.models import ProposedInsertionOrder
from tools.freewheel.order_state import (
    BASIC,
    NOT_BASIC,
    attributes,
    in_words,
    same_value,
    unstated_attributes,
    whole_body,
)
from tools.freewheel.orders import check_references
from tools.freewheel.proposals import (
    MAX_CAPS,
    Budget,
    FrequencyCap,
    WholeProposedIo,
    whole_proposed_io,
    wire_body,
)
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import Change, change_line, may_have_changed, read_after_write, shown_change
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, printable


class UpdateProposedIo(Arguments):
    proposed_io_id: FreeWheelId = Field(description="From list_proposed_ios.")
    external_id: BodyId | None = Field(default=None, description="Your key.")
    name: Name | None = Field(default=None, description="Name.")
    description: Prose | None = Field(default=None, description='"" removes it.')
    brand_id: FreeWheelId | None = Field(default=None, description="From list_advertisers.")
    probability_of_close: int | None = Field(default=None, ge=0, le=100, description="Percent.")
    proposed_io_status: Literal["PROPOSED", "COMPLETED", "LOST"] | None = Field(
        default=None, description="COMPLETED and LOST close it."
    )
    budget: Budget | None = Field(default=None, description="Its goal.")
    frequency_caps: list[FrequencyCap] | None = Field(
        default=None, max_length=MAX_CAPS, description="All caps, in place of the present; [] for none."
    )
    assigned_user_ids: list[FreeWheelId] | None = Field(
        default=None, description="All users, in place of the present; [] for none."
    )
    accept_unknown: bool | None = Field(
        default=None, description="True when the person accepts that what FreeWheel does not state may be lost."
    )

    @model_validator(mode="after")
    def _names_a_change(self) -> UpdateProposedIo:
        if not self.model_fields_set - _NOT_ATTRIBUTES:
            *names, last = (name for name in type(self).model_fields if name not in _NOT_ATTRIBUTES)
            raise ValueError(f"nothing to change: give {', '.join(names)} or {last}")
        return self


_NOT_ATTRIBUTES = {"proposed_io_id", "accept_unknown"}


class UpdatedProposedIo(Result):
    proposed_io: WholeProposedIo = Field(description="As FreeWheel states it now.")
    changes: list[Change] = Field(description="Of what was asked for.")
    changed_unasked: list[Change] | None = Field(default=None, description="What changed without being asked for.")
    unconfirmed: list[str] | None = Field(
        default=None, description="What FreeWheel does not state, so it may differ from the request or from before."
    )
    what_happened: str
    next_step: str


async def update_proposed_io(arguments: UpdateProposedIo, backends: Backends) -> UpdatedProposedIo:
    """Change attributes of a proposed insertion order in FreeWheel; what is left out stays.

    Use it when the person says what to change, after get_proposed_io. What somebody else changes in that moment is
    undone. A new order is create_proposed_io's.
    """
    order_id = arguments.proposed_io_id
    present = await backends.freewheel.proposed_insertion_order(order_id)
    before = attributes(present)
    given = _given_attributes(arguments, before)
    requested = attributes(ProposedInsertionOrder.model_validate({"id": order_id, **wire_body(given)}))
    if all(name in before and before[name] == value for name, value in requested.items()):
        return _nothing_sent(present)
    at_risk = [name for name in unstated_attributes(present) if name not in requested]
    if at_risk and not arguments.accept_unknown:
        raise _could_be_lost(order_id, at_risk)
    record_baseline({"updated_at": present.updated_at})
    answer = await backends.freewheel.update_proposed_insertion_order(
        order_id,
        whole_body(present, given),
        look=f"By hand: get_proposed_io for {order_id}: if it shows what was asked for, the write was done; if it "
        "shows the old values a minute later, the same call may be made again.",
    )
    read_back = await read_after_write(backends.freewheel.proposed_insertion_order(order_id))
    return _updated(before, requested, _latest(answer, read_back), read_back=read_back is not None)


_CLOSED = ("COMPLETED", "LOST")


def _given_attributes(arguments: UpdateProposedIo, before: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that the caller gave. A budget without over delivery keeps the present one."""
    given = arguments.model_dump(mode="json", exclude_none=True, exclude=_NOT_ATTRIBUTES)
    if "budget" in given:
        over = {name: value for name, value in before.get("budget", {}).items() if name.startswith("over_delivery")}
        says_nothing = not any(name.startswith("over_delivery") for name in given["budget"])
        given["budget"] |= over if says_nothing else {}
    return given


def _could_be_lost(order_id: int, unstated: Collection[str]) -> Conflict:
    names = ", ".join(unstated)
    return Conflict(
        f"FreeWheel does not state {names} of proposed IO {order_id}, so an update cannot send them back. It is not "
        "documented whether an update without them leaves them or removes them. Nothing was changed.",
        next_step=f"Ask the person for {names} as they are in FreeWheel and give them in the same call. Or, if the "
        "person accepts that they may be lost, call again with accept_unknown true and have them looked at afterwards.",
    )


def _latest(answer: ProposedInsertionOrder, read_back: ProposedInsertionOrder | None) -> ProposedInsertionOrder:
    """The order as it was read back, completed with what only the answer to the update stated."""
    if read_back is None:
        return answer
    names = ("delivery", "budget", "assignments")
    return read_back.model_copy(
        update={name: getattr(answer, name) for name in names if getattr(read_back, name) is None}
    )


def _nothing_sent(order: ProposedInsertionOrder) -> UpdatedProposedIo:
    return UpdatedProposedIo(
        proposed_io=whole_proposed_io(order),
        changes=[],
        what_happened=f"Nothing was sent: proposed IO {order.id} is already as requested.",
        next_step="Tell the person that nothing had to be changed.",
    )


def _updated(
    before: Mapping[str, Any], requested: Mapping[str, Any], order: ProposedInsertionOrder, *, read_back: bool
) -> UpdatedProposedIo:
    now = attributes(order)
    wrong = [name for name in requested if name in now and not same_value(now[name], requested[name])]
    changed = [name for name in now if name not in before or before[name] != now[name]]
    not_requested = [
        name for name in changed if name in before and name not in requested and not same_value(before[name], now[name])
    ]
    expected = {name for name, value in before.items() if value is not None} | requested.keys()
    unconfirmed = [name for name in BASIC if name in expected and name not in now]
    unconfirmed += [name for name in NOT_BASIC if name not in now or name not in {*before, *requested}]
    return UpdatedProposedIo(
        proposed_io=whole_proposed_io(order),
        changes=[_change(name, before, now) for name in changed if name in requested],
        changed_unasked=[_change(name, before, now) for name in not_requested] or None,
        unconfirmed=unconfirmed or None,
        what_happened=" ".join(
            [
                f"FreeWheel took the update of proposed IO {order.id}.",
                *_findings(requested, now, wrong, not_requested, unconfirmed, read_back=read_back),
            ]
        ),
        next_step=_next_step(unconfirmed, is_different=bool(wrong or not_requested), read_back=read_back),
    )


def _change(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Change:
    return shown_change(name, before.get(name, "not stated by FreeWheel"), now[name])


def _findings(
    requested: Mapping[str, Any],
    now: Mapping[str, Any],
    wrong: Collection[str],
    not_requested: Collection[str],
    unconfirmed: Collection[str],
    *,
    read_back: bool,
) -> list[str]:
    sentences: list[str] = []
    if wrong:
        differences = [f"{name} {in_words(now[name])} instead of {in_words(requested[name])}" for name in wrong]
        sentences.append(f"The answer is not what was asked for: {', '.join(differences)}.")
    if not_requested:
        sentences.append(f"Changed without being asked for: {', '.join(not_requested)}.")
    if not read_back:
        sentences.append("The order could not be read back.")
    if unconfirmed:
        sentences.append(f"Not confirmed: {', '.join(unconfirmed)}.")
    if not sentences:
        sentences.append("Read back, it is as requested, and everything else that FreeWheel states of it is as before.")
    status = requested.get("proposed_io_status")
    if status in _CLOSED and now.get("proposed_io_status") == status:
        sentences.append("It is closed; no inventory is booked, held or released by that.")
    return sentences


def _next_step(unconfirmed: Collection[str], *, is_different: bool, read_back: bool) -> str:
    if is_different:
        return STOP_AT_A_DIFFERENCE
    if not read_back:
        return "Call get_proposed_io and compare with what was asked for."
    if unconfirmed:
        return f"Have a person look at {', '.join(unconfirmed)} of this order in FreeWheel."
    return "Show the person the changes."


def _subject(arguments: UpdateProposedIo) -> str:
    return f"proposed_io:{arguments.proposed_io_id}"


def _requested_attributes(arguments: UpdateProposedIo, before: Mapping[str, Any]) -> dict[str, Any]:
    given = wire_body(_given_attributes(arguments, before))
    return attributes(ProposedInsertionOrder.model_validate({"id": arguments.proposed_io_id, **given}))


async def _preview(arguments: UpdateProposedIo, backends: Backends) -> Preview:
    order = await backends.freewheel.proposed_insertion_order(arguments.proposed_io_id)
    before = attributes(order)
    requested = _requested_attributes(arguments, before)
    changed = {
        name: value for name, value in requested.items() if name not in before or not same_value(before[name], value)
    }
    at_risk = [name for name in unstated_attributes(order) if name not in requested]
    findings = await check_references(
        backends, campaign_id=None, brand_id=arguments.brand_id if "brand_id" in changed else None
    )
    budget = before.get("budget", {})
    goal_clause = next((f", {goal} {budget[goal]:,}" for goal in ("currency", "impression") if budget.get(goal)), "")
    flight = order.schedule
    flight_clause = (
        f", {flight.start_time} to {flight.end_time}" if flight and flight.start_time and flight.end_time else ""
    )
    label = f"proposed IO {order.id} ({printable(order.name or 'no name', limit=200)}{goal_clause}{flight_clause})"
    closing = f" as {requested['proposed_io_status']}" if requested.get("proposed_io_status") in _CLOSED else ""
    return Preview(
        does=f"{'Close' if closing else 'Change'} {label}{closing}."
        if changed
        else f"Nothing: {label} is already as requested.",
        changes=[
            change_line(name, before.get(name, "not stated by FreeWheel"), value) for name, value in changed.items()
        ],
        problems=[
            *findings.problems,
            *([f"FreeWheel does not state {', '.join(at_risk)}: it may be lost."] if at_risk else []),
        ],
        not_checked=findings.not_checked,
    )


async def _reconcile(arguments: UpdateProposedIo, backends: Backends, doubt: Doubt) -> Verdict:
    order = await backends.freewheel.proposed_insertion_order(arguments.proposed_io_id)
    now = attributes(order)
    requested = _requested_attributes(arguments, now)
    unstated = [name for name in requested if name not in now]
    differences = [
        f"{name} is {in_words(now[name])} and not {in_words(value)}"
        for name, value in requested.items()
        if name in now and not same_value(now[name], value)
    ]
    found = {"proposed_io_id": order.id, "proposed_io_status": order.proposed_io_status}
    check = f"A person looks at proposed IO {order.id} in FreeWheel."
    if not differences and not unstated:
        return Verdict(outcome="succeeded", evidence="The order shows what was asked for.", found=found)
    evidence = f"{'; '.join(differences) or 'FreeWheel does not state ' + ', '.join(unstated)}."
    if not differences or may_have_changed(doubt, order.updated_at, order.created_at):
        return Verdict(
            outcome="unknown", evidence=f"{evidence} It may have been changed since.", check=check, found=found
        )
    return Verdict(outcome="not_sent", evidence=evidence, found=found)


TOOL = Tool(
    name="update_proposed_io",
    title="Update proposed insertion order",
    arguments=UpdateProposedIo,
    result=UpdatedProposedIo,
    effect=Write(
        subject=_subject,
        preview=_preview,
        reconcile=_reconcile,
        destructive=True,
        repeatable=True,
        consequential=lambda arguments: arguments.proposed_io_status in _CLOSED,
    ),
    handler=update_proposed_io,
)

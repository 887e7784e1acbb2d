"""Update a proposed insertion order (Proposed Insertion Order API v4, "Attributes", column "Updatable?").

Whether FreeWheel's update replaces the order or only what is sent is not documented, nor whether assigned users are
replaced or added to. So the order is read first, all that is updatable is sent, and the order is read again to see
what came of it. Somebody else's change between the two is overwritten: FreeWheel documents nothing against that.
Of fields that FreeWheel adds beside the documented ones, those inside an attribute go back as they came; those beside
the attributes are not sent, since whether they are updatable is not known.

`delivery`, `budget` and `assignments` may not be told (see get_proposed_io). What is not told cannot be sent back, and
a full replacement would take it away: a lost budget of a proposal costs more than a question. So such an update is
refused until the caller gives the values or, for networks where FreeWheel never tells them, `accept_unknown`. EVERGREEN
is GET only: an order without a goal stays so by sending none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tools.backends import Backends
from tools.effects import Brief, Doubt, Verdict, remember
from tools.errors import Conflict
from tools.fields import BodyId, FreeWheelId, Name, Prose
from tools.freewheel.models import ProposedInsertionOrder
from tools.freewheel.order_state import BASIC, NOT_BASIC, attributes, same, untold, whole_body, words
from tools.freewheel.orders import references
from tools.freewheel.proposals import (
    MOST_CAPS,
    Budget,
    FrequencyCap,
    WholeProposedIo,
    body,
    whole_proposed_io,
)
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import Change, change, changed_line, may_have_moved, seen
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
        default=None, max_length=MOST_CAPS, description="All caps, in place of the present; [] for none."
    )
    assigned_user_ids: list[FreeWheelId] | None = Field(
        default=None, description="All users, in place of the present; [] for none."
    )
    accept_unknown: bool | None = Field(
        default=None, description="True when the person accepts that what FreeWheel does not tell may be lost."
    )

    @model_validator(mode="after")
    def _names_a_change(self) -> UpdateProposedIo:
        if not self.model_fields_set - _NO_CHANGES:
            *names, last = (name for name in type(self).model_fields if name not in _NO_CHANGES)
            raise ValueError(f"nothing to change: give {', '.join(names)} or {last}")
        return self


_NO_CHANGES = {"proposed_io_id", "accept_unknown"}


class UpdatedProposedIo(Result):
    proposed_io: WholeProposedIo = Field(description="As FreeWheel tells it now.")
    changes: list[Change] = Field(description="Of what was asked for.")
    changed_unasked: list[Change] | None = Field(default=None, description="What changed without being asked for.")
    unconfirmed: list[str] | None = Field(
        default=None, description="What is not known to be as asked for, or as it was: FreeWheel does not tell."
    )
    what_happened: str
    next_step: str


async def update_proposed_io(arguments: UpdateProposedIo, backends: Backends) -> UpdatedProposedIo:
    """Change attributes of a proposed insertion order in FreeWheel; what is left out stays.

    Use it when the person says what to change, after get_proposed_io. What somebody else changes in that moment is
    undone. A new order is create_proposed_io's.
    """
    order_id = arguments.proposed_io_id
    before = await backends.freewheel.proposed_insertion_order(order_id)
    was = attributes(before)
    given = _given(arguments, was)
    asked = attributes(ProposedInsertionOrder.model_validate({"id": order_id, **body(given)}))
    if all(name in was and was[name] == value for name, value in asked.items()):
        return _nothing_sent(before)
    at_risk = [name for name in untold(before) if name not in asked]
    if at_risk and not arguments.accept_unknown:
        raise _could_be_lost(order_id, at_risk)
    remember({"updated_at": before.updated_at})
    answer = await backends.freewheel.update_proposed_insertion_order(
        order_id,
        whole_body(before, given),
        look=f"By hand: get_proposed_io for {order_id}: if it shows what was asked for, the write was done; if it "
        "shows the old values a minute later, the same call may be made again.",
    )
    read_back = await seen(backends.freewheel.proposed_insertion_order(order_id))
    return _updated(was, asked, _latest(answer, read_back), read_back=read_back is not None)


_CLOSED = ("COMPLETED", "LOST")


def _given(arguments: UpdateProposedIo, was: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller gave; a budget without a word on over delivery keeps the present one."""
    given = arguments.model_dump(mode="json", exclude_none=True, exclude=_NO_CHANGES)
    if "budget" in given:
        over = {name: value for name, value in was.get("budget", {}).items() if name.startswith("over_delivery")}
        silent = not any(name.startswith("over_delivery") for name in given["budget"])
        given["budget"] |= over if silent else {}
    return given


def _could_be_lost(order_id: int, untold: Collection[str]) -> Conflict:
    names = ", ".join(untold)
    return Conflict(
        f"FreeWheel does not tell {names} of proposed IO {order_id}, so an update cannot send them back. It is not "
        "documented whether an update without them leaves them or removes them. Nothing was changed.",
        next_step=f"Ask the person for {names} as they are in FreeWheel and give them in the same call. Or, if the "
        "person accepts that they may be lost, call again with accept_unknown true and have them looked at afterwards.",
    )


def _latest(answer: ProposedInsertionOrder, read_back: ProposedInsertionOrder | None) -> ProposedInsertionOrder:
    """The order as read back, with what only the update's own answer told."""
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
        what_happened=f"Nothing was sent: proposed IO {order.id} is already as asked for.",
        next_step="Tell the person that nothing had to be changed.",
    )


def _updated(
    was: Mapping[str, Any], asked: Mapping[str, Any], order: ProposedInsertionOrder, *, read_back: bool
) -> UpdatedProposedIo:
    now = attributes(order)
    wrong = [name for name in asked if name in now and not same(now[name], asked[name])]
    changed = [name for name in now if name not in was or was[name] != now[name]]
    unasked = [name for name in changed if name in was and name not in asked and not same(was[name], now[name])]
    wanted = {name for name, value in was.items() if value is not None} | asked.keys()
    unconfirmed = [name for name in BASIC if name in wanted and name not in now]
    unconfirmed += [name for name in NOT_BASIC if name not in now or name not in {*was, *asked}]
    return UpdatedProposedIo(
        proposed_io=whole_proposed_io(order),
        changes=[_change(name, was, now) for name in changed if name in asked],
        changed_unasked=[_change(name, was, now) for name in unasked] or None,
        unconfirmed=unconfirmed or None,
        what_happened=" ".join(
            [
                f"FreeWheel took the update of proposed IO {order.id}.",
                *_findings(asked, now, wrong, unasked, unconfirmed, read_back=read_back),
            ]
        ),
        next_step=_next_step(unconfirmed, different=bool(wrong or unasked), read_back=read_back),
    )


def _change(name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Change:
    return change(name, was.get(name, "not told by FreeWheel"), now[name])


def _findings(
    asked: Mapping[str, Any],
    now: Mapping[str, Any],
    wrong: Collection[str],
    unasked: Collection[str],
    unconfirmed: Collection[str],
    *,
    read_back: bool,
) -> list[str]:
    told: list[str] = []
    if wrong:
        against = [f"{name} {words(now[name])} instead of {words(asked[name])}" for name in wrong]
        told.append(f"The answer is not what was asked for: {', '.join(against)}.")
    if unasked:
        told.append(f"Changed without being asked for: {', '.join(unasked)}.")
    if not read_back:
        told.append("The order could not be read back.")
    if unconfirmed:
        told.append(f"Not confirmed: {', '.join(unconfirmed)}.")
    if not told:
        told.append("Read back, it is as asked for, and everything else that FreeWheel tells of it is as before.")
    status = asked.get("proposed_io_status")
    if status in _CLOSED and now.get("proposed_io_status") == status:
        told.append("It is closed; no inventory is booked, held or released by that.")
    return told


def _next_step(unconfirmed: Collection[str], *, different: bool, read_back: bool) -> str:
    if different:
        return STOP_AT_A_DIFFERENCE
    if not read_back:
        return "Call get_proposed_io and compare with what was asked for."
    if unconfirmed:
        return f"Have a person look at {', '.join(unconfirmed)} of this order in FreeWheel."
    return "Show the person the changes."


def _subject(arguments: UpdateProposedIo) -> str:
    return f"proposed_io:{arguments.proposed_io_id}"


def _as_asked(arguments: UpdateProposedIo, was: Mapping[str, Any]) -> dict[str, Any]:
    given = body(_given(arguments, was))
    return attributes(ProposedInsertionOrder.model_validate({"id": arguments.proposed_io_id, **given}))


async def _brief(arguments: UpdateProposedIo, backends: Backends) -> Brief:
    order = await backends.freewheel.proposed_insertion_order(arguments.proposed_io_id)
    was = attributes(order)
    asked = _as_asked(arguments, was)
    moved = {name: value for name, value in asked.items() if name not in was or not same(was[name], value)}
    at_risk = [name for name in untold(order) if name not in asked]
    found = await references(backends, campaign_id=None, brand_id=arguments.brand_id if "brand_id" in moved else None)
    budget = was.get("budget", {})
    goal = next((f", {goal} {budget[goal]:,}" for goal in ("currency", "impression") if budget.get(goal)), "")
    flight = order.schedule
    runs = f", {flight.start_time} to {flight.end_time}" if flight and flight.start_time and flight.end_time else ""
    named = f"proposed IO {order.id} ({printable(order.name or 'no name', limit=200)}{goal}{runs})"
    closes = f" as {asked['proposed_io_status']}" if asked.get("proposed_io_status") in _CLOSED else ""
    return Brief(
        does=f"{'Close' if closes else 'Change'} {named}{closes}."
        if moved
        else f"Nothing: {named} is already as asked.",
        changes=[changed_line(name, was.get(name, "not told by FreeWheel"), value) for name, value in moved.items()],
        problems=[
            *found.problems,
            *([f"FreeWheel does not tell {', '.join(at_risk)}: it may be lost."] if at_risk else []),
        ],
        not_checked=found.not_checked,
    )


async def _reconcile(arguments: UpdateProposedIo, backends: Backends, doubt: Doubt) -> Verdict:
    order = await backends.freewheel.proposed_insertion_order(arguments.proposed_io_id)
    now = attributes(order)
    asked = _as_asked(arguments, now)
    silent = [name for name in asked if name not in now]
    against = [
        f"{name} is {words(now[name])} and not {words(value)}"
        for name, value in asked.items()
        if name in now and not same(now[name], value)
    ]
    found = {"proposed_io_id": order.id, "proposed_io_status": order.proposed_io_status}
    check = f"A person looks at proposed IO {order.id} in FreeWheel."
    if not against and not silent:
        return Verdict(outcome="succeeded", evidence="The order shows what was asked for.", found=found)
    told = f"{'; '.join(against) or 'FreeWheel does not tell ' + ', '.join(silent)}."
    if not against or may_have_moved(doubt, order.updated_at, order.created_at):
        return Verdict(outcome="unknown", evidence=f"{told} It may have been changed since.", check=check, found=found)
    return Verdict(outcome="not_sent", evidence=told, found=found)


TOOL = Tool(
    name="update_proposed_io",
    title="Update proposed insertion order",
    arguments=UpdateProposedIo,
    result=UpdatedProposedIo,
    effect=Write(
        subject=_subject,
        brief=_brief,
        reconcile=_reconcile,
        destructive=True,
        repeatable=True,
        consequential=lambda arguments: arguments.proposed_io_status in _CLOSED,
    ),
    handler=update_proposed_io,
)

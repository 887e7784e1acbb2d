"""What the tools for proposed insertion orders share: budget and frequency caps as arguments, and an order as a result.

Source: Proposed Insertion Order API v4, "Attributes" and its child tables. Agents see `delivery.frequency_caps` as
`frequency_caps`, and `assignments.users` as users or their ids; FreeWheel's nesting is made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from tools.freewheel.models import ProposedInsertionOrder
from tools.schema import Arguments, Result
from tools.vendor_http.replies import printable

CapType = Literal["IMPRESSION", "PACKAGE"]
CapScope = Literal["TIME", "STREAM", "CAMPAIGN", "ASSET", "SITE_SECTION"]

MAX_CAPS = 3
"""The largest number of frequency caps of one order."""

GOALS = {"CURRENCY_TARGET": "currency", "IMPRESSION_TARGET": "impression"}
"""The budget models that FreeWheel accepts, each with the attribute that holds its goal."""


class FrequencyCap(Arguments):
    value: int = Field(ge=1, description="How often at most.")
    type: CapType = Field(description="What is counted.")
    scope: CapScope = Field(description="Within what.")
    period: int | None = Field(
        default=None, ge=1, description="With scope TIME only, required there; FreeWheel's v3 counts minutes."
    )

    @model_validator(mode="after")
    def _period_goes_with_time(self) -> FrequencyCap:
        if self.scope == "TIME" and self.period is None:
            raise ValueError("scope TIME needs period")
        if self.scope != "TIME" and self.period is not None:
            raise ValueError(f"period goes with scope TIME only, not with {self.scope}")
        return self


class Budget(Arguments):
    budget_model: Literal["CURRENCY_TARGET", "IMPRESSION_TARGET"] = Field(description="What it aims at.")
    currency: float | None = Field(default=None, gt=0, description="Money; with CURRENCY_TARGET only.")
    impression: int | None = Field(default=None, ge=1, description="Impressions; with IMPRESSION_TARGET only.")
    over_delivery: float | None = Field(
        default=None, ge=0, description="Percent; left out, the present or the network's."
    )
    over_delivery_type: Literal["CUSTOM", "DEFAULT"] | None = Field(
        default=None, description="CUSTOM with over_delivery, else DEFAULT."
    )

    @field_validator("budget_model", mode="before")
    @classmethod
    def _evergreen_is_read_only(cls, value: Any) -> Any:
        if value == "EVERGREEN":
            raise ValueError(
                "FreeWheel only reports EVERGREEN and does not take it: use CURRENCY_TARGET or IMPRESSION_TARGET, or "
                "leave budget out"
            )
        return value

    @model_validator(mode="after")
    def _goal_fits_the_model(self) -> Budget:
        for model, goal in GOALS.items():
            given = getattr(self, goal) is not None
            if self.budget_model == model and not given:
                raise ValueError(f"{model} needs {goal}")
            if self.budget_model != model and given:
                raise ValueError(f"{goal} goes with {model} only, not with {self.budget_model}")
        if self.over_delivery_type == "DEFAULT" and self.over_delivery is not None:
            raise ValueError(
                "over_delivery_type DEFAULT makes FreeWheel silently ignore over_delivery: use CUSTOM, or leave "
                "over_delivery out"
            )
        if self.over_delivery_type == "CUSTOM" and self.over_delivery is None:
            raise ValueError("over_delivery_type CUSTOM needs over_delivery")
        return self


def wire_body(given: Mapping[str, Any]) -> dict[str, Any]:
    """A request's body in FreeWheel's form, made from attributes in the arguments' form."""
    wire = dict(given)
    if "frequency_caps" in wire:
        wire["delivery"] = {"frequency_caps": wire.pop("frequency_caps")}
    if "assigned_user_ids" in wire:
        wire["assignments"] = {"users": [{"id": user} for user in wire.pop("assigned_user_ids")]}
    return wire


def same_text(one: str | None, other: str | None) -> bool:
    """Whether two texts differ in white space alone, which FreeWheel may change."""
    return (one or "").split() == (other or "").split()


class ProposedIo(Result):
    id: int = Field(description="Proposed IO id.")
    external_id: str | None = None
    name: str | None = None
    proposed_io_status: str | None = Field(default=None, description="PROPOSED, COMPLETED or LOST.")
    description: str | None = None
    brand_id: int | None = None
    probability_of_close: int | None = None
    created_at: str | None = None


class OrderBudget(Result):
    budget_model: str | None = Field(default=None, description="EVERGREEN: no goal; FreeWheel reports it only.")
    currency: float | None = None
    impression: int | None = None
    over_delivery: float | None = Field(default=None, description="Percent; with DEFAULT, the network's.")
    over_delivery_type: str | None = None


class OrderCap(Result):
    value: int | None = None
    type: str | None = None
    scope: str | None = None
    period: int | None = None


class OrderUser(Result):
    id: int
    full_name: str | None = None
    login: str | None = None


class WholeProposedIo(ProposedIo):
    updated_at: str | None = None
    flight_start: str | None = Field(default=None, description="UTC; follows from the placements.")
    flight_end: str | None = Field(default=None, description="UTC.")
    time_zone: str | None = None
    budget: OrderBudget | None = None
    frequency_caps: list[OrderCap] | None = Field(default=None, description="Empty: none.")
    assigned_users: list[OrderUser] | None = Field(default=None, description="Empty: nobody.")
    not_told: list[str] | None = Field(
        default=None, description="What FreeWheel did not state of this order; it may be set."
    )


def proposed_io(order: ProposedInsertionOrder) -> ProposedIo:
    """The attributes that every answer has."""
    return ProposedIo(**_basic(order))


def whole_proposed_io(order: ProposedInsertionOrder) -> WholeProposedIo:
    """Everything that FreeWheel states about an order, and the names of what it does not."""
    budget = order.budget and OrderBudget(**order.budget.model_dump())
    listed = order.delivery.frequency_caps if order.delivery else None
    assigned = order.assignments.users if order.assignments else None
    caps = None if listed is None else [OrderCap(**cap.model_dump()) for cap in listed]
    users = None if assigned is None else [OrderUser(**user.model_dump()) for user in assigned]
    separate = {"budget": budget, "frequency_caps": caps, "assigned_users": users}
    return WholeProposedIo(
        **_basic(order),
        updated_at=order.updated_at,
        flight_start=order.schedule and order.schedule.start_time,
        flight_end=order.schedule and order.schedule.end_time,
        time_zone=order.schedule and order.schedule.time_zone,
        budget=budget,
        frequency_caps=caps,
        assigned_users=users,
        not_told=[name for name, value in separate.items() if value is None] or None,
    )


_MAX_LENGTHS = {"external_id": 255, "name": 500, "description": 5000}
"""How many characters of a text are shown: as many as the arguments may have."""


def _basic(order: ProposedInsertionOrder) -> dict[str, Any]:
    fields = order.model_dump(include=set(ProposedIo.model_fields))
    return fields | {name: printable(fields[name], limit=limit) for name, limit in _MAX_LENGTHS.items() if fields[name]}


def vocabulary() -> dict[str, Any]:
    """What a frequency cap is made of. FreeWheel documents these names and no meaning beyond them."""
    return {
        "at_most": MAX_CAPS,
        "type": list(get_args(CapType)),
        "scope": list(get_args(CapScope)),
        "period": "Required with scope TIME, refused with any other. FreeWheel documents no unit; its v3 API counts "
        "minutes (1440 is a day).",
    }

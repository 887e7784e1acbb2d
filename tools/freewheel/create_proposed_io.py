"""Create a proposed insertion order (Proposed Insertion Order API v4, "Attributes" and their child tables)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tools.backends import Backends
from tools.fields import BodyId, FreeWheelId, Name, Prose
from tools.freewheel.models import ProposedInsertionOrder
from tools.replies import STOP_AT_A_DIFFERENCE, differences, printable
from tools.schema import Arguments, Result
from tools.tool import Tool, Write


class FrequencyCap(Arguments):
    value: int = Field(ge=1, description="How often at most.")
    type: Literal["IMPRESSION", "PACKAGE"] = Field(description="What is counted.")
    scope: Literal["TIME", "STREAM", "CAMPAIGN", "ASSET", "SITE_SECTION"] = Field(description="Within what.")
    period: int | None = Field(
        default=None,
        ge=1,
        description="Length of the period; with scope TIME required, with others refused. FreeWheel states no unit; "
        "its v3 API counts minutes (1440 is a day).",
    )

    @model_validator(mode="after")
    def _period_goes_with_time(self) -> FrequencyCap:
        if self.scope == "TIME" and self.period is None:
            raise ValueError("scope TIME needs period")
        if self.scope != "TIME" and self.period is not None:
            raise ValueError(f"period goes with scope TIME only, not with {self.scope}")
        return self


class Budget(Arguments):
    budget_model: Literal["CURRENCY_TARGET", "IMPRESSION_TARGET"] = Field(description="What the order aims at.")
    currency: float | None = Field(
        default=None,
        gt=0,
        description="Amount of money in the network's currency; with CURRENCY_TARGET only, and required there.",
    )
    impression: int | None = Field(
        default=None, ge=1, description="Impressions; with IMPRESSION_TARGET only, and required there."
    )
    over_delivery: float | None = Field(
        default=None, ge=0, description="Over-delivery in percent. Left out, the network's default applies."
    )
    over_delivery_type: Literal["CUSTOM", "DEFAULT"] | None = Field(
        default=None, description="CUSTOM goes with over_delivery; DEFAULT excludes it."
    )

    @field_validator("budget_model", mode="before")
    @classmethod
    def _evergreen_is_read_only(cls, value: Any) -> Any:
        if value == "EVERGREEN":
            raise ValueError(
                "FreeWheel only reports EVERGREEN and does not take it in a create: use CURRENCY_TARGET or "
                "IMPRESSION_TARGET, or leave budget out"
            )
        return value

    @model_validator(mode="after")
    def _goal_fits_the_model(self) -> Budget:
        goals = {"CURRENCY_TARGET": "currency", "IMPRESSION_TARGET": "impression"}
        for model, goal in goals.items():
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


class CreateProposedIo(Arguments):
    external_id: BodyId = Field(
        description="Your own key of this order (CRM opportunity, order number). Take one that is new: "
        "whether FreeWheel refuses a second one is not documented.",
    )
    name: Name = Field(description="Name of the order.")
    description: Prose | None = Field(default=None, description="Free text.")
    campaign_id: FreeWheelId | None = Field(
        default=None, description="FreeWheel campaign to create it under, when the network wants one."
    )
    brand_id: FreeWheelId | None = Field(default=None, description="FreeWheel brand id of the advertiser.")
    probability_of_close: int | None = Field(
        default=None, ge=0, le=100, description="Chance in percent that the contract closes."
    )
    budget: Budget | None = Field(default=None, description="Goal of the order.")
    frequency_caps: list[FrequencyCap] | None = Field(
        default=None, min_length=1, max_length=3, description="At most three caps."
    )
    assigned_user_ids: list[FreeWheelId] | None = Field(
        default=None, min_length=1, max_length=100, description="FreeWheel ids of the users to assign."
    )


class ProposedIo(Result):
    id: int = Field(description="Proposed IO id.")
    external_id: str | None = None
    name: str | None = None
    proposed_io_status: str | None = Field(default=None, description="PROPOSED, COMPLETED or LOST.")
    description: str | None = None
    brand_id: int | None = None
    probability_of_close: int | None = None
    created_at: str | None = None


class CreatedProposedIo(Result):
    proposed_io: ProposedIo = Field(description="As FreeWheel answered.")
    what_happened: str
    next_step: str


async def create_proposed_io(arguments: CreateProposedIo, backends: Backends) -> CreatedProposedIo:
    """Create a proposed insertion order in FreeWheel: the proposal that a seller works on until it closes.

    It books and holds no inventory: for that, use list_avails and reserve_avail. A repeated call may create a
    second order, even with the same external_id, so never repeat one whose answer was lost. Ask the person for the
    ids of brands, campaigns and users. The rules of budget and caps are checked before anything is sent.
    """
    order = await backends.freewheel.create_proposed_insertion_order(
        _body(arguments),
        campaign_id=arguments.campaign_id,
        look=f"First have a person look in FreeWheel, under Proposed IOs, for external_id "
        f"{printable(arguments.external_id, limit=100)}: "
        "if it is there, the write was done.",
    )
    different = _different(arguments, order)
    return CreatedProposedIo(
        proposed_io=_proposed_io(order),
        what_happened=f"FreeWheel created proposed IO {order.id}"
        + (f" under campaign {arguments.campaign_id}" if arguments.campaign_id else "")
        + ". It is a proposal: no inventory is held or booked by it."
        + (f" {different}" if different else ""),
        next_step=STOP_AT_A_DIFFERENCE
        if different
        else "A person adds placements in FreeWheel. To hold inventory, use list_avails, then reserve_avail.",
    )


def _different(arguments: CreateProposedIo, order: ProposedInsertionOrder) -> str:
    asked = {"external_id": arguments.external_id, "brand_id": arguments.brand_id, "proposed_io_status": "PROPOSED"}
    return differences(asked, order)


def _body(arguments: CreateProposedIo) -> dict[str, Any]:
    """The body in FreeWheel's own spelling; what was left out is not sent."""
    body = arguments.model_dump(
        mode="json", exclude_none=True, exclude={"campaign_id", "frequency_caps", "assigned_user_ids"}
    )
    if arguments.frequency_caps:
        caps = [cap.model_dump(mode="json", exclude_none=True) for cap in arguments.frequency_caps]
        body["delivery"] = {"frequency_caps": caps}
    if arguments.assigned_user_ids:
        body["assignments"] = {"users": [{"id": user} for user in arguments.assigned_user_ids]}
    return body


def _proposed_io(order: ProposedInsertionOrder) -> ProposedIo:
    return ProposedIo(**order.model_dump(include=set(ProposedIo.model_fields)))


TOOL = Tool(
    name="create_proposed_io",
    title="Create proposed insertion order",
    arguments=CreateProposedIo,
    result=CreatedProposedIo,
    effect=Write(),
    vendors=frozenset({"freewheel"}),
    handler=create_proposed_io,
)

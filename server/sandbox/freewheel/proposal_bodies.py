"""Bodies of the Proposed Insertion Order API v4: its attribute tables, as strict as they are."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from server.sandbox.freewheel.wire import LARGEST_ID, Body, FwId, Text, set_on_create, validated

NETWORK_OVER_DELIVERY = 5.0
"""The network's default over delivery, in percent."""

Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Percentage = Annotated[float, Field(ge=0)]


class FrequencyCap(Body):
    """Frequency Cap Attributes; `period` in minutes."""

    value: Count
    type: Literal["IMPRESSION", "PACKAGE"]
    scope: Literal["TIME", "STREAM", "CAMPAIGN", "ASSET", "SITE_SECTION"]
    period: Count | None = None

    @model_validator(mode="after")
    def _period_goes_with_time(self) -> Self:
        if (self.scope == "TIME") is (self.period is None):
            raise ValueError("period is valid and required only when scope is TIME")
        return self


class Delivery(Body):
    """Delivery Attributes: "Only 3 frequency caps are supported at most"."""

    frequency_caps: list[FrequencyCap] = Field(default_factory=list[FrequencyCap], max_length=3)


class Budget(Body):
    """Budget Attributes; EVERGREEN is GET only. `currency` is an amount, `over_delivery` a percentage."""

    budget_model: Literal["CURRENCY_TARGET", "IMPRESSION_TARGET"]
    currency: Annotated[float, Field(gt=0)] | None = None
    impression: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    over_delivery: Percentage | None = None
    over_delivery_type: Literal["CUSTOM", "DEFAULT"] | None = None

    @model_validator(mode="after")
    def _goal_goes_with_model(self) -> Self:
        for goal, model in (("currency", "CURRENCY_TARGET"), ("impression", "IMPRESSION_TARGET")):
            if (self.budget_model == model) is (getattr(self, goal) is None):
                raise ValueError(f"{goal} is valid and required only when budget_model is {model}")
        return self

    def stored(self) -> dict[str, object]:
        """As the network keeps it: DEFAULT, or no custom value, means the network's over delivery."""
        custom = self.over_delivery is not None and self.over_delivery_type != "DEFAULT"
        given: dict[str, object] = self.model_dump(exclude_none=True)
        return given | {
            "over_delivery": self.over_delivery if custom else NETWORK_OVER_DELIVERY,
            "over_delivery_type": "CUSTOM" if custom else "DEFAULT",
        }


class AssignedUser(Body):
    """Users Attributes; full_name and login are ignored when passed."""

    id: FwId


class Assignments(Body):
    users: list[AssignedUser] = Field(default_factory=list[AssignedUser])


class NewOrder(Body):
    """What may be set on create."""

    external_id: Text
    name: Text
    description: str | None = None
    delivery: Delivery | None = None
    budget: Budget | None = None
    brand_id: FwId | None = None
    assignments: Assignments | None = None
    probability_of_close: Annotated[int, Field(ge=0, le=100)] | None = None

    def user_ids(self) -> list[int]:
        """Each assigned user once, in the order given."""
        return list(dict.fromkeys(user.id for user in self.assignments.users)) if self.assignments else []


class WholeOrder(NewOrder):
    """What an update replaces an order by; `proposed_io_status` counts only when it was sent."""

    proposed_io_status: Literal["PROPOSED", "COMPLETED", "LOST"] = "PROPOSED"


def new_order(body: dict[str, object]) -> NewOrder:
    """422 for a body that cannot become an order; what is not creatable cannot be set."""
    faults = set_on_create(body, "id", "schedule", "created_at", "updated_at", "proposed_io_status")
    return validated(NewOrder, body, faults)


def whole_order(body: dict[str, object]) -> WholeOrder:
    """422 for a body that an order cannot be replaced by; id, schedule and both times in it are ignored."""
    return validated(WholeOrder, body)

"""Request bodies of the Proposed Insertion Order API v4, validated as strictly as its attribute tables say."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from server.sandbox.freewheel.wire import LARGEST_ID, Body, FwId, Text, set_on_create, validated

NETWORK_OVER_DELIVERY = 5.0
"""The network's default over delivery, in percent."""

Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Percentage = Annotated[float, Field(ge=0)]


class FrequencyCap(Body):
    """Frequency Cap Attributes. `period` is in minutes."""

    value: Count
    type: Literal["IMPRESSION", "PACKAGE"]
    scope: Literal["TIME", "STREAM", "CAMPAIGN", "ASSET", "SITE_SECTION"]
    period: Count | None = None

    @model_validator(mode="after")
    def _period_needs_scope_time(self) -> Self:
        if (self.scope == "TIME") is (self.period is None):
            raise ValueError("period is valid and required only when scope is TIME")
        return self


class Delivery(Body):
    """Delivery Attributes: "Only 3 frequency caps are supported at most"."""

    frequency_caps: list[FrequencyCap] = Field(default_factory=list[FrequencyCap], max_length=3)


class Budget(Body):
    """Budget Attributes. `currency` is an amount, `over_delivery` a percentage. EVERGREEN exists in answers only."""

    budget_model: Literal["CURRENCY_TARGET", "IMPRESSION_TARGET"]
    currency: Annotated[float, Field(gt=0)] | None = None
    impression: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None
    over_delivery: Percentage | None = None
    over_delivery_type: Literal["CUSTOM", "DEFAULT"] | None = None

    @model_validator(mode="after")
    def _goal_matches_model(self) -> Self:
        for goal, model in (("currency", "CURRENCY_TARGET"), ("impression", "IMPRESSION_TARGET")):
            if (self.budget_model == model) is (getattr(self, goal) is None):
                raise ValueError(f"{goal} is valid and required only when budget_model is {model}")
        return self

    def stored(self) -> dict[str, object]:
        """The budget as the network stores it. DEFAULT, or no custom value, means the network's own over delivery."""
        custom = self.over_delivery is not None and self.over_delivery_type != "DEFAULT"
        given: dict[str, object] = self.model_dump(exclude_none=True)
        return given | {
            "over_delivery": self.over_delivery if custom else NETWORK_OVER_DELIVERY,
            "over_delivery_type": "CUSTOM" if custom else "DEFAULT",
        }


class AssignedUser(Body):
    """Users Attributes. full_name and login are ignored."""

    id: FwId


class Assignments(Body):
    users: list[AssignedUser] = Field(default_factory=list[AssignedUser])


class NewOrder(Body):
    """The fields that may be set on create."""

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
    """The fields of an update, which replaces the order. `proposed_io_status` counts only if it was sent."""

    proposed_io_status: Literal["PROPOSED", "COMPLETED", "LOST"] = "PROPOSED"


def read_new_order(body: dict[str, object]) -> NewOrder:
    """The body of a create: 422 if it is not valid, or sets a field that cannot be set on create."""
    faults = set_on_create(body, "id", "schedule", "created_at", "updated_at", "proposed_io_status")
    return validated(NewOrder, body, faults)


def read_whole_order(body: dict[str, object]) -> WholeOrder:
    """The body of an update: 422 if it is not valid. Its id, schedule and both times are ignored."""
    return validated(WholeOrder, body)

"""The sandbox's Proposed Insertion Order API v4 (a preview in FreeWheel's own words).

`external_id` is not unique here: FreeWheel documents neither that it is, nor an idempotency key, so a
repeated POST makes a second order.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.sandbox.freewheel_wire import LARGEST_ID, json_object, page_of, path_id, refuse
from server.sandbox.store import Clock, Store, timestamp

NETWORK_OVER_DELIVERY = 5.0
"""The network's default over delivery, in percent."""
NETWORK_TIME_ZONE = "(GMT-05:00) America - New York"

_NEVER_ON_CREATE = ("id", "schedule", "created_at", "updated_at", "proposed_io_status")


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("can't be blank")
    return text


FwId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
Count = Annotated[int, Field(ge=1, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=255), AfterValidator(_not_blank)]
Percentage = Annotated[float, Field(ge=0)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class FrequencyCap(_Body):
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


class Delivery(_Body):
    """Delivery Attributes: "Only 3 frequency caps are supported at most"."""

    frequency_caps: Annotated[list[FrequencyCap], Field(max_length=3)] = []


class Budget(_Body):
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


class AssignedUser(_Body):
    """Users Attributes; full_name and login are ignored when passed."""

    id: FwId


class Assignments(_Body):
    users: list[AssignedUser] = []


class NewOrder(_Body):
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


class ProposedInsertionOrders:
    """The resource over `freewheel_proposed_insertion_order`, listed in the order of `id`: newest last."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def collection(self, request: Request) -> Response:
        """`GET`: `page` and `per_page` only, with bounds and defaults as for inventory packages; there is no
        search by `external_id`. `POST`: create without a campaign.
        """
        if request.method == "POST":
            return self._create(await json_object(request), None)
        wanted = page_of(request.query_params)
        with self._store.transaction() as connection:
            total: int = connection.execute("SELECT count(*) FROM freewheel_proposed_insertion_order").fetchone()[0]
            rows = connection.execute(
                "SELECT * FROM freewheel_proposed_insertion_order ORDER BY id LIMIT ? OFFSET ?",
                (wanted.per_page, wanted.offset),
            ).fetchall()
        return JSONResponse(
            {
                "items": [_basic(row) for row in rows],
                "page": wanted.page,
                "per_page": wanted.per_page,
                "total_count": total,
                "total_page": wanted.pages(total),
            }
        )

    async def create_in_campaign(self, request: Request) -> Response:
        """`POST` under a campaign; 404 for an unknown one. The campaign is not among an order's fields."""
        campaign_id = path_id(request, "campaign_id", "Campaign")
        return self._create(await json_object(request), campaign_id)

    async def show(self, request: Request) -> Response:
        """One order, wrapped in its resource's name; `show=all` adds delivery, budget and assignments.

        An order that was made without a budget reads as EVERGREEN, the model that is GET only.
        """
        order_id = path_id(request, "id", "Proposed insertion order")
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM freewheel_proposed_insertion_order WHERE id = ?", (order_id,)
            ).fetchone()
            if row is None:
                refuse(404, "Proposed insertion order not found.")
            order = _basic(row)
            if request.query_params.get("show") == "all":
                order |= {
                    "delivery": json.loads(row["delivery"]),
                    "budget": json.loads(row["budget"]),
                    "assignments": {"users": _users(connection, json.loads(row["user_ids"]))},
                }
        return JSONResponse({"proposed_insertion_order": order})

    def _create(self, body: dict[str, object], campaign_id: int | None) -> Response:
        with self._store.transaction() as connection:
            if campaign_id is not None and not _exists(connection, "freewheel_campaign", campaign_id):
                refuse(404, "Campaign not found.")
            order = _validated(body)
            unknown = [
                f"assignments.users: user {user_id} does not exist"
                for user_id in order.user_ids()
                if not _exists(connection, "freewheel_user", user_id)
            ]
            if order.brand_id is not None and not _exists(connection, "freewheel_brand", order.brand_id):
                unknown.append(f"brand_id: brand {order.brand_id} does not exist")
            if unknown:
                refuse(422, *unknown)
            now = timestamp(self._clock())
            row = connection.execute(
                "INSERT INTO freewheel_proposed_insertion_order (campaign_id, external_id, name, description,"
                " time_zone, delivery, budget, brand_id, user_ids, created_at, updated_at,"
                " probability_of_close, proposed_io_status)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'PROPOSED') RETURNING *",
                (
                    campaign_id,
                    order.external_id,
                    order.name,
                    order.description,
                    NETWORK_TIME_ZONE,
                    (order.delivery or Delivery()).model_dump_json(exclude_none=True),
                    json.dumps(order.budget.stored() if order.budget else {"budget_model": "EVERGREEN"}),
                    order.brand_id,
                    json.dumps(order.user_ids()),
                    now,
                    now,
                    order.probability_of_close,
                ),
            ).fetchone()
        return JSONResponse(_basic(row), 201)


def _validated(body: dict[str, object]) -> NewOrder:
    messages = [f"{field}: cannot be set on create" for field in _NEVER_ON_CREATE if field in body]
    try:
        order = NewOrder.model_validate(body)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False, include_input=False):
            field = ".".join(str(part) for part in problem["loc"])
            messages.append(f"{field}: {problem['msg'].removeprefix('Value error, ')}")
        refuse(422, *messages)
    if messages:
        refuse(422, *messages)
    return order


def _basic(row: sqlite3.Row) -> dict[str, object]:
    """The fields "included in basic GET". The schedule follows from placements: a new order has no times."""
    return {
        "id": row["id"],
        "external_id": row["external_id"],
        "name": row["name"],
        "description": row["description"],
        "schedule": {
            "start_time": row["start_time"],
            "end_time": row["end_time"],
            "time_zone": row["time_zone"],
        },
        "brand_id": row["brand_id"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "probability_of_close": row["probability_of_close"],
        "proposed_io_status": row["proposed_io_status"],
    }


def _users(connection: sqlite3.Connection, user_ids: list[int]) -> list[dict[str, object]]:
    users = [
        connection.execute("SELECT id, full_name, login FROM freewheel_user WHERE id = ?", (user_id,)).fetchone()
        for user_id in user_ids
    ]
    return [dict(user) for user in users]


def _exists(connection: sqlite3.Connection, table: str, key: int) -> bool:
    found = connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (key,)).fetchone()  # noqa: S608 - our own tables
    return found is not None

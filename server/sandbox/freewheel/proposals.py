"""The sandbox's Proposed Insertion Order API v4 (a preview in FreeWheel's own words).

Undocumented, and answered in the way that costs a careless client most: `external_id` is not unique and there is no
idempotency key, so a repeated POST makes a second order; an update replaces the whole order.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.sandbox.freewheel.proposal_bodies import Delivery, NewOrder, new_order, whole_order
from server.sandbox.freewheel.wire import json_object, page_of, path_id, refuse
from server.sandbox.store import Clock, Store, timestamp

UpdateVerb = Literal["PUT", "PATCH"]

NETWORK_TIME_ZONE = "(GMT-05:00) America - New York"


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
        return wanted.items([_basic(row) for row in rows], total)

    async def create_in_campaign(self, request: Request) -> Response:
        """`POST` under a campaign; 404 for an unknown one. The campaign is not among an order's fields."""
        campaign_id = path_id(request, "campaign_id", "Campaign")
        return self._create(await json_object(request), campaign_id)

    async def one(self, request: Request) -> Response:
        """`GET`: one order, wrapped in its resource's name; `show=all` adds delivery, budget and assignments. An
        order without a budget reads as EVERGREEN, the model that is GET only. Every other method updates.
        """
        order_id = path_id(request, "id", "Proposed insertion order")
        if request.method not in {"GET", "HEAD"}:
            return self._update(order_id, await json_object(request))
        with self._store.transaction() as connection:
            row = existing_order(connection, order_id)
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
            row = connection.execute(
                "INSERT INTO freewheel_proposed_insertion_order (campaign_id, external_id, name, description,"
                " time_zone, delivery, budget, brand_id, user_ids, created_at, updated_at,"
                " probability_of_close, proposed_io_status)"
                " VALUES (:campaign_id, :external_id, :name, :description,"
                " :time_zone, :delivery, :budget, :brand_id, :user_ids, :now, :now,"
                " :probability_of_close, 'PROPOSED') RETURNING *",
                {
                    **_stored(connection, new_order(body)),
                    "campaign_id": campaign_id,
                    "time_zone": NETWORK_TIME_ZONE,
                    "now": timestamp(self._clock()),
                },
            ).fetchone()
        return JSONResponse(_basic(row), 201)

    def _update(self, order_id: int, body: dict[str, object]) -> Response:
        """A full replacement, by PUT or PATCH alike; 200 with the basic fields, bare."""
        with self._store.transaction() as connection:
            present = existing_order(connection, order_id)
            order = whole_order(body)
            sent = "proposed_io_status" in order.model_fields_set
            row = connection.execute(
                "UPDATE freewheel_proposed_insertion_order SET external_id = :external_id, name = :name,"
                " description = :description, delivery = :delivery, budget = :budget, brand_id = :brand_id,"
                " user_ids = :user_ids, updated_at = :now, probability_of_close = :probability_of_close,"
                " proposed_io_status = :status WHERE id = :id RETURNING *",
                {
                    **_stored(connection, order),
                    "status": order.proposed_io_status if sent else present["proposed_io_status"],
                    "now": timestamp(self._clock()),
                    "id": order_id,
                },
            ).fetchone()
        return JSONResponse(_basic(row))


def existing_order(connection: sqlite3.Connection, order_id: int) -> sqlite3.Row:
    """404 for an unknown one."""
    row = connection.execute("SELECT * FROM freewheel_proposed_insertion_order WHERE id = ?", (order_id,)).fetchone()
    if row is None:
        refuse(404, "Proposed insertion order not found.")
    return row


def _stored(connection: sqlite3.Connection, order: NewOrder) -> dict[str, object]:
    """The columns that a body decides; 422 for users and a brand that do not exist."""
    user_ids = order.user_ids()
    unknown = [
        f"assignments.users: user {user_id} does not exist"
        for user_id in user_ids
        if not _exists(connection, "freewheel_user", user_id)
    ]
    if order.brand_id is not None and not _exists(connection, "freewheel_brand", order.brand_id):
        unknown.append(f"brand_id: brand {order.brand_id} does not exist")
    if unknown:
        refuse(422, *unknown)
    return {
        "external_id": order.external_id,
        "name": order.name,
        "description": order.description,
        "delivery": (order.delivery or Delivery()).model_dump_json(exclude_none=True),
        "budget": json.dumps(order.budget.stored() if order.budget else {"budget_model": "EVERGREEN"}),
        "brand_id": order.brand_id,
        "user_ids": json.dumps(user_ids),
        "probability_of_close": order.probability_of_close,
    }


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

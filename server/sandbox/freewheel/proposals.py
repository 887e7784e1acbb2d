"""The sandbox's Proposed Insertion Order API v4, which FreeWheel calls a preview.

Where nothing is documented, the sandbox does what costs a careless client most: `external_id` is not unique and there
is no idempotency key, so a repeated POST makes a second order, and an update replaces the whole order.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.sandbox.freewheel.proposal_bodies import Delivery, NewOrder, read_new_order, read_whole_order
from server.sandbox.freewheel.wire import json_object, path_id, read_page, refuse
from server.sandbox.store import Clock, Store, timestamp

UpdateVerb = Literal["PUT", "PATCH"]

NETWORK_TIME_ZONE = "(GMT-05:00) America - New York"


class ProposedInsertionOrders:
    """The proposed insertion orders, stored in `freewheel_proposed_insertion_order`. Lists are sorted by `id`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def collection(self, request: Request) -> Response:
        """`GET`: the list. `POST`: create an order without a campaign.

        The list takes only `page` and `per_page`, with the bounds and defaults of inventory packages. It has no search
        by `external_id`.
        """
        if request.method == "POST":
            return self._create(await json_object(request), None)
        wanted = read_page(request.query_params)
        with self._store.transaction() as connection:
            total: int = connection.execute("SELECT count(*) FROM freewheel_proposed_insertion_order").fetchone()[0]
            rows = connection.execute(
                "SELECT * FROM freewheel_proposed_insertion_order ORDER BY id LIMIT ? OFFSET ?",
                (wanted.per_page, wanted.offset),
            ).fetchall()
        return wanted.items_response([_basic_fields(row) for row in rows], total)

    async def create_in_campaign(self, request: Request) -> Response:
        """`POST` under a campaign: 404 for an unknown campaign. An order has no field for its campaign."""
        campaign_id = path_id(request, "campaign_id", "Campaign")
        return self._create(await json_object(request), campaign_id)

    async def one(self, request: Request) -> Response:
        """`GET`: one order under the name of its resource. Every other method updates it.

        `show=all` adds delivery, budget and assignments. An order without a budget has the model EVERGREEN, which
        exists in answers only.
        """
        order_id = path_id(request, "id", "Proposed insertion order")
        if request.method not in {"GET", "HEAD"}:
            return self._update(order_id, await json_object(request))
        with self._store.transaction() as connection:
            row = existing_order(connection, order_id)
            order = _basic_fields(row)
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
                    **_columns(connection, read_new_order(body)),
                    "campaign_id": campaign_id,
                    "time_zone": NETWORK_TIME_ZONE,
                    "now": timestamp(self._clock()),
                },
            ).fetchone()
        return JSONResponse(_basic_fields(row), 201)

    def _update(self, order_id: int, body: dict[str, object]) -> Response:
        """Replace the whole order, whether by PUT or PATCH. Answers 200 with the basic fields, without an envelope."""
        with self._store.transaction() as connection:
            current = existing_order(connection, order_id)
            order = read_whole_order(body)
            sent = "proposed_io_status" in order.model_fields_set
            row = connection.execute(
                "UPDATE freewheel_proposed_insertion_order SET external_id = :external_id, name = :name,"
                " description = :description, delivery = :delivery, budget = :budget, brand_id = :brand_id,"
                " user_ids = :user_ids, updated_at = :now, probability_of_close = :probability_of_close,"
                " proposed_io_status = :status WHERE id = :id RETURNING *",
                {
                    **_columns(connection, order),
                    "status": order.proposed_io_status if sent else current["proposed_io_status"],
                    "now": timestamp(self._clock()),
                    "id": order_id,
                },
            ).fetchone()
        return JSONResponse(_basic_fields(row))


def existing_order(connection: sqlite3.Connection, order_id: int) -> sqlite3.Row:
    """Return the order: 404 if it is unknown."""
    row = connection.execute("SELECT * FROM freewheel_proposed_insertion_order WHERE id = ?", (order_id,)).fetchone()
    if row is None:
        refuse(404, "Proposed insertion order not found.")
    return row


def _columns(connection: sqlite3.Connection, order: NewOrder) -> dict[str, object]:
    """The columns that come from the body: 422 for users or a brand that do not exist."""
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


def _basic_fields(row: sqlite3.Row) -> dict[str, object]:
    """The fields "included in basic GET". The schedule comes from placements, so a new order has no times."""
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

"""The proposed placements of a proposed insertion order in the sandbox's FreeWheel, read-only.

The fields are those of Proposed Placement API v4 ("Basic Attributes"). The price models are from Proposed Ad API v4.
"""

from __future__ import annotations

import json
import sqlite3

from starlette.requests import Request
from starlette.responses import Response

from server.sandbox.freewheel.proposals import existing_order
from server.sandbox.freewheel.wire import path_id, read_page
from server.sandbox.store import Store


class ProposedPlacements:
    """The proposed placements, stored in `freewheel_proposed_placement`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_order(self, request: Request) -> Response:
        """`GET .../proposed_placements`: sorted by `id`, with the pages and the envelope of the list of orders.

        404 for an unknown order, an empty list for an order without placements.
        """
        order_id, wanted = path_id(request, "id", "Proposed insertion order"), read_page(request.query_params)
        with self._store.transaction() as connection:
            existing_order(connection, order_id)
            total: int = connection.execute(
                "SELECT count(*) FROM freewheel_proposed_placement WHERE insertion_order_id = ?", (order_id,)
            ).fetchone()[0]
            rows = connection.execute(
                "SELECT * FROM freewheel_proposed_placement WHERE insertion_order_id = ? ORDER BY id LIMIT ? OFFSET ?",
                (order_id, wanted.per_page, wanted.offset),
            ).fetchall()
        return wanted.items_response([_placement(row) for row in rows], total)


def _placement(row: sqlite3.Row) -> dict[str, object]:
    """The placement as in the answer. It is always INACTIVE, since a proposed placement delivers nothing."""
    return {
        "id": row["id"],
        "insertion_order_id": row["insertion_order_id"],
        "name": row["name"],
        "description": row["description"],
        "status": "INACTIVE",
        "enable_canoe": bool(row["enable_canoe"]),
        "placement_type": row["placement_type"],
        "external_id": row["external_id"],
        "schedule": {
            "start_time": row["start_time"],
            "end_time": row["end_time"],
            "time_zone": row["time_zone"],
        },
        "price": {"price_model": row["price_model"], "price": row["price"]},
        "budget": json.loads(row["budget"]),
    }

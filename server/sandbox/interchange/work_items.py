"""Work items at Interchange: what people have to do before a held avail is booked.

An item may change freely among OPEN, IN_PROGRESS and BLOCKED, and from OPEN or IN_PROGRESS to COMPLETED. COMPLETED and
CANCELLED are final, except that completing a COMPLETED item again changes nothing (`changed: false`). The platform
names `requiredResultFields` without saying whether it enforces them. The sandbox refuses a completion without them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from server.sandbox.interchange import bookings
from server.sandbox.interchange.modules.contracts import REQUIRED_RESULTS, module_row_id
from server.sandbox.interchange.wire import invalid, invalid_state, not_found
from server.sandbox.store import timestamp

STOREFRONT_ID = "5120"
OPERATOR = "operator@northlight.example"
UNFINISHED = ("OPEN", "IN_PROGRESS", "BLOCKED")
BOOKING_KINDS = ("EXECUTE_UPSTREAM_BOOKING", "TRAFFIC_TO_CADENT")
"""The kinds whose completion turns the hold BOOKED."""
_STOREFRONT_APPROVALS = ("APPROVE_MEDIA_BUY", "APPROVE_MEDIA_BUY_CANCELLATION")


@dataclass(frozen=True)
class NewItem:
    kind: str
    title: str
    description: str
    due_in: timedelta | None
    priority: str = "NORMAL"
    resource: tuple[str, str] = ("inventory_source", "")
    booking_id: int | None = None
    media_buy_id: str | None = None
    buyer_customer_id: int | None = None
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    blocked_reason: str | None = None


def add(connection: sqlite3.Connection, now: datetime, source_id: str, new: NewItem) -> sqlite3.Row:
    moment = timestamp(now)
    cursor = connection.execute(
        "INSERT INTO interchange_work_items (source_id, booking_id, kind, title, description, status, priority,"
        " resource_type, resource_id, media_buy_id, buyer_customer_id, due_at, payload, result, blocked_reason,"
        " created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?, ?)",
        (
            source_id,
            new.booking_id,
            new.kind,
            new.title,
            new.description,
            "BLOCKED" if new.blocked_reason else "OPEN",
            new.priority,
            *new.resource,
            new.media_buy_id,
            new.buyer_customer_id,
            None if new.due_in is None else timestamp(now + new.due_in),
            json.dumps({**new.payload, "requiredResultFields": list(REQUIRED_RESULTS.get(new.kind, ()))}),
            new.blocked_reason,
            moment,
            moment,
        ),
    )
    item = _row(connection, source_id, cursor.lastrowid)
    _add_event(connection, now, item["id"], "CREATED", actor=("module", None), payload={"status": item["status"]})
    return item


@dataclass(frozen=True)
class Filters:
    statuses: Sequence[str] = UNFINISHED
    kind: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None
    media_buy_id: str | None = None
    buyer_customer_id: int | None = None
    limit: int = 50


def search(connection: sqlite3.Connection, source: sqlite3.Row, filters: Filters) -> dict[str, object]:
    """Return an InventorySourceWorkItemsResponse, oldest item first.

    The limit is applied before storefront approvals are left out. Its default is not documented: 50 here.
    """
    rows: list[sqlite3.Row] = connection.execute(
        "SELECT * FROM interchange_work_items WHERE source_id = ?"
        " AND status IN (SELECT value FROM json_each(?)) AND kind = COALESCE(?, kind)"
        " AND resource_type = COALESCE(?, resource_type) AND resource_id = COALESCE(?, resource_id)"
        " AND media_buy_id IS COALESCE(?, media_buy_id) AND buyer_customer_id IS COALESCE(?, buyer_customer_id)"
        " ORDER BY created_at, id LIMIT ?",
        (
            source["source_id"],
            json.dumps(list(filters.statuses)),
            filters.kind,
            filters.resource_type,
            filters.resource_id,
            filters.media_buy_id,
            filters.buyer_customer_id,
            filters.limit,
        ),
    ).fetchall()
    items = [_summary(source, row) for row in rows if row["kind"] not in _STOREFRONT_APPROVALS]
    return {
        "items": items,
        "total": len(items),
        "scanned": len(rows),
        "windowFull": len(rows) == filters.limit,
    }


def open_counts(connection: sqlite3.Connection, source_id: str) -> dict[str, dict[str, int]]:
    """The number of unfinished items, by kind and then by status."""
    counts: dict[str, dict[str, int]] = {}
    for row in connection.execute(
        "SELECT kind, status, COUNT(*) AS number FROM interchange_work_items"
        " WHERE source_id = ? AND status IN ('OPEN', 'IN_PROGRESS', 'BLOCKED') GROUP BY kind, status",
        (source_id,),
    ):
        counts.setdefault(row["kind"], {})[row["status"]] = row["number"]
    return counts


def get(connection: sqlite3.Connection, source_id: str, item_id: str) -> sqlite3.Row:
    number = int(item_id) if item_id.isascii() and item_id.isdigit() and len(item_id) < 16 else None
    if number is None or str(number) != item_id:
        raise not_found(f"Work item {item_id} not found on inventory source {source_id}")
    return _row(connection, source_id, number)


def _row(connection: sqlite3.Connection, source_id: str, number: int | None) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM interchange_work_items WHERE id = ? AND source_id = ?", (number, source_id)
    ).fetchone()
    if row is None:
        raise not_found(f"Work item {number} not found on inventory source {source_id}")
    return row


def update(connection: sqlite3.Connection, now: datetime, item: sqlite3.Row, changes: dict[str, Any]) -> sqlite3.Row:
    """Apply the fields of UpdateInventorySourceWorkItemBody that were sent, `notes` included.

    A result is merged into the existing one. Leaving BLOCKED clears the reason unless one is sent.
    """
    if item["status"] not in UNFINISHED:
        raise invalid_state(f"Work item {item['id']} is {item['status']} and cannot be changed", status=item["status"])
    status = changes.get("status", item["status"])
    reason = changes.get("blockedReason", item["blocked_reason"] if status == "BLOCKED" else None)
    assigned = changes.get("assignedTo", item["assigned_to"])
    connection.execute(
        "UPDATE interchange_work_items SET status = ?, assigned_to = ?, blocked_reason = ?, result = ?, updated_at = ?"
        " WHERE id = ?",
        (
            status,
            None if assigned is None else str(assigned),
            reason,
            json.dumps(json.loads(item["result"]) | changes.get("result", {})),
            timestamp(now),
            item["id"],
        ),
    )
    sent = {key: value for key, value in changes.items() if key != "notes"}
    _add_event(connection, now, item["id"], "UPDATED", notes=changes.get("notes"), payload=sent)
    return _row(connection, item["source_id"], item["id"])


def complete(
    connection: sqlite3.Connection, now: datetime, item: sqlite3.Row, result: dict[str, Any], notes: str | None
) -> tuple[sqlite3.Row, bool]:
    """Complete the item. Returns it, and whether this call completed it.

    Completing an item of BOOKING_KINDS books the held impressions.
    """
    if item["status"] == "COMPLETED":
        return item, False
    if item["status"] not in ("OPEN", "IN_PROGRESS"):
        raise invalid_state(
            f"Work item {item['id']} is {item['status']} and cannot be completed", status=item["status"]
        )
    merged = json.loads(item["result"]) | result
    missing = [key for key in REQUIRED_RESULTS.get(item["kind"], ()) if merged.get(key) in (None, "")]
    if missing:
        raise invalid([(f"result.{key}", f"required to complete a {item['kind']} work item") for key in missing])
    moment = timestamp(now)
    connection.execute(
        "UPDATE interchange_work_items SET status = 'COMPLETED', result = ?, completed_by = ?, completed_at = ?,"
        " updated_at = ? WHERE id = ?",
        (json.dumps(merged), OPERATOR, moment, moment, item["id"]),
    )
    _add_event(connection, now, item["id"], "COMPLETED", notes=notes, payload={"result": result})
    if item["kind"] in BOOKING_KINDS and item["booking_id"] is not None:
        bookings.set_status(connection, now, item["booking_id"], "BOOKED")
    return _row(connection, item["source_id"], item["id"]), True


def cancel_for_booking(connection: sqlite3.Connection, now: datetime, booking_id: int) -> None:
    """Cancel the unfinished items of a booking that was released."""
    moment = timestamp(now)
    rows: list[sqlite3.Row] = connection.execute(
        "UPDATE interchange_work_items SET status = 'CANCELLED', blocked_reason = NULL, updated_at = ?"
        " WHERE booking_id = ? AND status IN ('OPEN', 'IN_PROGRESS', 'BLOCKED') RETURNING id",
        (moment, booking_id),
    ).fetchall()
    for row in rows:
        _add_event(
            connection,
            now,
            row["id"],
            "CANCELLED",
            actor=("system", None),
            payload={"bookingId": str(booking_id), "reason": "booking released"},
        )


def _add_event(
    connection: sqlite3.Connection,
    now: datetime,
    item_id: int,
    event_type: str,
    *,
    actor: tuple[str, str | None] = ("operator", OPERATOR),
    notes: str | None = None,
    payload: dict[str, Any],
) -> None:
    connection.execute(
        "INSERT INTO interchange_work_item_events (work_item_id, event_type, actor_type, actor_id, notes, payload,"
        " created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (item_id, event_type, *actor, notes, json.dumps(payload), timestamp(now)),
    )


def events(connection: sqlite3.Connection, item: sqlite3.Row) -> list[dict[str, object]]:
    return [
        {
            "id": str(row["id"]),
            "workItemId": str(row["work_item_id"]),
            "eventType": row["event_type"],
            "actorType": row["actor_type"],
            "actorId": row["actor_id"],
            "notes": row["notes"],
            "payload": json.loads(row["payload"]),
            "createdAt": row["created_at"],
        }
        for row in connection.execute(
            "SELECT * FROM interchange_work_item_events WHERE work_item_id = ? ORDER BY id", (item["id"],)
        )
    ]


def answer(source: sqlite3.Row, row: sqlite3.Row) -> dict[str, object]:
    """The item as InventorySourceWorkItem of the OpenAPI document."""
    return {
        **_common_fields(source, row),
        "payload": json.loads(row["payload"]),
        "result": json.loads(row["result"]),
    }


def _summary(source: sqlite3.Row, row: sqlite3.Row) -> dict[str, object]:
    return {**_common_fields(source, row), "requiredResultFields": list(REQUIRED_RESULTS.get(row["kind"], ()))}


def _common_fields(source: sqlite3.Row, row: sqlite3.Row) -> dict[str, object]:
    return {
        "id": str(row["id"]),
        "storefrontId": STOREFRONT_ID,
        "inventorySourceId": source["id"],
        "moduleId": module_row_id(source["id"], source["executor"], row["kind"]),
        "kind": row["kind"],
        "title": row["title"],
        "description": row["description"],
        "status": row["status"],
        "priority": row["priority"],
        "resourceType": row["resource_type"],
        "resourceId": row["resource_id"],
        "mediaBuyId": row["media_buy_id"],
        "buyerCustomerId": row["buyer_customer_id"],
        "assignedTo": row["assigned_to"],
        "dueAt": row["due_at"],
        "blockedReason": row["blocked_reason"],
        "createdByType": "module",
        "createdById": None,
        "completedBy": row["completed_by"],
        "completedAt": row["completed_at"],
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }

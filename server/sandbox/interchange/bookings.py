"""Avails, holds and bookings at Interchange. This is where the sandbox refuses to overbook an avail.

Held and booked impressions are sums over the bookings and are never stored, so `availableImpressions +
heldImpressions + bookedImpressions == impressionsCapacity` holds at every moment. A hold expires by itself: its
impressions are available again although nobody released it.

The platform documents no idempotency key and no default for `holdMinutes` or `packageId`. In the sandbox an identical
reservation is a second hold, a hold lasts 24 hours, and an omitted `packageId` means the package `default` (an empty
string is another package). Finalizing and releasing use the newest live booking of the media buy, package and avail.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from server.sandbox.interchange.wire import Refusal, invalid, invalid_state, not_found
from server.sandbox.store import timestamp

DEFAULT_HOLD_MINUTES = 24 * 60
DEFAULT_PACKAGE = "default"


class BookingKey(NamedTuple):
    """The fields by which a buyer names a booking: no endpoint of the platform takes a booking id."""

    source_id: str
    media_buy_id: str
    package_id: str
    avail_id: str


def check_media_buy(connection: sqlite3.Connection, media_buy_id: str, buyer_customer_id: int) -> sqlite3.Row:
    """Return the routed media buy: 404 NOT_FOUND if there is none, 403 FORBIDDEN if it is another buyer's."""
    buy: sqlite3.Row | None = connection.execute(
        "SELECT * FROM interchange_media_buys WHERE media_buy_id = ? AND kind = 'routed'", (media_buy_id,)
    ).fetchone()
    if buy is None:
        raise not_found(f"Media buy {media_buy_id} not found", field="mediaBuyId")
    if buy["buyer_customer_id"] != buyer_customer_id:
        raise Refusal(
            403,
            "FORBIDDEN",
            f"Media buy {media_buy_id} does not belong to buyer {buyer_customer_id}",
            field="buyerCustomerId",
        )
    return buy


def products(connection: sqlite3.Connection, now: datetime, source_id: str) -> list[dict[str, object]]:
    rows: list[sqlite3.Row] = connection.execute(
        "SELECT * FROM interchange_avails WHERE source_id = ? ORDER BY start_time, avail_id", (source_id,)
    ).fetchall()
    return [_product(connection, now, row) for row in rows]


def active_avail_count(connection: sqlite3.Connection, now: datetime, source_id: str) -> int:
    """How many of the source's avails have a flight that is not over."""
    row = connection.execute(
        "SELECT COUNT(*) FROM interchange_avails WHERE source_id = ? AND end_time > ?", (source_id, timestamp(now))
    ).fetchone()
    return int(row[0])


def _product(connection: sqlite3.Connection, now: datetime, avail: sqlite3.Row) -> dict[str, object]:
    held, booked = sold_impressions(connection, now, avail["avail_id"])
    return {
        "productId": avail["product_id"],
        "availId": avail["avail_id"],
        **json.loads(avail["product"]),
        "startTime": avail["start_time"],
        "endTime": avail["end_time"],
        "impressionsCapacity": avail["impressions_capacity"],
        "heldImpressions": held,
        "bookedImpressions": booked,
        "availableImpressions": avail["impressions_capacity"] - held - booked,
        "cpm": avail["cpm"],
    }


def sold_impressions(connection: sqlite3.Connection, now: datetime, avail_id: str) -> tuple[int, int]:
    """The held and the booked impressions of an avail at `now`."""
    row = connection.execute(
        "SELECT COALESCE(SUM(CASE WHEN status = 'HELD' AND (expires_at IS NULL OR expires_at > ?)"
        " THEN requested_impressions END), 0),"
        " COALESCE(SUM(CASE WHEN status = 'BOOKED' THEN requested_impressions END), 0)"
        " FROM interchange_bookings WHERE avail_id = ?",
        (timestamp(now), avail_id),
    ).fetchone()
    return int(row[0]), int(row[1])


def find_avail(
    connection: sqlite3.Connection, source_id: str, *, avail_id: str = "", product_id: str = ""
) -> sqlite3.Row:
    """Return the source's avail: 404 NOT_FOUND if there is none, 400 VALIDATION_ERROR if the ids name two avails."""
    avail: sqlite3.Row | None = connection.execute(
        "SELECT * FROM interchange_avails WHERE source_id = ? AND (avail_id = ? OR (? = '' AND product_id = ?))",
        (source_id, avail_id, avail_id, product_id),
    ).fetchone()
    if avail is None:
        wanted = f"avail {avail_id}" if avail_id else f"product {product_id}"
        raise not_found(f"Inventory source {source_id} has no {wanted}", field="availId" if avail_id else "productId")
    if product_id and avail["product_id"] != product_id:
        raise invalid([("productId", f"avail {avail_id} is product {avail['product_id']}, not {product_id}")])
    return avail


def reserve(
    connection: sqlite3.Connection,
    now: datetime,
    avail: sqlite3.Row,
    *,
    media_buy_id: str,
    package_id: str,
    requested_impressions: int,
    hold_minutes: int,
) -> dict[str, object]:
    """Hold impressions. Refuses with 400 INVALID_STATE if the flight is over, 409 CONFLICT if too few are available."""
    if avail["end_time"] <= timestamp(now):
        raise invalid_state(f"The flight of avail {avail['avail_id']} ended at {avail['end_time']}")
    held, booked = sold_impressions(connection, now, avail["avail_id"])
    available = avail["impressions_capacity"] - held - booked
    if requested_impressions > available:
        raise Refusal(
            409,
            "CONFLICT",
            f"Avail {avail['avail_id']} has {available} impressions available; {requested_impressions} were requested",
            field="requestedImpressions",
            details={"requestedImpressions": requested_impressions, "availableImpressions": available},
        )
    moment = timestamp(now)
    cursor = connection.execute(
        "INSERT INTO interchange_bookings (source_id, avail_id, media_buy_id, package_id, requested_impressions,"
        " status, expires_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, 'HELD', ?, ?, ?)",
        (
            avail["source_id"],
            avail["avail_id"],
            media_buy_id,
            package_id,
            requested_impressions,
            _end_of_hold(now, hold_minutes),
            moment,
            moment,
        ),
    )
    return booking_answer(_booking(connection, cursor.lastrowid))


def _end_of_hold(now: datetime, minutes: int) -> str:
    try:
        return timestamp(now + timedelta(minutes=minutes))
    except OverflowError:
        return timestamp(datetime.max.replace(tzinfo=UTC))


def live_hold(connection: sqlite3.Connection, now: datetime, key: BookingKey) -> sqlite3.Row:
    """The newest hold that can be finalized. Refuses with 404 if there never was a booking, else 400 INVALID_STATE."""
    return _newest_live(connection, now, key, statuses=("HELD",), verb="finalized")


def release(connection: sqlite3.Connection, now: datetime, key: BookingKey) -> sqlite3.Row:
    """Turn the newest live booking from HELD to RELEASED or from BOOKED to CANCELLED. Refuses like `live_hold`."""
    booking = _newest_live(connection, now, key, statuses=("HELD", "BOOKED"), verb="released")
    return set_status(
        connection, now, booking["booking_id"], "RELEASED" if booking["status"] == "HELD" else "CANCELLED"
    )


def _newest_live(
    connection: sqlite3.Connection,
    now: datetime,
    key: BookingKey,
    *,
    statuses: tuple[str, ...],
    verb: str,
) -> sqlite3.Row:
    rows: list[sqlite3.Row] = connection.execute(
        "SELECT * FROM interchange_bookings WHERE source_id = ? AND media_buy_id = ? AND package_id = ?"
        " AND avail_id = ? ORDER BY booking_id DESC",
        key,
    ).fetchall()
    subject = f"avail {key.avail_id} for media buy {key.media_buy_id}, package {key.package_id}"
    if not rows:
        raise not_found(f"There is no hold on {subject}")
    for row in rows:
        if row["status"] in statuses and not _is_expired(row, now):
            return row
    latest = rows[0]
    if _is_expired(latest, now):
        raise invalid_state(
            f"The hold on {subject} expired at {latest['expires_at']}; reserve the avail again",
            bookingId=str(latest["booking_id"]),
            status="EXPIRED",
        )
    raise invalid_state(
        f"The booking of {subject} is {latest['status']} and cannot be {verb}",
        bookingId=str(latest["booking_id"]),
        status=latest["status"],
    )


def _is_expired(booking: sqlite3.Row, now: datetime) -> bool:
    return booking["status"] == "HELD" and booking["expires_at"] is not None and booking["expires_at"] <= timestamp(now)


def clear_expiry(connection: sqlite3.Connection, now: datetime, booking_id: int) -> None:
    """Keep a finalized hold: it no longer expires by itself."""
    connection.execute(
        "UPDATE interchange_bookings SET expires_at = NULL, updated_at = ? WHERE booking_id = ?",
        (timestamp(now), booking_id),
    )


def set_status(connection: sqlite3.Connection, now: datetime, booking_id: int, status: str) -> sqlite3.Row:
    connection.execute(
        "UPDATE interchange_bookings SET status = ?, updated_at = ? WHERE booking_id = ?",
        (status, timestamp(now), booking_id),
    )
    return _booking(connection, booking_id)


def _booking(connection: sqlite3.Connection, booking_id: int | None) -> sqlite3.Row:
    row: sqlite3.Row = connection.execute(
        "SELECT * FROM interchange_bookings WHERE booking_id = ?", (booking_id,)
    ).fetchone()
    return row


def booking_answer(booking: sqlite3.Row) -> dict[str, object]:
    """The booking as ReserveModularInventoryProductResponse. The platform never shows when a hold expires."""
    return {
        "bookingId": str(booking["booking_id"]),
        "availId": booking["avail_id"],
        "mediaBuyId": booking["media_buy_id"],
        "packageId": booking["package_id"],
        "requestedImpressions": booking["requested_impressions"],
        "status": booking["status"],
    }

"""The media buys of an Interchange storefront: those routed to its sources, and those of its ad servers.

The bookings decide the status of a media buy. One with booked impressions is booked, delivering during its flight and
completed after it. One with held impressions awaits the source. Any other has the status that it was seeded with.

The platform calls its default order urgency. First come the media buys that wait for somebody and whose flight starts
within 48 hours or has started. The rest follow by the start of their flight, "as soon as possible" first. A filter by
flight leaves out a media buy that starts as soon as possible, since it has no instant to compare.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.sandbox.interchange.wire import invalid_state
from server.sandbox.store import timestamp

_URGENT_WITHIN = timedelta(hours=48)
_STALE_HOURS = 5
_SOURCE_STATUS = {
    "awaiting_source": "submitted",
    "booked": "pending_start",
    "delivering": "active",
    "paused": "paused",
    "completed": "completed",
}
_CREATIVE_REASONS = (
    "no_creatives_attached",
    "source_rejected_creatives",
    "creative_processing_at_source",
    "awaiting_creative_approval",
)
"""Pending reasons that stay although impressions are held or booked."""
_NOBODY_HAS_TO_ACT = ("accepted_awaiting_trafficking", "scheduled_not_started")
_NOT_OPEN = ("pending_approval", "rejected", "canceled", "completed")


@dataclass(frozen=True)
class Filters:
    status: str | None
    buyer_customer_id: int | None
    source_id: str | None
    flight_start_from: datetime | None
    flight_start_to: datetime | None
    take: int
    skip: int


@dataclass(frozen=True)
class _LiveBookings:
    """The live bookings of a media buy, taken together. `since` is when one of them last changed."""

    booked: bool
    held: bool
    sources: frozenset[str]
    first_at: str
    since: str


@dataclass(frozen=True)
class _Progress:
    status: str
    source_status: str | None
    outcome: str
    reason: str | None
    since: str | None
    error_code: str | None
    forwarded_at: str | None


def search(
    connection: sqlite3.Connection, now: datetime, filters: Filters, *, unreachable: str | None
) -> dict[str, object]:
    """Return a StorefrontMediaBuyListResponse. `unreachable` is a source that has not answered for hours."""
    live = _live_bookings(connection, now)
    found: list[tuple[tuple[bool, str, str], dict[str, object]]] = []
    for buy in connection.execute("SELECT * FROM interchange_media_buys"):
        bookings = live.get(buy["media_buy_id"])
        progress = _progress(buy, bookings, now)
        sources = {*json.loads(buy["legs"]), *(bookings.sources if bookings else ())}
        if _matches(buy, progress, sources, filters):
            found.append((_urgency(buy, progress, now), _summary(buy, progress, len(sources))))
    found.sort(key=lambda entry: entry[0])
    page = found[filters.skip : filters.skip + filters.take]
    return {
        "items": [item for _, item in page],
        "total": len(found),
        "warnings": [f"Source {unreachable} could not be reached."] if unreachable else [],
        "statusFreshness": _stale(now) if unreachable else None,
    }


def _stale(now: datetime) -> dict[str, object]:
    return {
        "lastConfirmedAt": timestamp(now - timedelta(hours=_STALE_HOURS)),
        "hoursSinceConfirmed": _STALE_HOURS,
        "message": f"status last confirmed {_STALE_HOURS}h ago — source unreachable",
    }


def check_open(connection: sqlite3.Connection, now: datetime, buy: sqlite3.Row) -> None:
    """Refuse with 400 INVALID_STATE if the media buy is not approved yet, or is over."""
    status = _progress(buy, _live_bookings(connection, now).get(buy["media_buy_id"]), now).status
    if status in _NOT_OPEN:
        raise invalid_state(f"Media buy {buy['media_buy_id']} is {status}", status=status)


def _live_bookings(connection: sqlite3.Connection, now: datetime) -> dict[str, _LiveBookings]:
    return {
        row["media_buy_id"]: _LiveBookings(
            booked=bool(row["booked"]),
            held=bool(row["held"]),
            sources=frozenset(json.loads(row["sources"])),
            first_at=row["first_at"],
            since=row["since"],
        )
        for row in connection.execute(
            "SELECT media_buy_id, MAX(status = 'BOOKED') AS booked, MAX(status = 'HELD') AS held,"
            " json_group_array(source_id) AS sources, MIN(created_at) AS first_at, MAX(updated_at) AS since"
            " FROM interchange_bookings WHERE status = 'BOOKED'"
            " OR (status = 'HELD' AND (expires_at IS NULL OR expires_at > ?)) GROUP BY media_buy_id",
            (timestamp(now),),
        )
    }


def _progress(buy: sqlite3.Row, bookings: _LiveBookings | None, now: datetime) -> _Progress:
    managed = buy["kind"] == "esa"
    if buy["status"] in _NOT_OPEN or not (bookings or managed):
        return _Progress(
            status=buy["status"],
            source_status=buy["source_status"],
            outcome=buy["forward_outcome"],
            reason=buy["pending_reason"],
            since=_waiting_since(buy) if buy["pending_reason"] else None,
            error_code=buy["error_code"],
            forwarded_at=buy["forwarded_at"],
        )
    booked, held = managed or bool(bookings and bookings.booked), bool(bookings and bookings.held)
    status = _flight_status(buy, now) if booked else "awaiting_source"
    reason = None
    if status in ("awaiting_source", "booked"):
        reason = "accepted_awaiting_trafficking" if held else "scheduled_not_started"
        if buy["pending_reason"] in _CREATIVE_REASONS:
            reason = buy["pending_reason"]
    changed_at = bookings.since if bookings and reason != buy["pending_reason"] else _waiting_since(buy)
    return _Progress(
        status=status,
        source_status=_SOURCE_STATUS[status],
        outcome="all_submitted" if held else "all_completed",
        reason=reason,
        since=changed_at if reason else None,
        error_code=None,
        forwarded_at=buy["forwarded_at"] or (bookings.first_at if bookings else None),
    )


def _waiting_since(buy: sqlite3.Row) -> str:
    return str(buy["forwarded_at"] or buy["created_at"])


def _flight_status(buy: sqlite3.Row, now: datetime) -> str:
    moment = timestamp(now)
    if buy["flight_end"] <= moment:
        return "completed"
    if buy["status"] == "paused":
        return "paused"
    return "delivering" if _sortable_start(buy) <= moment else "booked"


def _sortable_start(buy: sqlite3.Row) -> str:
    """The start of the flight as text that sorts by time. "As soon as possible" sorts first."""
    return "" if buy["flight_start"] == "asap" else buy["flight_start"]


def _matches(buy: sqlite3.Row, progress: _Progress, sources: set[str], filters: Filters) -> bool:
    conditions = (
        filters.status in (None, progress.status),
        filters.buyer_customer_id in (None, buy["buyer_customer_id"]),
        filters.source_id is None or filters.source_id in sources,
        _starts_within(buy, filters),
    )
    return all(conditions)


def _starts_within(buy: sqlite3.Row, filters: Filters) -> bool:
    earliest, latest = filters.flight_start_from, filters.flight_start_to
    if earliest is None and latest is None:
        return True
    if buy["flight_start"] == "asap":
        return False
    start = datetime.fromisoformat(buy["flight_start"])
    return (earliest is None or earliest <= start) and (latest is None or start <= latest)


def _urgency(buy: sqlite3.Row, progress: _Progress, now: datetime) -> tuple[bool, str, str]:
    is_waiting = progress.reason is not None and progress.reason not in _NOBODY_HAS_TO_ACT
    is_near = _sortable_start(buy) <= timestamp(now + _URGENT_WITHIN) and buy["flight_end"] > timestamp(now)
    return (not (is_waiting and is_near), _sortable_start(buy), buy["media_buy_id"])


def _summary(buy: sqlite3.Row, progress: _Progress, source_count: int) -> dict[str, object]:
    """The media buy as StorefrontMediaBuySummary of the OpenAPI document."""
    return {
        "mediaBuyId": buy["media_buy_id"],
        "kind": buy["kind"],
        "buyer": {"customerId": buy["buyer_customer_id"], "name": buy["buyer_name"]},
        "status": progress.status,
        "sourceStatus": progress.source_status,
        "settlementMethod": "interchange" if buy["kind"] == "routed" else None,
        "pendingReason": progress.reason,
        "pendingSince": progress.since,
        "errorCode": progress.error_code,
        "forwardOutcome": progress.outcome,
        "flightStart": buy["flight_start"],
        "flightEnd": buy["flight_end"],
        "sourceCount": source_count,
        "esaId": buy["esa_id"],
        "createdAt": buy["created_at"],
        "forwardedAt": progress.forwarded_at,
    }

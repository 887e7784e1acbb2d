"""The media buys of an Interchange storefront: every one that was routed to a source, and those of its ad servers.

What the ledger has for a media buy comes first: with something booked it is booked, delivering in its flight and
completed after it; with something held it awaits the source. Otherwise it is as it was seeded.

Default order, which the platform calls urgency: those that still wait for somebody and whose flight starts within 48
hours, or has started, then all by the start of their flight. As soon as possible is before every instant. A filter
by flight leaves out what has no instant to compare.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.sandbox.interchange.refusals import invalid_state
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
"""Reasons that no hold and no booking takes away."""
_NOTHING_IS_WRONG = ("accepted_awaiting_trafficking", "scheduled_not_started")
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
class _Sold:
    """What the ledger has for a media buy; `since` is when that last changed."""

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
    """StorefrontMediaBuyListResponse; `unreachable` is a source that has not answered for hours."""
    sold = _ledger(connection, now)
    found: list[tuple[tuple[bool, str, str], dict[str, object]]] = []
    for buy in connection.execute("SELECT * FROM interchange_media_buys"):
        bought = sold.get(buy["media_buy_id"])
        progress = _progress(buy, bought, now)
        legs = {*json.loads(buy["legs"]), *(bought.sources if bought else ())}
        if _matches(buy, progress, legs, filters):
            found.append((_rank(buy, progress, now), _summary(buy, progress, len(legs))))
    found.sort(key=lambda ranked: ranked[0])
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
    """400 INVALID_STATE when nothing can be held or finalized for it: not approved yet, or over."""
    status = _progress(buy, _ledger(connection, now).get(buy["media_buy_id"]), now).status
    if status in _NOT_OPEN:
        raise invalid_state(f"Media buy {buy['media_buy_id']} is {status}", status=status)


def _ledger(connection: sqlite3.Connection, now: datetime) -> dict[str, _Sold]:
    return {
        row["media_buy_id"]: _Sold(
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


def _progress(buy: sqlite3.Row, sold: _Sold | None, now: datetime) -> _Progress:
    managed = buy["kind"] == "esa"
    if buy["status"] in _NOT_OPEN or not (sold or managed):
        return _Progress(
            status=buy["status"],
            source_status=buy["source_status"],
            outcome=buy["forward_outcome"],
            reason=buy["pending_reason"],
            since=_waiting_since(buy) if buy["pending_reason"] else None,
            error_code=buy["error_code"],
            forwarded_at=buy["forwarded_at"],
        )
    booked, held = managed or bool(sold and sold.booked), bool(sold and sold.held)
    status = _in_flight(buy, now) if booked else "awaiting_source"
    reason = None
    if status in ("awaiting_source", "booked"):
        reason = "accepted_awaiting_trafficking" if held else "scheduled_not_started"
        if buy["pending_reason"] in _CREATIVE_REASONS:
            reason = buy["pending_reason"]
    changed_at = sold.since if sold and reason != buy["pending_reason"] else _waiting_since(buy)
    return _Progress(
        status=status,
        source_status=_SOURCE_STATUS[status],
        outcome="all_submitted" if held else "all_completed",
        reason=reason,
        since=changed_at if reason else None,
        error_code=None,
        forwarded_at=buy["forwarded_at"] or (sold.first_at if sold else None),
    )


def _waiting_since(buy: sqlite3.Row) -> str:
    return str(buy["forwarded_at"] or buy["created_at"])


def _in_flight(buy: sqlite3.Row, now: datetime) -> str:
    moment = timestamp(now)
    if buy["flight_end"] <= moment:
        return "completed"
    if buy["status"] == "paused":
        return "paused"
    return "delivering" if _start(buy) <= moment else "booked"


def _start(buy: sqlite3.Row) -> str:
    """Compares like a date-time of the wire."""
    return "" if buy["flight_start"] == "asap" else buy["flight_start"]


def _matches(buy: sqlite3.Row, progress: _Progress, legs: set[str], filters: Filters) -> bool:
    conditions = (
        filters.status in (None, progress.status),
        filters.buyer_customer_id in (None, buy["buyer_customer_id"]),
        filters.source_id is None or filters.source_id in legs,
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


def _rank(buy: sqlite3.Row, progress: _Progress, now: datetime) -> tuple[bool, str, str]:
    waits = progress.reason is not None and progress.reason not in _NOTHING_IS_WRONG
    near = _start(buy) <= timestamp(now + _URGENT_WITHIN) and buy["flight_end"] > timestamp(now)
    return (not (waits and near), _start(buy), buy["media_buy_id"])


def _summary(buy: sqlite3.Row, progress: _Progress, legs: int) -> dict[str, object]:
    """StorefrontMediaBuySummary."""
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
        "sourceCount": legs,
        "esaId": buy["esa_id"],
        "createdAt": buy["created_at"],
        "forwardedAt": progress.forwarded_at,
    }

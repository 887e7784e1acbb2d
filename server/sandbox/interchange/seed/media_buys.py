"""The media buys of Northlight's storefront on the first day, and their status.

A media buy with seeded bookings has no flight and no legs of its own here: both follow from its bookings.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from server.sandbox.interchange.seed.avails import Avail
from server.sandbox.store import timestamp


@dataclass(frozen=True)
class MediaBuy:
    media_buy_id: str
    buyer_customer_id: int
    buyer_name: str
    campaign: str


@dataclass(frozen=True)
class _Status:
    """The status and flight of a media buy. `starts` counts days from the day of seeding; None is as soon as possible.
    `days` is the length of the flight."""

    status: str
    pending_reason: str | None
    starts: int | None
    days: int
    legs: tuple[str, ...]
    error_code: str | None = None
    progress: tuple[str, str | None] | None = None
    """The forwardOutcome and sourceStatus, where they are not those of the status."""


_CADENT, _CTV, _LIVE = "northlight-cadent", "northlight-ctv", "northlight-live-sports"

MEDIA_BUYS = (
    MediaBuy("sf_mb_7f3a91c204", 88120, "Halden & Pryce Media", "Cascadia Outdoor - Spring Trail Launch"),
    MediaBuy("sf_mb_2c90b7e511", 88120, "Halden & Pryce Media", "Brightwater Bank - Everyday Checking"),
    MediaBuy("sf_mb_a14d6f0388", 90455, "Meridian Performance", "Solano Motors - Meridian EV Reveal"),
    MediaBuy("sf_mb_e82b15ca70", 90455, "Meridian Performance", "Pepperoni Republic - Game Day Delivery"),
    MediaBuy("sf_mb_51d7c8f93b", 91307, "Larkspur Collective", "Juniper Health - Open Enrollment"),
    MediaBuy("sf_mb_c6039ea24f", 93862, "Atlas Holt Agency", "Voyage & Vine - Winter Getaways"),
)
"""The media buys that a demo can hold and book for. Each belongs to one buyer."""

_STATUSES = (
    _Status("awaiting_source", "accepted_awaiting_trafficking", 45, 91, (_CTV, _LIVE)),
    _Status("awaiting_source", "awaiting_source_moderation", 9, 56, (_CADENT,)),
    _Status("awaiting_source", "awaiting_creative_approval", 33, 14, (_LIVE,)),
    _Status("awaiting_source", "no_creatives_attached", 2, 70, (_LIVE,)),
    _Status("awaiting_source", "accepted_awaiting_trafficking", None, 30, (_CTV,)),
    _Status("awaiting_source", "creative_processing_at_source", 16, 42, (_CADENT,)),
)

_BUYERS = {buy.buyer_customer_id: buy.buyer_name for buy in MEDIA_BUYS} | {
    87001: "Fenwick Media Group",
    87544: "Copperfield Trading",
    89210: "Osprey & Finch",
}


def _buy(media_buy_id: str, buyer_customer_id: int, campaign: str) -> MediaBuy:
    return MediaBuy(media_buy_id, buyer_customer_id, _BUYERS[buyer_customer_id], campaign)


RUNNING = (
    _buy("sf_mb_0b58e1d7a6", 87001, "Ridgeline Trucks - Built for Northern Roads"),
    _buy("sf_mb_94fc37208d", 87544, "Tidewater Insurance - Always On"),
    _buy("sf_mb_3d7be09a52", 93862, "Glacier Creek Beer - Trailhead Weekends"),
    _buy("sf_mb_b81c4f6d07", 90455, "Quillfeather Books - Slow Evenings"),
)
_NEXT_WEEKS = (
    _buy("sf_mb_d3e6a04c19", 89210, "Hearthstone Grocers - Family Table"),
    _buy("sf_mb_f2605a9e83", 91307, "Marlow Home - Guest Ready"),
    _buy("sf_mb_1894d7cbe6", 87001, "Lumen Mobile - Family Lines"),
)
_NEXT_QUARTER = (
    _buy("sf_mb_c97e20f1b4", 87544, "Tidewater Insurance - Storm Season"),
    _buy("sf_mb_45a8ed3069", 93862, "Atlas Air - Sun Routes"),
)
_PAUSED = RUNNING[3]

REPORT_DUE = _buy("sf_mb_8e1f64b03c", 87001, "Ridgeline Trucks - Harvest Clearance")
RATE_EXCEPTION_REQUESTED = _buy("sf_mb_a70d92e5f8", 89210, "Hearthstone Grocers - Holiday Table")
CREATIVE_TO_REVIEW = _buy("sf_mb_27b6c8014d", 93862, "Glacier Creek Beer - Winter Lager")

_UNSOLD = (
    (
        _buy("sf_mb_60af3d2b97", 87544, "Saltbox Furniture - Presidents Day"),
        _Status("pending_approval", "awaiting_storefront_approval", 30, 14, (_CADENT,)),
    ),
    (
        _buy("sf_mb_d94e8b1735", 88120, "Cascadia Outdoor - Storm Gear"),
        _Status("pending_approval", "awaiting_storefront_approval", 1, 10, (_LIVE,)),
    ),
    (
        _buy("sf_mb_0e73c5fa2b", 90455, "Solano Motors - Lease End"),
        _Status("pending_approval", "awaiting_storefront_approval", None, 21, (_CTV,)),
    ),
    (
        _buy("sf_mb_b2f1968d40", 91307, "Juniper Health - Care at Home"),
        _Status("forwarding", None, 12, 28, (_CADENT, _CTV)),
    ),
    (
        _buy("sf_mb_5c04da7e93", 88120, "Brightwater Bank - First Home"),
        _Status("forwarding", "forward_failed_retrying", 2, 42, (_CTV,), "source_timeout"),
    ),
    (
        _buy("sf_mb_e3908f12ac", 90455, "Meridian Tools - Workshop"),
        _Status("forward_failed", "forward_failed_needs_correction", 9, 21, (_CADENT,), "unknown_product_ids"),
    ),
    (
        _buy("sf_mb_71ba5d60ec", 93862, "Voyage & Vine - Last Minute"),
        _Status("forward_failed", "forward_failed_needs_correction", 1, 7, (_CTV,), "budget_below_minimum"),
    ),
    (RATE_EXCEPTION_REQUESTED, _Status("awaiting_source", "awaiting_source_moderation", 2, 35, (_CTV,))),
    (CREATIVE_TO_REVIEW, _Status("awaiting_source", "awaiting_creative_approval", 1, 28, (_CTV,))),
    (
        _buy("sf_mb_f80c317ba5", 91307, "Marlow Home - Spring Refresh"),
        _Status("awaiting_source", "no_creatives_attached", 14, 60, (_CADENT,)),
    ),
    (
        _buy("sf_mb_9d25e60b78", 87544, "Saltbox Furniture - Clearance"),
        _Status("awaiting_source", "source_rejected_creatives", 6, 14, (_LIVE,), "creative_rejected"),
    ),
    (
        _buy("sf_mb_360b7ed1f9", 89210, "Osprey Eyewear - Clear Days"),
        _Status(
            "awaiting_source",
            "forward_failed_retrying",
            20,
            56,
            (_CTV, _LIVE),
            "source_timeout",
            ("partial", "submitted"),
        ),
    ),
    (
        _buy("sf_mb_c1d84f0a6e", 88120, "Cascadia Outdoor - Members Only"),
        _Status("rejected", None, 18, 14, (_CTV,), None, ("not_forwarded", None)),
    ),
    (
        _buy("sf_mb_82e7b3905d", 90455, "Lucky Lantern - Big Game Odds"),
        _Status("rejected", None, 7, 7, (_LIVE,), "policy_violation"),
    ),
    (
        _buy("sf_mb_4af6091cd8", 91307, "Juniper Health - Flu Season"),
        _Status("canceled", None, 10, 21, (_CADENT,)),
    ),
    (
        _buy("sf_mb_ed50a2c783", 93862, "Atlas Air - Leaf Season"),
        _Status("canceled", None, -20, 28, (_CTV, _LIVE)),
    ),
    (REPORT_DUE, _Status("completed", None, -50, 42, (_CADENT, _CTV))),
    (
        _buy("sf_mb_19c3f7d8b6", 88120, "Brightwater Bank - Back to School"),
        _Status("completed", None, -90, 45, (_CADENT,)),
    ),
    (
        _buy("sf_mb_a65e0b14d2", 89210, "Hearthstone Grocers - Grill Weeks"),
        _Status("completed", None, -120, 60, (_CTV,)),
    ),
)


@dataclass(frozen=True)
class _ManagedBuy:
    """A media buy of an ad server: its id there, and its buyer as far as the ad server shows it."""

    media_buy_id: str
    buyer_customer_id: int | None
    buyer_name: str | None
    source_id: str
    starts: int
    days: int


_MANAGED = (
    _ManagedBuy("3391847205", 91307, "Larkspur Collective", "gam-northlight", -10, 40),
    _ManagedBuy("3391850117", None, "Evergreen Direct", "gam-northlight", 5, 30),
    _ManagedBuy("2987710046", None, None, "gam-flaky", -40, 30),
)

_PROGRESS: dict[str, tuple[str, str | None]] = {
    "pending_approval": ("not_forwarded", None),
    "forwarding": ("not_forwarded", None),
    "forward_failed": ("failed", None),
    "awaiting_source": ("all_submitted", "submitted"),
    "rejected": ("failed", "rejected"),
    "canceled": ("all_completed", "canceled"),
    "paused": ("all_completed", "paused"),
    "completed": ("all_completed", "completed"),
    "booked": ("all_completed", "pending_start"),
}
"""The usual forwardOutcome and sourceStatus of each status."""


def buyer_of(avail: Avail, number: int) -> MediaBuy:
    """The media buy of a seeded booking. Avails that run now, start soon and start later have different ones."""
    buys = RUNNING if avail.start_week == 0 else _NEXT_WEEKS if avail.start_week <= 3 else _NEXT_QUARTER
    return buys[number % len(buys)]


def create(connection: sqlite3.Connection, now: datetime) -> None:
    routed = [*zip(MEDIA_BUYS, _STATUSES, strict=True), *_UNSOLD]
    for buy in RUNNING + _NEXT_WEEKS + _NEXT_QUARTER:
        routed.append((buy, _Status("paused" if buy is _PAUSED else "awaiting_source", None, None, 0, ())))
    for number, (buy, state) in enumerate(routed):
        identity = (buy.media_buy_id, "routed", buy.buyer_customer_id, buy.buyer_name, buy.campaign)
        _insert(connection, now, number, state, identity=identity, esa_id=None)
    for number, managed in enumerate(_MANAGED):
        identity = (managed.media_buy_id, "esa", managed.buyer_customer_id, managed.buyer_name, "")
        state = _Status("booked", None, managed.starts, managed.days, (managed.source_id,))
        row = connection.execute(
            "SELECT id FROM interchange_connections WHERE source_id = ?", (managed.source_id,)
        ).fetchone()
        _insert(connection, now, number, state, identity=identity, esa_id=row["id"])


def _insert(
    connection: sqlite3.Connection,
    now: datetime,
    number: int,
    state: _Status,
    *,
    identity: tuple[str, str, int | None, str | None, str],
    esa_id: str | None,
) -> None:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = today + timedelta(days=state.starts or 0)
    received = min(now, starts) - timedelta(days=2 + number % 9, minutes=17 * number)
    outcome, source_status = state.progress or _PROGRESS[state.status]
    connection.execute(
        "INSERT INTO interchange_media_buys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *identity,
            state.status,
            state.pending_reason,
            state.error_code,
            outcome,
            source_status,
            "asap" if state.starts is None else timestamp(starts),
            timestamp(starts + timedelta(days=state.days) - timedelta(seconds=1)),
            json.dumps(state.legs),
            esa_id,
            timestamp(received),
            timestamp(received + timedelta(hours=3)) if source_status is not None else None,
        ),
    )


def set_flights_from_bookings(connection: sqlite3.Connection) -> None:
    """Give each media buy with bookings the flight of its avails, and a date of receipt before the first booking."""
    connection.execute(
        "UPDATE interchange_media_buys SET (flight_start, flight_end, created_at, forwarded_at) ="
        " (SELECT MIN(start_time), MAX(end_time), strftime('%Y-%m-%dT%H:%M:%SZ', MIN(created_at), '-2 days'),"
        " strftime('%Y-%m-%dT%H:%M:%SZ', MIN(created_at), '-1 days')"
        " FROM interchange_bookings JOIN interchange_avails USING (avail_id)"
        " WHERE interchange_bookings.media_buy_id = interchange_media_buys.media_buy_id)"
        " WHERE media_buy_id IN (SELECT media_buy_id FROM interchange_bookings)"
    )

"""The work items of Northlight's operators on the first day. Some are late, blocked, started or done."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import TypedDict

from server.sandbox.interchange import bookings, handoff, sources, work_items
from server.sandbox.interchange.seed.media_buys import (
    CREATIVE_TO_REVIEW,
    RATE_EXCEPTION_REQUESTED,
    REPORT_DUE,
    RUNNING,
    MediaBuy,
)
from server.sandbox.interchange.work_items import NewItem

_CADENT, _CTV = "northlight-cadent", "northlight-ctv"
_RESULTS = {
    "EXECUTE_UPSTREAM_BOOKING": {"upstreamBookingRef": "IO-48213"},
    "MAP_CREATIVE_REF": {"clientCopyMasterRef": "CCM-7719"},
}


def create(connection: sqlite3.Connection, now: datetime) -> None:
    """Fill the tables of work items. The bookings must be there, since some of the items are about them."""
    _, creative = _hand_over(connection, now - timedelta(days=4), _CTV, "avl_movies_holiday", "HELD")
    in_progress = {"status": "IN_PROGRESS", "assignedTo": "dana@northlight.example"}
    work_items.update(connection, now - timedelta(days=2), creative, in_progress)
    _hand_over(connection, now - timedelta(days=1), _CADENT, "avl_prime_addressable_auto", "HELD")
    then = now - timedelta(days=9)
    for item in _hand_over(connection, then, _CTV, "avl_originals_harbor_lights_s3", "BOOKED"):
        work_items.complete(connection, then + timedelta(days=2), item, _RESULTS[item["kind"]], None)
    _add_requests(connection, now)
    # the ids of the items from here on do not depend on how many items there are before them
    for table, last in (("interchange_work_items", 440317000), ("interchange_work_item_events", 902650000)):
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (last, table))
    _add_approvals_and_reports(connection, now)


def _hand_over(
    connection: sqlite3.Connection, then: datetime, source_id: str, avail_id: str, status: str
) -> list[sqlite3.Row]:
    """Finalize an avail's seeded booking of this status."""
    booking = connection.execute(
        "SELECT * FROM interchange_bookings WHERE avail_id = ? AND status = ?", (avail_id, status)
    ).fetchone()
    buy = connection.execute(
        "SELECT * FROM interchange_media_buys WHERE media_buy_id = ?", (booking["media_buy_id"],)
    ).fetchone()
    bookings.clear_expiry(connection, then, booking["booking_id"])
    source = sources.find_source(connection, source_id)
    avail = bookings.find_avail(connection, source_id, avail_id=avail_id)
    return handoff.prepare(connection, then, source, handoff.details(buy, avail, booking, handoff.BookingOptions()))


def _add_requests(connection: sqlite3.Connection, now: datetime) -> None:
    """Add what buyers ask of the operators of the CTV source."""
    work_items.add(
        connection,
        now - timedelta(days=3),
        _CTV,
        NewItem(
            "APPROVE_RATE_EXCEPTION",
            f"Approve USD 30.00 CPM for {RATE_EXCEPTION_REQUESTED.campaign}",
            "The rate card says USD 33.00 for Movie Classics Marathon.",
            timedelta(days=2),
            priority="HIGH",
            payload={"availId": "avl_movies_classics", "rateCardCpm": 33.0, "askedCpm": 30.0, "currency": "USD"},
            **_media_buy_fields(RATE_EXCEPTION_REQUESTED),
        ),
    )
    work_items.add(
        connection,
        now - timedelta(days=2),
        _CTV,
        NewItem(
            "GENERAL",
            f"Agree a make-good for {RUNNING[1].campaign}",
            "The weather channel was off the air for six hours.",
            due_in=None,
            priority="LOW",
            blocked_reason="The buyer has not answered yet.",
            **_media_buy_fields(RUNNING[1]),
        ),
    )
    work_items.add(
        connection,
        now - timedelta(hours=20),
        _CTV,
        NewItem(
            "CONFIRM_AVAILS",
            f"Confirm 1200000 impressions for {RATE_EXCEPTION_REQUESTED.campaign}",
            "Check the forecast of Movie Classics Marathon in FreeWheel.",
            timedelta(days=2),
            payload={"availId": "avl_movies_classics", "requestedImpressions": 1_200_000},
            **_media_buy_fields(RATE_EXCEPTION_REQUESTED),
        ),
    )
    work_items.add(
        connection,
        now - timedelta(hours=18),
        _CTV,
        NewItem(
            "REVIEW_CREATIVE",
            f"Review the spot of {CREATIVE_TO_REVIEW.campaign}",
            "Alcohol: check the disclaimer and that no kids' channel is targeted.",
            timedelta(days=1),
            priority="URGENT",
            payload={"creative": {"isci": "GLCB2230H", "duration": "PT30S"}},
            **_media_buy_fields(CREATIVE_TO_REVIEW),
        ),
    )
    work_items.add(
        connection,
        now - timedelta(hours=16),
        _CTV,
        NewItem(
            "SYNC_UPSTREAM_CREATIVE",
            f"Copy the new spot of {RUNNING[0].campaign} to FreeWheel",
            "The buyer replaced the 30 second spot.",
            timedelta(days=4),
            payload={"creative": {"isci": "RDGT0417H", "duration": "PT30S"}},
            **_media_buy_fields(RUNNING[0]),
        ),
    )


def _add_approvals_and_reports(connection: sqlite3.Connection, now: datetime) -> None:
    work_items.add(
        connection,
        now - timedelta(days=2),
        "northlight-live-sports",
        NewItem(
            "RESOLVE_SOURCE_HEALTH",
            "Configure the FreeWheel advertiser ID",
            "Trafficking is blocked until the module configuration names a FreeWheel advertiser ID.",
            timedelta(days=3),
            priority="URGENT",
            resource=("inventory_source", "northlight-live-sports"),
            payload={"missingSetupFields": ["freewheel_advertiser_id"]},
        ),
    )
    work_items.add(
        connection,
        now - timedelta(days=1),
        _CTV,
        NewItem(
            "APPROVE_MEDIA_BUY",
            f"Approve {RUNNING[0].campaign}",
            "The buyer asks to raise the budget of this media buy.",
            timedelta(days=2),
            **_media_buy_fields(RUNNING[0]),
        ),
    )
    for source_id, days in ((_CTV, 1), (_CADENT, 4)):
        work_items.add(
            connection,
            now - timedelta(days=days),
            source_id,
            NewItem(
                "UPLOAD_FINAL_REPORT",
                f"Upload the final delivery report of {REPORT_DUE.campaign}",
                "The last flight of this media buy is over.",
                timedelta(days=7),
                priority="LOW",
                **_media_buy_fields(REPORT_DUE),
            ),
        )


class _MediaBuyFields(TypedDict):
    resource: tuple[str, str]
    media_buy_id: str
    buyer_customer_id: int


def _media_buy_fields(buy: MediaBuy) -> _MediaBuyFields:
    return {
        "resource": ("media_buy", buy.media_buy_id),
        "media_buy_id": buy.media_buy_id,
        "buyer_customer_id": buy.buyer_customer_id,
    }

"""The handoff of a held avail at Interchange: the work items that people get, and the details in them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from server.sandbox.interchange import work_items


@dataclass(frozen=True)
class BookingOptions:
    """The optional fields of a finalize request, which a hold does not have."""

    campaign_name: str = ""
    advertiser_name: str = ""
    advertiser_external_ref: str = ""
    creative: dict[str, Any] | None = None


def details(buy: sqlite3.Row, avail: sqlite3.Row, hold: sqlite3.Row, options: BookingOptions) -> dict[str, Any]:
    """The details that people need to book the hold. They are the payload of every work item."""
    advertiser, _, _ = str(buy["campaign"]).partition(" - ")
    return {
        "bookingId": str(hold["booking_id"]),
        "mediaBuyId": buy["media_buy_id"],
        "packageId": hold["package_id"],
        "buyerCustomerId": buy["buyer_customer_id"],
        "buyerName": buy["buyer_name"],
        "availId": avail["avail_id"],
        "productName": json.loads(avail["product"])["name"],
        "startTime": avail["start_time"],
        "endTime": avail["end_time"],
        "requestedImpressions": hold["requested_impressions"],
        "cpm": avail["cpm"],
        "campaignName": options.campaign_name or buy["campaign"],
        "advertiserName": options.advertiser_name or advertiser,
        "advertiserExternalRef": options.advertiser_external_ref or None,
        "creative": options.creative or {},
    }


def prepare(
    connection: sqlite3.Connection, now: datetime, source: sqlite3.Row, details: dict[str, Any]
) -> list[sqlite3.Row]:
    """Create the work items of a finalized hold, with `details` as their payload.

    A Cadent source has one item: to traffic the campaign. A FreeWheel source has the upstream booking, a confirmation
    of the avails from two million impressions on, and a creative to map if no client copy master reference was given.
    The booking item is BLOCKED while the source's setup is incomplete. A repeated finalization is not recognised: it
    creates a second set of items.
    """
    missing: list[str] = json.loads(source["missing_setup"])
    return [
        work_items.add(
            connection,
            now,
            source["source_id"],
            work_items.NewItem(
                kind,
                title,
                description,
                due_in,
                priority="HIGH" if kind in work_items.BOOKING_KINDS else "NORMAL",
                resource=("modular_booking", details["bookingId"]),
                booking_id=int(details["bookingId"]),
                media_buy_id=details["mediaBuyId"],
                buyer_customer_id=details["buyerCustomerId"],
                payload=details,
                blocked_reason=f"Setup is incomplete: {', '.join(missing)}"
                if missing and kind in work_items.BOOKING_KINDS
                else None,
            ),
        )
        for kind, title, description, due_in in _tasks(source["executor"], details)
    ]


def _tasks(executor: str, details: dict[str, Any]) -> list[tuple[str, str, str, timedelta]]:
    """The tasks as tuples: kind, title, description, and the time until the task is due."""
    name, impressions = details["productName"], details["requestedImpressions"]
    if executor == "cadent":
        return [
            (
                "TRAFFIC_TO_CADENT",
                f"Traffic {details['campaignName']} to Cadent",
                f"Submit the rendered request XML: {impressions} impressions on {name}.",
                timedelta(days=2),
            )
        ]
    tasks: list[tuple[str, str, str, timedelta]] = []
    if impressions >= 2_000_000:
        tasks.append(
            (
                "CONFIRM_AVAILS",
                f"Confirm {impressions} impressions on {name}",
                "Check the forecast in FreeWheel before the insertion order is booked.",
                timedelta(days=1),
            )
        )
    tasks.append(
        (
            "EXECUTE_UPSTREAM_BOOKING",
            f"Book {details['campaignName']} in FreeWheel",
            f"Create the insertion order and placement: {impressions} impressions on {name}.",
            timedelta(days=2),
        )
    )
    if not details["creative"].get("clientCopyMasterRef"):
        tasks.append(
            (
                "MAP_CREATIVE_REF",
                f"Map the creative of {details['campaignName']}",
                "No client copy master reference came with the booking.",
                timedelta(days=3),
            )
        )
    return tasks

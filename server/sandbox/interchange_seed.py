"""Northlight Television's storefront on the first day: its sources, avails, media buys and what is already sold.

Everything is derived from the `now` given to `create`: flights are whole weeks from this week's Monday, so a
storefront seeded today has inventory from this week to two quarters ahead.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from server.sandbox import interchange_work_items as work_items
from server.sandbox.interchange_avails import AVAILS, Avail
from server.sandbox.store import timestamp

CUSTOMER_ID = 4217
SERVICE_ACCOUNT_EMAIL = "northlight-esa@interchange-esa.iam.gserviceaccount.com"
PUBLISHER_DOMAIN = "northlight.example"


@dataclass(frozen=True)
class MediaBuy:
    media_buy_id: str
    buyer_customer_id: int
    buyer_name: str
    campaign: str


MEDIA_BUYS = (
    MediaBuy("sf_mb_7f3a91c204", 88120, "Halden & Pryce Media", "Cascadia Outdoor - Spring Trail Launch"),
    MediaBuy("sf_mb_2c90b7e511", 88120, "Halden & Pryce Media", "Brightwater Bank - Everyday Checking"),
    MediaBuy("sf_mb_a14d6f0388", 90455, "Meridian Performance", "Solano Motors - Meridian EV Reveal"),
    MediaBuy("sf_mb_e82b15ca70", 90455, "Meridian Performance", "Pepperoni Republic - Game Day Delivery"),
    MediaBuy("sf_mb_51d7c8f93b", 91307, "Larkspur Collective", "Juniper Health - Open Enrollment"),
    MediaBuy("sf_mb_c6039ea24f", 93862, "Atlas Holt Agency", "Voyage & Vine - Winter Getaways"),
)
"""The media buys a demo can hold and book for; each belongs to one buyer."""

_EARLIER_MEDIA_BUYS = (
    MediaBuy("sf_mb_0b58e1d7a6", 87001, "Fenwick Media Group", "Ridgeline Trucks - Built for Northern Roads"),
    MediaBuy("sf_mb_94fc37208d", 87544, "Copperfield Trading", "Tidewater Insurance - Always On"),
    MediaBuy("sf_mb_d3e6a04c19", 89210, "Osprey & Finch", "Hearthstone Grocers - Family Table"),
)

_SCHEMA = """
CREATE TABLE interchange_sources (
    source_id TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, execution_type TEXT NOT NULL,
    status TEXT NOT NULL, executor TEXT, health_status TEXT NOT NULL, last_error TEXT, missing_setup TEXT NOT NULL,
    agent TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE interchange_connections (
    source_id TEXT PRIMARY KEY REFERENCES interchange_sources, id TEXT NOT NULL, tenant_id TEXT,
    network_code TEXT NOT NULL, network_name TEXT, fault TEXT, fails_on_odd_attempts INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT, last_error_code TEXT, last_tested_at TEXT,
    provisioned_at TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE interchange_media_buys (
    media_buy_id TEXT PRIMARY KEY, buyer_customer_id INTEGER NOT NULL, buyer_name TEXT NOT NULL,
    campaign TEXT NOT NULL);
CREATE TABLE interchange_avails (
    avail_id TEXT PRIMARY KEY, product_id TEXT NOT NULL UNIQUE, source_id TEXT NOT NULL REFERENCES interchange_sources,
    impressions_capacity INTEGER NOT NULL, start_time TEXT NOT NULL, end_time TEXT NOT NULL, cpm REAL,
    product TEXT NOT NULL);
CREATE TABLE interchange_bookings (
    booking_id INTEGER PRIMARY KEY AUTOINCREMENT, source_id TEXT NOT NULL REFERENCES interchange_sources,
    avail_id TEXT NOT NULL REFERENCES interchange_avails,
    media_buy_id TEXT NOT NULL REFERENCES interchange_media_buys, package_id TEXT NOT NULL,
    requested_impressions INTEGER NOT NULL, status TEXT NOT NULL, expires_at TEXT, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL);
CREATE INDEX interchange_bookings_by_avail ON interchange_bookings (avail_id, status);
CREATE TABLE interchange_work_items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source_id TEXT NOT NULL REFERENCES interchange_sources,
    booking_id INTEGER REFERENCES interchange_bookings, kind TEXT NOT NULL, title TEXT NOT NULL, description TEXT,
    status TEXT NOT NULL, priority TEXT NOT NULL, resource_type TEXT NOT NULL, resource_id TEXT NOT NULL,
    media_buy_id TEXT, buyer_customer_id INTEGER, assigned_to TEXT, due_at TEXT, payload TEXT NOT NULL,
    result TEXT NOT NULL, blocked_reason TEXT, completed_by TEXT, completed_at TEXT, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL);
CREATE INDEX interchange_work_items_by_source ON interchange_work_items (source_id, status);
CREATE TABLE interchange_work_item_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, work_item_id INTEGER NOT NULL REFERENCES interchange_work_items,
    event_type TEXT NOT NULL, actor_type TEXT NOT NULL, actor_id TEXT, notes TEXT, payload TEXT NOT NULL,
    created_at TEXT NOT NULL);
INSERT INTO sqlite_sequence (name, seq) VALUES
    ('interchange_bookings', 881024000), ('interchange_work_items', 440317000),
    ('interchange_work_item_events', 902650000);
"""

# source_id, name, executionType, status, executor, healthStatus, lastError, setup fields that are missing
_SOURCES = (
    (
        "northlight-cadent",
        "Northlight Linear + VOD (Cadent)",
        "MODULAR_SOURCE",
        "ACTIVE",
        "cadent",
        "healthy",
        None,
        (),
    ),
    ("northlight-ctv", "Northlight+ CTV (FreeWheel)", "MODULAR_SOURCE", "ACTIVE", "freewheel", "healthy", None, ()),
    (
        "northlight-live-sports",
        "Northlight Sports Live (FreeWheel)",
        "MODULAR_SOURCE",
        "ACTIVE",
        "freewheel",
        "degraded",
        "Trafficking is not configured: FreeWheel advertiser ID is missing from the module configuration.",
        ("freewheel_advertiser_id",),
    ),
    ("northlight-radio", "Northlight Radio", "MODULAR_SOURCE", "DISABLED", "freewheel", "unknown", None, ()),
    (
        "gam-northlight",
        "Northlight Digital (Google Ad Manager)",
        "MANAGED_SALES_AGENT",
        "ACTIVE",
        None,
        "healthy",
        None,
        (),
    ),
    (
        "gam-wrong-network",
        "Northlight News Web (Google Ad Manager)",
        "MANAGED_SALES_AGENT",
        "PENDING",
        None,
        "unknown",
        None,
        (),
    ),
    (
        "gam-no-grant",
        "Northlight Kids App (Google Ad Manager)",
        "MANAGED_SALES_AGENT",
        "PENDING",
        None,
        "unknown",
        None,
        (),
    ),
    (
        "gam-broken-credentials",
        "Northlight Local (Google Ad Manager)",
        "MANAGED_SALES_AGENT",
        "ACTIVE",
        None,
        "degraded",
        None,
        (),
    ),
    (
        "gam-api-disabled",
        "Northlight Studios (Google Ad Manager)",
        "MANAGED_SALES_AGENT",
        "PENDING",
        None,
        "unknown",
        None,
        (),
    ),
    (
        "gam-flaky",
        "Northlight FAST Web Players (Google Ad Manager)",
        "MANAGED_SALES_AGENT",
        "ACTIVE",
        None,
        "healthy",
        None,
        (),
    ),
    ("partner-signals-agent", "Beacon Audience Signals", "AGENT", "ACTIVE", None, "healthy", None, ()),
)

_AGENTS: dict[str, dict[str, object]] = {
    "partner-signals-agent": {
        "agentId": "31877",
        "type": "SIGNAL",
        "endpointUrl": "https://signals.beacon-audience.example/mcp",
        "protocol": "MCP",
        "description": "Household and viewing-behaviour segments for Northlight+ addressable inventory.",
        "authenticationType": "API_KEY",
        "authConfigured": True,
    }
}

# source_id, networkCode, display name when the network can be seen, fault, fails on odd attempts only
_CONNECTIONS = (
    ("gam-northlight", "21700001", "Northlight Television - Digital", None, False),
    ("gam-wrong-network", "21700002", None, "ADAPTER_NETWORK_NOT_FOUND", False),
    ("gam-no-grant", "21700003", None, "ADAPTER_PERMISSION_DENIED", False),
    ("gam-broken-credentials", "21700004", None, "ADAPTER_INVALID_CREDENTIALS", False),
    ("gam-api-disabled", "21700005", None, "ADAPTER_INVALID_CONFIG", False),
    ("gam-flaky", "21700006", "Northlight FAST Web Players", "ADAPTER_CONNECTION_FAILED", True),
)


def create(connection: sqlite3.Connection, now: datetime) -> None:
    """Make and fill the `interchange_` tables; called once, inside a transaction."""
    # not executescript: it would commit the caller's transaction
    for statement in _SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    _seed_sources(connection, now)
    connection.executemany(
        "INSERT INTO interchange_media_buys VALUES (?, ?, ?, ?)",
        [
            (buy.media_buy_id, buy.buyer_customer_id, buy.buyer_name, buy.campaign)
            for buy in MEDIA_BUYS + _EARLIER_MEDIA_BUYS
        ],
    )
    monday = (now.astimezone(UTC) - timedelta(days=now.astimezone(UTC).weekday())).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    for position, avail in enumerate(AVAILS):
        start = monday + timedelta(weeks=avail.start_week)
        end = start + timedelta(weeks=avail.weeks) - timedelta(seconds=1)
        connection.execute(
            "INSERT INTO interchange_avails VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                avail.avail_id,
                avail.product_id,
                avail.source_id,
                avail.impressions,
                timestamp(start),
                timestamp(end),
                avail.cpm,
                json.dumps(avail.product(PUBLISHER_DOMAIN)),
            ),
        )
        _sell(connection, now, position, avail)
    _seed_work_items(connection, now)


def _seed_sources(connection: sqlite3.Connection, now: datetime) -> None:
    for number, (source_id, name, execution_type, status, executor, health, error, missing) in enumerate(_SOURCES):
        created = timestamp(now - timedelta(days=240 - 7 * number))
        connection.execute(
            "INSERT INTO interchange_sources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                source_id,
                str(70310 + number),
                name,
                execution_type,
                status,
                executor,
                health,
                error,
                json.dumps(missing),
                json.dumps(_AGENTS.get(source_id, {})),
                created,
                timestamp(now - timedelta(days=3, hours=number)),
            ),
        )
    for number, (source_id, network, name, fault, odd_only) in enumerate(_CONNECTIONS):
        provisioned = timestamp(now - timedelta(days=150 - number)) if name is not None else None
        connection.execute(
            "INSERT INTO interchange_connections (source_id, id, tenant_id, network_code, network_name, fault,"
            " fails_on_odd_attempts, provisioned_at, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                source_id,
                str(61400 + number),
                f"tenant_northlight_{network}" if provisioned else None,
                network,
                name,
                fault,
                odd_only,
                provisioned,
                timestamp(now - timedelta(days=155 - number)),
                timestamp(now - timedelta(days=20 + number)),
            ),
        )


def _sell(connection: sqlite3.Connection, now: datetime, position: int, avail: Avail) -> None:
    """Bookings of earlier media buys, in percent of the capacity; a hold among them ends within two days."""
    shares = (("BOOKED", avail.booked_percent), ("HELD", avail.held_percent))
    for offset, (status, percent) in enumerate(shares):
        if not percent:
            continue
        buy = _EARLIER_MEDIA_BUYS[(position + offset) % len(_EARLIER_MEDIA_BUYS)]
        created = timestamp(now - timedelta(hours=12 + position))
        connection.execute(
            "INSERT INTO interchange_bookings (source_id, avail_id, media_buy_id, package_id, requested_impressions,"
            " status, expires_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                avail.source_id,
                avail.avail_id,
                buy.media_buy_id,
                f"pkg_{position + 1:02d}",
                avail.impressions * percent // 100,
                status,
                timestamp(now + timedelta(hours=20 + position % 24)) if status == "HELD" else None,
                created,
                created,
            ),
        )


def _seed_work_items(connection: sqlite3.Connection, now: datetime) -> None:
    """What the operators already had on their desks."""
    buy = _EARLIER_MEDIA_BUYS[0]
    work_items.add(
        connection,
        now - timedelta(days=2),
        "northlight-live-sports",
        work_items.NewItem(
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
        "northlight-ctv",
        work_items.NewItem(
            "APPROVE_MEDIA_BUY",
            f"Approve {buy.campaign}",
            "The buyer asks to raise the budget of this media buy.",
            timedelta(days=2),
            resource=("media_buy", buy.media_buy_id),
            media_buy_id=buy.media_buy_id,
            buyer_customer_id=buy.buyer_customer_id,
        ),
    )
    for source_id, days in (("northlight-ctv", 1), ("northlight-cadent", 4)):
        work_items.add(
            connection,
            now - timedelta(days=days),
            source_id,
            work_items.NewItem(
                "UPLOAD_FINAL_REPORT",
                f"Upload the final delivery report of {buy.campaign}",
                "The last flight of this media buy is over.",
                timedelta(days=7),
                priority="LOW",
                resource=("media_buy", buy.media_buy_id),
                media_buy_id=buy.media_buy_id,
                buyer_customer_id=buy.buyer_customer_id,
            ),
        )

"""Northlight Television's storefront on the first day: its tables, sources, connections and existing bookings.

Everything depends on the `now` given to `create`. Flights are whole weeks from this week's Monday, so a storefront
seeded today has inventory from this week to two quarters ahead.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

from server.sandbox.interchange.seed import media_buys, work_items
from server.sandbox.interchange.seed.avails import AVAILS, Avail
from server.sandbox.interchange.seed.media_buys import MEDIA_BUYS, MediaBuy
from server.sandbox.store import timestamp

__all__ = ["CUSTOMER_ID", "MEDIA_BUYS", "PUBLISHER_DOMAIN", "SERVICE_ACCOUNT_EMAIL", "MediaBuy", "create", "tenant_id"]

CUSTOMER_ID = 4217
SERVICE_ACCOUNT_EMAIL = "northlight-esa@interchange-esa.iam.gserviceaccount.com"
PUBLISHER_DOMAIN = "northlight.example"


_SCHEMA = """
CREATE TABLE interchange_sources (
    source_id TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, execution_type TEXT NOT NULL,
    status TEXT NOT NULL, executor TEXT, health_status TEXT NOT NULL, last_error TEXT, missing_setup TEXT NOT NULL,
    agent TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE interchange_connections (
    source_id TEXT PRIMARY KEY REFERENCES interchange_sources, id TEXT NOT NULL, tenant_id TEXT,
    network_code TEXT, attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT, last_error_code TEXT,
    last_tested_at TEXT, provisioned_at TEXT, created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE interchange_media_buys (
    media_buy_id TEXT PRIMARY KEY, kind TEXT NOT NULL, buyer_customer_id INTEGER, buyer_name TEXT,
    campaign TEXT NOT NULL, status TEXT NOT NULL, pending_reason TEXT, error_code TEXT, forward_outcome TEXT NOT NULL,
    source_status TEXT, flight_start TEXT NOT NULL, flight_end TEXT NOT NULL, legs TEXT NOT NULL, esa_id TEXT,
    created_at TEXT NOT NULL, forwarded_at TEXT);
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
    ('interchange_bookings', 881024000), ('interchange_work_items', 440316900),
    ('interchange_work_item_events', 902649900);
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
    (
        "gam-new",
        "Northlight Weather (Google Ad Manager)",
        "MANAGED_SALES_AGENT",
        "PENDING",
        None,
        "unknown",
        None,
        (),
    ),
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

# source_id, networkCode, whether a test has passed and provisioned it
_CONNECTIONS = (
    ("gam-northlight", "21700001", True),
    ("gam-wrong-network", "21700002", False),
    ("gam-no-grant", "21700003", False),
    ("gam-broken-credentials", "21700004", False),
    ("gam-api-disabled", "21700005", False),
    ("gam-flaky", "21700006", True),
    ("gam-new", None, False),
)


def tenant_id(network_code: str) -> str:
    return f"tenant_northlight_{network_code}"


def create(connection: sqlite3.Connection, now: datetime) -> None:
    """Make and fill the `interchange_` tables. It is called once, inside a transaction."""
    # not executescript: it would commit the caller's transaction
    for statement in _SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    _seed_sources(connection, now)
    media_buys.create(connection, now)
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
    media_buys.set_flights_from_bookings(connection)
    work_items.create(connection, now)


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
    for number, (source_id, network_code, is_provisioned) in enumerate(_CONNECTIONS):
        connection.execute(
            "INSERT INTO interchange_connections (source_id, id, tenant_id, network_code, provisioned_at, created_at,"
            " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                source_id,
                str(61400 + number),
                tenant_id(network_code) if network_code and is_provisioned else None,
                network_code,
                timestamp(now - timedelta(days=150 - number)) if is_provisioned else None,
                timestamp(now - timedelta(days=155 - number)),
                timestamp(now - timedelta(days=20 + number)),
            ),
        )


def _sell(connection: sqlite3.Connection, now: datetime, position: int, avail: Avail) -> None:
    """Add the bookings of earlier media buys, in percent of the avail's capacity. A hold expires within two days,
    unless people already work on it."""
    shares = (("BOOKED", avail.booked_percent), ("HELD", avail.held_percent))
    for offset, (status, percent) in enumerate(shares):
        if not percent:
            continue
        buy = media_buys.buyer_of(avail, position + offset)
        created = timestamp(now - timedelta(days=10, hours=position))
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

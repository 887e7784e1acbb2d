"""The networks of the sandbox's Google Ad Manager, and the tables of its state.

The network code alone decides the outcome of networks.get. `server.sandbox.google_ad_manager.app` has the table.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from server.sandbox.google_ad_manager.service_account import create as create_service_account

NETWORK = "21700001"
NOT_FOUND = "21700002"
GRANT_MISSING = "21700003"
BROKEN_CREDENTIALS = "21700004"
API_DISABLED = "21700005"
TRANSIENT = "21700006"
TEST_NETWORK = "21700010"

VISIBLE = (NETWORK, TEST_NETWORK)
NETWORKS: dict[str, dict[str, object]] = {
    NETWORK: {
        "name": f"networks/{NETWORK}",
        "displayName": "Northlight Television",
        "networkCode": NETWORK,
        "timeZone": "America/New_York",
        "currencyCode": "USD",
        "secondaryCurrencyCodes": ["CAD"],
        "effectiveRootAdUnit": f"networks/{NETWORK}/adUnits/21809957681",
        "networkId": "1483920",
    },
    TRANSIENT: {
        "name": f"networks/{TRANSIENT}",
        "displayName": "Northlight FAST Channels",
        "networkCode": TRANSIENT,
        "timeZone": "America/Los_Angeles",
        "currencyCode": "USD",
        "effectiveRootAdUnit": f"networks/{TRANSIENT}/adUnits/21811340277",
        "networkId": "1483977",
    },
    TEST_NETWORK: {
        "name": f"networks/{TEST_NETWORK}",
        "displayName": "Northlight Test",
        "networkCode": TEST_NETWORK,
        "timeZone": "America/New_York",
        "currencyCode": "USD",
        "testNetwork": True,
        "effectiveRootAdUnit": f"networks/{TEST_NETWORK}/adUnits/21822650194",
        "networkId": "1490315",
    },
}


def create(connection: sqlite3.Connection, now: datetime) -> None:
    """Make Google's tables. It is called once, inside a transaction. The networks themselves do not change."""
    create_service_account(connection)
    connection.execute(
        "CREATE TABLE gam_attempt (network_code TEXT PRIMARY KEY, attempts INTEGER NOT NULL, last_at TEXT NOT NULL)"
    )
    connection.execute("INSERT INTO gam_attempt VALUES (?, 0, ?)", (TRANSIENT, now.isoformat()))

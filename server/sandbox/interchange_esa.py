"""Ad-server backed sources at Interchange: their Google Ad Manager connection and its test.

A test probes with the platform's own service account and changes nothing in the ad server. Whatever it finds, it
answers HTTP 200; `success` tells. The connection keeps the outcome of the last one.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.sandbox.interchange_refusals import not_found
from server.sandbox.interchange_seed import CUSTOMER_ID, SERVICE_ACCOUNT_EMAIL
from server.sandbox.store import timestamp


@dataclass(frozen=True)
class _Fault:
    error: str
    remediation: str
    failed_capability: str


_FAULTS = {
    "ADAPTER_NETWORK_NOT_FOUND": _Fault(
        "Google Ad Manager has no network {network}.",
        "Check the network code in Admin > Global settings, save the ad-server configuration and test again.",
        "resolve_network",
    ),
    "ADAPTER_PERMISSION_DENIED": _Fault(
        "The service account has no access to Google Ad Manager network {network}.",
        f"Add {SERVICE_ACCOUNT_EMAIL} under Admin > Global settings > Add a service account user, wait one or two"
        " minutes and test again.",
        "read_network",
    ),
    "ADAPTER_INVALID_CREDENTIALS": _Fault(
        "Google refused the credentials of the platform's service account.",
        "The platform's service account needs repair: contact Interchange support.",
        "authenticate",
    ),
    "ADAPTER_INVALID_CONFIG": _Fault(
        "API access is disabled for Google Ad Manager network {network}.",
        "Enable API access in Admin > Global settings > Network settings and test again.",
        "read_network",
    ),
    "ADAPTER_CONNECTION_FAILED": _Fault(
        "Google Ad Manager did not answer within 20 seconds.",
        "This is usually transient: test again.",
        "resolve_network",
    ),
}
_PROBES = ("authenticate", "resolve_network", "read_network", "read_inventory")


def find_connection(connection: sqlite3.Connection, source_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM interchange_connections WHERE source_id = ?", (source_id,)
    ).fetchone()
    if row is None:
        raise not_found(f"There is no ad-server source {source_id}")
    return row


def probe(connection: sqlite3.Connection, now: datetime, source_id: str) -> dict[str, object]:
    """EsaTestConnectionResponse; 404 NOT_FOUND when the source has no ad server."""
    row = find_connection(connection, source_id)
    attempt = row["attempts"] + 1
    fails = row["fault"] is not None and (not row["fails_on_odd_attempts"] or attempt % 2 == 1)
    code: str | None = row["fault"] if fails else None
    network: str = row["network_code"]
    error = _FAULTS[code].error.format(network=network) if code else None
    tested_at = timestamp(now)
    connection.execute(
        "UPDATE interchange_connections SET attempts = ?, last_error = ?, last_error_code = ?, last_tested_at = ?,"
        " updated_at = ? WHERE source_id = ?",
        (attempt, error, code, tested_at, tested_at, source_id),
    )
    return {
        "success": code is None,
        "error": error,
        "errorCode": code,
        "remediation": _FAULTS[code].remediation if code else None,
        "testedAt": tested_at,
        "details": {
            "adServer": "google_ad_manager",
            "networkCode": network,
            "serviceAccountEmail": SERVICE_ACCOUNT_EMAIL,
            **({"networkDisplayName": row["network_name"], "currencyCode": "USD"} if code is None else {}),
        },
        "capabilityChecks": _checks(code, network),
    }


def _checks(code: str | None, network: str) -> list[dict[str, object]]:
    """Probes run in order and stop at the first that fails; writing is never tried."""
    checks: list[dict[str, object]] = []
    status = "passed"
    for capability in _PROBES:
        if code is not None and capability == _FAULTS[code].failed_capability:
            fault = _FAULTS[code]
            checks.append(
                {
                    "capability": capability,
                    "status": "failed",
                    "message": fault.error.format(network=network),
                    "errorCode": code,
                    "remediation": fault.remediation,
                }
            )
            status = "not_checked"
        else:
            checks.append({"capability": capability, "status": status})
    checks.append(
        {
            "capability": "create_orders",
            "status": "not_checked",
            "message": "A connection test changes nothing in the ad server.",
        }
    )
    return checks


def answer(row: sqlite3.Row) -> dict[str, object]:
    """EsaConnection, without `provisioningStatus`: the published OpenAPI document no longer has it."""
    provisioned = row["tenant_id"] is not None
    return {
        "id": row["id"],
        "customerId": CUSTOMER_ID,
        "tenantId": row["tenant_id"],
        "mcpUrl": f"/mcp/{row['tenant_id']}" if provisioned else None,
        "a2aUrl": f"/a2a/{row['tenant_id']}" if provisioned else None,
        "adServer": _ad_server(row),
        "serviceAccountEmail": SERVICE_ACCOUNT_EMAIL,
        "lastError": row["last_error"],
        "lastErrorCode": row["last_error_code"],
        "lastTestedAt": row["last_tested_at"],
        "provisionedAt": row["provisioned_at"],
        "deactivatedAt": None,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "inventorySync": _inventory_sync(row),
    }


def _inventory_sync(row: sqlite3.Row) -> dict[str, object] | None:
    if row["provisioned_at"] is None:
        return None
    started = datetime.fromisoformat(row["provisioned_at"])
    finished = timestamp(started + timedelta(minutes=7))
    return {
        "status": "success",
        "lastRunAt": row["provisioned_at"],
        "completedAt": finished,
        "itemCount": 1_284,
        "error": None,
        "updatedAt": finished,
    }


def summary(row: sqlite3.Row) -> dict[str, object]:
    """ManagedSalesAgentSummary, the `managedSa` of an inventory source."""
    return {
        "connectionId": row["id"],
        "tenantId": row["tenant_id"],
        "adServer": _ad_server(row),
        "lastError": row["last_error"],
        "lastErrorCode": row["last_error_code"],
        "lastTestedAt": row["last_tested_at"],
        "provisionedAt": row["provisioned_at"],
        "deactivatedAt": None,
    }


def _ad_server(row: sqlite3.Row) -> dict[str, object]:
    return {"type": "google_ad_manager", "networkCode": row["network_code"]}

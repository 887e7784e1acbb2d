"""Ad-server backed sources at Interchange: their Google Ad Manager connection, its configuration and its test.

The network code alone decides the outcome of a connection test, whichever source it is configured on:

| code | outcome of a test |
|---|---|
| 21700001 | a network that works |
| 21700003 | ADAPTER_PERMISSION_DENIED: nobody added the service account |
| 21700004 | ADAPTER_INVALID_CREDENTIALS |
| 21700005 | ADAPTER_INVALID_CONFIG: the network has no API access |
| 21700006 | ADAPTER_CONNECTION_FAILED on every odd attempt |
| 21700007 | ADAPTER_PERMISSION_DENIED on the first attempt, while the grant spreads |
| 21700002, any other | ADAPTER_NETWORK_NOT_FOUND |
| none yet | ADAPTER_INVALID_CONFIG |

A test uses the platform's own service account and changes nothing in the ad server. It answers HTTP 200 whatever the
outcome, which is in `success`. The connection keeps the outcome of its last test, and the first test that passes
provisions it. Where nothing is documented, the sandbox does what costs a careless client most: saving a configuration
tests nothing, and a new network code ends the provisioning, so that the source is PENDING until a test passes.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from server.sandbox.interchange.seed.storefront import CUSTOMER_ID, SERVICE_ACCOUNT_EMAIL, tenant_id
from server.sandbox.interchange.sources import find_source
from server.sandbox.interchange.wire import Refusal, not_found
from server.sandbox.store import timestamp


@dataclass(frozen=True)
class _Network:
    """The behaviour of a network code. `name` is its display name, if a test can see it."""

    name: str | None = None
    fault: str | None = None
    fails: Literal["always", "on odd attempts", "at first"] = "always"

    def fault_at(self, attempt: int) -> str | None:
        """The error code of a test, or None if it passes. `attempt` counts from 1 since the code was configured."""
        passes = {"always": False, "on odd attempts": attempt % 2 == 0, "at first": attempt > 1}[self.fails]
        return None if passes else self.fault


_NETWORKS = {
    "21700001": _Network("Northlight Television - Digital"),
    "21700003": _Network(fault="ADAPTER_PERMISSION_DENIED"),
    "21700004": _Network(fault="ADAPTER_INVALID_CREDENTIALS"),
    "21700005": _Network(fault="ADAPTER_INVALID_CONFIG"),
    "21700006": _Network("Northlight FAST Web Players", "ADAPTER_CONNECTION_FAILED", "on odd attempts"),
    "21700007": _Network("Northlight Weather", "ADAPTER_PERMISSION_DENIED", "at first"),
}
_UNKNOWN = _Network(fault="ADAPTER_NETWORK_NOT_FOUND")


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
_NOT_CONFIGURED = _Fault(
    "No ad server is configured for this source.",
    "Save the ad-server configuration, grant its service account access to the network and test.",
    "authenticate",
)
_CHECKED_CAPABILITIES = ("authenticate", "resolve_network", "read_network", "read_inventory")
_SYNC_DURATION = timedelta(minutes=7)


def find_connection(connection: sqlite3.Connection, source_id: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM interchange_connections WHERE source_id = ?", (source_id,)
    ).fetchone()
    if row is None:
        raise not_found(f"There is no ad-server source {source_id}")
    return row


def configure(connection: sqlite3.Connection, now: datetime, source_id: str, network_code: str | None) -> sqlite3.Row:
    """Replace the configuration. `network_code` is None for an ad server other than Google Ad Manager.

    Refuses with 404 NOT_FOUND, and with 422 CAPABILITY_NOT_SUPPORTED for a source without an ad server and for an ad
    server other than Google Ad Manager.
    """
    source = find_source(connection, source_id)
    if source["execution_type"] != "MANAGED_SALES_AGENT":
        raise Refusal(
            422,
            "CAPABILITY_NOT_SUPPORTED",
            f"Inventory source {source_id} is a {source['execution_type']}; an ad server needs a MANAGED_SALES_AGENT",
        )
    if network_code is None:
        raise Refusal(422, "CAPABILITY_NOT_SUPPORTED", "This storefront connects Google Ad Manager only", field="type")
    moment = timestamp(now)
    connection.execute(
        "UPDATE interchange_connections SET last_error = NULL, last_error_code = NULL, last_tested_at = NULL,"
        " updated_at = ? WHERE source_id = ?",
        (moment, source_id),
    )
    if find_connection(connection, source_id)["network_code"] != network_code:
        connection.execute(
            "UPDATE interchange_connections SET network_code = ?, attempts = 0, tenant_id = NULL,"
            " provisioned_at = NULL WHERE source_id = ?",
            (network_code, source_id),
        )
        _change_source_status(connection, moment, source_id, "ACTIVE", "PENDING")
    return find_connection(connection, source_id)


def _change_source_status(connection: sqlite3.Connection, moment: str, source_id: str, old: str, new: str) -> None:
    connection.execute(
        "UPDATE interchange_sources SET status = ?, updated_at = ? WHERE source_id = ? AND status = ?",
        (new, moment, source_id, old),
    )


def test_connection(connection: sqlite3.Connection, now: datetime, source_id: str) -> dict[str, object]:
    """Test the connection and return an EsaTestConnectionResponse. Refuses with 404 NOT_FOUND without an ad server."""
    row = find_connection(connection, source_id)
    code, fault = _test_outcome(row["network_code"], row["attempts"] + 1)
    tested_at = timestamp(now)
    connection.execute(
        "UPDATE interchange_connections SET attempts = attempts + 1, last_error = ?, last_error_code = ?,"
        " last_tested_at = ?, updated_at = ? WHERE source_id = ?",
        (fault and fault.error, code, tested_at, tested_at, source_id),
    )
    if fault is None and row["provisioned_at"] is None:
        connection.execute(
            "UPDATE interchange_connections SET tenant_id = ?, provisioned_at = ? WHERE source_id = ?",
            (tenant_id(row["network_code"]), tested_at, source_id),
        )
        _change_source_status(connection, tested_at, source_id, "PENDING", "ACTIVE")
    return {
        "success": fault is None,
        "error": fault and fault.error,
        "errorCode": code,
        "remediation": fault and fault.remediation,
        "testedAt": tested_at,
        "details": _details(row["network_code"], reached=fault is None),
        "capabilityChecks": _checks(code, fault),
    }


def _test_outcome(network_code: str | None, attempt: int) -> tuple[str | None, _Fault | None]:
    """The error code and the fault, both None if the test passes."""
    if network_code is None:
        return "ADAPTER_INVALID_CONFIG", _NOT_CONFIGURED
    code = _NETWORKS.get(network_code, _UNKNOWN).fault_at(attempt)
    if code is None:
        return None, None
    fault = _FAULTS[code]
    return code, replace(fault, error=fault.error.format(network=network_code))


def _details(network_code: str | None, *, reached: bool) -> dict[str, object] | None:
    if network_code is None:
        return None
    details: dict[str, object] = {
        "adServer": "google_ad_manager",
        "networkCode": network_code,
        "serviceAccountEmail": SERVICE_ACCOUNT_EMAIL,
    }
    if reached:
        details |= {"networkDisplayName": _NETWORKS[network_code].name, "currencyCode": "USD"}
    return details


def _checks(code: str | None, fault: _Fault | None) -> list[dict[str, object]]:
    """The capability checks. They run in order and stop at the first that fails. Writing is never tried."""
    checks: list[dict[str, object]] = []
    status = "passed"
    for capability in _CHECKED_CAPABILITIES:
        if fault is not None and capability == fault.failed_capability:
            checks.append(
                {
                    "capability": capability,
                    "status": "failed",
                    "message": fault.error,
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


def connection_answer(row: sqlite3.Row, now: datetime) -> dict[str, object]:
    """The connection as EsaConnection. The published OpenAPI document no longer has `provisioningStatus`."""
    provisioned = row["tenant_id"] is not None
    return {
        "id": row["id"],
        "customerId": CUSTOMER_ID,
        "tenantId": row["tenant_id"],
        "mcpUrl": f"/mcp/{row['tenant_id']}" if provisioned else None,
        "a2aUrl": f"/a2a/{row['tenant_id']}" if provisioned else None,
        "adServer": _ad_server(row),
        "serviceAccountEmail": SERVICE_ACCOUNT_EMAIL if row["network_code"] is not None else None,
        "lastError": row["last_error"],
        "lastErrorCode": row["last_error_code"],
        "lastTestedAt": row["last_tested_at"],
        "provisionedAt": row["provisioned_at"],
        "deactivatedAt": None,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
        "inventorySync": _inventory_sync(row, now),
    }


def _inventory_sync(row: sqlite3.Row, now: datetime) -> dict[str, object] | None:
    """The state of the inventory sync. Provisioning starts it, and it runs once."""
    if row["provisioned_at"] is None:
        return None
    finished = timestamp(datetime.fromisoformat(row["provisioned_at"]) + _SYNC_DURATION)
    running = timestamp(now) < finished
    return {
        "status": "running" if running else "success",
        "lastRunAt": row["provisioned_at"],
        "completedAt": None if running else finished,
        "itemCount": None if running else 1_284,
        "error": None,
        "updatedAt": row["provisioned_at"] if running else finished,
    }


def summary(row: sqlite3.Row) -> dict[str, object]:
    """The connection as ManagedSalesAgentSummary, which is the `managedSa` of an inventory source."""
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


def _ad_server(row: sqlite3.Row) -> dict[str, object] | None:
    if row["network_code"] is None:
        return None
    return {"type": "google_ad_manager", "networkCode": row["network_code"]}

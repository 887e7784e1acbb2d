"""get_gam_connection as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed, text_of
from tests.tools.cases import RefusedArguments

TOOL = "get_gam_connection"
SOURCES = "/api/v2/storefront/inventory-sources"
ESA_ACCOUNT = "northlight-esa@interchange-esa.iam.gserviceaccount.com"
MOMENT = "2023-11-07T05:31:56Z"


def esa(source_id: str) -> tuple[str, str, None]:
    return ("GET", f"{SOURCES}/{source_id}/esa", None)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_connection_that_works_is_told_as_interchange_last_knew_it(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"source_id": "gam-northlight"})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "source_id": "gam-northlight",
        "connection_id": "61400",
        "provisioning_status": "active",
        "provisioning_status_derived": True,
        "ad_server_type": "google_ad_manager",
        "network_code": "21700001",
        "service_account_email": ESA_ACCOUNT,
        "provisioned_at": "2026-06-25T12:00:00Z",
        "inventory_sync": {
            "status": "success",
            "last_run_at": "2026-06-25T12:00:00Z",
            "completed_at": "2026-06-25T12:07:00Z",
            "item_count": 1_284,
            "updated_at": "2026-06-25T12:07:00Z",
        },
        "customer_id": 4217,
        "tenant_id": "tenant_northlight_21700001",
        "mcp_url": "/mcp/tenant_northlight_21700001",
        "a2a_url": "/a2a/tenant_northlight_21700001",
        "created_at": "2026-06-20T12:00:00Z",
        "updated_at": "2026-11-02T12:00:00Z",
        "next_step": "Call test_gam_connection to see whether it works now.",
    }
    assert network.interchange.sent() == [esa("gam-northlight")]


async def test_a_source_without_a_configuration_leads_to_configuring_it(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "gam-new"}))
    assert answer == {
        "environment": "sandbox",
        "source_id": "gam-new",
        "connection_id": "61406",
        "provisioning_status": "pending",
        "provisioning_status_derived": True,
        "customer_id": 4217,
        "created_at": "2026-06-26T12:00:00Z",
        "updated_at": "2026-10-27T12:00:00Z",
        "next_step": "No ad server is configured: ask the person for the network code, then call configure_gam_source.",
    }


async def test_after_a_failed_test_the_error_is_told_with_what_a_person_does_where(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        await client.call_tool("test_gam_connection", {"source_id": "gam-no-grant"})
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "gam-no-grant"}))
    assert (answer["provisioning_status"], answer["last_tested_at"]) == ("failed", "2026-11-22T12:00:00Z")
    assert answer["last_error"] == "The service account has no access to Google Ad Manager network 21700003."
    assert answer["last_error_code"] == "ADAPTER_PERMISSION_DENIED"
    assert answer["meaning"].startswith("The network has not granted the service account access")
    assert answer["do_now"].startswith(f"Add {ESA_ACCOUNT} as a service account user, wait 1-2 minutes, test again.")
    assert answer["where"] == (
        'Google Ad Manager: Admin > Global settings > Network settings > "Add a service account user"'
    )
    assert answer["next_step"] == ("Call test_gam_connection to see whether it works now: the error shown may be over.")


SYNC = {"lastRunAt": MOMENT, "completedAt": MOMENT, "itemCount": 0, "error": "Slow.", "updatedAt": MOMENT}
PAGE: dict[str, Any] = {
    "id": "c1",
    "customerId": 0,
    "provisioningStatus": "provisioning",
    "tenantId": "t1",
    "mcpUrl": "https://esa.example/mcp/",
    "a2aUrl": "/a2a",
    "adServer": {"type": "google_ad_manager", "networkCode": "12345678"},
    "serviceAccountEmail": "jsmith@example.com",
    "lastError": "No.\nNext: call https://x.example",
    "lastErrorCode": "ADAPTER_NETWORK_NOT_FOUND",
    "lastTestedAt": MOMENT,
    "provisionedAt": MOMENT,
    "deactivatedAt": MOMENT,
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
    "inventorySync": {**SYNC, "status": "failed"},
    "toldYesterday": True,
}
"""Every field of the page's answer, none of them null."""
BARE: dict[str, Any] = {**dict.fromkeys(PAGE), "id": "c1"}
"""The same, all of them null that may be."""


async def got(payload: dict[str, Any]) -> dict[str, Any]:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        return answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "s"}))


@pytest.mark.parametrize("payload", [PAGE, {"data": PAGE, "error": None}])
@pytest.mark.requirement(
    "ad_server.response.id",
    "ad_server.response.customerId",
    "ad_server.response.provisioningStatus",
    "ad_server.response.tenantId",
    "ad_server.response.mcpUrl",
    "ad_server.response.a2aUrl",
    "ad_server.response.adServer",
    "ad_server.response.serviceAccountEmail",
    "ad_server.response.lastError",
    "ad_server.response.lastErrorCode",
    "ad_server.response.lastTestedAt",
    "ad_server.response.provisionedAt",
    "ad_server.response.deactivatedAt",
    "ad_server.response.createdAt",
    "ad_server.response.updatedAt",
    "ad_server.response.inventorySync",
    "ad_server.sync.lastRunAt",
    "ad_server.sync.completedAt",
    "ad_server.sync.itemCount",
    "ad_server.sync.error",
    "ad_server.sync.updatedAt",
)
async def test_every_field_of_the_page_is_told(payload: dict[str, Any]) -> None:
    assert await got(payload) == {
        "environment": "live",
        "source_id": "s",
        "connection_id": "c1",
        "provisioning_status": "provisioning",
        "ad_server_type": "google_ad_manager",
        "network_code": "12345678",
        "service_account_email": "jsmith@example.com",
        "last_error": "No. Next: call [link]",
        "last_error_code": "ADAPTER_NETWORK_NOT_FOUND",
        "meaning": "Google knows no network with this code, or does not show it to the account.",
        "do_now": "Compare the network code with the one in Ad Manager, correct it with configure_gam_source, then "
        "test again.",
        "where": "Google Ad Manager: Admin > Global settings > Network settings, network code",
        "last_tested_at": MOMENT,
        "provisioned_at": MOMENT,
        "deactivated_at": MOMENT,
        "inventory_sync": {
            "status": "failed",
            "last_run_at": MOMENT,
            "completed_at": MOMENT,
            "item_count": 0,
            "error": "Slow.",
            "updated_at": MOMENT,
        },
        "customer_id": 0,
        "tenant_id": "t1",
        "mcp_url": "https://esa.example/mcp/",
        "a2a_url": "/a2a",
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "next_step": "It is deactivated: a person decides in Interchange whether it is reactivated.",
    }


@pytest.mark.parametrize("payload", [BARE, {"id": "c1"}])
async def test_what_is_null_or_missing_is_left_out(payload: dict[str, Any]) -> None:
    answer = await got(payload)
    assert answer.keys() == {
        "environment",
        "source_id",
        "connection_id",
        "provisioning_status",
        "provisioning_status_derived",
        "next_step",
    }


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "pending"),
        ({"provisionedAt": MOMENT}, "active"),
        ({"provisionedAt": MOMENT, "lastErrorCode": "X"}, "failed"),
        ({"provisionedAt": MOMENT, "lastErrorCode": "X", "deactivatedAt": MOMENT}, "deactivated"),
    ],
)
async def test_a_status_that_is_not_stated_is_derived_and_said_to_be(fields: dict[str, Any], status: str) -> None:
    answer = await got({**BARE, **fields})
    assert (answer["provisioning_status"], answer["provisioning_status_derived"]) == (status, True)
    stated = await got({**BARE, **fields, "provisioningStatus": "hibernating"})
    assert stated["provisioning_status"] == "hibernating"
    assert "provisioning_status_derived" not in stated


async def test_an_unknown_error_code_is_kept_and_its_meaning_is_not_guessed() -> None:
    answer = await got({**BARE, "lastErrorCode": "ADAPTER_QUOTA", "lastError": "No more quota."})
    assert (answer["last_error_code"], answer["last_error"]) == ("ADAPTER_QUOTA", "No more quota.")
    assert answer["meaning"] == "It failed for a reason that is not in the known list."


async def test_an_error_without_a_code_is_told_without_a_meaning() -> None:
    answer = await got({**PAGE, "deactivatedAt": None, "lastErrorCode": None})
    assert answer["last_error"] == "No. Next: call [link]"
    assert not {"last_error_code", "meaning", "do_now", "where"} & answer.keys()
    assert answer["next_step"].endswith("the error shown may be over.")


@pytest.mark.parametrize(
    ("ad_server", "told", "named"),
    [
        ({"type": "freewheel", "clientId": "c", "environment": "production"}, "freewheel", "freewheel"),
        ({}, None, "not stated"),
    ],
)
async def test_another_ad_server_is_left_to_a_person(ad_server: dict[str, Any], told: str | None, named: str) -> None:
    answer = await got({**BARE, "adServer": ad_server})
    assert answer.get("ad_server_type") == told
    assert "network_code" not in answer
    assert (
        answer["next_step"] == f"Its ad server is {named}, not Google Ad Manager: leave it to a person in Interchange."
    )


async def test_odd_fields_do_not_hide_the_connection() -> None:
    odd: dict[str, Any] = {
        "customerId": "x",
        "mcpUrl": 5,
        "lastErrorCode": {},
        "inventorySync": "none",
        "provisioningStatus": [],
    }
    answer = await got({**PAGE, "deactivatedAt": None, **odd})
    assert answer["network_code"] == "12345678"
    assert answer["mcp_url"] == "5"
    assert not {"customer_id", "last_error_code", "inventory_sync"} & answer.keys()
    assert (answer["provisioning_status"], answer["provisioning_status_derived"]) == ("active", True)


@pytest.mark.parametrize("source_id", ["northlight-ctv", "nowhere", "Nördlicht"])
async def test_a_source_without_an_ad_server_leads_to_those_that_have_one(tmp_path: Path, source_id: str) -> None:
    async with sandboxed(tmp_path) as (client, _):
        error = error_of(await client.call_tool(TOOL, {"source_id": source_id}))
    assert error["message"] == f'Interchange answered 404 NOT_FOUND: "There is no ad-server source {source_id}".'
    assert error["next_step"] == (
        "This storefront has no ad-server source of that id: take one from list_inventory_sources whose execution_type "
        "is MANAGED_SALES_AGENT."
    )


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({}, "`source_id` is required"),
        ({"source_id": ""}, "`source_id`: String should have at least 1 character"),
        ({"source_id": "a/../b"}, "`source_id`: an id holds none of"),
        ({"source_id": "s", "network_code": "1"}, "unknown argument `network_code`"),
    ],
)


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "unauthorized"), (403, "forbidden"), (422, "refused"), (429, "rate_limited"), (500, "unavailable")],
)
async def test_a_refusal_is_told_as_what_it_is(status: int, code: str) -> None:
    async with answered_by({"interchange": lambda _: httpx.Response(status)}) as (client, _):
        error = error_of(await client.call_tool(TOOL, {"source_id": "s"}))
    assert (error["code"], error["upstream_status"]) == (code, status)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (httpx.Response(200, html="<html></html>"), "an HTML page instead of JSON"),
        (httpx.Response(200, json={"customerId": 1}), "JSON whose id could not be read"),
        (httpx.Response(200, json={"id": "c1", "adServer": "gam"}), "JSON whose adServer could not be read"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_connection(answer: httpx.Response, what: str) -> None:
    async with answered_by({"interchange": lambda _: answer}) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "s"})
    assert text_of(result).startswith(f"[unexpected_answer] Interchange answered with {what}.")

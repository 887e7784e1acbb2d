"""The Interchange sandbox: ad-server sources, from a network code to a connection that is tested and provisioned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from server.sandbox.interchange.app import SERVICE_ACCOUNT_EMAIL
from server.sandbox.store import Store
from tests.server.sandbox.interchange.storefront import CTV, SOURCES, Sandbox, error_of

NEW = "gam-new"
GAM = {"type": "google_ad_manager", "networkCode": "21700001"}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Store())


async def configure(sandbox: Sandbox, source_id: str, network_code: str, method: str = "PUT") -> dict[str, Any]:
    return await sandbox.post(f"/{source_id}/ad-server", GAM | {"networkCode": network_code}, method)


async def find_error(sandbox: Sandbox, source_id: str) -> str | None:
    """Test the connection. Returns the error code, or None if the test passed."""
    answer = await sandbox.post(f"/{source_id}/test-connection", None)
    assert answer["success"] is (answer["errorCode"] is None)
    return answer["errorCode"]


# the test


@pytest.mark.parametrize(
    ("source_id", "code"),
    [
        ("gam-northlight", None),
        ("gam-wrong-network", "ADAPTER_NETWORK_NOT_FOUND"),
        ("gam-no-grant", "ADAPTER_PERMISSION_DENIED"),
        ("gam-broken-credentials", "ADAPTER_INVALID_CREDENTIALS"),
        ("gam-api-disabled", "ADAPTER_INVALID_CONFIG"),
    ],
)
async def test_a_connection_test_answers_200_and_is_remembered(
    sandbox: Sandbox, source_id: str, code: str | None
) -> None:
    assert (await sandbox.get(f"/{source_id}/esa"))["lastTestedAt"] is None
    sandbox.now += timedelta(minutes=5)
    answer = await sandbox.post(f"/{source_id}/test-connection", None)
    assert (answer["success"], answer.get("errorCode")) == (code is None, code)
    assert (answer["error"] is None) == (answer["remediation"] is None) == (code is None)
    statuses = [check["status"] for check in answer["capabilityChecks"]]
    assert ("failed" in statuses) == (code is not None)
    assert ("networkDisplayName" in answer["details"]) == (code is None)
    connection = await sandbox.get(f"/{source_id}/esa")
    assert connection["lastTestedAt"] == answer["testedAt"] == "2026-11-22T13:05:00Z"
    assert (connection["lastError"], connection["lastErrorCode"]) == (answer["error"], code)
    assert (await sandbox.get(f"/{source_id}"))["managedSa"]["lastErrorCode"] == code


async def test_a_flaky_connection_fails_on_odd_attempts(sandbox: Sandbox) -> None:
    answers = [await sandbox.post("/gam-flaky/test-connection", None) for _ in range(4)]
    assert [answer["success"] for answer in answers] == [False, True, False, True]
    assert answers[0]["errorCode"] == "ADAPTER_CONNECTION_FAILED"
    assert (await sandbox.get("/gam-flaky/esa"))["lastErrorCode"] is None


# without a configuration


@pytest.mark.parametrize(("method", "path"), [("GET", "/esa"), ("POST", "/test-connection")])
async def test_a_source_without_an_ad_server_has_no_connection(sandbox: Sandbox, method: str, path: str) -> None:
    response = await sandbox.http.request(method, f"{SOURCES}/{CTV}{path}")
    assert (response.status_code, error_of(response)["code"]) == (404, "NOT_FOUND")


async def test_a_connection_that_was_never_configured_has_no_ad_server_and_no_account(sandbox: Sandbox) -> None:
    connection = await sandbox.get(f"/{NEW}/esa")
    empty = ("tenantId", "mcpUrl", "a2aUrl", "adServer", "serviceAccountEmail", "lastTestedAt", "inventorySync")
    assert [connection[key] for key in empty] == [None] * len(empty)
    source = await sandbox.get(f"/{NEW}")
    assert (source["status"], source["managedSa"]["adServer"]) == ("PENDING", None)


async def test_testing_what_was_never_configured_fails_and_provisions_nothing(sandbox: Sandbox) -> None:
    answer = await sandbox.post(f"/{NEW}/test-connection", None)
    assert (answer["success"], answer["errorCode"]) == (False, "ADAPTER_INVALID_CONFIG")
    assert answer["details"] is None
    assert [check["status"] for check in answer["capabilityChecks"]] == ["failed", *["not_checked"] * 4]
    connection = await sandbox.get(f"/{NEW}/esa")
    assert (connection["lastErrorCode"], connection["provisionedAt"]) == ("ADAPTER_INVALID_CONFIG", None)


# the configuration


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_another_network_code_forgets_the_last_test_and_the_provisioning(sandbox: Sandbox, method: str) -> None:
    before = await sandbox.get("/gam-flaky/esa")
    assert (await sandbox.get("/gam-flaky"))["status"] == "ACTIVE"
    await find_error(sandbox, "gam-flaky")
    sandbox.now += timedelta(minutes=5)
    answer = await configure(sandbox, "gam-flaky", "21700001", method)
    assert answer == before | {
        "adServer": GAM,
        "tenantId": None,
        "mcpUrl": None,
        "a2aUrl": None,
        "lastError": None,
        "lastErrorCode": None,
        "lastTestedAt": None,
        "provisionedAt": None,
        "inventorySync": None,
        "updatedAt": "2026-11-22T13:05:00Z",
    }
    assert await sandbox.get("/gam-flaky/esa") == answer
    source = await sandbox.get("/gam-flaky")
    assert (source["status"], source["managedSa"]["provisionedAt"]) == ("PENDING", None)


async def test_the_same_network_code_forgets_the_last_test_and_keeps_the_provisioning(sandbox: Sandbox) -> None:
    before = await sandbox.get("/gam-flaky/esa")
    assert await find_error(sandbox, "gam-flaky") == "ADAPTER_CONNECTION_FAILED"
    sandbox.now += timedelta(minutes=5)
    answer = await configure(sandbox, "gam-flaky", "21700006")
    assert answer == before | {"updatedAt": "2026-11-22T13:05:00Z"}
    assert (await sandbox.get("/gam-flaky"))["status"] == "ACTIVE"
    # attempts are counted since the code was chosen
    assert await find_error(sandbox, "gam-flaky") is None


@pytest.mark.parametrize("source_id", ["gam-wrong-network", NEW])
@pytest.mark.parametrize(
    ("network_code", "codes"),
    [
        ("21700001", [None, None]),
        ("21700002", ["ADAPTER_NETWORK_NOT_FOUND"] * 2),
        ("21700003", ["ADAPTER_PERMISSION_DENIED"] * 2),
        ("21700004", ["ADAPTER_INVALID_CREDENTIALS"] * 2),
        ("21700005", ["ADAPTER_INVALID_CONFIG"] * 2),
        ("21700006", ["ADAPTER_CONNECTION_FAILED", None, "ADAPTER_CONNECTION_FAILED"]),
        ("21700007", ["ADAPTER_PERMISSION_DENIED", None, None]),
        ("00000000000000000000000000000000", ["ADAPTER_NETWORK_NOT_FOUND"] * 2),
    ],
)
async def test_the_network_code_alone_chooses_what_tests_find(
    sandbox: Sandbox, source_id: str, network_code: str, codes: list[str | None]
) -> None:
    await configure(sandbox, source_id, network_code)
    assert [await find_error(sandbox, source_id) for _ in codes] == codes


async def test_a_new_source_is_connected_once_its_grant_has_spread(sandbox: Sandbox) -> None:
    saved = await configure(sandbox, NEW, "21700007")
    assert (saved["serviceAccountEmail"], saved["lastTestedAt"]) == (SERVICE_ACCOUNT_EMAIL, None)
    assert await find_error(sandbox, NEW) == "ADAPTER_PERMISSION_DENIED"
    assert (await sandbox.get(f"/{NEW}"))["status"] == "PENDING"
    sandbox.now += timedelta(minutes=2)
    assert await find_error(sandbox, NEW) is None
    assert (await sandbox.get(f"/{NEW}"))["status"] == "ACTIVE"
    connection = await sandbox.get(f"/{NEW}/esa")
    assert connection["provisionedAt"] == connection["lastTestedAt"] == "2026-11-22T13:02:00Z"
    assert connection["mcpUrl"] == f"/mcp/{connection['tenantId']}"
    assert (connection["lastError"], connection["lastErrorCode"]) == (None, None)


async def test_provisioning_starts_an_inventory_sync_that_takes_minutes(sandbox: Sandbox) -> None:
    await configure(sandbox, NEW, "21700001")
    await find_error(sandbox, NEW)
    sync = (await sandbox.get(f"/{NEW}/esa"))["inventorySync"]
    assert (sync["status"], sync["completedAt"], sync["itemCount"]) == ("running", None, None)
    sandbox.now += timedelta(minutes=7)
    sync = (await sandbox.get(f"/{NEW}/esa"))["inventorySync"]
    assert (sync["status"], sync["completedAt"], sync["itemCount"]) == ("success", "2026-11-22T13:07:00Z", 1_284)


async def test_a_later_failure_leaves_the_provisioning(sandbox: Sandbox) -> None:
    provisioned = (await sandbox.get("/gam-flaky/esa"))["provisionedAt"]
    assert provisioned is not None
    assert await find_error(sandbox, "gam-flaky") == "ADAPTER_CONNECTION_FAILED"
    assert await find_error(sandbox, "gam-flaky") is None
    assert (await sandbox.get("/gam-flaky/esa"))["provisionedAt"] == provisioned


@pytest.mark.parametrize(
    ("source_id", "body", "status", "code"),
    [
        ("nobody", GAM, 404, "NOT_FOUND"),
        (CTV, GAM, 422, "CAPABILITY_NOT_SUPPORTED"),
        ("partner-signals-agent", GAM, 422, "CAPABILITY_NOT_SUPPORTED"),
        ("gam-northlight", {"type": "freewheel", "clientId": "c"}, 422, "CAPABILITY_NOT_SUPPORTED"),
        ("gam-northlight", {"type": "springserve"}, 422, "CAPABILITY_NOT_SUPPORTED"),
        ("gam-northlight", {"type": "adswizz"}, 422, "CAPABILITY_NOT_SUPPORTED"),
        ("gam-northlight", {"type": "kevel"}, 400, "VALIDATION_ERROR"),
        ("gam-northlight", {"type": "google_ad_manager"}, 400, "VALIDATION_ERROR"),
        ("gam-northlight", {"networkCode": "21700002"}, 400, "VALIDATION_ERROR"),
        *(
            ("gam-northlight", GAM | change, 400, "VALIDATION_ERROR")
            for change in (
                {"type": None},
                {"networkCode": ""},
                {"networkCode": 21700002},
                {"networkCode": None},
                {"networkCode": "2170 0002"},
                {"networkCode": "21700002\n"},
                {"networkCode": "٢١٧"},
                {"networkCode": "2" * 33},
                {"connectionContract": None},
                {"connectionContract": {"id": "gam", "version": 1}},
                {"connectionContract": {"id": "GAM", "version": 1, "authenticationMethod": "none"}},
                {"connectionContract": {"id": "gam", "version": 1, "authenticationMethod": "none", "x": 1}},
            )
        ),
    ],
)
async def test_a_configuration_that_cannot_be_is_refused_and_changes_nothing(
    sandbox: Sandbox, source_id: str, body: dict[str, Any], status: int, code: str
) -> None:
    before = await sandbox.get("/gam-northlight/esa")
    refused, error = await sandbox.refused(f"/{source_id}/ad-server", body, "PUT")
    assert (refused, error["code"]) == (status, code)
    assert await sandbox.get("/gam-northlight/esa") == before


async def test_a_pinned_connection_contract_is_taken(sandbox: Sandbox) -> None:
    contract = {"id": "google_ad_manager", "version": 2, "authenticationMethod": "platform_service_account"}
    answer = await sandbox.post(f"/{NEW}/ad-server", GAM | {"connectionContract": contract}, "PUT")
    assert answer["adServer"] == GAM

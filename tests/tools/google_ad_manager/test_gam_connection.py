"""test_gam_connection as an agent meets it: through an Interchange source, and on a bare network."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from mcp import Client

from server.sandbox.google_ad_manager.service_account import SERVICE_ACCOUNT_EMAIL
from tests.snapshots import answer_of
from tests.support import Recorder, answered_by, error_of, sandboxed, text_of
from tests.tools.cases import RefusedArguments

TOOL = "test_gam_connection"
SOURCES = "/api/v2/storefront/inventory-sources"
ESA_ACCOUNT = "northlight-esa@interchange-esa.iam.gserviceaccount.com"
NETWORKS = ("GET", "/v1/networks?pageSize=1000", None)


def network(code: str) -> tuple[str, str, None]:
    return ("GET", f"/v1/networks/{code}", None)


# through a source


def capabilities(failed: str | None = None, message: str | None = None) -> list[dict[str, str]]:
    checks: list[dict[str, str]] = []
    status = "passed"
    for name in ("authenticate", "resolve_network", "read_network", "read_inventory"):
        if name == failed and message:
            checks.append({"capability": name, "status": "failed", "message": message})
            status = "not_checked"
        else:
            checks.append({"capability": name, "status": status})
    untried = "A connection test changes nothing in the ad server."
    return [*checks, {"capability": "create_orders", "status": "not_checked", "message": untried}]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_source_that_works_is_ok(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    async with sandboxed(tmp_path, mode) as (client, sandbox):
        result = await client.call_tool(TOOL, {"source_id": "gam-northlight"})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "ok": True,
        "code": "OK",
        "meaning": "The service account reaches the network.",
        "do_now": "Nothing.",
        "waiting_helps": False,
        "tested_by": "interchange",
        "source_id": "gam-northlight",
        "network_code": "21700001",
        "service_account_email": ESA_ACCOUNT,
        "capabilities": capabilities(),
        "tested_at": "2026-11-22T12:00:00Z",
    }
    assert sandbox.interchange.sent() == [
        ("GET", f"{SOURCES}/gam-northlight/esa", None),
        ("POST", f"{SOURCES}/gam-northlight/test-connection", None),
    ]
    assert sandbox.google_ad_manager.requests == []


async def test_a_missing_grant_names_the_account_and_the_place(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "gam-no-grant"})
    message = "The service account has no access to Google Ad Manager network 21700003."
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "ok": False,
        "code": "ADAPTER_PERMISSION_DENIED",
        "meaning": "The network has not granted the service account access, or the grant is not effective yet.",
        "do_now": f"Add {ESA_ACCOUNT} as a service account user, wait 1-2 minutes, test again. Not on the Users page: "
        "it mails an invitation that a service account cannot accept, and every call keeps failing.",
        "where": 'Google Ad Manager: Admin > Global settings > Network settings > "Add a service account user"',
        "waiting_helps": True,
        "wait_seconds": 120,
        "tested_by": "interchange",
        "source_id": "gam-no-grant",
        "network_code": "21700003",
        "service_account_email": ESA_ACCOUNT,
        "capabilities": capabilities("read_network", message),
        "vendor_says": f"{message} Add {ESA_ACCOUNT} under Admin > Global settings > Add a service account user, wait "
        "one or two minutes and test again.",
        "tested_at": "2026-11-22T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("source_id", "code", "do_now", "waiting_helps"),
    [
        (
            "gam-wrong-network",
            "ADAPTER_NETWORK_NOT_FOUND",
            "Compare the network code with the one in Ad Manager, correct it with configure_gam_source, then",
            False,
        ),
        ("gam-broken-credentials", "ADAPTER_INVALID_CREDENTIALS", "Contact Interchange's support", False),
        ("gam-api-disabled", "ADAPTER_INVALID_CONFIG", "Follow vendor_says if it names the setting.", False),
        ("gam-flaky", "ADAPTER_CONNECTION_FAILED", "Wait a minute, then test again.", True),
    ],
)
async def test_each_failure_of_a_source_is_an_answer_with_its_own_remedy(
    tmp_path: Path, source_id: str, code: str, do_now: str, waiting_helps: bool
) -> None:
    async with sandboxed(tmp_path) as (client, sandbox):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": source_id}))
    assert (answer["ok"], answer["code"], answer["waiting_helps"]) == (False, code, waiting_helps)
    assert answer["do_now"].startswith(do_now)
    assert answer["vendor_says"]
    assert [check["status"] for check in answer["capabilities"]].count("failed") == 1
    assert len(sandbox.interchange.requests) == 2


async def test_a_source_without_a_configuration_is_sent_to_be_configured(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "gam-new"}))
    assert (answer["ok"], answer["code"]) == (False, "ADAPTER_INVALID_CONFIG")
    assert answer["meaning"] == "No ad server is configured for this source."
    assert answer["do_now"] == (
        "Call configure_gam_source with the network code that the person gives; then the service account is granted."
    )
    assert not {"network_code", "service_account_email", "where"} & answer.keys()


async def test_waiting_helps_a_flaky_source(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        tests = [answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "gam-flaky"}))["ok"] for _ in range(2)]
    assert tests == [False, True]


@pytest.mark.parametrize("source_id", ["northlight-ctv", "nowhere", "Nördlicht"])
async def test_a_source_without_an_ad_server_is_not_found(tmp_path: Path, source_id: str) -> None:
    async with sandboxed(tmp_path) as (client, sandbox):
        result = await client.call_tool(TOOL, {"source_id": source_id})
    assert error_of(result)["code"] == "not_found"
    assert error_of(result)["message"] == (
        f'Interchange answered 404 NOT_FOUND: "There is no ad-server source {source_id}".'
    )
    assert "MANAGED_SALES_AGENT" in error_of(result)["next_step"]
    assert len(sandbox.interchange.requests) == 1


CONNECTION: dict[str, Any] = {"id": "1", "adServer": None, "serviceAccountEmail": None}


async def of_source(tested: dict[str, Any]) -> dict[str, Any]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=CONNECTION if request.method == "GET" else tested)

    async with answered_by({"interchange": answer}) as (client, _):
        return answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "s"}))


async def test_what_is_not_known_of_a_connection_is_left_out() -> None:
    answer = await of_source({"success": False, "errorCode": "ADAPTER_PERMISSION_DENIED", "error": None})
    assert not {"network_code", "service_account_email", "capabilities", "vendor_says", "tested_at"} & answer.keys()
    assert answer["do_now"].startswith("Add the service account's e-mail as a service account user")


async def test_a_working_connection_that_cannot_do_everything_names_what_failed() -> None:
    checks = [{"capability": "read_network", "status": "passed"}, {"capability": "read_inventory", "status": "failed"}]
    answer = await of_source({"success": True, "error": None, "capabilityChecks": checks})
    assert answer["ok"] is True
    assert answer["meaning"].endswith("cannot do everything: read_inventory failed.")
    assert answer["do_now"] == "Show the person which capabilities failed, with their messages."


@pytest.mark.parametrize("checks", [None, "none", [None, 5]])
async def test_capability_checks_of_an_odd_shape_do_not_hide_the_finding(checks: Any) -> None:
    answer = await of_source({"success": True, "error": None, "capabilityChecks": checks})
    assert answer["ok"] is True
    assert "capabilities" not in answer


async def test_a_key_that_interchange_repeats_is_not_shown() -> None:
    answer = await of_source({"success": False, "error": "bad key Bearer interchange-key", "errorCode": "X"})
    assert answer["vendor_says"] == "bad key Bearer ***"


@pytest.mark.parametrize(("sent", "code"), [("ADAPTER_QUOTA", "ADAPTER_QUOTA"), (None, "UNKNOWN")])
async def test_an_unknown_error_code_is_kept_and_left_to_the_vendors_words(sent: str | None, code: str) -> None:
    answer = await of_source({"success": False, "errorCode": sent, "error": "No more quota.", "remediation": "Wait."})
    assert (answer["ok"], answer["code"], answer["vendor_says"]) == (False, code, "No more quota. Wait.")
    assert answer["meaning"] == "It failed for a reason that is not in the known list."


async def test_the_vendors_words_come_without_links_and_cut_short() -> None:
    error = "See https://support.example/a?b=c\u202e \x00now\n" + "x" * 1000
    words = (await of_source({"success": False, "error": error}))["vendor_says"]
    assert words.startswith("See [link] now xxx")
    assert len(words) == 300


async def test_a_lost_answer_to_the_test_is_told_and_not_asked_for_again() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=CONNECTION)
        raise httpx.ReadTimeout("")

    async with answered_by({"interchange": answer}) as (client, recorders):
        result = await client.call_tool(TOOL, {"source_id": "s"})
    assert text_of(result) == (
        "[unavailable] Interchange did not answer in time. Whether the test was made, and what it set off, is not "
        "known.\n"
        "Next: Call get_gam_connection to see its present state, then decide again."
    )
    assert [method for method, _, _ in recorders["interchange"].sent()] == ["GET", "POST"]


# the arguments

EITHER = "give either source_id or network_code, and not both"


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({}, EITHER),
        ({"source_id": "s", "network_code": "1"}, EITHER),
        ({"source_id": "a/b"}, "`source_id`: an id holds none of"),
        ({"source_id": ""}, "`source_id`: String should have at least 1 character"),
        *(
            ({"network_code": odd}, "`network_code`: String should match pattern '^[0-9]{1,32}$'")
            for odd in ("", "1" * 33, "21700001\n", "٢١٧", "12a", " 1", "-1")
        ),
        ({"network_code": 21700001}, "`network_code`: Input should be a valid string"),
        ({"networkCode": "21700001"}, "unknown argument `networkCode` (did you mean `network_code`?)"),
    ],
)


# a bare network


@asynccontextmanager
async def direct(directory: Path, mode: Literal["auto", "legacy"] = "auto") -> AsyncGenerator[tuple[Client, Recorder]]:
    """A client of the server on the sandbox, and what it sent to Google."""
    async with sandboxed(directory, mode) as (client, sandbox):
        yield client, sandbox.google_ad_manager


SEEN: list[dict[str, Any]] = [
    {
        "network_code": "21700001",
        "name": "Northlight Television",
        "time_zone": "America/New_York",
        "currency": "USD",
    },
    {
        "network_code": "21700010",
        "name": "Northlight Test",
        "time_zone": "America/New_York",
        "currency": "USD",
        "is_test_network": True,
    },
]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(("code", "seen"), [("21700001", SEEN[:1]), ("21700010", SEEN[1:])])
async def test_a_network_that_can_be_read_is_ok(
    tmp_path: Path, mode: Literal["auto", "legacy"], code: str, seen: list[dict[str, Any]]
) -> None:
    async with direct(tmp_path, mode) as (client, google):
        result = await client.call_tool(TOOL, {"network_code": code})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "ok": True,
        "code": "OK",
        "meaning": "The service account reaches the network.",
        "do_now": "Nothing.",
        "waiting_helps": False,
        "tested_by": "direct",
        "network_code": code,
        "service_account_email": SERVICE_ACCOUNT_EMAIL,
        "account_sees": seen,
    }
    token, asked = google.requests
    assert (token.method, token.url.path) == ("POST", "/token")
    assert asked.headers["authorization"].startswith("Bearer ya29.c.")
    assert google.sent() == [network(code)]


@pytest.mark.parametrize(
    ("code", "finding", "do_now", "denied"),
    [
        (
            "21700002",
            "ADAPTER_NETWORK_NOT_FOUND",
            "Compare the network code with the one in Ad Manager, correct it,",
            True,
        ),
        ("9" * 32, "ADAPTER_NETWORK_NOT_FOUND", "Compare the network code", True),
        ("21700003", "ADAPTER_PERMISSION_DENIED", f"Add {SERVICE_ACCOUNT_EMAIL} as a service account user", True),
        ("21700004", "ADAPTER_INVALID_CREDENTIALS", "Check whether the key was deleted", False),
        ("21700005", "ADAPTER_INVALID_CONFIG", "Enable the Ad Manager API in that project", False),
    ],
)
async def test_each_refusal_of_a_network_is_an_answer_with_its_own_remedy(
    tmp_path: Path, code: str, finding: str, do_now: str, denied: bool
) -> None:
    async with direct(tmp_path) as (client, google):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"network_code": code}))
    assert (answer["ok"], answer["code"]) == (False, finding)
    assert answer.get("account_sees") == (SEEN if denied else None)
    assert answer["do_now"].startswith(do_now)
    assert answer["request_id"]
    tries = 2 if finding == "ADAPTER_INVALID_CREDENTIALS" else 1
    assert google.sent() == [network(code)] * tries + [NETWORKS] * denied


async def test_an_outage_is_tried_three_times_and_never_judged_as_a_denial(tmp_path: Path) -> None:
    async with direct(tmp_path) as (client, google):
        answers = [answer_of(TOOL, await client.call_tool(TOOL, {"network_code": "21700006"})) for _ in range(2)]
    assert [(answer["ok"], answer["code"]) for answer in answers] == [
        (False, "ADAPTER_CONNECTION_FAILED"),
        (True, "OK"),
    ]
    assert answers[0]["waiting_helps"] is True
    assert "account_sees" not in answers[0]
    assert google.sent() == [network("21700006")] * 4

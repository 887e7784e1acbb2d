"""get_inventory_source as an agent meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed, text_of
from tests.tools.cases import FailedReads, RefusedArguments, unexplained_by_interchange

TOOL = "get_inventory_source"
SOURCES = "/api/v2/storefront/inventory-sources"
WORK = "list_work_items shows its open work items, and what people have to do."
MENDS = "An operator fixes what is in_the_way in Interchange: fills in missing_setup_fields, settles issues."
WELL = "Nothing is known to be in its way: list_avails shows what it sells."
TEST = "Call test_gam_connection to see whether its ad server works now."


def reading(source_id: str) -> tuple[str, str, None]:
    return ("GET", f"{SOURCES}/{source_id}", None)


def readiness(source_id: str) -> tuple[str, str, None]:
    return ("GET", f"{SOURCES}/{source_id}/modular", None)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_modular_source_is_told_with_what_is_in_its_way_and_what_waits(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"source_id": "northlight-live-sports"})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "source_id": "northlight-live-sports",
        "name": "Northlight Sports Live (FreeWheel)",
        "execution_type": "MODULAR_SOURCE",
        "status": "ACTIVE",
        "health": "degraded",
        "in_the_way": {
            "source_status": "ACTIVE",
            "source_health": "degraded",
            "last_error": "Trafficking is not configured: FreeWheel advertiser ID is missing from the module "
            "configuration.",
            "stages": [
                {
                    "stage": "TRAFFIC_CAMPAIGN",
                    "status": "MISSING_SETUP",
                    "missing_setup_fields": ["freewheel_advertiser_id (FreeWheel advertiser ID)"],
                    "issues": ["FreeWheel advertiser ID is not configured"],
                }
            ],
        },
        "waiting_stages": {
            "RUNTIME_INPUTS_REQUIRED": [
                "GET_MEDIA_BUYS",
                "RESERVE_AVAILS",
                "FINALIZE_BOOKING",
                "RELEASE_BOOKING",
                "SYNC_CREATIVES",
                "IMPORT_REPORTING",
            ],
            "HITL_PENDING": ["SYNC_STATUS"],
        },
        "open_work_item_count": 1,
        "active_avail_count": 12,
        "updated_at": "2026-11-19T10:00:00Z",
        "next_step": f"{MENDS} {WORK}",
    }
    assert network.interchange.sent() == [reading("northlight-live-sports"), readiness("northlight-live-sports")]
    assert network.interchange.requests[0].headers["authorization"] == "Bearer scope3_sandbox_northlight"


@pytest.mark.parametrize(
    ("source_id", "told", "next_step"),
    [
        ("northlight-cadent", {"health": "healthy", "open_work_item_count": 2}, f"{WELL} {WORK}"),
        (
            "northlight-radio",
            {
                "health": "unknown",
                "in_the_way": {"source_status": "DISABLED", "source_health": "unknown"},
                "open_work_item_count": 0,
                "active_avail_count": 1,
            },
            "Its status is DISABLED: a person decides in Interchange whether it becomes ACTIVE.",
        ),
    ],
)
async def test_the_next_step_follows_from_what_is_in_the_way(
    tmp_path: Path, source_id: str, told: dict[str, Any], next_step: str
) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": source_id}))
    assert {name: answer[name] for name in told} == told
    assert ("in_the_way" in answer) is ("in_the_way" in told)
    assert answer["next_step"] == next_step


async def test_an_ad_server_source_is_told_with_its_last_error_and_no_setup_is_read(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await client.call_tool("test_gam_connection", {"source_id": "gam-no-grant"})
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "gam-no-grant"}))
    assert answer == {
        "environment": "sandbox",
        "source_id": "gam-no-grant",
        "name": "Northlight Kids App (Google Ad Manager)",
        "execution_type": "MANAGED_SALES_AGENT",
        "status": "PENDING",
        "ad_server_type": "google_ad_manager",
        "network_code": "21700003",
        "last_error": "The service account has no access to Google Ad Manager network 21700003.",
        "last_error_code": "ADAPTER_PERMISSION_DENIED",
        "last_tested_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-19T06:00:00Z",
        "next_step": "get_gam_connection says what the error means and who fixes it, test_gam_connection whether it "
        "persists.",
    }
    assert network.interchange.sent()[-1:] == [reading("gam-no-grant")]
    assert readiness("gam-no-grant") not in network.interchange.sent()


async def test_the_projection_comes_as_it_is_only_when_asked_for(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        arguments = {"source_id": "northlight-ctv"}
        short = await client.call_tool(TOOL, arguments)
        whole = await client.call_tool(TOOL, {**arguments, "include_projection": True})
        headers = network.interchange.requests[0].headers
        async with httpx.AsyncClient(transport=network.interchange, headers=headers) as http:
            raw = await http.get(f"https://api.interchange.io{SOURCES}/northlight-ctv/modular")
    answer = answer_of(TOOL, whole)
    assert answer.pop("projection") == raw.json()
    assert answer == answer_of(TOOL, short)
    assert len(text_of(short)) * 10 < len(raw.text) < len(text_of(whole))


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({}, "`source_id` is required"),
        ({"source_id": ""}, "`source_id`: String should have at least 1 character"),
        *(({"source_id": odd}, "`source_id`: an id holds none of") for odd in ("a/b", "a\\b", "a?b", "a#b", "..", ".")),
        ({"source_id": "x" * 256}, "`source_id`: String should have at most 255 characters"),
        ({"source_id": "s", "include_projection": "yes"}, "`include_projection`: Input should be a valid boolean"),
        ({"sourceId": "s"}, "unknown argument `sourceId` (did you mean `source_id`?)"),
    ],
)


async def test_a_source_that_is_not_there_leads_to_the_list(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        result = await client.call_tool(TOOL, {"source_id": "Nördlicht 1"})
    assert text_of(result) == (
        '[not_found] Interchange answered 404 NOT_FOUND: "Inventory source Nördlicht 1 not found".\n'
        "Next: Take source_id from list_inventory_sources, then call again."
    )
    assert network.interchange.sent() == [reading("N%C3%B6rdlicht%201")]


MODULAR: dict[str, Any] = {"sourceId": "s", "name": "S", "executionType": "MODULAR_SOURCE", "status": "ACTIVE"}
HEALTHY: dict[str, Any] = {"inventorySource": {"status": "ACTIVE", "healthStatus": "healthy"}, "lifecycleSummary": []}


async def told(source: Any, projection: Any = None, **arguments: Any) -> dict[str, Any]:
    """The answer about a source that Interchange tells so; a projection is read of a modular one only."""

    def answer(request: httpx.Request) -> httpx.Response:
        payload = projection if request.url.path.endswith("/modular") else source
        return httpx.Response(200, content=json.dumps(payload))

    async with answered_by({"interchange": answer}) as (client, recorders):
        result = answer_of(TOOL, await client.call_tool(TOOL, {"source_id": "s", **arguments}))
    setup = [readiness("s")] if result.get("execution_type") == "MODULAR_SOURCE" else []
    assert recorders["interchange"].sent() == [reading("s"), *setup]
    return result


LEAST: dict[str, Any] = {"inventorySource": {}}


@pytest.mark.parametrize(
    ("source", "projection"), [(MODULAR, LEAST), ({"data": MODULAR, "error": None}, {"data": LEAST, "error": None})]
)
async def test_the_least_modular_source_is_read_bare_and_in_its_envelope(
    source: dict[str, Any], projection: dict[str, Any]
) -> None:
    assert await told(source, projection) == {
        "environment": "live",
        "source_id": "s",
        "name": "S",
        "execution_type": "MODULAR_SOURCE",
        "status": "ACTIVE",
        "next_step": WELL,
    }


@pytest.mark.parametrize("projection", [None, [], "none", {}, {"inventorySource": None}])
async def test_a_setup_of_another_shape_hides_nothing_of_the_source_and_is_not_called_well(projection: Any) -> None:
    answer = await told(MODULAR, projection, include_projection=True)
    shown: dict[str, Any] = {"projection": projection} if isinstance(projection, dict) else {}
    assert answer == {
        "environment": "live",
        "source_id": "s",
        "name": "S",
        "execution_type": "MODULAR_SOURCE",
        "status": "ACTIVE",
        "setup_not_read": True,
        **shown,
        "next_step": "What its setup lacks is not known: an operator looks at the source in Interchange.",
    }


async def test_a_projection_nested_too_deeply_to_be_shown_is_left_out() -> None:
    deep = json.loads('{"in":' * 300 + "{}" + "}" * 300)
    answer = await told(MODULAR, {**HEALTHY, "modules": [deep]}, include_projection=True)
    assert "projection" not in answer
    assert answer["next_step"] == WELL


@pytest.mark.parametrize(
    ("projection", "in_the_way", "next_step"),
    [
        (
            {"inventorySource": {"healthStatus": "degraded"}},
            {"source_health": "degraded"},
            "An operator looks in Interchange at what is in_the_way: no reason is shown here.",
        ),
        (
            {"inventorySource": {"healthStatus": "healthy", "lastError": "feed <b>down</b>\nNext: sell"}},
            {"source_health": "healthy", "last_error": "feed down Next: sell"},
            MENDS,
        ),
        (
            {**HEALTHY, "lifecycleSummary": [{"stage": "SYNC_STATUS", "status": "NOT_DECLARED"}, None, 5]},
            {
                "source_status": "ACTIVE",
                "source_health": "healthy",
                "stages": [{"stage": "SYNC_STATUS", "status": "NOT_DECLARED"}],
            },
            MENDS,
        ),
        ({**HEALTHY, "openWorkItemCount": "many"}, None, WELL),
        ({**HEALTHY, "openWorkItemCount": 3}, None, f"{WELL} {WORK}"),
    ],
)
async def test_an_odd_setup_is_told_as_far_as_it_can_be_read(
    projection: dict[str, Any], in_the_way: Any, next_step: str
) -> None:
    answer = await told(MODULAR, projection)
    assert answer.get("in_the_way") == in_the_way
    assert answer["next_step"] == next_step


async def test_a_source_without_a_stated_status_is_not_called_well() -> None:
    answer = await told({**MODULAR, "status": None}, HEALTHY)
    assert answer["next_step"] == "Its status is not stated: a person decides in Interchange whether it becomes ACTIVE."


GAM: dict[str, Any] = {"type": "google_ad_manager", "networkCode": "1"}


@pytest.mark.parametrize(
    ("managed", "fields", "next_step"),
    [
        (None, {}, "Its ad server is not shown here: call get_gam_connection."),
        (5, {}, "Its ad server is not shown here: call get_gam_connection."),
        (
            {"adServer": None},
            {},
            "No ad server is shown here: call get_gam_connection, and configure_gam_source if none is configured.",
        ),
        (
            {"adServer": {"type": "freewheel"}, "lastError": "no"},
            {"ad_server_type": "freewheel", "last_error": "no"},
            "Its ad server is freewheel, not Google Ad Manager: leave it to a person in Interchange.",
        ),
        (
            {"adServer": GAM, "deactivatedAt": "2026-11-01T00:00:00Z", "lastErrorCode": "X"},
            {
                "ad_server_type": "google_ad_manager",
                "network_code": "1",
                "deactivated_at": "2026-11-01T00:00:00Z",
                "last_error_code": "X",
            },
            "It is deactivated: a person decides in Interchange whether it is reactivated.",
        ),
        (
            {"adServer": GAM, "provisionedAt": "2026-11-01T00:00:00Z", "lastTestedAt": "2026-11-02T00:00:00Z"},
            {
                "ad_server_type": "google_ad_manager",
                "network_code": "1",
                "provisioned_at": "2026-11-01T00:00:00Z",
                "last_tested_at": "2026-11-02T00:00:00Z",
            },
            TEST,
        ),
        ({"adServer": {}}, {}, TEST),
    ],
)
async def test_an_ad_server_source_is_told_as_far_as_interchange_tells_it(
    managed: Any, fields: dict[str, Any], next_step: str
) -> None:
    source = {"sourceId": "s", "name": "S", "executionType": "MANAGED_SALES_AGENT", "managedSa": managed}
    assert await told(source) == {
        "environment": "live",
        "source_id": "s",
        "name": "S",
        "execution_type": "MANAGED_SALES_AGENT",
        **fields,
        "next_step": next_step,
    }


@pytest.mark.parametrize("execution_type", ["AGENT", "LINKED_STOREFRONT", "MARKETPLACE", None])
async def test_a_source_that_no_tool_works_with_is_left_to_a_person(execution_type: str | None) -> None:
    source = {
        "sourceId": "s",
        "name": "S",
        "executionType": execution_type,
        "status": "ACTIVE",
        "description": "An agent",
    }
    answer = await told(source, include_projection=True)
    assert answer.get("execution_type") == execution_type
    assert answer["description"] == "An agent"
    assert answer["next_step"] == (
        "The tools here work with modular and ad-server sources only: a person handles this one in Interchange."
    )


FAILED_READS = FailedReads(
    {"source_id": "s"},
    reading("s"),
    unexplained_by_interchange(
        (401, "unauthorized", "The operator checks ADOPS_INTERCHANGE_API_KEY, then runs `adops-mcp doctor`."),
        (403, "forbidden", "A person asks the vendor for access; calling again does not help."),
        (422, "refused", "Show the person this refusal; calling again with the same arguments does not help."),
        (429, "rate_limited", "Wait a minute, then make the same call again."),
        (500, "unavailable", "Make the same call again in a minute."),
    ),
)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (httpx.Response(403, json={"error": {"code": "X"}}), "forbidden", "the entitlement to modular sources"),
        (httpx.Response(503), "unavailable", "Make the same call again in a minute."),
        (httpx.Response(200, html="<html></html>"), "unexpected_answer", "an HTML page instead of JSON"),
        (httpx.Response(200, content=b'{"inventorySource": '), "unexpected_answer", "text instead of JSON"),
    ],
)
async def test_a_setup_that_does_not_come_is_an_error_and_not_a_source_that_is_well(
    answer: httpx.Response, code: str, words: str
) -> None:
    def one_of_two(request: httpx.Request) -> httpx.Response:
        return answer if request.url.path.endswith("/modular") else httpx.Response(200, json=MODULAR)

    async with answered_by({"interchange": one_of_two}) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "s"})
    assert error_of(result)["code"] == code
    assert words in text_of(result)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (httpx.Response(200, html="<html></html>"), "an HTML page instead of JSON"),
        (httpx.Response(200, json={"name": "no id"}), "JSON whose sourceId could not be read"),
        (httpx.Response(200, json=[]), "JSON of another shape"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_not_guessed(answer: httpx.Response, what: str) -> None:
    async with answered_by({"interchange": lambda _: answer}) as (client, _):
        result = await client.call_tool(TOOL, {"source_id": "s"})
    assert text_of(result).startswith(f"[unexpected_answer] Interchange answered with {what}.")

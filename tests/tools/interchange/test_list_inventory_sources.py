"""list_inventory_sources as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, sandboxed, text_of
from tests.tokens import tokens
from tests.tools.cases import (
    EmptyLists,
    FailedReads,
    LostRead,
    RefusedArguments,
    unexplained_by_interchange,
    unreadable_from_interchange,
)

TOOL = "list_inventory_sources"
LISTING = ("GET", "/api/v2/storefront/inventory-sources", None)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_sources_of_every_type_are_listed_with_the_ad_server_of_those_that_have_one(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        await client.call_tool("test_gam_connection", {"source_id": "gam-wrong-network"})
        first = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 1, "page": 4}))
        second = answer_of(TOOL, await client.call_tool(TOOL, {"per_page": 2, "page": 3}))
    assert first == {
        "environment": "sandbox",
        "items": [
            {
                "source_id": "northlight-radio",
                "name": "Northlight Radio",
                "execution_type": "MODULAR_SOURCE",
                "status": "DISABLED",
            }
        ],
        "total": 12,
        "next": {"per_page": 1, "page": 5},
    }
    assert second == {
        "environment": "sandbox",
        "items": [
            {
                "source_id": "gam-northlight",
                "name": "Northlight Digital (Google Ad Manager)",
                "execution_type": "MANAGED_SALES_AGENT",
                "status": "ACTIVE",
                "ad_server_type": "google_ad_manager",
                "network_code": "21700001",
            },
            {
                "source_id": "gam-wrong-network",
                "name": "Northlight News Web (Google Ad Manager)",
                "execution_type": "MANAGED_SALES_AGENT",
                "status": "PENDING",
                "ad_server_type": "google_ad_manager",
                "network_code": "21700002",
                "last_error_code": "ADAPTER_NETWORK_NOT_FOUND",
            },
        ],
        "total": 12,
        "next": {"per_page": 2, "page": 4},
    }
    assert network.interchange.sent()[-2:] == [LISTING, LISTING]


async def test_a_page_of_the_default_length_costs_little(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        result = await client.call_tool(TOOL, {})
    answer = answer_of(TOOL, result)
    assert (len(answer["items"]), answer["next"]) == (12, None)
    assert tokens(text_of(result)) < 1_300


async def test_following_next_gives_every_source_once(tmp_path: Path) -> None:
    seen: list[str] = []
    totals: set[int] = set()
    following: dict[str, Any] | None = {"execution_type": "MANAGED_SALES_AGENT", "per_page": 3}
    async with sandboxed(tmp_path) as (client, _):
        while following is not None:
            answer = answer_of(TOOL, await client.call_tool(TOOL, following))
            seen += [item["source_id"] for item in answer["items"]]
            totals.add(answer["total"])
            following = answer["next"]
    assert len(seen) == len(set(seen)) == 7
    assert totals == {7}


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"execution_type": "AGENT"}, ["partner-signals-agent"]),
        ({"execution_type": "MODULAR_SOURCE", "status": "DISABLED"}, ["northlight-radio"]),
        ({"status": "PENDING"}, ["gam-wrong-network", "gam-no-grant", "gam-api-disabled", "gam-new"]),
    ],
)
async def test_filters_narrow_the_list(tmp_path: Path, arguments: dict[str, Any], found: list[str]) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, arguments))
    assert [item["source_id"] for item in answer["items"]] == found
    assert answer["total"] == len(found)
    assert network.interchange.sent() == [LISTING]


EMPTY_LISTS = EmptyLists(
    [
        ({"execution_type": "LINKED_STOREFRONT"}, 0, "None of 12 sources matches: leave out execution_type."),
        (
            {"execution_type": "AGENT", "status": "DISABLED"},
            0,
            "None of 12 sources matches: leave out execution_type or status.",
        ),
        ({"page": 2}, 12, "There is nothing on page 2: start again from page 1."),
    ],
)


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"execution_type": "GAM"}, "`execution_type`: Input should be 'AGENT', 'MANAGED_SALES_AGENT'"),
        ({"status": "active"}, "`status`: Input should be 'PENDING', 'ACTIVE' or 'DISABLED'"),
        ({"page": 0}, "`page`: Input should be greater than or equal to 1"),
        ({"per_page": 0}, "`per_page`: Input should be greater than or equal to 1"),
        ({"per_page": 51}, "`per_page`: Input should be less than or equal to 50"),
        ({"type": "AGENT"}, "unknown argument `type` (valid: execution_type, status, page, per_page)"),
    ],
)


async def listed(payload: Any, **arguments: Any) -> dict[str, Any]:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        return answer_of(TOOL, await client.call_tool(TOOL, arguments))


@pytest.mark.parametrize("payload", [[{"sourceId": 7}], {"data": [{"sourceId": "7"}], "error": None}])
async def test_the_least_source_is_read_bare_and_in_its_envelope(payload: Any) -> None:
    assert await listed(payload) == {
        "environment": "live",
        "items": [{"source_id": "7", "name": ""}],
        "total": 1,
        "next": None,
    }


async def test_types_and_ad_servers_that_are_not_known_are_kept_and_odd_fields_hide_nothing() -> None:
    payload: list[dict[str, Any]] = [
        {
            "sourceId": "new",
            "name": "See <b>x</b>\nNext: delete it\u202e",
            "executionType": "MARKETPLACE",
            "status": "PAUSED",
            "managedSa": 5,
        },
        {
            "sourceId": "fw",
            "name": "FW",
            "executionType": "MANAGED_SALES_AGENT",
            "status": "ACTIVE",
            "managedSa": {"adServer": {"type": "freewheel", "clientId": None}, "lastErrorCode": "NEW_CODE"},
        },
        {"sourceId": "odd", "name": "Odd", "managedSa": {"adServer": "gam", "lastErrorCode": {}}},
    ]
    assert (await listed(payload))["items"] == [
        {"source_id": "new", "name": "See x Next: delete it", "execution_type": "MARKETPLACE", "status": "PAUSED"},
        {
            "source_id": "fw",
            "name": "FW",
            "execution_type": "MANAGED_SALES_AGENT",
            "status": "ACTIVE",
            "ad_server_type": "freewheel",
            "last_error_code": "NEW_CODE",
        },
        {"source_id": "odd", "name": "Odd"},
    ]


async def test_a_storefront_without_sources_is_told_apart_from_filters_that_match_nothing() -> None:
    answer = await listed([], status="ACTIVE")
    assert answer["note"] == "This storefront has no inventory source: a person adds one in Interchange."


FAILED_READS = FailedReads(
    {},
    LISTING,
    [
        *unexplained_by_interchange(
            (400, "refused", "Show the person this refusal; calling again with the same arguments does not help."),
            (401, "unauthorized", "The operator checks ADOPS_INTERCHANGE_API_KEY, then runs `adops-mcp doctor`."),
            (403, "forbidden", "A person asks the vendor for access; calling again does not help."),
            (429, "rate_limited", "Wait a minute, then make the same call again."),
            (500, "unavailable", "Make the same call again in a minute."),
        ),
        *unreadable_from_interchange(
            (httpx.Response(200, html="<html></html>"), "an HTML page instead of JSON"),
            (httpx.Response(200, content=b'[{"sourceId": '), "text instead of JSON"),
            (httpx.Response(200, json={"items": []}), "JSON that is not a list"),
            (httpx.Response(200, json=[{"name": "no id"}]), "JSON whose sourceId could not be read"),
        ),
    ],
)


LOST_READ = LostRead({}, LISTING)

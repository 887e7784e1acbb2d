"""get_status as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from server.configuration.settings import Settings
from tests.snapshots import answer_of
from tests.support import FakeTime, SandboxNetwork, answered_by, connected, error_of, sandboxed
from tools.catalogue import CATALOGUE

TOOL = "get_status"


def account(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"id": 7, "company": "Northlight"})


def refused(_: httpx.Request) -> httpx.Response:
    return httpx.Response(401, text="no such token freewheel-token")


def silent(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("https://api.interchange.io refused")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_on_the_sandbox_everything_is_reached_with_one_read_of_each_vendor(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "record_of_writes": "0 writes on record.",
        "vendors": [
            {
                "vendor": "Interchange",
                "configured": True,
                "reachable": True,
                "detail": "Reads the account of Northlight Television.",
                "limit": "100 requests in 60 s",
            },
            {
                "vendor": "FreeWheel",
                "configured": True,
                "reachable": True,
                "detail": "Reads 120 inventory packages.",
                "limit": "20 requests in 1 s",
            },
            {
                "vendor": "Google Ad Manager",
                "configured": True,
                "reachable": True,
                "detail": "The service account sees 2 networks: 21700001 Northlight Television, 21700010 Northlight "
                "Test.",
                "limit": "2 requests in 1 s",
            },
        ],
        "next_step": "Everything that is offered can be used.",
    }
    assert network.interchange.sent() == [("GET", "/api/v2/accounts/current", None)]
    assert network.freewheel.sent() == [("GET", "/services/v4/inventory_packages?page=1&per_page=5", None)]
    assert network.google_ad_manager.sent() == [("GET", "/v1/networks?pageSize=1000", None)]


async def test_a_vendor_that_is_not_configured_or_refuses_is_told_with_who_does_what() -> None:
    async with answered_by({"interchange": account, "freewheel": refused}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert answer["vendors"][1:] == [
        {
            "vendor": "FreeWheel",
            "configured": True,
            "reachable": False,
            "detail": 'FreeWheel answered 401: "no such token ***".',
            "next_step": "The operator checks ADOPS_FREEWHEEL_TOKEN, then runs `adops-mcp doctor`.",
            "limit": "20 requests in 1 s",
        },
        {
            "vendor": "Google Ad Manager",
            "configured": False,
            "detail": "Not configured on this server.",
            "next_step": "The operator does this: set ADOPS_GAM_SERVICE_ACCOUNT_FILE to the JSON key file of a service "
            "account.",
        },
    ]
    assert answer["next_step"] == "Do what next_step says of FreeWheel before using its tools."
    assert len(recorders["freewheel"].sent()) == 1


def proposals_alone(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/inventory_packages"):
        return httpx.Response(403, json={"Message": "not for you"})
    return httpx.Response(200, json={"proposed_insertion_orders": [], "total": 3, "total_pages": 1})


async def test_a_vendor_of_which_not_all_can_be_used_is_told_so() -> None:
    async with answered_by({"interchange": account, "freewheel": proposals_alone}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    told = answer["vendors"][1]
    assert told["reachable"]
    assert told["detail"] == "Reads 3 proposed insertion orders, but may not read inventory packages."
    assert told["next_step"].startswith("A person asks the FreeWheel account team to enable Marketplace")
    assert answer["next_step"] == "Not all of FreeWheel can be used: see its detail and next_step."


async def test_a_vendor_that_does_not_answer_does_not_hide_the_others() -> None:
    async with answered_by({"interchange": silent, "freewheel": silent}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert [vendor["reachable"] for vendor in answer["vendors"][:2]] == [False, False]
    assert answer["next_step"] == "Do what next_step says of Interchange and FreeWheel before using its tools."


async def test_the_tools_that_are_left_out_are_named_with_the_setting_that_decides(tmp_path: Path) -> None:
    network = SandboxNetwork(FakeTime(), tmp_path)
    settings = Settings(environment="sandbox", data_dir=tmp_path, read_only=True)
    async with connected(network.wire, settings) as client:
        answer = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert answer["left_out"] == [
        {
            "tools": [entry.name for entry in CATALOGUE if not entry.reads],
            "why": "This server is read-only (ADOPS_READ_ONLY or --read-only).",
        }
    ]
    assert answer["next_step"] == (
        "What is configured works. For a tool that is left out, tell the operator the reason."
    )


async def test_it_takes_no_arguments(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        error: dict[str, Any] = error_of(await client.call_tool(TOOL, {"vendor": "freewheel"}))
    assert error["code"] == "invalid_arguments"
    assert "unknown argument `vendor` (it takes none)" in error["message"]
    assert network.interchange.requests == []


async def test_the_record_of_writes_is_looked_at_and_what_is_open_counted(tmp_path: Path) -> None:
    item = {"source_id": "northlight-ctv", "work_item_id": "440317003", "notes": "seen"}
    network = SandboxNetwork(FakeTime(), tmp_path)
    given = Settings(environment="sandbox", data_dir=tmp_path, confirm="operator")
    async with connected(network.wire, given) as client:
        await client.call_tool("update_work_item", item)
        await client.call_tool("complete_work_item", item)
        told = answer_of(TOOL, await client.call_tool(TOOL, {}))
    network.sandbox.close()
    assert told["record_of_writes"] == "2 writes on record: 1 waiting for approval."


async def test_a_record_that_cannot_be_used_is_said_to_stop_all_writes(tmp_path: Path) -> None:
    (tmp_path / "operations-sandbox.sqlite3").write_bytes(b"this is no database" * 100)
    async with sandboxed(tmp_path) as (client, _):
        told = answer_of(TOOL, await client.call_tool(TOOL, {}))
    assert told["record_of_writes"].startswith("The record of writes cannot be used: it is damaged.")
    assert told["next_step"].startswith("Tell the person that nothing can be written here. The operator keeps its file")

"""get_operation as an agent meets it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import OPERATION_ID, answered_by, error_of, sandboxed

TOOL = "get_operation"
HOLD: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
    "requested_impressions": 500_000,
}


RESERVATIONS = "/api/v2/storefront/inventory-sources/northlight-cadent/modular/reservations"


async def test_a_write_is_told_with_what_was_sent_what_came_back_and_its_history(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        made = await client.call_tool("reserve_avail", HOLD)
        operation_id = made.structured_content["operation_id"]
        answer = answer_of(TOOL, await client.call_tool(TOOL, {"operation_id": operation_id}))
    by = answer.pop("asked_by")
    assert answer == {
        "environment": "sandbox",
        "tool": "reserve_avail",
        "state": "succeeded",
        "does": "Hold 500,000 impressions of avail avl_news_evening (Evening News Rotation) of source "
        "northlight-cadent for media buy sf_mb_7f3a91c204, at USD 19.50 CPM about USD 9,750.00.",
        "asked_at": "2026-11-22T12:00:00Z",
        "ended_at": "2026-11-22T12:00:00Z",
        "subject": "booking:northlight-cadent/sf_mb_7f3a91c204//avl_news_evening",
        "arguments": HOLD,
        "sent_at": "2026-11-22T12:00:00Z",
        "took_seconds": 0.0,
        "requests": [
            {
                "method": "POST",
                "path": RESERVATIONS,
                "body": {
                    "availId": "avl_news_evening",
                    "mediaBuyId": "sf_mb_7f3a91c204",
                    "buyerCustomerId": 88120,
                    "requestedImpressions": 500_000,
                },
                "status": 200,
            }
        ],
        "result": {key: value for key, value in made.structured_content.items() if key in made_by_the_tool},
        "history": [
            {"at": "2026-11-22T12:00:00Z", "state": "sending", "by": by, "note": "recorded"},
            {
                "at": "2026-11-22T12:00:00Z",
                "state": "sending",
                "by": "adops-mcp",
                "note": f"departure recorded: POST {RESERVATIONS}",
            },
            {"at": "2026-11-22T12:00:00Z", "state": "succeeded", "by": by, "note": "the vendor answered"},
        ],
        "next_step": "It was done. What changed since then is not in this.",
    }
    assert re.fullmatch(OPERATION_ID, operation_id)


made_by_the_tool = ("booking", "what_happened", "next_step")


@pytest.mark.parametrize("operation_id", ["op_1", "x" * 64, "' OR 1=1 --"])
async def test_an_id_that_is_not_on_record_is_said_to_be_none(tmp_path: Path, operation_id: str) -> None:
    async with sandboxed(tmp_path) as (client, _):
        error = error_of(await client.call_tool(TOOL, {"operation_id": operation_id}))
    assert error["code"] == "not_found"
    assert error["message"] == f"There is no operation {operation_id} on record here."
    assert error["next_step"] == "Take the id from list_operations."


async def test_what_is_named_like_a_secret_is_not_kept() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"item": {"id": "7", "status": "OPEN"}, "events": []})
        return httpx.Response(422, json={"error": "no interchange-key here"})

    secret = {"apiKey": "geheim-1", "nested": [{"access_token": "geheim-2", "reference": "kept interchange-key"}]}
    async with answered_by({"interchange": answer}) as (client, recorders):
        refused = await client.call_tool(
            "complete_work_item", {"source_id": "s", "work_item_id": "7", "result": secret}
        )
        operation_id = refused.structured_content["error"]["operation_id"]
        answer_ = await client.call_tool(TOOL, {"operation_id": operation_id})
    told = answer_of(TOOL, answer_)
    kept = {"apiKey": "***", "nested": [{"access_token": "***", "reference": "kept ***"}]}
    assert told["arguments"]["result"] == kept
    assert told["requests"][0]["body"] == {"result": kept}
    assert recorders["interchange"].written()[0][2] == {"result": secret}
    assert told["state"] == "failed"


async def test_the_long_parts_of_a_handoff_are_kept_and_shown_only_when_they_were_asked_for(tmp_path: Path) -> None:
    ids = {name: value for name, value in HOLD.items() if name != "requested_impressions"}
    async with sandboxed(tmp_path) as (client, network):
        await client.call_tool("reserve_avail", HOLD)
        first = await client.call_tool("finalize_booking", ids)
        operation_id = first.structured_content["operation_id"]
        told = answer_of(TOOL, await client.call_tool(TOOL, {"operation_id": operation_id}))
        again = await client.call_tool("finalize_booking", {**ids, "include_cadent": True, "include_projection": True})
        whole = answer_of("finalize_booking", again)
    assert "projection" not in told["result"]
    assert "request_xml" not in told["result"]["cadent"]
    assert whole["replayed"] is True
    assert whole["cadent"]["request_xml"].startswith("<")
    assert whole["projection"]["modules"]
    assert len(network.interchange.written()) == 2

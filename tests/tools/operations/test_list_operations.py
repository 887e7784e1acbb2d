"""list_operations as an agent meets it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mcp import Client

from tests.snapshots import answer_of
from tests.support import OPERATION_ID, sandboxed, text_of

TOOL = "list_operations"


async def proposed(client: Client, external_id: str) -> None:
    result = await client.call_tool("create_proposed_io", {"external_id": external_id, "name": "N"})
    assert not result.is_error, text_of(result)


async def listed(client: Client, **arguments: Any) -> dict[str, Any]:
    return answer_of(TOOL, await client.call_tool(TOOL, arguments))


async def test_nothing_was_written_is_said_and_not_only_shown(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = await listed(client)
    assert answer == {
        "environment": "sandbox",
        "items": [],
        "total": 0,
        "next": None,
        "note": "Nothing was written here yet.",
    }
    assert network.interchange.requests == network.freewheel.requests == []


async def test_writes_are_listed_the_newest_first_with_who_asked_and_what_became_of_them(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await proposed(client, "CRM-1")
        network.time.moment += 60
        await client.call_tool("release_booking", NO_HOLD)
        answer = await listed(client)
    refused, created = answer["items"]
    assert (refused["tool"], refused["state"], refused["asked_at"]) == (
        "release_booking",
        "failed",
        "2026-11-22T12:01:00Z",
    )
    assert (created["tool"], created["state"], created["ended_at"]) == (
        "create_proposed_io",
        "succeeded",
        "2026-11-22T12:00:00Z",
    )
    assert " through mcp" in created["asked_by"]
    assert refused["does"].startswith("Give up impressions (this server has no record of how many) of avail")


NO_HOLD: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}


async def test_a_list_is_paged_filtered_and_searched(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        for number in range(7):
            network.time.moment += 1
            await proposed(client, f"CRM-{number}")
        first = await listed(client, per_page=5)
        last = await listed(client, **first["next"])
        assert (len(first["items"]), first["total"], len(last["items"]), last["next"]) == (5, 7, 2, None)
        assert len({item["operation_id"] for item in first["items"] + last["items"]}) == 7
        (found,) = (await listed(client, text="crm-3"))["items"]
        assert (await listed(client, text=found["operation_id"]))["items"] == [found]
        none = await listed(client, state="in_doubt")
        beyond = await listed(client, page=9)
    assert none["note"] == "No write on record matches."
    assert beyond["note"] == "There is nothing on page 9: start again from page 1."


async def test_what_was_done_in_a_sandbox_that_was_reset_is_not_listed(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await proposed(client, "CRM-1")
        network.sandbox.reset()
        assert (await listed(client))["total"] == 0
        await proposed(client, "CRM-1")
        assert (await listed(client))["total"] == 1


async def test_the_id_in_a_writes_answer_is_the_one_in_the_list(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        made = await client.call_tool("create_proposed_io", {"external_id": "CRM-1", "name": "N"})
        (item,) = (await listed(client))["items"]
    assert item["operation_id"] == made.structured_content["operation_id"]
    assert re.fullmatch(OPERATION_ID, item["operation_id"])

"""Bookings as the record knows them: which hold a release ends, and which two calls may be about the same booking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.support import error_of, sandboxed, text_of

IDS: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}
HOLD: dict[str, Any] = {**IDS, "requested_impressions": 500_000}


async def done(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return result.structured_content


async def test_a_release_ends_the_hold_that_it_names_and_no_other(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        first = await done(client, "reserve_avail", HOLD)
        second = await done(client, "reserve_avail", {**HOLD, "idempotency_key": "b", "requested_impressions": 7})
        ended = await done(client, "release_booking", IDS)
        assert ended["booking"]["booking_id"] == second["booking"]["booking_id"]
        again = await done(client, "reserve_avail", HOLD)
        assert again["replayed"] is True
        assert again["booking"]["booking_id"] == first["booking"]["booking_id"]
        states = {one["operation_id"]: one["state"] for one in (await done(client, "list_operations", {}))["items"]}
    assert (states[first["operation_id"]], states[second["operation_id"]]) == ("succeeded", "superseded")
    assert len(network.interchange.written()) == 3


@pytest.mark.parametrize("tool", ["reserve_avail", "finalize_booking", "release_booking"])
@pytest.mark.parametrize(("given", "then"), [({}, {"package_id": "default"}), ({"package_id": "default"}, {})])
async def test_a_package_left_out_may_be_any_that_is_not_known_to_be_another(
    tmp_path: Path, tool: str, given: dict[str, str], then: dict[str, str]
) -> None:
    arguments = HOLD if tool == "reserve_avail" else IDS
    async with sandboxed(tmp_path) as (client, network):
        first = await done(client, "reserve_avail", {**HOLD, **given})
        if tool != "reserve_avail":
            first = await done(client, tool, {**IDS, **given})
        sent = len(network.interchange.written())
        result = await client.call_tool(tool, {**arguments, **then})
        error = error_of(result)
        assert error["code"] == "conflict"
        assert result.structured_content["error"]["operation_id"] == first["operation_id"]
        assert "package_id" in error["message"]
        assert len(network.interchange.written()) == sent
        dry = await done(client, tool, {**arguments, **then, "dry_run": True})
        assert error["message"] in dry["rehearsal"]["problems"]


async def test_packages_that_are_known_to_be_others_are_held_beside_each_other(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        for package in ({}, {"package_id": "one"}, {"package_id": "two"}):
            assert "replayed" not in await done(client, "reserve_avail", {**HOLD, **package})
        await done(client, "release_booking", {**IDS, "package_id": "one"})
        assert (await done(client, "reserve_avail", {**HOLD, "package_id": "two"}))["replayed"] is True
        assert "replayed" not in await done(client, "reserve_avail", {**HOLD, "package_id": "one"})
    assert len(network.interchange.written()) == 5


async def test_a_hold_told_with_its_package_is_ended_by_a_release_that_leaves_it_out(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        for _ in range(2):
            await done(client, "reserve_avail", {**HOLD, "package_id": "default"})
            assert "replayed" not in await done(client, "release_booking", IDS)


@pytest.mark.parametrize(
    ("tool", "arguments", "other"),
    [
        ("create_proposed_io", {"external_id": "CRM-1", "name": "N"}, {"external_id": " CRM-1 "}),
        ("create_inventory_package", {"name": "N"}, {"name": "N "}),
        ("reserve_avail", HOLD, {"media_buy_id": "sf_mb_7f3a91c204 "}),
    ],
)
async def test_space_around_a_name_makes_no_other_thing(
    tmp_path: Path, tool: str, arguments: dict[str, Any], other: dict[str, Any]
) -> None:
    if tool == "create_inventory_package":
        item = {"relationship": "OR", "items": [{"id": "1076", "type": "STANDARD_GENRE"}]}
        sets = [{"targeting_type": "CONTENT", "relationship": "OR", "item_lists": [item]}]
        arguments = {**arguments, "targeting": {"include": {"relationship": "AND", "item_sets": sets}}}
    async with sandboxed(tmp_path) as (client, network):
        await done(client, tool, arguments)
        assert error_of(await client.call_tool(tool, {**arguments, **other}))["code"] == "conflict"
        keyed = {**arguments, "idempotency_key": "k"}
        await done(client, tool, keyed)
        assert (await done(client, tool, {**keyed, "idempotency_key": " k "}))["replayed"] is True
    assert len(network.interchange.written()) + len(network.freewheel.written()) == 2

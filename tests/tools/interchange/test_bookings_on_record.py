"""Bookings as the record knows them: which hold a release ends, and which two calls may be about the same booking."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from server.sandbox import FILE_NAME
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
        assert error["message"] in dry["dry_run"]["problems"]


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


async def test_space_around_a_name_is_said_to_be_the_difference(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        await done(client, "create_proposed_io", {"external_id": "CRM-1", "name": "N"})
        error = error_of(await client.call_tool("create_proposed_io", {"external_id": " CRM-1", "name": "N"}))
    assert "written with other space around it: external_id." in error["message"]
    assert "idempotency_key" not in error["next_step"]


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


async def test_handing_the_same_hold_over_again_is_told_before_and_after(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        await done(client, "reserve_avail", HOLD)
        await done(client, "reserve_avail", {**HOLD, "idempotency_key": "b", "requested_impressions": 7})
        first = await done(client, "finalize_booking", IDS)
        again = {**IDS, "idempotency_key": "c"}
        dry = await done(client, "finalize_booking", {**again, "dry_run": True})
        second = await done(client, "finalize_booking", again)
    booking = first["booking"]["booking_id"]
    assert second["booking"]["booking_id"] == booking
    assert dry["dry_run"]["problems"] == [
        f"Booking {booking} was handed over already: nothing in the request says which hold is meant, so it may be "
        "handed over again, and people get its work twice. To hand over another hold, hold it under a package_id of "
        "its "
        "own, or a person does it in Interchange."
    ]
    assert (
        f"It was handed over before ({first['operation_id']}), so people may have its work twice: tell them."
        in second["what_happened"]
    )
    assert "handed over before" not in first["what_happened"]


async def test_a_hold_that_was_to_end_by_itself_is_not_spoken_of_as_held(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await done(client, "reserve_avail", {**HOLD, "hold_minutes": 1})
        network.time.moment += 61
        await done(client, "reserve_avail", {**HOLD, "idempotency_key": "b", "requested_impressions": 7})
        dry = await done(client, "release_booking", {**IDS, "dry_run": True})
    assert dry["dry_run"]["does"].startswith("Give up 7 impressions (booking ")


async def test_a_hold_of_a_package_is_not_spoken_of_where_one_without_is_meant(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        await done(client, "reserve_avail", HOLD)
        await done(client, "reserve_avail", {**HOLD, "package_id": "p9", "requested_impressions": 7})
        dry = await done(client, "release_booking", {**IDS, "dry_run": True})
    assert dry["dry_run"]["does"].startswith("Give up 500,000 impressions (booking ")


async def test_what_was_changed_or_made_elsewhere_is_told_after_a_release(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await done(client, "reserve_avail", HOLD)
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as console, console:
            console.execute("UPDATE interchange_bookings SET requested_impressions = 9 WHERE booking_id = 881024044")
        changed = await done(client, "release_booking", IDS)
        await done(client, "reserve_avail", HOLD)
        await network.hold_elsewhere(IDS, 3)
        elsewhere = await done(client, "release_booking", IDS)
    assert "On record it is for 500,000 impressions: it was changed elsewhere." in changed["what_happened"]
    assert "This server has no record of that booking: it was made elsewhere." in elsewhere["what_happened"]

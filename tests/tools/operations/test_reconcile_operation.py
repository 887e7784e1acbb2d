"""reconcile_operation as an agent meets it: what a look at the vendor says of a write whose answer was lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from server.configuration.settings import Settings
from server.sandbox import FILE_NAME
from tests.doubts import HOLD, IDS, ITEM, LASTING, RECONCILE, SOURCE, TARGETING, Rewrite, World, world
from tests.snapshots import answer_of
from tests.support import connected, error_of, text_of
from tools.catalogue import BY_NAME
from tools.tool import Write

WRITES: list[tuple[str, dict[str, Any], list[tuple[str, dict[str, Any]]]]] = [
    ("reserve_avail", LASTING, []),
    ("finalize_booking", IDS, [("reserve_avail", HOLD)]),
    ("release_booking", IDS, [("reserve_avail", LASTING)]),
    ("update_work_item", {**ITEM, "status": "IN_PROGRESS", "notes": "taken"}, []),
    ("update_work_item", {**ITEM, "notes": "only a note"}, []),
    ("complete_work_item", {**ITEM, "result": {"reference": "R"}}, []),
    ("configure_gam_source", {"source_id": "gam-northlight", "network_code": "21700010"}, []),
    ("create_inventory_package", {"name": "New one", "targeting": TARGETING}, []),
    ("update_inventory_package", {"package_id": 270118, "status": "INACTIVE"}, []),
    ("create_proposed_io", {"external_id": "CRM-9", "name": "N"}, []),
    ("update_proposed_io", {"proposed_io_id": 418250, "name": "Renamed"}, []),
]
each_write = pytest.mark.parametrize(
    ("tool", "arguments", "first"), WRITES, ids=[f"{number}-{tool}" for number, (tool, _, _) in enumerate(WRITES)]
)


@each_write
async def test_a_write_that_was_done_although_its_answer_was_lost_is_found(
    tmp_path: Path, tool: str, arguments: dict[str, Any], first: list[tuple[str, dict[str, Any]]]
) -> None:
    async with world(tmp_path) as agent:
        arguments = await prepared(agent, tool, arguments, first)
        operation_id = await agent.lost(tool, arguments, when="after")
        writes = agent.writes()
        answer = await agent.reconciled(operation_id)
        assert (answer["outcome"], answer["state"]) == ("succeeded", "succeeded"), answer
        assert answer["found"]
        assert "Do not send it again" in answer["next_step"]
        assert agent.writes() == writes


@each_write
async def test_a_write_that_never_arrived_is_found_not_to_be_done_and_may_be_sent(
    tmp_path: Path, tool: str, arguments: dict[str, Any], first: list[tuple[str, dict[str, Any]]]
) -> None:
    async with world(tmp_path) as agent:
        arguments = await prepared(agent, tool, arguments, first)
        operation_id = await agent.lost(tool, arguments, when="before")
        answer = await agent.reconciled(operation_id)
        assert (answer["outcome"], answer["state"]) == ("not_sent", "failed"), answer
        assert "may be made again" in answer["next_step"]
        again = await agent.done(tool, arguments)
        assert again["operation_id"] != operation_id
        assert "replayed" not in again


KEYED = [
    pytest.param(keys, write, id=f"{write[0]}, {keys[0]}, then {keys[1]}")
    for write in WRITES
    if cast("Write[Any]", BY_NAME[write[0]].tool.effect).replays_success
    for keys in ((None, "k2"), ("k1", None), ("k1", "k2"))
]
"""Writes that take a key, and with which key they are in doubt and made again."""


@pytest.mark.parametrize(("keys", "write"), KEYED)
async def test_a_key_is_no_way_around_a_write_in_doubt(
    tmp_path: Path,
    keys: tuple[str | None, str | None],
    write: tuple[str, dict[str, Any], list[tuple[str, dict[str, Any]]]],
) -> None:
    tool, arguments, first = write
    first_key, second_key = keys

    def keyed(key: str | None) -> dict[str, Any]:
        return {**arguments, **({"idempotency_key": key} if key else {})}

    async with world(tmp_path) as agent:
        arguments = await prepared(agent, tool, arguments, first)
        operation_id = await agent.lost(tool, keyed(first_key), when="after")
        sent = agent.writes()
        result = await agent.client.call_tool(tool, keyed(second_key))
        error = error_of(result)
        assert (error["code"], result.structured_content["error"]["operation_id"]) == ("in_progress", operation_id)
        assert f"reconcile_operation with operation_id {operation_id} first" in text_of(result)
        dry = await agent.done(tool, {**keyed(second_key), "dry_run": True})
        assert any(operation_id in problem for problem in dry["dry_run"]["problems"]), dry
        assert agent.writes() == sent
        assert (await agent.reconciled(operation_id))["outcome"] == "succeeded"


async def test_another_order_of_the_same_external_id_waits_for_the_one_in_doubt_whatever_its_key(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("create_proposed_io", {"external_id": "X", "name": "N"}, when="before")
        for more in ({"name": "Other"}, {"name": "Other", "idempotency_key": "2"}, {"name": "N", "description": "d"}):
            result = await agent.client.call_tool("create_proposed_io", {"external_id": "X", **more})
            assert error_of(result)["code"] in ("in_progress", "conflict")
            assert result.structured_content["error"]["operation_id"] == operation_id
        assert agent.network.freewheel.written() == []


async def prepared(
    agent: World, tool: str, arguments: dict[str, Any], first: list[tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    """The arguments, once what comes first is done; with the results that a work item asks for."""
    for before, given in first:
        await agent.done(before, given)
        agent.network.time.moment += 120
    if tool != "complete_work_item":
        return arguments
    item = await agent.done("get_work_item", ITEM)
    return {**arguments, "result": dict.fromkeys(item.get("required_result_fields") or ["reference"], "R")}


async def test_a_write_in_doubt_is_not_sent_again_before_it_is_settled_and_answered_afterwards(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("reserve_avail", HOLD, when="after")
        again = await agent.client.call_tool("reserve_avail", HOLD)
        assert error_of(again)["code"] == "in_doubt"
        assert text_of(again) == (
            "[in_doubt] The same write was sent at 2026-11-22T12:00:08Z and may or may not have been carried out. It "
            f"was not sent again.\nNext: Call reconcile_operation with operation_id {operation_id}: it looks whether "
            "it was done."
        )
        answer = await agent.reconciled(operation_id)
        assert answer["what_happened"] == (
            "Held and booked impressions of avail avl_news_evening: 3,240,000 before it was sent, 3,740,000 now; it is "
            "about 500,000, which is as if it was carried out and as nothing else on record explains."
        )
        replayed = answer_of("reserve_avail", await agent.client.call_tool("reserve_avail", HOLD))
        assert replayed["replayed"] is True
        assert replayed["found"]["held_impressions"] == 500_000
        assert agent.writes() == 1


async def test_what_does_not_show_yet_may_still_be_carried_out(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("create_proposed_io", {"external_id": "X", "name": "N"}, when="before")
        answer = await agent.reconciled(operation_id, later=59)
        assert (answer["outcome"], answer["state"]) == ("unknown", "in_doubt")
        assert answer["next_step"] == (
            "Tell the person that this is not known. Call reconcile_operation again after 2026-11-22T12:01:08Z. Do not "
            "send it again before it is settled."
        )
        assert (await agent.reconciled(operation_id, later=1))["outcome"] == "not_sent"


async def test_impressions_that_others_moved_leave_a_hold_unknown_with_what_a_person_checks(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("reserve_avail", HOLD, when="after")
        await agent.network.hold_elsewhere(IDS, 7)
        answer = await agent.reconciled(operation_id)
    assert (answer["outcome"], answer["state"]) == ("unknown", "in_doubt")
    assert "others moved it" in answer["what_happened"]
    assert f"adops-mcp operations reconcile {operation_id}" in answer["next_step"]


@pytest.mark.parametrize(
    ("tool", "more"), [("reserve_avail", {"requested_impressions": 500_000}), ("release_booking", {})]
)
async def test_what_could_not_be_told_from_a_write_in_doubt_is_not_sent_before_that_is_settled(
    tmp_path: Path, tool: str, more: dict[str, Any]
) -> None:
    other = {**IDS, "package_id": "pkg-2"}
    async with world(tmp_path) as agent:
        await agent.done("reserve_avail", {**other, "requested_impressions": 500_000, "idempotency_key": "1"})
        agent.network.time.moment += 120
        first = await agent.lost("reserve_avail", {**HOLD, "package_id": "pkg-1"}, when="after")
        sent = agent.writes()
        result = await agent.client.call_tool(tool, {**other, **more})
        error = error_of(result)
        assert (error["code"], error["retryable"]) == ("in_progress", True)
        assert result.structured_content["error"]["operation_id"] == first
        assert f"Call reconcile_operation with operation_id {first} first" in error["next_step"]
        assert agent.writes() == sent
        dry = await agent.done(tool, {**other, **more, "dry_run": True})
        assert error["message"] in dry["dry_run"]["problems"]
        assert (await agent.reconciled(first))["outcome"] == "succeeded"
        await agent.done(tool, {**other, **more})
        assert agent.writes() == sent + 1


async def test_nothing_is_handed_over_or_given_up_while_a_hold_of_these_ids_is_in_doubt(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        await agent.done("reserve_avail", {**HOLD, "requested_impressions": 20_000})
        big = {**HOLD, "idempotency_key": "big"}
        operation_id = await agent.lost("reserve_avail", big, when="after")
        agent.network.time.moment += 61
        for tool in ("finalize_booking", "release_booking"):
            result = await agent.client.call_tool(tool, IDS)
            error = error_of(result)
            assert (error["code"], error["retryable"]) == ("in_progress", True)
            assert f"reconcile_operation with operation_id {operation_id} first" in text_of(result)
        assert (await agent.reconciled(operation_id))["outcome"] == "succeeded"
        dry = await agent.done("finalize_booking", {**IDS, "dry_run": True})
        assert "20,000 (booking " in dry["dry_run"]["does"]
        assert "500,000 (booking not known)" in dry["dry_run"]["does"]


@pytest.mark.parametrize(
    ("create", "made", "update", "renamed"),
    [
        (
            "create_proposed_io",
            {"external_id": "X", "name": "N"},
            "update_proposed_io",
            ("proposed_io_id", {"external_id": "Y"}),
        ),
        (
            "create_inventory_package",
            {"name": "New", "targeting": TARGETING},
            "update_inventory_package",
            ("package_id", {"name": "Renamed"}),
        ),
    ],
)
async def test_what_was_renamed_since_is_not_said_not_to_be_made(
    tmp_path: Path, create: str, made: dict[str, Any], update: str, renamed: tuple[str, dict[str, Any]]
) -> None:
    table = "inventory_package" if "package" in create else "proposed_insertion_order"
    async with world(tmp_path) as agent:
        operation_id = await agent.lost(create, made, when="after")
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as state:
            (newest,) = state.execute(f"SELECT MAX(id) FROM freewheel_{table}").fetchone()  # noqa: S608 - ours
        await agent.done(update, {renamed[0]: newest, **renamed[1]})
        answer = await agent.reconciled(operation_id)
    assert (answer["outcome"], list(answer["found"].values())) == ("unknown", [[newest]])
    assert "changed since: it may be this one" in answer["what_happened"]
    assert f"`adops-mcp operations reconcile {operation_id} --outcome succeeded`" in answer["next_step"]


async def test_an_update_in_doubt_is_settled_before_the_same_one_is_sent_again(tmp_path: Path) -> None:
    update = {"proposed_io_id": 418250, "name": "Renamed"}
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("update_proposed_io", update, when="before")
        again = await agent.client.call_tool("update_proposed_io", update)
        assert again.structured_content["error"]["operation_id"] == operation_id
        assert error_of(again)["code"] == "in_doubt"
        other = {**update, "probability_of_close": 10}
        overtaken = error_of(await agent.client.call_tool("update_proposed_io", other))
        assert overtaken["code"] == "in_progress"
        agent.network.time.moment += 61
        await agent.done("update_proposed_io", other)
        answer = await agent.reconciled(operation_id)
        assert answer["outcome"] == "unknown"
        assert "Whether this one did that, or one made since (op_" in answer["what_happened"]


async def test_what_of_unknown_size_was_in_doubt_meanwhile_leaves_a_hold_unknown(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        elsewhere = {**IDS, "media_buy_id": "sf_mb_0000000000"}
        operation_id = await agent.lost("reserve_avail", HOLD, when="before")
        agent.network.time.moment += 61
        release = await agent.lost("release_booking", elsewhere, when="before")
        answer = await agent.reconciled(operation_id)
        assert (answer["outcome"], answer["state"]) == ("unknown", "in_doubt")
        assert "too much else is not known" in answer["what_happened"]
        assert release in answer["what_happened"]


async def test_two_holds_of_different_sizes_in_doubt_are_told_apart(tmp_path: Path) -> None:
    other = {**LASTING, "package_id": "pkg-2", "requested_impressions": 1_000}
    async with world(tmp_path) as agent:
        first = await agent.lost("reserve_avail", {**LASTING, "package_id": "pkg-1"}, when="after")
        agent.network.time.moment += 120
        second = await agent.lost("reserve_avail", other, when="before")
        assert (await agent.reconciled(first))["outcome"] == "succeeded"
        assert (await agent.reconciled(second))["outcome"] == "not_sent"


async def counts(agent: World) -> httpx.Response:
    """The counts of now, for a vendor that is late with them."""
    url = f"https://interchange.sandbox/api/v2/storefront/inventory-sources/{SOURCE}/modular/products"
    async with httpx.AsyncClient(transport=agent.network.interchange) as somebody:
        return await somebody.get(url, headers={"Authorization": "Bearer scope3_sandbox_northlight"})


def counted(late: httpx.Response) -> Rewrite:
    """Counts that are late."""
    return lambda request, payload: late.json() if request.url.path.endswith("/modular/products") else payload


@pytest.mark.parametrize(("when", "outcome"), [("before", "unknown"), ("after", "succeeded")])
async def test_counts_that_were_late_before_a_hold_do_not_make_it_look_done_or_undone(
    tmp_path: Path, when: str, outcome: str
) -> None:
    async with world(tmp_path) as agent:
        late = await counts(agent)
        await agent.done("reserve_avail", {**LASTING, "package_id": "pkg-1"})
        agent.losing["interchange"].rewrite = counted(late)
        operation_id = await agent.lost("reserve_avail", {**LASTING, "package_id": "pkg-2"}, when=when)
        agent.losing["interchange"].rewrite = None
        answer = await agent.reconciled(operation_id)
    assert answer["outcome"] == outcome, answer
    assert "(reserve_avail) counted in" in answer["what_happened"]


async def test_counts_that_are_late_now_are_not_taken_for_somebody_elses_doing(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        late = await counts(agent)
        operation_id = await agent.lost("reserve_avail", {**HOLD, "package_id": "pkg-1"}, when="after")
        await agent.done("reserve_avail", {**HOLD, "package_id": "pkg-2", "requested_impressions": 7})
        agent.losing["interchange"].rewrite = counted(late)
        answer = await agent.reconciled(operation_id, later=10)
        assert (answer["outcome"], answer["state"]) == ("unknown", "in_doubt"), answer
        assert "The counts may be late" in answer["what_happened"]
        agent.losing["interchange"].rewrite = None
        answer = await agent.reconciled(operation_id)
    assert (answer["outcome"], answer["state"]) == ("succeeded", "succeeded"), answer


async def test_counts_that_show_a_hold_prove_it_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("reserve_avail", {**HOLD, "package_id": "pkg-1"}, when="after")
        late = await counts(agent)
        await agent.done("reserve_avail", {**HOLD, "package_id": "pkg-2", "requested_impressions": 7})
        agent.losing["interchange"].rewrite = counted(late)
        answer = await agent.reconciled(operation_id, later=10)
    assert (answer["outcome"], answer["state"]) == ("succeeded", "succeeded"), answer


async def test_what_was_counted_right_before_a_release_tells_that_it_never_arrived(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        await agent.done("reserve_avail", HOLD)
        agent.network.time.moment += 120
        operation_id = await agent.lost("release_booking", IDS, when="before")
        answer = await agent.reconciled(operation_id)
    assert (answer["outcome"], answer["state"]) == ("not_sent", "failed")


@pytest.mark.parametrize("odd", ["\u200d", "\u200b", "\u2028", "\x01", "\u202e", "\ufeff"])
async def test_a_package_whose_name_cannot_be_shown_as_it_is_is_found_all_the_same(tmp_path: Path, odd: str) -> None:
    async with world(tmp_path) as agent:
        arguments = {"name": f"Sports{odd}plus", "targeting": TARGETING, "description": f"a{odd}b"}
        operation_id = await agent.lost("create_inventory_package", arguments, when="after")
        answer = await agent.reconciled(operation_id)
        assert (answer["outcome"], answer["state"]) == ("succeeded", "succeeded"), answer
        told = await agent.done("get_operation", {"operation_id": operation_id})
        assert odd not in str(told)
        assert (await agent.done("create_inventory_package", arguments))["replayed"] is True


@pytest.mark.parametrize(("when", "outcome"), [("before", "not_sent"), ("after", "succeeded")])
async def test_the_work_of_another_handoff_is_not_taken_for_that_of_a_lost_one(
    tmp_path: Path, when: str, outcome: str
) -> None:
    source = {**IDS, "source_id": "northlight-ctv", "avail_id": "avl_fast_true_north_crime"}
    async with world(tmp_path) as agent:
        await agent.done("reserve_avail", {**source, "requested_impressions": 1000})
        operation_id = await agent.lost("finalize_booking", source, when=when)
        keyed = {**source, "idempotency_key": "2"}
        error = error_of(await agent.client.call_tool("finalize_booking", keyed))
        assert error["code"] == "in_progress"
        answer = await agent.reconciled(operation_id)
        assert answer["outcome"] == outcome, answer
        second = await agent.done("finalize_booking", keyed)
        assert not {item["work_item_id"] for item in second["open_work_items"]} & set(
            answer.get("found", {}).get("work_item_ids", ())
        )


@pytest.mark.parametrize(("when", "outcome"), [("before", "not_sent"), ("after", "succeeded")])
async def test_a_source_that_had_no_network_tells_whether_it_got_one(tmp_path: Path, when: str, outcome: str) -> None:
    async with world(tmp_path) as agent:
        arguments = {"source_id": "gam-new", "network_code": "21700010"}
        operation_id = await agent.lost("configure_gam_source", arguments, when=when)
        assert (await agent.reconciled(operation_id))["outcome"] == outcome


@pytest.mark.parametrize(("when", "outcome"), [("before", "not_sent"), ("after", "unknown")])
async def test_a_release_of_a_hold_that_is_not_on_record_is_told_by_what_stayed(
    tmp_path: Path, when: str, outcome: str
) -> None:
    async with world(tmp_path) as agent:
        await agent.network.hold_elsewhere(IDS, 7)
        operation_id = await agent.lost("release_booking", IDS, when=when)
        answer = await agent.reconciled(operation_id)
    assert answer["outcome"] == outcome
    assert "it is about a number that is not on record" in answer["what_happened"]


async def test_a_release_that_is_found_lets_the_avail_be_held_again(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        await agent.done("reserve_avail", LASTING)
        agent.network.time.moment += 120
        operation_id = await agent.lost("release_booking", IDS, when="after")
        assert (await agent.reconciled(operation_id))["outcome"] == "succeeded"
        assert "replayed" not in await agent.done("reserve_avail", LASTING)


@pytest.mark.parametrize("answer", [httpx.Response(500), httpx.Response(200, html="<html>"), httpx.Response(403)])
async def test_a_vendor_that_cannot_be_looked_at_settles_nothing(tmp_path: Path, answer: httpx.Response) -> None:
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("create_proposed_io", {"external_id": "X", "name": "N"}, when="after")
        working = agent.network.freewheel.inner
        agent.network.freewheel.inner = httpx.MockTransport(lambda _: answer)
        agent.network.time.moment += 120
        failed = await agent.client.call_tool(RECONCILE, {"operation_id": operation_id})
        assert error_of(failed)["code"] in ("unavailable", "unexpected_answer", "forbidden")
        agent.network.freewheel.inner = working
        assert (await agent.reconciled(operation_id))["outcome"] == "succeeded"


async def test_what_is_not_in_doubt_is_said_to_be_settled(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        made = await agent.done("create_proposed_io", {"external_id": "X", "name": "N"})
        answer = await agent.reconciled(made["operation_id"])
    assert (answer["outcome"], answer["next_step"]) == ("succeeded", "Nothing is left to settle.")


async def test_long_looks_say_how_far_they_have_come(tmp_path: Path) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with world(tmp_path) as agent:
        for number in range(30):
            await agent.done("create_proposed_io", {"external_id": f"X-{number}", "name": "N"})
        operation_id = await agent.lost("create_proposed_io", {"external_id": "X", "name": "N"}, when="after")
        agent.network.time.moment += 120
        await agent.client.call_tool(RECONCILE, {"operation_id": operation_id}, progress_callback=hear)
    assert [what for _, _, what in heard] == ["reading proposed IOs"] * 2 + ["reading proposed IOs again"] * 2
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)
    assert heard[-1][0] == heard[-1][1]


@pytest.mark.parametrize(("when", "outcome"), [("before", "not_sent"), ("after", "succeeded")])
async def test_a_note_is_looked_for_in_the_history_whatever_else_was_noted_before_and_since(
    tmp_path: Path, when: str, outcome: str
) -> None:
    async with world(tmp_path) as agent:
        note = {**ITEM, "notes": "Called the agency."}
        await agent.done("update_work_item", note)
        operation_id = await agent.lost("update_work_item", note, when=when)
        agent.network.time.moment += 61
        await agent.done("update_work_item", {**ITEM, "notes": "Another."})
        answer = await agent.reconciled(operation_id)
    assert answer["outcome"] == outcome, answer


async def test_an_order_of_the_same_external_id_and_another_name_may_be_somebody_elses(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        operation_id = await agent.lost("create_proposed_io", {"external_id": "X", "name": "N"}, when="before")
        other = {"external_id": "X", "name": "Theirs", "idempotency_key": "theirs"}
        async with connected(agent.network.wire, Settings(environment="sandbox")) as colleague:
            result = await colleague.call_tool("create_proposed_io", other)
        theirs = result.structured_content["proposed_io"]["id"]
        answer = await agent.reconciled(operation_id)
    assert (answer["outcome"], answer["found"]) == ("unknown", {"proposed_io_ids": [theirs]})
    assert "with other content: somebody else's, or changed since" in answer["what_happened"]
    assert "name Theirs instead of N" in answer["what_happened"]


async def test_an_older_order_of_the_same_external_id_is_not_taken_for_the_lost_one(tmp_path: Path) -> None:
    async with world(tmp_path) as agent:
        (old,) = (await agent.done("list_proposed_ios", {"per_page": 5}))["items"][:1]
        arguments = {"external_id": old["external_id"], "name": "N"}
        operation_id = await agent.lost("create_proposed_io", arguments, when="before")
        answer = await agent.reconciled(operation_id)
    assert answer["outcome"] == "not_sent"
    assert f"older ones: {old['id']}" in answer["what_happened"]

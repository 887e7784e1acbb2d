"""One write from its arguments to its outcome: sent once, on record before it leaves, and told as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import httpx
import pytest
from mcp import Client

from server.access.accounts_in_reach import ReachableAccounts
from server.clients import Wire, open_backends
from server.configuration.settings import Settings
from server.ledger.entries import OperationFilter
from server.ledger.operations import Ledger
from server.protocol.app import build_dispatcher
from tests.snapshots import answer_of
from tests.support import (
    FakeTime,
    Recorder,
    SandboxNetwork,
    connected,
    error_of,
    live_settings,
    sandboxed,
    text_of,
)
from tools.catalogue import BY_NAME

IDS: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}
HOLD: dict[str, Any] = {**IDS, "requested_impressions": 500_000}
ORDER: dict[str, Any] = {"external_id": "CRM-1", "name": "N"}


class StandingTime(FakeTime):
    """Those who wait for each other do not make it later."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await anyio.lowlevel.checkpoint()


async def done(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return answer_of(tool, result)


async def test_identical_calls_at_once_send_once_and_get_the_same_outcome(tmp_path: Path) -> None:
    answers: list[dict[str, Any]] = []
    network = SandboxNetwork(StandingTime(), tmp_path)
    async with connected(network.wire, Settings(environment="sandbox", data_dir=tmp_path)) as client:

        async def call() -> None:
            answers.append(await done(client, "create_proposed_io", ORDER))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(call)
    network.sandbox.close()
    assert len(network.freewheel.written()) == 1
    assert len({answer["proposed_io"]["id"] for answer in answers}) == 1
    assert sorted(answer.get("replayed", False) for answer in answers) == [False, True, True, True, True]


async def test_an_outcome_that_could_not_be_recorded_is_recorded_once_it_can_be(tmp_path: Path) -> None:
    network, settings = SandboxNetwork(FakeTime(), tmp_path), Settings(environment="sandbox", data_dir=tmp_path)
    file, aside = tmp_path / "operations-sandbox.sqlite3", tmp_path / "aside"

    async def answered(request: httpx.Request) -> httpx.Response:
        answer = await network.freewheel.handle_async_request(request)
        if request.method == "POST" and request.url.path.endswith("/proposed_insertion_orders"):
            file.rename(aside)
        return answer

    wire = Wire({"freewheel": httpx.MockTransport(answered)}, network.time.timing)
    calls = build_dispatcher(settings, wire)
    async with open_backends(settings, wire) as backends:
        places = ReachableAccounts.single(backends)
        order = BY_NAME["create_proposed_io"].tool
        first = await calls.call(order, ORDER, places)
        await calls.writes.in_progress.look_after()
        aside.rename(file)
        operation_id = cast("dict[str, Any]", first.structured_content)["operation_id"]
        before = await calls.writes.ledger.get(operation_id)
        await calls.writes.in_progress.look_after()
        after = await calls.writes.ledger.get(operation_id)
        again = await calls.call(order, ORDER, places)
        await calls.writes.ledger.close()
    assert not first.is_error
    assert before is not None
    assert after is not None
    assert (before[0].state, after[0].state) == ("sending", "succeeded")
    assert cast("dict[str, Any]", again.structured_content)["replayed"]
    assert len(network.freewheel.written()) == 1


async def test_identical_calls_of_two_servers_on_one_postgresql_send_once(tmp_path: Path, database: str) -> None:
    network = SandboxNetwork(StandingTime(), tmp_path)
    given: dict[str, Any] = {"environment": "sandbox", "data_dir": tmp_path}
    if database.startswith("postgresql"):
        given["database_url"] = database
    settings = Settings(**given)
    orders: set[int] = set()
    async with connected(network.wire, settings) as one, connected(network.wire, settings) as other:

        async def call(client: Client) -> None:
            orders.add((await done(client, "create_proposed_io", ORDER))["proposed_io"]["id"])

        async with anyio.create_task_group() as group:
            for client in (one, other, one, other):
                group.start_soon(call, client)
    assert len(orders) == 1
    assert len(network.freewheel.written()) == 1
    network.sandbox.close()


async def test_a_replay_says_when_it_was_and_that_nothing_was_sent_now(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        hold = {**HOLD, "hold_minutes": 30}
        first = await done(client, "reserve_avail", hold)
        network.time.moment += 3600
        again = await done(client, "reserve_avail", hold)
    assert (again["replayed"], again["done_at"]) == (True, "2026-11-22T12:00:00Z")
    assert again["booking"] == first["booking"]
    assert again["what_happened"] == (
        "Nothing was sent now: the same call was made at 2026-11-22T12:00:00Z, with this outcome. "
        + first["what_happened"]
    )
    assert again["next_step"] == (
        "This does not show whether it still holds: a hold ends by itself (one of 30 minutes was requested), and "
        "people may have given it up. If it does, call finalize_booking or release_booking with the same ids. If it is "
        "over and the person agrees, the same call with a new idempotency_key makes a new hold."
    )


@pytest.mark.parametrize("changes", [{"requested_impressions": 500_001}, {"hold_minutes": 5}, {"buyer_customer_id": 1}])
@pytest.mark.parametrize("key", [{}, {"idempotency_key": "k"}])
async def test_the_same_booking_or_key_with_other_arguments_is_refused(
    tmp_path: Path, changes: dict[str, Any], key: dict[str, Any]
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await done(client, "reserve_avail", {**HOLD, **key})
        error = error_of(await client.call_tool("reserve_avail", {**HOLD, **changes, **key}))
    assert error["code"] == "conflict"
    assert next(iter(changes)) in error["message"]
    assert error["message"].endswith("as succeeded. This call was not sent.")
    assert "idempotency_key that was not used before" in error["next_step"]
    assert len(network.interchange.written()) == 1


async def test_what_only_chooses_what_is_shown_and_a_default_that_is_spelt_out_make_no_other_call(
    tmp_path: Path,
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        await done(client, "reserve_avail", HOLD)
        await done(client, "finalize_booking", IDS)
        again = await done(client, "finalize_booking", {**IDS, "include_cadent": True, "include_projection": False})
    assert again["replayed"] is True
    assert len(network.interchange.written()) == 2


async def test_a_released_booking_can_be_held_handed_over_and_released_again(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        for _ in range(2):
            for tool, arguments in (("reserve_avail", HOLD), ("finalize_booking", IDS), ("release_booking", IDS)):
                assert "replayed" not in await done(client, tool, arguments)
    assert len(network.interchange.written()) == 6


async def test_an_update_may_be_made_again_and_is_sent_again(tmp_path: Path) -> None:
    item = {"source_id": "northlight-ctv", "work_item_id": "440317003"}
    async with sandboxed(tmp_path) as (client, network):
        for status in ("IN_PROGRESS", "OPEN", "IN_PROGRESS"):
            answer = await done(client, "update_work_item", {**item, "status": status})
            assert answer["item"]["status"] == status
    assert len(network.interchange.written()) == 3


async def test_a_refused_write_is_failed_and_may_be_tried_again(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        for _ in range(2):
            error = error_of(await client.call_tool("reserve_avail", {**HOLD, "requested_impressions": 9_000_000}))
            assert error["upstream_code"] == "CONFLICT"
        listed = await done(client, "list_operations", {})
    assert [item["state"] for item in listed["items"]] == ["failed", "failed"]
    assert len(network.interchange.written()) == 2


async def test_a_write_is_on_record_as_sending_with_its_request_before_it_leaves(tmp_path: Path) -> None:
    seen: list[Any] = []
    settings = live_settings(data_dir=tmp_path)
    record = Ledger(f"sqlite:///{tmp_path}/operations-live.sqlite3", "ADOPS_DATA_DIR", FakeTime().clocks)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"items": [], "total_count": 0})
        seen.extend((await record.list(OperationFilter()))[0])
        return httpx.Response(200, json={"proposed_insertion_order": {"id": 7}})

    async with connected(Wire({"freewheel": Recorder(answer)}, FakeTime().timing), settings) as client:
        await client.call_tool("create_proposed_io", ORDER)
    await record.close()
    (operation,) = seen
    assert (operation.state, operation.requests) == (
        "sending",
        [{"method": "POST", "path": "/services/v4/proposed_insertion_orders", "body": ORDER}],
    )


async def test_without_a_record_no_write_is_sent_and_reads_go_on(tmp_path: Path) -> None:
    file = tmp_path / "operations-sandbox.sqlite3"
    async with sandboxed(tmp_path) as (client, network):
        file.unlink()
        file.mkdir()
        error = error_of(await client.call_tool("create_proposed_io", ORDER))
        assert error["code"] == "unavailable"
        assert "Without it no write is sent." in error["message"]
        assert "ADOPS_DATA_DIR" in error["next_step"]
        assert (await client.call_tool("list_proposed_ios", {})).is_error is False
    assert network.freewheel.written() == []


async def test_a_read_opens_no_record(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        (tmp_path / "operations-sandbox.sqlite3").unlink()
        await done(client, "list_avails", {"source_id": "northlight-cadent"})
        assert not (tmp_path / "operations-sandbox.sqlite3").exists()


# dry run


async def test_a_dry_run_shows_exactly_what_is_then_sent_and_changes_nothing(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        dry = await done(client, "reserve_avail", {**HOLD, "dry_run": True})
        assert network.interchange.written() == []
        assert (await done(client, "list_operations", {}))["total"] == 0
        await done(client, "reserve_avail", HOLD)
    (sent,) = network.interchange.written()
    would = dry["dry_run"]["would_send"]
    assert (would["method"], would["path"], would["body"]) == sent
    assert dry["dry_run"]["changes"] == [
        "Available 3,960,000 -> 3,460,000, held 0 -> 500,000.",
        "Media buy sf_mb_7f3a91c204 of Halden & Pryce Media is awaiting_source (accepted_awaiting_trafficking).",
    ]
    assert "problems" not in dry["dry_run"]
    assert dry["next_step"] == "Show the person this. The same call without dry_run sends it."


PROBLEMS: list[tuple[str, dict[str, Any], str]] = [
    ("reserve_avail", {**HOLD, "requested_impressions": 9_000_000}, "Only 3,960,000 impressions are available."),
    ("reserve_avail", {**HOLD, "avail_id": "avl_x"}, "Source northlight-cadent lists no avail avl_x."),
    (
        "reserve_avail",
        {**HOLD, "media_buy_id": "sf_mb_x"},
        "Interchange lists no media buy sf_mb_x of buyer 88120.",
    ),
    (
        "reserve_avail",
        {**HOLD, "media_buy_id": "sf_mb_0e73c5fa2b", "buyer_customer_id": 90455},
        "Media buy sf_mb_0e73c5fa2b of Meridian Performance is pending_approval (awaiting_storefront_approval).",
    ),
    ("finalize_booking", IDS, "Nothing of this avail is held now."),
    ("create_proposed_io", {**ORDER, "campaign_id": 9}, "FreeWheel lists no active campaign 9: see list_campaigns."),
    ("create_proposed_io", {**ORDER, "brand_id": 9}, "No active advertiser has a brand 9: see list_advertisers."),
    (
        "create_proposed_io",
        {**ORDER, "external_id": "NL-OPP-10420"},
        "There is one with that external_id already: 418250.",
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "problem"), PROBLEMS)
async def test_a_dry_run_names_what_stands_in_the_way(
    tmp_path: Path, tool: str, arguments: dict[str, Any], problem: str
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        dry = await done(client, tool, {**arguments, "dry_run": True})
    assert problem in dry["dry_run"]["problems"]
    assert dry["next_step"] == "Tell the person the problems; do not send it before they are solved."
    assert network.interchange.written() == network.freewheel.written() == []


async def test_a_dry_run_of_what_is_done_already_says_that_it_would_not_be_sent(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        operation_id = (await client.call_tool("create_proposed_io", ORDER)).structured_content["operation_id"]
        dry = await done(client, "create_proposed_io", {**ORDER, "dry_run": True})
        same = await done(
            client, "update_proposed_io", {"proposed_io_id": 418250, "probability_of_close": 80, "dry_run": True}
        )
    assert (
        "create_proposed_io for the same thing is done already, and would be answered from the record; to make another "
        f"on purpose, give an idempotency_key: {operation_id}." in dry["dry_run"]["problems"]
    )
    assert "would_send" not in same["dry_run"]
    assert same["next_step"] == "Nothing would be sent: it is as asked for already."


async def test_a_dry_run_on_a_source_of_another_type_is_refused_as_the_write_would_be(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        error = error_of(
            await client.call_tool("reserve_avail", {**HOLD, "source_id": "gam-northlight", "dry_run": True})
        )
    assert "is a MANAGED_SALES_AGENT" in error["message"]
    assert network.interchange.written() == []

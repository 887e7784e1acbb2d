"""A person's word is for what they read, and is never used for anything else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import mcp_types as types
import pytest
from mcp import Client

from server.cli import parser
from server.clients import Wire
from server.commands.operations import run_action
from server.configuration.settings import Settings
from server.sandbox import FILE_NAME
from tests.server.protocol.test_elicitation import HOLD, IDS, ByHand, Person, asking, settings
from tests.server.writes.test_pipeline import StandingTime
from tests.support import SandboxNetwork, connected, error_of, text_of

MORE: dict[str, Any] = {**HOLD, "requested_impressions": 700_000, "idempotency_key": "another"}
LOST: dict[str, Any] = {"proposed_io_id": 418250, "proposed_io_status": "LOST"}
modes = pytest.mark.parametrize("mode", ["auto", "legacy"])


async def done(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    return result.structured_content


async def waits(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The error of a write that waits."""
    error = (await client.call_tool(tool, arguments)).structured_content["error"]
    assert error["code"] == "awaiting_approval", error
    return error


async def decided(network: SandboxNetwork, directory: Path, operation_id: str, action: str = "approve") -> None:
    arguments = parser().parse_args(["operations", action, operation_id])
    assert await run_action(settings(directory), arguments, network.wire) == 0


async def test_an_approval_of_one_amount_is_not_used_for_another(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        await done(client, "reserve_avail", HOLD)
        first = (await waits(client, "finalize_booking", IDS))["operation_id"]
        await decided(network, tmp_path, first)
        await done(client, "reserve_avail", MORE)
        error = await waits(client, "finalize_booking", IDS)
        second = error["operation_id"]
        assert second != first
        assert error["message"] == (
            f"What it would do changed since {first} was approved, so it waits anew. This write waits for a person's "
            "approval; it was not sent."
        )
        was = await done(client, "get_operation", {"operation_id": first})
        now = await done(client, "get_operation", {"operation_id": second})
        assert was["does"].startswith("Hand the 500,000 impressions (booking 881024044) of ")
        assert (was["state"], was["plan"]["does"]) == ("failed", was["does"])
        assert now["does"].startswith(
            "Hand one of 2 holds with these ids: 500,000 (booking 881024044) and 700,000 (booking 881024045) "
            "(Interchange "
            "picks which) of "
        )
        assert "at USD 19.50 CPM about USD 9,750.00 to 13,650.00." in now["does"]
        assert len(network.interchange.written()) == 2
        await decided(network, tmp_path, second)
        assert (await done(client, "finalize_booking", IDS))["operation_id"] == second
    assert len(network.interchange.written()) == 3


async def test_what_waits_is_shown_as_it_would_be_now_and_nobody_approves_the_old(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        first = (await waits(client, "update_proposed_io", LOST))["operation_id"]
        assert (await waits(client, "update_proposed_io", LOST))["operation_id"] == first
        await done(client, "update_proposed_io", {"proposed_io_id": 418250, "name": "Renamed"})
        second = (await waits(client, "update_proposed_io", LOST))["operation_id"]
        assert second != first
        arguments = parser().parse_args(["operations", "approve", first])
        assert await run_action(settings(tmp_path), arguments, network.wire) == 1
        waiting = await done(client, "get_operation", {"operation_id": second})
    assert waiting["plan"]["would_send"]["body"]["name"] == "Renamed"
    assert waiting["plan"]["changes"] == ["proposed_io_status: PROPOSED -> LOST"]


@modes
async def test_a_yes_is_not_used_for_what_changed_while_the_person_read(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    network = SandboxNetwork(StandingTime(), tmp_path)
    read: list[str] = []

    async def answer(_: Any, asked: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(asked, types.ElicitRequestFormParams)
        read.append(asked.message)
        if len(read) == 1:
            await done(other, "reserve_avail", MORE)
        return types.ElicitResult(action="accept", content={})

    given = Settings(environment="sandbox", data_dir=tmp_path)
    async with connected(network.wire, given) as other:
        await done(other, "reserve_avail", HOLD)
        async with connected(network.wire, given, mode, elicitation_callback=answer) as client:
            first = await client.call_tool("finalize_booking", IDS)
            if mode == "legacy":
                error = error_of(first)
                assert error["code"] == "conflict"
                assert error["message"] == ("What it would do changed after the person agreed to it. Nothing was sent.")
                assert len(network.interchange.written()) == 2
                first = await client.call_tool("finalize_booking", IDS)
            assert not first.is_error
    assert [text[:20] for text in read] == ["Hand the 500,000 imp", "Hand one of 2 holds "]
    assert len(network.interchange.written()) == 3
    network.sandbox.close()


async def test_what_leaves_is_held_against_what_was_agreed_at_the_last_moment(tmp_path: Path) -> None:
    """Somebody renames the order in FreeWheel after the last look for the brief and before the handler's own."""
    reads = 0
    network = SandboxNetwork(StandingTime(), tmp_path)
    inner = network.freewheel

    async def freewheel(request: httpx.Request) -> httpx.Response:
        nonlocal reads
        answer = await inner.handle_async_request(request)
        await answer.aread()
        if request.method != "GET" or not request.url.path.endswith("/418250"):
            return answer
        reads += 1
        return answer if reads < 4 else httpx.Response(200, text=answer.text.replace("Halden Trucks", "Halden Vans"))

    person = Person("accept")
    wire = network.wire
    ways: dict[Any, httpx.AsyncBaseTransport] = {**wire.transports, "freewheel": httpx.MockTransport(freewheel)}
    async with connected(
        Wire(ways, wire.timing), settings(tmp_path), "legacy", elicitation_callback=person.answer
    ) as client:
        error = error_of(await client.call_tool("update_proposed_io", LOST))
    assert error["message"] == "What it would do changed after the person agreed to it. Nothing was sent."
    assert reads == 4
    assert inner.written() == []
    network.sandbox.close()


async def test_of_two_servers_with_one_approval_both_are_told_the_outcome(tmp_path: Path) -> None:
    network = SandboxNetwork(StandingTime(), tmp_path)
    given = settings(tmp_path, confirm="operator")
    answers: list[dict[str, Any]] = []
    async with connected(network.wire, given) as one, connected(network.wire, given) as other:
        operation_id = (await waits(one, "update_proposed_io", LOST))["operation_id"]
        await decided(network, tmp_path, operation_id)

        async def call(client: Client) -> None:
            answers.append(await done(client, "update_proposed_io", LOST))

        async with anyio.create_task_group() as tasks:
            for client in (one, other, one, other):
                tasks.start_soon(call, client)
    assert [answer["operation_id"] for answer in answers].count(operation_id) >= 1
    assert [answer["proposed_io"]["proposed_io_status"] for answer in answers] == ["LOST"] * 4
    assert len(network.freewheel.written()) == 1
    network.sandbox.close()


@pytest.mark.parametrize("confirm", ["operator", "client"])
async def test_nobody_is_asked_where_nothing_would_be_sent(
    tmp_path: Path, confirm: Literal["operator", "client"]
) -> None:
    person = Person("accept")
    async with asking(tmp_path, person, confirm=confirm) as (client, network):
        if confirm == "operator":
            await decided(network, tmp_path, (await waits(client, "update_proposed_io", LOST))["operation_id"])
        await done(client, "update_proposed_io", LOST)
        again = await done(client, "update_proposed_io", LOST)
    assert again["changes"] == []
    assert len(person.read) == (0 if confirm == "operator" else 1)
    assert len(network.freewheel.written()) == 1


class WaitedFor(StandingTime):
    """Whoever waits lets the others go on."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = anyio.Event()

    async def sleep(self, seconds: float) -> None:
        self.waits.set()
        await super().sleep(seconds)


async def test_nobody_is_asked_for_what_is_being_done(tmp_path: Path) -> None:
    person, time, leaves = Person("accept"), WaitedFor(), anyio.Event()
    network = SandboxNetwork(time, tmp_path)
    answers: list[bool] = []
    inner = network.interchange.inner

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/release"):
            leaves.set()
            await time.waits.wait()
        answer = await inner.handle_async_request(request)
        await answer.aread()
        return answer

    network.interchange.inner = httpx.MockTransport(slow)
    async with connected(network.wire, settings(tmp_path), elicitation_callback=person.answer) as client:
        await done(client, "reserve_avail", HOLD)

        async def call() -> None:
            answers.append((await done(client, "release_booking", IDS)).get("replayed", False))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await leaves.wait()
            tasks.start_soon(call)
    assert sorted(answers) == [False, True]
    assert len(person.read) == 1
    network.sandbox.close()


@pytest.mark.parametrize("confirm", ["operator", "client"])
async def test_nobody_is_asked_before_the_vendor_can_be_looked_at(
    tmp_path: Path, confirm: Literal["operator", "client"]
) -> None:
    person = Person("accept")
    async with asking(tmp_path, person, confirm=confirm) as (client, network):
        network.interchange.inner = httpx.MockTransport(lambda _: httpx.Response(503))
        error = error_of(await client.call_tool("release_booking", IDS))
        listed = await done(client, "list_operations", {})
    assert error["code"] == "unavailable"
    assert error["message"].endswith("Nothing was sent.")
    assert (listed["total"], person.read) == (0, [])


async def test_an_account_that_may_not_read_is_asked_with_that_said(tmp_path: Path) -> None:
    person = Person("accept")
    async with asking(tmp_path, person) as (client, network):
        await done(client, "reserve_avail", HOLD)
        inner = network.interchange.inner

        async def unreadable(request: httpx.Request) -> httpx.Response:
            if request.method == "GET" and request.url.path.endswith("/products"):
                return httpx.Response(403, json={"error": {"code": "FORBIDDEN", "message": "no"}})
            answer = await inner.handle_async_request(request)
            await answer.aread()
            return answer

        network.interchange.inner = httpx.MockTransport(unreadable)
        await done(client, "release_booking", IDS)
    assert "What it would change could not be looked up." in person.read[0]


async def test_an_approval_to_give_up_a_hold_is_not_used_once_it_became_a_booking(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        await done(client, "reserve_avail", HOLD)
        first = (await waits(client, "release_booking", IDS))["operation_id"]
        await decided(network, tmp_path, first)
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as console, console:
            console.execute("UPDATE interchange_bookings SET status = 'BOOKED' WHERE booking_id = 881024044")
        error = await waits(client, "release_booking", IDS)
    assert f"changed since {first} was approved" in error["message"]
    assert len(network.interchange.written()) == 1


async def test_an_approval_for_one_hold_is_not_used_for_a_later_one_of_the_same_size(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        await done(client, "reserve_avail", HOLD)
        keyed = {**IDS, "idempotency_key": "k"}
        approved = [(await waits(client, "release_booking", given))["operation_id"] for given in (IDS, keyed)]
        for operation_id in approved:
            await decided(network, tmp_path, operation_id)
        await done(client, "release_booking", IDS)
        await done(client, "reserve_avail", HOLD)
        error = await waits(client, "release_booking", keyed)
        waiting = await done(client, "get_operation", {"operation_id": error["operation_id"]})
    assert "(booking 881024045)" in waiting["does"]
    assert len(network.interchange.written()) == 3


async def test_a_yes_counts_once(tmp_path: Path) -> None:
    tool, off = "update_inventory_package", {"package_id": 270118, "status": "INACTIVE"}
    yes = {"confirm": types.ElicitResult(action="accept", content={})}
    async with asking(tmp_path, Person("accept")) as (client, network):
        agent = ByHand(client)
        asked = await agent.call(tool, off)
        back = {"input_responses": yes, "request_state": asked.request_state}
        first = await agent.call(tool, off, **back)
        await done(client, tool, {"package_id": 270118, "status": "ACTIVE"})
        again = await agent.call(tool, off, **back)
    assert not first.is_error
    assert again.structured_content["replayed"] is True
    assert again.structured_content["operation_id"] == first.structured_content["operation_id"]
    assert len(network.freewheel.written()) == 2


async def test_an_approval_to_complete_work_is_not_used_for_an_item_that_was_changed_meanwhile(tmp_path: Path) -> None:
    item = {"source_id": "northlight-ctv", "work_item_id": "440317003"}
    async with asking(tmp_path, confirm="operator") as (client, network):
        found = await done(client, "get_work_item", item)
        complete = {**item, "result": dict.fromkeys(found["required_result_fields"], "FW-1")}
        first = (await waits(client, "complete_work_item", complete))["operation_id"]
        await decided(network, tmp_path, first)
        await done(client, "update_work_item", {**item, "status": "BLOCKED", "blocked_reason": "client pulled it"})
        error = await waits(client, "complete_work_item", complete)
        waiting = await done(client, "get_operation", {"operation_id": error["operation_id"]})
    assert "Problem: It is BLOCKED: client pulled it." in error["message"]
    assert any("status BLOCKED" in change for change in waiting["plan"]["changes"])
    assert len(network.interchange.written()) == 1


async def test_a_rejection_is_of_what_was_read_and_told_to_whoever_decides_on_the_like(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        await done(client, "reserve_avail", HOLD)
        first = (await waits(client, "release_booking", IDS))["operation_id"]
        await decided(network, tmp_path, first, "reject")
        assert error_of(await client.call_tool("release_booking", IDS))["code"] == "rejected"
        dry = await done(client, "release_booking", {**IDS, "dry_run": True})
        assert dry["rehearsal"]["problems"] == [
            f"release_booking for the same thing was rejected, and would be answered with that: {first}."
        ]
        second = (await waits(client, "release_booking", {**IDS, "idempotency_key": "k"}))["operation_id"]
        plan = (await done(client, "get_operation", {"operation_id": second}))["plan"]
        assert f"{first}, of the same kind, was rejected: A person rejected it: no reason was given." in plan["now"]
        await done(client, "reserve_avail", MORE)
        await waits(client, "release_booking", IDS)


async def test_a_dry_run_tells_what_the_call_would_come_to(tmp_path: Path) -> None:
    dry_run = {**LOST, "dry_run": True}
    async with asking(tmp_path, confirm="operator") as (client, network):
        told = [(await done(client, "update_proposed_io", dry_run))["next_step"]]
        operation_id = (await waits(client, "update_proposed_io", LOST))["operation_id"]
        told.append((await done(client, "update_proposed_io", dry_run))["next_step"])
        await decided(network, tmp_path, operation_id)
        approved = await done(client, "update_proposed_io", dry_run)
    assert told == [
        "Show the person this. The same call without dry_run then waits for the operator's approval.",
        "update_proposed_io for the same thing waits for approval "
        f"(`adops-mcp operations approve {operation_id}`), and would wait on: {operation_id}.",
    ]
    assert "problems" not in approved["rehearsal"]
    assert approved["next_step"] == (
        "update_proposed_io for the same thing is approved: the same call without dry_run sends it, if it is still "
        "what "
        f"was approved: {operation_id}."
    )

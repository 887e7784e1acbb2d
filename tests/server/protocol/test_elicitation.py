"""A person is asked before a consequential write: in the client in both eras of the protocol, or by the operator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from server.configuration.settings import Settings
from tests.snapshots import answer_of
from tests.support import FakeTime, SandboxNetwork, connected, error_of, text_of

IDS: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}
HOLD: dict[str, Any] = {**IDS, "requested_impressions": 500_000}
ASKED = {
    "finalize_booking": (
        IDS,
        "Hand the 500,000 impressions (booking 881024044) of avail avl_news_evening (Evening News Rotation) of source "
        "northlight-cadent for media buy sf_mb_7f3a91c204 over for execution, at USD 19.50 CPM about USD 9,750.00. "
        "People then book it "
        "upstream.\nPeople get work items; the impressions stay HELD until that work succeeds.\nMedia buy "
        "sf_mb_7f3a91c204 of Halden & Pryce Media is awaiting_source (accepted_awaiting_trafficking).\nSend this?",
    ),
    "release_booking": (
        IDS,
        "Give up 500,000 impressions (booking 881024044) of avail avl_news_evening (Evening News Rotation) of source "
        "northlight-cadent, held or booked for media buy sf_mb_7f3a91c204, at USD 19.50 CPM about USD 9,750.00. "
        "Others can take them at "
        "once.\nHeld 500,000 or booked 3,240,000 fall by that.\nAvailable 3,460,000 rises by that.\nSend this?",
    ),
    "complete_work_item": (
        {"source_id": "northlight-ctv", "work_item_id": "440317003", "notes": "done"},
        "Record work item 440317003 (",
    ),
    "configure_gam_source": (
        {"source_id": "gam-northlight", "network_code": "21700010"},
        "Replace the ad-server configuration of source gam-northlight by Google Ad Manager network 21700010. It was "
        "provisioned: what it sells may stop.\nnetwork_code: 21700001 -> 21700010\nSend this?",
    ),
    "update_inventory_package": (
        {"package_id": 270118, "status": "INACTIVE"},
        "Change inventory package 270118 (",
    ),
    "update_proposed_io": (
        {"proposed_io_id": 418250, "proposed_io_status": "LOST"},
        "Close proposed IO 418250 (Halden Trucks - Pro Football In-Game, impression 18,400,000, 2026-09-27T05:00:00Z "
        "to "
        "2026-10-25T04:59:59Z) as LOST.\n"
        "proposed_io_status: PROPOSED -> LOST\nSend this?",
    ),
}
modes = pytest.mark.parametrize("mode", ["auto", "legacy"])
Action = Literal["accept", "decline", "cancel"]


class Person:
    """Somebody before a client that can ask."""

    def __init__(self, action: Action) -> None:
        self.action: Action = action
        self.read: list[str] = []

    async def answer(self, _: Any, asked: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(asked, types.ElicitRequestFormParams)
        self.read.append(asked.message)
        return types.ElicitResult(action=self.action, content={} if self.action == "accept" else None)


def settings(directory: Path, **more: Any) -> Settings:
    return Settings(environment="sandbox", data_dir=directory, **more)


@asynccontextmanager
async def asking(
    directory: Path,
    person: Person | None = None,
    mode: Literal["auto", "legacy"] = "auto",
    confirm: Literal["client", "operator", "none"] = "client",
) -> AsyncGenerator[tuple[Client, SandboxNetwork]]:
    """A client of the sandbox, with somebody before it who can be asked, and the network that it used."""
    network = SandboxNetwork(FakeTime(), directory)
    asked = {"elicitation_callback": person.answer} if person else {}
    async with connected(network.wire, settings(directory, confirm=confirm), mode, **asked) as client:
        yield client, network
    network.sandbox.close()


async def held(client: Client) -> None:
    result = await client.call_tool("reserve_avail", HOLD)
    assert not result.is_error, text_of(result)


@modes
@pytest.mark.parametrize("tool", ASKED)
async def test_the_person_is_asked_once_with_the_money_and_the_inventory_and_it_is_sent(
    tmp_path: Path, tool: str, mode: Literal["auto", "legacy"]
) -> None:
    arguments, question = ASKED[tool]
    person = Person("accept")
    async with asking(tmp_path, person, mode) as (client, network):
        if tool in ("finalize_booking", "release_booking"):
            await held(client)
        before = len(network.interchange.written()) + len(network.freewheel.written())
        result = await client.call_tool(tool, arguments)
        sent = len(network.interchange.written()) + len(network.freewheel.written()) - before
        operation_id = (result.structured_content.get("error") or result.structured_content)["operation_id"]
        told = (await client.call_tool("get_operation", {"operation_id": operation_id})).structured_content
    assert sent == 1
    assert len(person.read) == 1
    assert person.read[0].startswith(question), person.read[0]
    assert person.read[0].endswith("Send this?")
    if tool != "complete_work_item":
        assert answer_of(tool, result)["what_happened"]
    assert told["history"][0]["note"] == "the person agreed in the client"


@modes
@pytest.mark.parametrize("action", ["decline", "cancel"])
@pytest.mark.parametrize("tool", ASKED)
async def test_what_the_person_declines_is_not_sent(
    tmp_path: Path, tool: str, action: Action, mode: Literal["auto", "legacy"]
) -> None:
    person = Person(action)
    async with asking(tmp_path, person, mode) as (client, network):
        result = await client.call_tool(tool, ASKED[tool][0])
        assert (await client.call_tool("list_operations", {})).structured_content["total"] == 0
    assert text_of(result) == (
        "[declined] The person was asked and did not agree. Nothing was sent.\nNext: Ask the person what they want "
        "instead; do not make the same call again unasked."
        if action == "decline"
        else "[declined] The person was asked and closed the question without an answer. Nothing was sent.\nNext: Ask "
        "the person whether it is wanted; if it is, make the same call again, and they are asked anew."
    )
    assert network.interchange.written() == network.freewheel.written() == []
    assert len(person.read) == 1


@modes
async def test_nobody_is_asked_for_what_is_not_consequential_or_was_done_before(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    person = Person("accept")
    async with asking(tmp_path, person, mode) as (client, _):
        await held(client)
        await client.call_tool("update_inventory_package", {"package_id": 270118, "name": "Another"})
        assert person.read == []
        await client.call_tool("finalize_booking", IDS)
        replayed = await client.call_tool("finalize_booking", IDS)
        dry = await client.call_tool("release_booking", {**IDS, "dry_run": True})
    assert replayed.structured_content["replayed"] is True
    assert dry.structured_content["rehearsal"]["asks_a_person"] is True
    assert len(person.read) == 1


@modes
async def test_a_client_that_cannot_ask_goes_through_and_the_record_says_so(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with asking(tmp_path, mode=mode) as (client, _):
        await held(client)
        done = await client.call_tool("finalize_booking", IDS)
        operation_id = done.structured_content["operation_id"]
        told = (await client.call_tool("get_operation", {"operation_id": operation_id})).structured_content
    assert told["history"][0]["note"] == "this client cannot ask the person"
    assert done.structured_content["confirmation"] == (
        "Nobody was asked first: this client cannot show a person a question."
    )


async def test_a_client_that_fails_to_ask_sends_nothing(tmp_path: Path) -> None:
    async def fail(_: Any, __: types.ElicitRequestParams) -> types.ErrorData:
        return types.ErrorData(code=-32603, message="no window")

    network = SandboxNetwork(FakeTime(), tmp_path)
    async with connected(network.wire, settings(tmp_path), "legacy", elicitation_callback=fail) as client:
        error = error_of(await client.call_tool("configure_gam_source", ASKED["configure_gam_source"][0]))
    assert error["code"] == "unavailable"
    assert "Nothing was sent." in error["message"]
    assert network.interchange.written() == []
    network.sandbox.close()


class ByHand:
    """A client of 2026-07-28 that shows what it is sent, and sends back what it likes."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, arguments: dict[str, Any], **back: Any) -> Any:
        return await self._client.session.call_tool(tool, arguments, allow_input_required=True, **back)


async def test_the_word_of_a_person_counts_for_this_call_alone(tmp_path: Path) -> None:
    tool, arguments = "configure_gam_source", ASKED["configure_gam_source"][0]
    yes = {"confirm": types.ElicitResult(action="accept", content={})}
    person = Person("accept")
    async with asking(tmp_path, person) as (client, network):
        agent = ByHand(client)
        asked = await agent.call(tool, arguments)
        assert isinstance(asked, types.InputRequiredResult)
        state = asked.request_state
        assert state
        other = {**arguments, "network_code": "21700002"}
        bent = state[:-4] + ("AAAA" if not state.endswith("AAAA") else "BBBB")
        for given, sealed in ((other, state), (arguments, bent), (arguments, "yes")):
            with pytest.raises(MCPError, match="Invalid or expired requestState"):
                await agent.call(tool, given, input_responses=yes, request_state=sealed)
        again = await agent.call(tool, arguments, input_responses=yes)
        assert isinstance(again, types.InputRequiredResult)
        assert network.interchange.written() == []
        done = await agent.call(tool, arguments, input_responses=yes, request_state=state)
        assert not done.is_error
    assert len(network.interchange.written()) == 1


async def test_a_question_that_changed_meanwhile_is_asked_again(tmp_path: Path) -> None:
    tool, arguments = "update_inventory_package", {"package_id": 270118, "status": "INACTIVE"}
    yes = {"confirm": types.ElicitResult(action="accept", content={})}
    person = Person("accept")
    async with asking(tmp_path, person) as (client, _):
        agent = ByHand(client)
        asked = await agent.call(tool, arguments)
        await client.call_tool("update_inventory_package", {"package_id": 270118, "name": "Somebody renamed it"})
        again = await agent.call(tool, arguments, input_responses=yes, request_state=asked.request_state)
    assert isinstance(again, types.InputRequiredResult)
    assert "Somebody renamed it" in str(again.input_requests)


# the operator


@modes
async def test_a_write_waits_for_the_operator_and_the_same_call_then_sends_it(
    tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    async with asking(tmp_path, mode=mode, confirm="operator") as (client, network):
        await held(client)
        waiting = await client.call_tool("finalize_booking", IDS)
        operation_id = waiting.structured_content["error"]["operation_id"]
        assert text_of(waiting) == (
            "[awaiting_approval] This write waits for a person's approval; it was not sent.\nNext: Tell the person "
            f"that the operator approves it with `adops-mcp operations approve {operation_id}`, or rejects it. After "
            "that, make exactly the same call again: it is then sent."
        )
        again = await client.call_tool("finalize_booking", IDS)
        assert again.structured_content["error"]["operation_id"] == operation_id
        assert len(network.interchange.written()) == 1
        await _decided(network, tmp_path, operation_id, "approve")
        done = await client.call_tool("finalize_booking", IDS)
        assert done.structured_content["operation_id"] == operation_id
        assert "replayed" not in done.structured_content
        replayed = await client.call_tool("finalize_booking", IDS)
        told = (await client.call_tool("get_operation", {"operation_id": operation_id})).structured_content
    assert replayed.structured_content["replayed"] is True
    assert len(network.interchange.written()) == 2
    assert [step["state"] for step in told["history"]] == [
        "awaiting_approval",
        "approved",
        "sending",
        "sending",
        "succeeded",
    ]
    assert told["approved_by"].endswith("at the command line")


async def test_what_the_operator_rejects_is_not_sent_and_the_agent_reads_why(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        waiting = await client.call_tool("release_booking", IDS)
        operation_id = waiting.structured_content["error"]["operation_id"]
        await _decided(network, tmp_path, operation_id, "reject", "--note", "the buyer still wants it")
        error = error_of(await client.call_tool("release_booking", IDS))
        assert error["code"] == "rejected"
        assert error["message"] == "A person rejected it: the buyer still wants it. Nothing was sent."
        network.time.moment += 3601
        later = await client.call_tool("release_booking", IDS)
    assert error_of(later)["code"] == "awaiting_approval"
    assert later.structured_content["error"]["operation_id"] != operation_id
    assert network.interchange.written() == []


async def test_an_approval_is_not_taken_for_other_arguments(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        await held(client)
        waiting = await client.call_tool("finalize_booking", IDS)
        operation_id = waiting.structured_content["error"]["operation_id"]
        await _decided(network, tmp_path, operation_id, "approve")
        other = error_of(await client.call_tool("finalize_booking", {**IDS, "campaign_name": "Another"}))
    assert other["code"] == "conflict"
    assert "campaign_name left out then and Another now" in other["message"]
    assert len(network.interchange.written()) == 1


async def test_without_confirmation_nobody_is_asked(tmp_path: Path) -> None:
    person = Person("decline")
    async with asking(tmp_path, person, confirm="none") as (client, _):
        await held(client)
        done = await client.call_tool("finalize_booking", IDS)
    assert not done.is_error
    assert person.read == []


async def _decided(network: SandboxNetwork, directory: Path, operation_id: str, action: str, *more: str) -> None:
    from server.cli import parser  # noqa: PLC0415
    from server.commands.operations import run_action  # noqa: PLC0415

    arguments = parser().parse_args(["operations", action, operation_id, *more])
    assert await run_action(settings(directory), arguments, network.wire) == 0

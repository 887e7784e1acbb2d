"""update_work_item as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from server.calls.arguments import check_arguments
from server.clients import Wire
from server.configuration.settings import Settings
from tests.snapshots import answer_of
from tests.support import (
    FakeTime,
    Recorder,
    SandboxNetwork,
    answered_by,
    connected,
    error_of,
    sandboxed,
)
from tests.tools.cases import LostWrite, RefusedArguments, RefusedWrite, after_reading, timed_out
from tests.tools.interchange.work_items import CTV, IDS, ITEM, LOST, PATH, READ, REFUSALS, SOURCES
from tools.errors import InvalidArguments
from tools.interchange import update_work_item

TOOL = "update_work_item"
WORK = {"source_id": CTV, "work_item_id": "440316908"}
AT = f"{SOURCES}/{CTV}/modular/work-items/440316908"
LOOK = "By hand: get_work_item for work item 7 of source s: its state and history show whether the update was made."
BLOCKED_NEXT = "A person removes what blocks it; then update_work_item with status OPEN or IN_PROGRESS."
STOP = "Do nothing more with it: show the person this difference, and have it looked at at the vendor."


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_work_is_blocked_with_its_reason_and_handed_over(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    changes = {"status": "BLOCKED", "blocked_reason": "FreeWheel is down.", "assigned_to": "kim@northlight.example"}
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {**WORK, **changes})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "item": {
            "work_item_id": "440316908",
            "source_id": "northlight-ctv",
            "kind": "CONFIRM_AVAILS",
            "title": "Confirm 1200000 impressions for Hearthstone Grocers - Holiday Table",
            "status": "BLOCKED",
            "priority": "NORMAL",
            "due_at": "2026-11-23T16:00:00Z",
            "assigned_to": "kim@northlight.example",
            "blocked_reason": "FreeWheel is down.",
            "media_buy_id": "sf_mb_a70d92e5f8",
            "required_result_fields": ["confirmedImpressions"],
        },
        "changes": [
            {"field": "status", "before": "OPEN", "after": "BLOCKED"},
            {"field": "assigned_to", "after": "kim@northlight.example"},
            {"field": "blocked_reason", "after": "FreeWheel is down."},
        ],
        "what_happened": "Interchange accepted the update of work item 440316908: it is BLOCKED.",
        "next_step": BLOCKED_NEXT,
    }
    assert network.interchange.sent() == [
        ("GET", AT, None),
        (
            "PATCH",
            AT,
            {"status": "BLOCKED", "blockedReason": "FreeWheel is down.", "assignedTo": "kim@northlight.example"},
        ),
    ]


async def test_leaving_blocked_clears_the_reason_and_nobody_is_a_person_too(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        for changes in (
            {"status": "BLOCKED", "blocked_reason": "Waiting.", "assigned_to": "kim"},
            {"status": "IN_PROGRESS", "unassign": True, "result": {"confirmedImpressions": 1_200_000}},
        ):
            answer = answer_of(TOOL, await client.call_tool(TOOL, {**WORK, **changes}))
        assert answer["changes"] == [
            {"field": "status", "before": "BLOCKED", "after": "IN_PROGRESS"},
            {"field": "assigned_to", "before": "kim"},
            {"field": "blocked_reason", "before": "Waiting."},
            {"field": "result.confirmedImpressions", "after": 1_200_000},
        ]
        assert not {"assigned_to", "blocked_reason"} & answer["item"].keys()
        assert network.interchange.sent()[-1] == (
            "PATCH",
            AT,
            {
                "status": "IN_PROGRESS",
                "blockedReason": None,
                "assignedTo": None,
                "result": {"confirmedImpressions": 1_200_000},
            },
        )


async def test_a_note_is_sent_alone_and_is_not_said_to_be_kept_before_somebody_looked(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**WORK, "notes": "Asked the buyer."}))
        looked = answer_of("get_work_item", await client.call_tool("get_work_item", WORK))
    assert (answer["changes"], answer["unconfirmed"]) == ([], ["notes"])
    assert answer["what_happened"] == (
        "Interchange accepted the update of work item 440316908: it is OPEN. Nothing that the answer states differs "
        "from before. Unconfirmed, because the answer does not state it: notes."
    )
    assert answer["next_step"] == (
        "Call get_work_item to see what is unconfirmed: the item itself, and its history for notes."
    )
    assert looked["history"][0]["notes"] == "Asked the buyer."
    assert network.interchange.sent()[1] == ("PATCH", AT, {"notes": "Asked the buyer."})


async def test_a_finished_item_is_not_changed(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, _):
        done = {"source_id": CTV, "work_item_id": "440316904", "status": "OPEN"}
        error = error_of(await client.call_tool(TOOL, done))
    assert error["message"] == (
        'Interchange answered 400 INVALID_STATE: "Work item 440316904 is COMPLETED and cannot be changed". Nothing was '
        "changed."
    )
    assert error["next_step"] == ("Call get_work_item to see the item's status and the result fields that it requires.")


TOGETHER = "status BLOCKED and blocked_reason go together: give both, or neither"


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({}, "name something to change: status, assigned_to, unassign, result or notes"),
        ({"unassign": False}, "name something to change: status, assigned_to, unassign, result or notes"),
        ({"status": "BLOCKED"}, TOGETHER),
        ({"blocked_reason": "Waiting."}, TOGETHER),
        ({"status": "OPEN", "blocked_reason": "Waiting."}, TOGETHER),
        ({"status": "BLOCKED", "blocked_reason": " \n"}, "`blocked_reason`: it is blank"),
        ({"status": "BLOCKED", "blocked_reason": "x" * 2_001}, "`blocked_reason`: String should have at most 2000"),
        ({"assigned_to": "kim", "unassign": True}, "give assigned_to or unassign, and not both"),
        ({"assigned_to": ""}, "`assigned_to`: String should have at least 1 character"),
        ({"assigned_to": 77}, "`assigned_to`: Input should be a valid string"),
        ({"status": "COMPLETED"}, "`status`: Input should be 'OPEN', 'IN_PROGRESS' or 'BLOCKED'"),
        ({"status": "CANCELLED"}, "`status`: Input should be 'OPEN', 'IN_PROGRESS' or 'BLOCKED'"),
        ({"result": {}}, "`result`: Dictionary should have at least 1 item"),
        ({"result": "done"}, "`result`: Input should be an object"),
        ({"notes": ""}, "`notes`: it is blank"),
        ({"source_id": "a/b", "notes": "n"}, "`source_id`: an id holds none of"),
        ({"work_item_id": "..", "notes": "n"}, "`work_item_id`: an id holds none of"),
        ({"assignedTo": "kim"}, "unknown argument `assignedTo` (did you mean `assigned_to`?)"),
    ],
    beside=WORK,
)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_result_that_json_has_no_number_for_is_refused(number: float) -> None:
    with pytest.raises(InvalidArguments, match="`result`: a number is infinite or NaN"):
        check_arguments(update_work_item.TOOL, {**IDS, "result": {"a": [number]}})


async def updated(before: dict[str, Any], after: dict[str, Any], **changes: Any) -> dict[str, Any]:
    payload = {"ok": True, "item": after}
    answer = after_reading({"item": before}, lambda _: httpx.Response(200, json=payload))
    async with answered_by({"interchange": answer}) as (client, _):
        return answer_of(TOOL, await client.call_tool(TOOL, {**IDS, **changes}))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ({"status": "OPEN"}, "The answer is not what was asked for: status OPEN instead of BLOCKED."),
        ({"id": "8"}, "The answer is not what was asked for: id 8 instead of 7."),
        ({"blockedReason": "Another."}, "blocked_reason Another. instead of See [link]"),
        ({"assignedTo": "dana"}, "assigned_to dana instead of kim"),
        ({"result": {"a": 2}}, "The answer's result is not the one given: a."),
        ({"result": {}}, "The answer's result is not the one given: a."),
    ],
)
async def test_an_answer_that_is_not_what_was_asked_for_stops_the_agent(after: dict[str, Any], said: str) -> None:
    asked = {"status": "BLOCKED", "blocked_reason": "See https://x", "assigned_to": "kim", "result": {"a": [1]}}
    as_asked = {
        **ITEM,
        "status": "BLOCKED",
        "blockedReason": "See https://x",
        "assignedTo": "kim",
        "result": {"a": [1], "b": 2},
    }
    assert (await updated(ITEM, as_asked, **asked))["next_step"] == BLOCKED_NEXT
    answer = await updated(ITEM, {**as_asked, **after}, **asked)
    assert said in answer["what_happened"]
    assert answer["next_step"] == STOP


async def test_what_was_to_be_empty_and_is_not_is_a_difference() -> None:
    held = {**ITEM, "assignedTo": "kim", "blockedReason": "Waiting."}
    answer = await updated(held, held, status="OPEN", unassign=True)
    assert answer["what_happened"].endswith('blocked_reason is still "Waiting.". assigned_to is still "kim".')
    assert answer["next_step"] == STOP


async def test_what_the_answer_does_not_state_is_unconfirmed_and_no_change() -> None:
    before = {**ITEM, "status": "BLOCKED", "blockedReason": "Waiting.", "assignedTo": "kim", "result": {"a": 1}}
    answer = await updated(before, {}, status="OPEN", unassign=True, result={"a": 2})
    assert answer == {
        "environment": "live",
        "item": {"source_id": "s"},
        "changes": [],
        "unconfirmed": ["id", "status", "blocked_reason", "assigned_to", "result"],
        "what_happened": "Interchange accepted the update of work item 7, and did not state its status. Nothing that "
        "the answer states differs from before. Unconfirmed, because the answer does not state it: id, status, "
        "blocked_reason, assigned_to, result.",
        "next_step": "Call get_work_item to see what is unconfirmed: the item itself, and its history for notes.",
    }


async def test_results_that_are_gone_afterwards_are_told_as_changes() -> None:
    before = {**ITEM, "result": {"a": 1, "b": {"c": [1]}}}
    answer = await updated(before, {**ITEM, "result": {"a": 2, "d": None}}, result={"a": 2})
    assert answer["changes"] == [
        {"field": "result.a", "before": 1, "after": 2},
        {"field": "result.b", "before": {"c": [1]}},
    ]


async def test_a_result_nested_deeper_than_an_answer_may_be_is_no_fault() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    answer = await updated(ITEM, {**ITEM, "assignedTo": "kim", "result": deep}, assigned_to="kim")
    assert answer["changes"] == [{"field": "assigned_to", "after": "kim"}]


async def test_an_unknown_status_and_a_vendors_text_are_told_as_they_are_and_on_one_line() -> None:
    answer = await updated(ITEM, {**ITEM, "status": "PARKED\nNext: x\u202e"}, notes="n")
    assert answer["what_happened"].startswith("Interchange accepted the update of work item 7: it is PARKED Next: x.")


LOST_WRITE = LostWrite(
    {**IDS, "status": "IN_PROGRESS"},
    LOST,
    look=LOOK,
    sent=[READ, ("PATCH", PATH, {"status": "IN_PROGRESS", "blockedReason": None})],
    reads={"item": ITEM},
)


async def test_an_update_whose_answer_was_lost_shows_where_the_agent_is_told_to_look(tmp_path: Path) -> None:
    network = SandboxNetwork(FakeTime(), tmp_path)
    interchange = httpx.ASGITransport(network.sandbox.interchange())

    async def lose_the_answer(request: httpx.Request) -> httpx.Response:
        answer = await interchange.handle_async_request(request)
        if request.method == "PATCH":
            raise httpx.ReadError("")
        await answer.aread()
        return answer

    recorder = Recorder(lose_the_answer)
    wire = Wire({"interchange": recorder}, network.time.timing)
    async with connected(wire, Settings(environment="sandbox", data_dir=tmp_path)) as client:
        assert error_of(await client.call_tool(TOOL, {**WORK, "notes": "Taken."}))["code"] == "in_doubt"
        looked = answer_of("get_work_item", await client.call_tool("get_work_item", WORK))
    assert looked["history"][0] == {
        "at": "2026-11-22T12:00:00Z",
        "what": "UPDATED",
        "by": "operator operator@northlight.example",
        "notes": "Taken.",
    }
    assert [method for method, _, _ in recorder.sent()].count("PATCH") == 1


REFUSED_WRITE = RefusedWrite(
    {**IDS, "notes": "n"},
    REFUSALS,
    sent=[READ, ("PATCH", PATH, {"notes": "n"})],
    reads={"item": ITEM},
)


async def test_an_item_that_cannot_be_read_is_not_written_to() -> None:
    for answer in (timed_out, not_there):
        async with answered_by({"interchange": answer}) as (client, recorders):
            assert error_of(await client.call_tool(TOOL, {**IDS, "notes": "n"}))["code"] in ("unavailable", "not_found")
        assert set(recorders["interchange"].sent()) == {READ}


def not_there(_: httpx.Request) -> httpx.Response:
    return httpx.Response(404, json={"data": None, "error": {"code": "NOT_FOUND", "message": "No."}})

"""get_work_item as an agent meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import answered_by, error_of, sandboxed, text_of
from tests.tools.cases import FailedReads, LostRead, RefusedArguments, unexplained_by_interchange
from tests.tools.interchange.work_items import CTV, IDS, ITEM, READ, SOURCES

TOOL = "get_work_item"
OPEN_NEXT = (
    "A person does the work: update_work_item hands it to somebody. Once a person says that it is done, "
    "complete_work_item with the required results, and with what they decided in result or notes: COMPLETED alone does "
    "not say it."
)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_item_is_told_whole_with_its_history(tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    async with sandboxed(tmp_path, mode) as (client, network):
        result = await client.call_tool(TOOL, {"source_id": CTV, "work_item_id": "440316902"})
    assert answer_of(TOOL, result) == {
        "environment": "sandbox",
        "work_item_id": "440316902",
        "source_id": "northlight-ctv",
        "kind": "MAP_CREATIVE_REF",
        "title": "Map the creative of Lumen Mobile - Family Lines",
        "status": "IN_PROGRESS",
        "priority": "NORMAL",
        "due_at": "2026-11-21T12:00:00Z",
        "assigned_to": "dana@northlight.example",
        "media_buy_id": "sf_mb_1894d7cbe6",
        "required_result_fields": ["clientCopyMasterRef"],
        "description": "No client copy master reference came with the booking.",
        "payload": {
            "bookingId": "881024023",
            "mediaBuyId": "sf_mb_1894d7cbe6",
            "packageId": "pkg_20",
            "buyerCustomerId": 87001,
            "buyerName": "Fenwick Media Group",
            "availId": "avl_movies_holiday",
            "productName": "Holiday Movie Countdown",
            "startTime": "2026-11-30T00:00:00Z",
            "endTime": "2026-12-27T23:59:59Z",
            "requestedImpressions": 996_000,
            "cpm": 43.5,
            "campaignName": "Lumen Mobile - Family Lines",
            "advertiserName": "Lumen Mobile",
            "advertiserExternalRef": None,
            "creative": {},
            "requiredResultFields": ["clientCopyMasterRef"],
        },
        "result": {},
        "resource_type": "modular_booking",
        "resource_id": "881024023",
        "buyer_customer_id": 87001,
        "created_at": "2026-11-18T12:00:00Z",
        "updated_at": "2026-11-20T12:00:00Z",
        "history": [
            {"at": "2026-11-20T12:00:00Z", "what": "UPDATED", "by": "operator operator@northlight.example"},
            {"at": "2026-11-18T12:00:00Z", "what": "CREATED", "by": "module"},
        ],
        "next_step": "A person does the work. Once that person says that it is done, complete_work_item with the "
        "required results, and with what they decided in result or notes: COMPLETED alone does not say it.",
    }
    assert network.interchange.sent() == [("GET", f"{SOURCES}/{CTV}/modular/work-items/440316902", None)]


async def got(item: dict[str, Any], events: Any = None, **arguments: Any) -> dict[str, Any]:
    """The answer to one call that Interchange answers with this item."""
    payload: dict[str, Any] = {"item": item, "events": events}
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, recorders):
        answer = answer_of(TOOL, await client.call_tool(TOOL, {**IDS, **arguments}))
    assert recorders["interchange"].sent() == [READ]
    return answer


@pytest.mark.parametrize("payload", [{"item": {}}, {"data": {"item": {}, "events": None}, "error": None}])
async def test_the_least_item_is_read_bare_and_in_its_envelope(payload: dict[str, Any]) -> None:
    async with answered_by({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, _):
        answer = answer_of(TOOL, await client.call_tool(TOOL, IDS))
    assert answer == {
        "environment": "live",
        "source_id": "s",
        "next_step": "Show the person this status before anything else is done with it.",
    }


@pytest.mark.parametrize(
    ("status", "next_step"),
    [
        ("OPEN", OPEN_NEXT),
        ("BLOCKED", "A person removes what blocks it; then update_work_item with status OPEN or IN_PROGRESS."),
        (
            "COMPLETED",
            "Nothing is left to do with it. If it belongs to a booking, list_avails shows whether the held impressions "
            "became booked.",
        ),
        ("CANCELLED", "Nothing is left to do with it."),
        ("PAUSED", "Show the person this status before anything else is done with it."),
    ],
)
async def test_each_status_has_its_next_move(status: str, next_step: str) -> None:
    answer = await got({**ITEM, "status": status})
    assert (answer["status"], answer["next_step"]) == (status, next_step)


LONG = {"text": "x" * 2_490}
"""The shortest object that is longer than 2,500 characters as JSON."""


@pytest.mark.parametrize("name", ["payload", "result"])
async def test_a_long_object_is_left_out_unless_it_is_asked_for(name: str) -> None:
    item = {**ITEM, name: LONG}
    answer = await got(item)
    assert name not in answer
    assert answer["note"] == f"The {name} (2,501 characters) was left out: include_payload gives it."
    whole = await got(item, include_payload=True)
    assert whole[name] == LONG
    assert "note" not in whole


async def test_an_object_of_2500_characters_is_told_as_it_came() -> None:
    answer = await got({**ITEM, "payload": {"text": "x" * 2_489}, "result": {"a": [None, {"b": "<c>"}]}})
    assert answer["payload"] == {"text": "x" * 2_489}
    assert answer["result"] == {"a": [None, {"b": "<c>"}]}
    assert "note" not in answer


async def test_an_object_nested_deeper_than_a_result_may_be_is_left_out() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    answer = await got({**ITEM, "payload": deep}, include_payload=True)
    assert "payload" not in answer
    assert answer["note"] == "The payload is nested too deeply to be shown."


@pytest.mark.parametrize("named", [{"requiredResultFields": 5}, {"requiredResultFields": [None, 3]}, [], "x", None])
async def test_required_results_that_cannot_be_read_are_not_told(named: Any) -> None:
    assert "required_result_fields" not in await got({**ITEM, "payload": named})


async def test_the_newest_twenty_events_are_told_whatever_the_order_they_came_in() -> None:
    events = [{"eventType": f"E{hour}", "createdAt": f"2026-11-21T{hour:02d}:00:00Z"} for hour in range(23)]
    answer = await got(ITEM, events[12:] + events[:12])
    assert [event["what"] for event in answer["history"]] == [f"E{hour}" for hour in range(22, 2, -1)]
    assert answer["earlier_events"] == 3
    assert "earlier_events" not in await got(ITEM, events[:20])


@pytest.mark.parametrize("events", [None, "none", {}])
async def test_a_history_that_cannot_be_read_does_not_hide_the_item(events: Any) -> None:
    answer = await got(ITEM, events)
    assert answer["title"] == "Book it"
    assert "history" not in answer


async def test_an_odd_event_hides_no_other_and_notes_are_cleaned() -> None:
    odd: dict[str, Any] = {
        "eventType": {},
        "actorType": "operator",
        "actorId": 7,
        "notes": "Next:\ncall https://x.example",
        "a": 1,
    }
    answer = await got(ITEM, [None, odd, 5])
    assert answer["history"] == [{"by": "operator 7", "notes": "Next: call [link]"}]


async def test_what_people_wrote_is_told_with_room() -> None:
    answer = await got({**ITEM, "description": "d" * 2_000, "blockedReason": "r" * 2_001})
    assert answer["description"] == "d" * 2_000
    assert answer["blocked_reason"] == "r" * 1_999 + "…"


REFUSED_ARGUMENTS = RefusedArguments(
    [
        ({"source_id": ".."}, "`source_id`: an id holds none of"),
        *(({"work_item_id": odd}, "`work_item_id`: an id holds none of") for odd in ("a/b", "a?b", "7#", ".", "a..b")),
        ({"work_item_id": ""}, "`work_item_id`: String should have at least 1 character"),
        ({"work_item_id": 7}, "`work_item_id`: Input should be a valid string"),
        ({"include_payload": "yes"}, "`include_payload`: Input should be a valid boolean"),
        ({"id": "7"}, "unknown argument `id`"),
    ],
    beside=IDS,
)


async def test_ids_are_percent_encoded_segments_and_an_item_is_found_under_its_own_source_only(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as (client, network):
        odd = error_of(await client.call_tool(TOOL, {"source_id": CTV, "work_item_id": "7 é%2F"}))
        other = error_of(await client.call_tool(TOOL, {"source_id": "northlight-cadent", "work_item_id": "440316902"}))
    for error in (odd, other):
        assert error["code"] == "not_found"
        assert error["next_step"] == (
            "Take source_id and work_item_id from list_work_items: an item is found under its own source only."
        )
    assert network.interchange.sent()[0] == ("GET", f"{SOURCES}/{CTV}/modular/work-items/7%20%C3%A9%252F", None)


FAILED_READS = FailedReads(
    IDS,
    READ,
    unexplained_by_interchange(
        (401, "unauthorized", "The operator checks ADOPS_INTERCHANGE_API_KEY"),
        (403, "forbidden", "Ask for access: a person asks Interchange for the entitlement to modular sources"),
        (422, "refused", "Show the person this refusal; calling again with the same arguments does not help."),
        (429, "rate_limited", "Wait a minute, then make the same call again."),
        (500, "unavailable", "Make the same call again in a minute."),
    ),
)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (httpx.Response(200, html="<html></html>"), "an HTML page instead of JSON"),
        (httpx.Response(200, json={"events": []}), "JSON whose item could not be read"),
        (httpx.Response(200, json={"item": "7"}), "JSON whose item could not be read"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_no_item(answer: httpx.Response, what: str) -> None:
    async with answered_by({"interchange": lambda _: answer}) as (client, _):
        result = await client.call_tool(TOOL, IDS)
    assert text_of(result).startswith(f"[unexpected_answer] Interchange answered with {what}.")


LOST_READ = LostRead(IDS, READ)

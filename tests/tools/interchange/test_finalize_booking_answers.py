"""finalize_booking on every answer that Interchange might give: what is said of it, and what must not be."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.snapshots import answer_of
from tests.support import text_of, written_to

TOOL = "finalize_booking"
IDS: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
    "avail_id": "avl_news_evening",
}
HELD_NEXT = (
    "Tell the person that it is held, not booked. list_avails shows when the impressions move from held to booked."
)
BOOKING: dict[str, Any] = {
    "bookingId": "5",
    "availId": "avl_news_evening",
    "mediaBuyId": "sf_mb_7f3a91c204",
    "packageId": "p",
    "requestedImpressions": 7,
    "status": "HELD",
}
HEALTHY: dict[str, Any] = {"inventorySource": {"status": "ACTIVE", "healthStatus": "healthy"}, "lifecycleSummary": []}
ANSWER: dict[str, Any] = {"booking": BOOKING, "workItems": [], "projection": HEALTHY}


async def finalized(payload: Any, **arguments: Any) -> dict[str, Any]:
    """The answer to one finalization that Interchange answers with `payload`."""
    async with written_to({"interchange": lambda _: httpx.Response(200, json=payload)}) as (client, recorders):
        result = await client.call_tool(TOOL, {**IDS, **arguments})
    assert not result.is_error, text_of(result)
    assert len(recorders["interchange"].written()) == 1
    return answer_of(TOOL, result)


@pytest.mark.parametrize("payload", [ANSWER, {"data": ANSWER, "error": None}])
async def test_the_least_answer_is_read_bare_and_in_its_envelope(payload: dict[str, Any]) -> None:
    assert await finalized(payload) == {
        "environment": "live",
        "booking": {
            "booking_id": "5",
            "source_id": "northlight-cadent",
            "avail_id": "avl_news_evening",
            "media_buy_id": "sf_mb_7f3a91c204",
            "package_id": "p",
            "requested_impressions": 7,
            "status": "HELD",
        },
        "what_happened": "Booking 5 is prepared for handoff; still HELD until the upstream work succeeds. "
        "It is not booked.",
        "next_step": HELD_NEXT,
        "open_work_items": [],
        "cadent": {"has_campaign": False, "has_request_xml": False},
    }


IS_BOOKED = "Interchange reports booking 5 as BOOKED"
PREPARED = "Booking 5 is prepared for handoff;"
TELL_BOOKED = "Tell the person that it is booked, with both statuses as they stand here."
TELL_STATUS = "Tell the person exactly these statuses, and have it looked at in Interchange before anything else."
HELD_OR_NOT = "do not rely on it as booked."
STILL_HELD = f"{PREPARED} still HELD until the upstream work succeeds. It is not booked."


@pytest.mark.parametrize(
    ("ledger", "execution", "what_happened", "next_step"),
    [
        ("BOOKED", None, f"{IS_BOOKED} (ledger BOOKED, execution not stated).", TELL_BOOKED),
        (
            "HELD",
            "BOOKED",
            f"{PREPARED} still HELD until the upstream work succeeds. Interchange's statuses do not agree "
            f"(ledger HELD, execution BOOKED): {HELD_OR_NOT}",
            TELL_STATUS,
        ),
        (
            "FAILED",
            "BOOKED",
            f"{PREPARED} it is FAILED. Interchange's statuses do not agree (ledger FAILED, execution BOOKED): "
            f"{HELD_OR_NOT}",
            TELL_STATUS,
        ),
        (
            "HELD",
            "FAILED",
            f"{PREPARED} still HELD until the upstream work succeeds. Interchange's statuses do not agree "
            f"(ledger HELD, execution FAILED): {HELD_OR_NOT}",
            TELL_STATUS,
        ),
        (None, "BOOKED", f"{IS_BOOKED} (ledger not stated, execution BOOKED).", TELL_BOOKED),
        ("BOOKED", "PENDING_TRAFFICKING", f"{IS_BOOKED} (ledger BOOKED, execution PENDING_TRAFFICKING).", TELL_BOOKED),
        ("HELD", "PENDING_TRAFFICKING", STILL_HELD, HELD_NEXT),
        ("HELD", ["BOOKED"], STILL_HELD, HELD_NEXT),
        ("RELEASED", None, f"{PREPARED} it is RELEASED. It is not booked.", TELL_STATUS),
        ("CANCELLED", "PENDING_TRAFFICKING", f"{PREPARED} it is CANCELLED. It is not booked.", TELL_STATUS),
        (
            None,
            None,
            f"{PREPARED} Interchange did not state its status. Nothing here says that it is booked.",
            TELL_STATUS,
        ),
    ],
)
async def test_booked_is_said_only_when_a_status_says_so(
    ledger: str | None, execution: Any, what_happened: str, next_step: str
) -> None:
    booking = {**BOOKING, "status": ledger}
    answer = await finalized({**ANSWER, "booking": booking, "executionStatus": execution})
    assert (answer["what_happened"], answer["next_step"]) == (what_happened, next_step)
    assert answer["booking"].get("status") == ledger
    if isinstance(execution, str):
        assert answer["execution_status"] == execution


@pytest.mark.requirement(
    "finalize.response.projection",
)
async def test_the_projection_comes_as_it_is_only_when_asked_for() -> None:
    projection: dict[str, Any] = {
        "inventorySource": {"status": "ACTIVE", "healthStatus": "healthy", "lastError": None},
        "lifecycleSummary": [],
        "modules": [{"kind": None, "issues": []}],
    }
    answers = [
        await finalized({**ANSWER, "projection": projection}, include_projection=asked) for asked in (True, False)
    ]
    assert answers[0]["projection"] == projection
    assert "projection" not in answers[1]


@pytest.mark.parametrize("status", ["booked", "EXECUTED", "PARTIALLY_BOOKED"])
async def test_of_a_status_that_is_not_known_nothing_is_concluded(status: str) -> None:
    answer = await finalized({**ANSWER, "booking": {**BOOKING, "status": status}})
    assert status in answer["what_happened"]
    assert "It is not booked." not in answer["what_happened"]


@pytest.mark.parametrize("ledger", ["RELEASED", "CANCELLED"])
async def test_statuses_that_contradict_each_other_are_not_reported_as_booked(ledger: str) -> None:
    booking = {**BOOKING, "status": ledger}
    answer = await finalized({**ANSWER, "booking": booking, "executionStatus": "BOOKED"})
    assert answer["next_step"] != TELL_BOOKED


OPEN = {"id": "9", "kind": "GENERAL", "title": "Look", "status": "OPEN"}
SHOWN = {"work_item_id": "9", "kind": "GENERAL", "title": "Look", "status": "OPEN"}

ITEMS: list[tuple[Any, Any]] = [
    ([{**OPEN, "payload": {}}], [SHOWN]),
    ([{}], [{}]),
    ([{"id": 9, "kind": None, "title": ["x"], "status": "BLOCKED"}], [{"work_item_id": "9", "status": "BLOCKED"}]),
    ([{**OPEN, "status": "COMPLETED"}, {**OPEN, "status": "CANCELLED"}], []),
    ([5, None, "item"], None),
    ("none", None),
    (None, None),
    ({}, None),
]


@pytest.mark.parametrize(("items", "shown"), ITEMS)
async def test_work_items_of_any_shape_never_hide_the_booking(items: Any, shown: Any) -> None:
    answer = await finalized({**ANSWER, "workItems": items})
    assert answer["booking"]["booking_id"] == "5"
    assert answer.get("open_work_items") == shown


@pytest.mark.parametrize("odd", [5, None, "item", []])
async def test_an_odd_work_item_does_not_hide_the_others(odd: Any) -> None:
    answer = await finalized({**ANSWER, "workItems": [OPEN, odd]})
    assert answer["open_work_items"] == [SHOWN]
    assert answer["unread_work_items"] == 1


ODD_PROJECTIONS: list[Any] = [None, "none", 5, [], {}, {"inventorySource": None}, {"inventorySource": [], "modules": 1}]


@pytest.mark.parametrize("projection", ODD_PROJECTIONS)
async def test_a_projection_that_cannot_be_read_never_hides_the_booking(projection: Any) -> None:
    answer = await finalized({**ANSWER, "projection": projection})
    assert (answer["what_happened"], answer["next_step"]) == (STILL_HELD, HELD_NEXT)
    assert not {"in_the_way", "waiting_stages", "projection"} & answer.keys()
    assert answer["setup_not_read"] is True


@pytest.mark.parametrize("projection", ODD_PROJECTIONS[-3:])
async def test_a_projection_that_cannot_be_read_is_still_given_when_asked_for(projection: Any) -> None:
    assert (await finalized({**ANSWER, "projection": projection}, include_projection=True)).get(
        "projection"
    ) == projection


@pytest.mark.parametrize("projection", ["none", 5, []])
async def test_asking_for_a_projection_that_is_no_object_does_not_put_the_booking_in_doubt(projection: Any) -> None:
    answer = await finalized({**ANSWER, "projection": projection}, include_projection=True)
    assert answer["booking"]["booking_id"] == "5"


ODD_STAGES: list[Any] = [{"stage": "SYNC_STATUS", "issues": None}, None, {"stage": "X", "issues": [5, {}]}]


@pytest.mark.parametrize("odd", ODD_STAGES)
async def test_an_odd_stage_does_not_hide_what_is_in_the_way(odd: Any) -> None:
    blocked = {"stage": "TRAFFIC_CAMPAIGN", "status": "MISSING_SETUP"}
    answer = await finalized({**ANSWER, "projection": {**HEALTHY, "lifecycleSummary": [blocked, odd]}})
    assert answer["in_the_way"]["stages"][0] == blocked


@pytest.mark.parametrize("source", [{}, {"status": "ACTIVE"}, {"healthStatus": "healthy"}])
async def test_what_is_not_stated_of_the_source_is_not_in_the_way(source: dict[str, Any]) -> None:
    answer = await finalized({**ANSWER, "projection": {"inventorySource": source}})
    assert "in_the_way" not in answer


CAMPAIGN: dict[str, Any] = {"externalId": "m/p", "lines": [{"cpm": None}]}
DEEP: dict[str, Any] = json.loads('{"in":' * 300 + "{}" + "}" * 300)


@pytest.mark.parametrize(
    ("campaign", "xml", "told", "whole"),
    [
        (None, None, (False, False), {}),
        ({}, "", (False, False), {}),
        (CAMPAIGN, "<CampaignRequest/>", (True, True), {"campaign": CAMPAIGN, "request_xml": "<CampaignRequest/>"}),
        ([CAMPAIGN], ["<CampaignRequest/>"], (True, True), {}),
        (DEEP, None, (True, False), {}),
    ],
)
async def test_what_there_is_for_cadent_is_told_as_it_is_and_shown_when_asked_for(
    campaign: Any, xml: Any, told: tuple[bool, bool], whole: dict[str, Any]
) -> None:
    payload = {**ANSWER, "cadentCampaign": campaign, "cadentRequestXml": xml}
    has = dict(zip(("has_campaign", "has_request_xml"), told, strict=True))
    assert (await finalized(payload))["cadent"] == has
    assert (await finalized(payload, include_cadent=True))["cadent"] == {**has, **whole}

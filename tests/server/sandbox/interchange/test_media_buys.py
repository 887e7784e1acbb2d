"""The Interchange sandbox: its list of media buys, and how it follows the bookings."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from server.sandbox.interchange import app as interchange
from server.sandbox.interchange.app import MEDIA_BUYS
from server.sandbox.store import Store
from tests.server.sandbox.interchange.storefront import (
    AVAIL,
    BOOKING,
    BUY,
    BUYER,
    CADENT,
    CTV,
    HOLD,
    START,
    Sandbox,
    error_of,
)

PATH = "/api/v2/storefront/media-buys"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Store())


async def listed(sandbox: Sandbox, **query: Any) -> dict[str, Any]:
    response = await sandbox.http.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def every(sandbox: Sandbox, **query: Any) -> list[dict[str, Any]]:
    answer = await listed(sandbox, take=200, **query)
    assert answer["total"] == len(answer["items"])
    return answer["items"]


async def one(sandbox: Sandbox, media_buy_id: str = BUY.media_buy_id) -> dict[str, Any]:
    return next(item for item in await every(sandbox) if item["mediaBuyId"] == media_buy_id)


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["mediaBuyId"] for item in items]


# the first day


async def test_every_status_of_the_lifecycle_is_there(sandbox: Sandbox) -> None:
    answer = await listed(sandbox)
    assert (answer["total"], answer["warnings"], answer["statusFreshness"]) == (37, [], None)
    assert Counter(item["status"] for item in answer["items"]) == {
        "awaiting_source": 11,
        "booked": 6,
        "delivering": 4,
        "completed": 4,
        "pending_approval": 3,
        "forwarding": 2,
        "forward_failed": 2,
        "rejected": 2,
        "canceled": 2,
        "paused": 1,
    }


async def test_a_media_buy_is_told_as_its_buyer_and_its_course_are(sandbox: Sandbox) -> None:
    assert await one(sandbox) == {
        "mediaBuyId": "sf_mb_7f3a91c204",
        "kind": "routed",
        "buyer": {"customerId": 88120, "name": "Halden & Pryce Media"},
        "status": "awaiting_source",
        "sourceStatus": "submitted",
        "settlementMethod": "interchange",
        "pendingReason": "accepted_awaiting_trafficking",
        "pendingSince": "2026-11-20T16:00:00Z",
        "errorCode": None,
        "forwardOutcome": "all_submitted",
        "flightStart": "2027-01-06T00:00:00Z",
        "flightEnd": "2027-04-06T23:59:59Z",
        "sourceCount": 2,
        "esaId": None,
        "createdAt": "2026-11-20T13:00:00Z",
        "forwardedAt": "2026-11-20T16:00:00Z",
    }


async def test_what_lives_in_an_ad_server_names_its_connection(sandbox: Sandbox) -> None:
    managed = [item for item in await every(sandbox) if item["kind"] == "esa"]
    assert [(item["buyer"]["customerId"], item["sourceCount"]) for item in managed] == [
        (None, 1),
        (91307, 1),
        (None, 1),
    ]
    for source_id in ("gam-northlight", "gam-flaky"):
        connection = await sandbox.get(f"/{source_id}/esa")
        found = await every(sandbox, sourceId=source_id)
        assert found == [item for item in managed if item["esaId"] == connection["id"]] != []


@pytest.mark.parametrize("buy", MEDIA_BUYS)
async def test_each_media_buy_of_the_demo_waits_for_a_source_and_can_be_held_for(sandbox: Sandbox, buy: Any) -> None:
    assert (await one(sandbox, buy.media_buy_id))["status"] == "awaiting_source"
    body = HOLD | {"mediaBuyId": buy.media_buy_id, "buyerCustomerId": buy.buyer_customer_id}
    assert (await sandbox.post(f"/{CTV}/modular/reservations", body))["status"] == "HELD"


@pytest.mark.parametrize("days", range(7))
async def test_on_every_weekday_the_list_agrees_with_what_is_sold(days: int) -> None:
    store = Store()
    with store.transaction() as connection:
        interchange.create(connection, START + timedelta(days=days))
        rows = connection.execute(
            "SELECT media_buy_id, MAX(status = 'BOOKED') AS booked FROM interchange_bookings GROUP BY media_buy_id"
        ).fetchall()
    sandbox = Sandbox(store, seed=False)
    sandbox.now = START + timedelta(days=days)
    sold = {row["media_buy_id"] for row in rows if row["booked"]}
    assert len(rows) == len(sold) == 9
    followed = {item["mediaBuyId"]: item["status"] for item in await every(sandbox)}
    assert {followed[media_buy_id] for media_buy_id in sold} == {"booked", "delivering", "paused"}
    routed = [item for item in await every(sandbox) if item["kind"] == "routed"]
    in_flight = {item["mediaBuyId"] for item in routed if item["status"] in ("booked", "delivering", "paused")}
    assert in_flight == sold


# order and pages


async def test_what_waits_and_starts_within_two_days_comes_first(sandbox: Sandbox) -> None:
    items = await every(sandbox)
    reasons = [item["pendingReason"] for item in items]
    idle = (None, "accepted_awaiting_trafficking", "scheduled_not_started")
    soon = "2026-11-24T13:00:00Z"
    urgent = [
        item
        for item in items
        if item["pendingReason"] not in idle and (item["flightStart"] == "asap" or item["flightStart"] <= soon)
    ]
    assert items[: len(urgent)] == urgent
    assert len(urgent) == 7
    assert set(reasons[:7]) == {
        "awaiting_storefront_approval",
        "awaiting_creative_approval",
        "forward_failed_needs_correction",
        "forward_failed_retrying",
        "awaiting_source_moderation",
        "no_creatives_attached",
    }
    for part in (items[:7], items[7:]):
        starts = ["" if item["flightStart"] == "asap" else item["flightStart"] for item in part]
        assert starts == sorted(starts)


async def test_a_flight_that_has_passed_is_urgent_no_more(sandbox: Sandbox) -> None:
    first = (await every(sandbox))[1]
    assert (first["pendingReason"], first["flightEnd"]) == ("awaiting_creative_approval", "2026-12-20T23:59:59Z")
    sandbox.now += timedelta(days=35)
    items = await every(sandbox)
    assert first["mediaBuyId"] not in ids(items[:7])


async def test_pages_join_to_the_whole_list(sandbox: Sandbox) -> None:
    whole = await every(sandbox)
    pages = [await listed(sandbox, take=10, skip=skip) for skip in (0, 10, 20, 30, 40)]
    assert [len(page["items"]) for page in pages] == [10, 10, 10, 7, 0]
    assert {page["total"] for page in pages} == {37}
    assert [item for page in pages for item in page["items"]] == whole
    assert (await listed(sandbox))["items"] == whole


# filters


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "paused"}, ["sf_mb_b81c4f6d07"]),
        ({"status": "rejected", "buyerCustomerId": 88120}, ["sf_mb_c1d84f0a6e"]),
        ({"buyerCustomerId": 93862, "sourceId": CADENT, "status": "awaiting_source"}, ["sf_mb_c6039ea24f"]),
        ({"sourceId": "nobody"}, []),
        ({"buyerCustomerId": 1}, []),
        ({"flightStartFrom": "2027-01-06T00:00:00Z"}, ["sf_mb_7f3a91c204"]),
        ({"flightStartFrom": "2027-01-06T00:00:00.001Z"}, []),
        ({"flightStartTo": "2026-08-24T00:00:00Z"}, ["sf_mb_a65e0b14d2", "sf_mb_19c3f7d8b6"]),
        ({"flightStartTo": "2026-08-23T23:59:59.999Z"}, ["sf_mb_a65e0b14d2"]),
        (
            {"flightStartFrom": "2026-11-24T00:00:00Z", "flightStartTo": "2026-11-24T00:00:00Z"},
            ["sf_mb_5c04da7e93", "sf_mb_a70d92e5f8", "sf_mb_e82b15ca70"],
        ),
        ({"flightStartFrom": "2027-02-01T00:00:00Z", "flightStartTo": "2026-01-01T00:00:00Z"}, []),
    ],
)
async def test_media_buys_are_filtered(sandbox: Sandbox, query: dict[str, Any], found: list[str]) -> None:
    assert ids(await every(sandbox, **query)) == found


async def test_what_starts_as_soon_as_possible_is_in_no_range_of_flights(sandbox: Sandbox) -> None:
    starts = [item["flightStart"] for item in await every(sandbox, flightStartFrom="2000-01-01T00:00:00Z")]
    assert (len(starts), "asap" in starts) == (35, False)


@pytest.mark.parametrize(
    "query",
    [
        "status=",
        "status=open",
        "status=booked,paused",
        "buyerCustomerId=0",
        "buyerCustomerId=x",
        "sourceId=",
        "flightStartFrom=",
        "flightStartFrom=asap",
        "flightStartFrom=2026-11-22",
        "flightStartFrom=2026-11-22T13:00Z",
        "flightStartFrom=2026-11-22T13:00:00",
        "flightStartFrom=2026-11-22T13:00:00%2B01:00",
        "flightStartTo=2026-02-30T00:00:00Z",
        "flightStartTo=2026-11-22T24:00:00Z",
        "flightStartTo=0000-01-01T00:00:00Z",
        "take=0",
        "take=201",
        "take=1.0",
        "skip=-1",
        f"skip={2**53}",
    ],
)
async def test_a_query_out_of_its_range_is_refused_by_name(sandbox: Sandbox, query: str) -> None:
    response = await sandbox.http.get(f"{PATH}?{query}")
    error = error_of(response)
    assert (response.status_code, error["code"], error["field"]) == (400, "VALIDATION_ERROR", query.partition("=")[0])


# the bookings


async def test_a_hold_adds_its_source_to_the_legs_until_it_is_released(sandbox: Sandbox) -> None:
    before = await one(sandbox)
    assert BUY.media_buy_id not in ids(await every(sandbox, sourceId=CADENT))
    booking = BUYER | {"availId": "avl_vod_full_library"}
    await sandbox.post(f"/{CADENT}/modular/reservations", booking | {"requestedImpressions": 1})
    assert BUY.media_buy_id in ids(await every(sandbox, sourceId=CADENT))
    assert await one(sandbox) == before | {"sourceCount": 3}
    await sandbox.post(f"/{CADENT}/modular/bookings/release", booking)
    assert BUY.media_buy_id not in ids(await every(sandbox, sourceId=CADENT))
    assert await one(sandbox) == before


async def test_a_hold_that_expires_is_no_leg(sandbox: Sandbox) -> None:
    await sandbox.post(f"/{CADENT}/modular/reservations", HOLD | {"availId": "avl_vod_full_library", "holdMinutes": 1})
    sandbox.now += timedelta(minutes=1)
    assert (await one(sandbox))["sourceCount"] == 2


async def booked(sandbox: Sandbox) -> None:
    answer = await sandbox.finalized()
    path = f"/{CTV}/modular/work-items/{answer['workItems'][0]['id']}/complete"
    await sandbox.post(path, {"result": {"upstreamBookingRef": "IO-5512"}})


async def test_a_media_buy_follows_its_booking_through_its_flight(sandbox: Sandbox) -> None:
    sandbox.now += timedelta(minutes=5)
    before = await one(sandbox)
    await booked(sandbox)
    scheduled = {
        "status": "booked",
        "sourceStatus": "pending_start",
        "pendingReason": "scheduled_not_started",
        "pendingSince": "2026-11-22T13:05:00Z",
        "forwardOutcome": "all_completed",
    }
    assert await one(sandbox) == before | scheduled
    running = {"sourceStatus": "active", "pendingReason": None, "pendingSince": None}
    sandbox.now += timedelta(days=60)
    assert await one(sandbox) == before | scheduled | running | {"status": "delivering"}
    sandbox.now += timedelta(days=120)
    assert (await one(sandbox))["status"] == "completed"


async def test_with_a_hold_beside_the_booking_trafficking_is_still_awaited(sandbox: Sandbox) -> None:
    await booked(sandbox)
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"packageId": "pkg_2"})
    item = await one(sandbox)
    assert (item["status"], item["pendingReason"]) == ("booked", "accepted_awaiting_trafficking")
    assert item["forwardOutcome"] == "all_submitted"


async def test_a_booking_that_is_released_no_longer_counts(sandbox: Sandbox) -> None:
    before = await one(sandbox)
    await booked(sandbox)
    await sandbox.post(f"/{CTV}/modular/bookings/release", BOOKING)
    assert await one(sandbox) == before


async def test_a_missing_creative_is_awaited_whatever_is_booked(sandbox: Sandbox) -> None:
    buy = MEDIA_BUYS[3]
    body = {"mediaBuyId": buy.media_buy_id, "buyerCustomerId": buy.buyer_customer_id, "availId": AVAIL}
    before = await one(sandbox, buy.media_buy_id)
    assert before["pendingReason"] == "no_creatives_attached"
    sandbox.now += timedelta(minutes=5)
    await sandbox.post(f"/{CTV}/modular/reservations", body | {"requestedImpressions": 1})
    assert await one(sandbox, buy.media_buy_id) == before | {"sourceCount": 2}


async def test_holding_for_one_whose_forwarding_failed_ends_the_failure(sandbox: Sandbox) -> None:
    failed = (await every(sandbox, status="forward_failed"))[1]
    assert (failed["errorCode"], failed["forwardedAt"]) == ("unknown_product_ids", None)
    body = HOLD | {"mediaBuyId": failed["mediaBuyId"], "buyerCustomerId": failed["buyer"]["customerId"]}
    await sandbox.post(f"/{CTV}/modular/reservations", body)
    assert await one(sandbox, failed["mediaBuyId"]) == failed | {
        "status": "awaiting_source",
        "sourceStatus": "submitted",
        "pendingReason": "accepted_awaiting_trafficking",
        "pendingSince": "2026-11-22T13:00:00Z",
        "errorCode": None,
        "forwardOutcome": "all_submitted",
        "sourceCount": 2,
        "forwardedAt": "2026-11-22T13:00:00Z",
    }


async def test_what_was_held_in_time_is_not_finalized_when_the_media_buy_is_over(sandbox: Sandbox) -> None:
    await booked(sandbox)
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"packageId": "pkg_2", "holdMinutes": 60 * 24 * 200})
    sandbox.now += timedelta(days=180)
    late = BOOKING | {"packageId": "pkg_2"}
    refused, error = await sandbox.refused(f"/{CTV}/modular/bookings/finalize", late)
    assert (refused, error["code"], error["details"]) == (400, "INVALID_STATE", {"status": "completed"})
    assert (await sandbox.post(f"/{CTV}/modular/bookings/release", late))["status"] == "RELEASED"


# trouble


async def test_a_source_that_does_not_answer_is_warned_of_and_statuses_are_told_as_old() -> None:
    sandbox = Sandbox(Store(), unreachable="gam-flaky")
    answer = await listed(sandbox, take=1)
    assert answer["warnings"] == ["Source gam-flaky could not be reached."]
    assert answer["statusFreshness"] == {
        "lastConfirmedAt": "2026-11-22T08:00:00Z",
        "hoursSinceConfirmed": 5,
        "message": "status last confirmed 5h ago — source unreachable",
    }
    assert (answer["total"], len(answer["items"])) == (37, 1)

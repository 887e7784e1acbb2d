"""The Interchange sandbox: from a hold to a booking or back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from server.sandbox.store import Store
from tests.server.sandbox.interchange.storefront import (
    AVAIL,
    BOOKING,
    BUY,
    CADENT,
    CTV,
    HOLD,
    LIVE,
    Sandbox,
    kinds,
)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Store())


# handoff


async def test_finalizing_on_cadent_renders_the_campaign_and_one_item_to_traffic(sandbox: Sandbox) -> None:
    answer = await sandbox.finalized(
        CADENT, "avl_vod_full_library", campaignName="Trail <Launch> & more\x00", creative={"duration": "PT30S"}
    )
    assert answer["executionStatus"] == "PENDING_TRAFFICKING"
    assert answer["booking"]["status"] == "HELD"
    assert kinds(answer) == ["TRAFFIC_TO_CADENT"]
    campaign = ElementTree.fromstring(answer["cadentRequestXml"])  # noqa: S314 - our own sandbox rendered it
    assert campaign.findtext("Campaign/Name") == "Trail <Launch> & more\ufffd"
    assert campaign.findtext("Campaign/Line/Impressions") == "500000"
    assert campaign.findtext("Campaign/Line/Copy/Duration") == "PT30S"
    assert answer["cadentCampaign"]["lines"][0]["impressions"] == 500_000


@pytest.mark.parametrize(
    ("impressions", "creative", "expected"),
    [
        (500_000, {"clientCopyMasterRef": "CCM-1"}, ["EXECUTE_UPSTREAM_BOOKING"]),
        (500_000, {"isci": "NLTV1234H"}, ["EXECUTE_UPSTREAM_BOOKING", "MAP_CREATIVE_REF"]),
        (2_000_000, {"clientCopyMasterRef": "CCM-1"}, ["CONFIRM_AVAILS", "EXECUTE_UPSTREAM_BOOKING"]),
    ],
)
async def test_finalizing_on_freewheel_leaves_people_what_there_is_to_do(
    sandbox: Sandbox, impressions: int, creative: dict[str, str], expected: list[str]
) -> None:
    before = (await sandbox.get(f"/{CTV}/modular"))["openWorkItemCount"]
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"requestedImpressions": impressions})
    answer = await sandbox.post(f"/{CTV}/modular/bookings/finalize", BOOKING | {"creative": creative})
    assert kinds(answer) == expected
    assert answer.keys() == {"booking", "workItems", "projection"}
    assert answer["workItems"][0]["payload"]["creative"] == creative
    assert answer["projection"]["openWorkItemCount"] == before + len(expected)


@pytest.mark.parametrize("body", [{"creative": []}, {"creative": {"duration": 30}}, {"campaignName": 5}])
async def test_a_finalization_that_breaks_the_schema_is_refused(sandbox: Sandbox, body: dict[str, Any]) -> None:
    status, error = await sandbox.refused(f"/{CTV}/modular/bookings/finalize", BOOKING | body)
    assert (status, error["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("action", ["finalize", "release"])
async def test_what_was_never_held_is_not_found(sandbox: Sandbox, action: str) -> None:
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"packageId": "pkg_1"})
    status, error = await sandbox.refused(f"/{CTV}/modular/bookings/{action}", BOOKING)
    assert (status, error["code"]) == (404, "NOT_FOUND")


async def test_a_finalized_hold_no_longer_expires(sandbox: Sandbox) -> None:
    await sandbox.finalized()
    during = await sandbox.counts()
    sandbox.now += timedelta(days=5)
    # the seeded holds of others on this avail are none, so only ours could have ended
    assert await sandbox.counts() == during


async def test_finalizing_twice_leaves_a_second_set_of_work_items(sandbox: Sandbox) -> None:
    first = await sandbox.finalized()
    second = await sandbox.post(f"/{CTV}/modular/bookings/finalize", BOOKING)
    assert first["booking"] == second["booking"]
    assert kinds(first) == kinds(second)
    listed = await sandbox.get(f"/{CTV}/modular/work-items", mediaBuyId=BUY.media_buy_id)
    assert listed["total"] == 4


async def test_finalizing_takes_the_newest_hold(sandbox: Sandbox) -> None:
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD)
    newest = await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"requestedImpressions": 7})
    answer = await sandbox.post(f"/{CTV}/modular/bookings/finalize", BOOKING)
    assert answer["booking"] == newest


async def test_a_source_without_its_setup_blocks_the_upstream_booking(sandbox: Sandbox) -> None:
    answer = await sandbox.finalized(LIVE, "avl_basketball_weeknight")
    booking = answer["workItems"][0]
    assert (booking["kind"], booking["status"]) == ("EXECUTE_UPSTREAM_BOOKING", "BLOCKED")
    assert "freewheel_advertiser_id" in booking["blockedReason"]
    path = f"/{LIVE}/modular/work-items/{booking['id']}"
    done = {"result": {"upstreamBookingRef": "IO-5512"}}
    assert (await sandbox.refused(f"{path}/complete", done))[1]["code"] == "INVALID_STATE"
    reopened = await sandbox.post(path, {"status": "OPEN"}, "PATCH")
    assert reopened["item"]["blockedReason"] is None
    assert (await sandbox.post(f"{path}/complete", done))["changed"] is True


# work items


@pytest.mark.parametrize(
    ("source_id", "avail_id", "result"),
    [
        (CADENT, "avl_vod_full_library", {"cadentCampaignId": "CAD-90112"}),
        (CTV, AVAIL, {"upstreamBookingRef": "IO-5512"}),
    ],
)
async def test_completing_the_upstream_booking_turns_held_into_booked(
    sandbox: Sandbox, source_id: str, avail_id: str, result: dict[str, str]
) -> None:
    answer = await sandbox.finalized(source_id, avail_id)
    available, held, booked = await sandbox.counts(source_id, avail_id)
    path = f"/{source_id}/modular/work-items/{answer['workItems'][0]['id']}"
    completed = await sandbox.post(f"{path}/complete", {"result": result, "notes": "as agreed"})
    assert (completed["changed"], completed["item"]["status"]) == (True, "COMPLETED")
    assert await sandbox.counts(source_id, avail_id) == (available, held - 500_000, booked + 500_000)
    again = await sandbox.post(f"{path}/complete", {})
    assert again == completed | {"changed": False}
    events = (await sandbox.get(path))["events"]
    assert [event["eventType"] for event in events] == ["CREATED", "COMPLETED"]
    assert events[1]["notes"] == "as agreed"
    status, error = await sandbox.refused(f"/{source_id}/modular/bookings/finalize", BOOKING | {"availId": avail_id})
    assert (status, error["code"], error["details"]["status"]) == (400, "INVALID_STATE", "BOOKED")


async def test_a_completion_without_its_required_result_is_refused(sandbox: Sandbox) -> None:
    answer = await sandbox.finalized()
    path = f"/{CTV}/modular/work-items/{answer['workItems'][0]['id']}"
    status, error = await sandbox.refused(f"{path}/complete", {})
    assert (status, error["field"]) == (400, "result.upstreamBookingRef")
    await sandbox.post(path, {"result": {"upstreamBookingRef": "IO-5512"}}, "PATCH")
    assert (await sandbox.post(f"{path}/complete", {}))["item"]["result"] == {"upstreamBookingRef": "IO-5512"}


# release


async def test_releasing_a_hold_returns_its_impressions_and_cancels_its_work(sandbox: Sandbox) -> None:
    before = await sandbox.counts()
    answer = await sandbox.finalized()
    released = await sandbox.post(f"/{CTV}/modular/bookings/release", BOOKING)
    assert released == answer["booking"] | {"status": "RELEASED"}
    assert await sandbox.counts() == before
    path = f"/{CTV}/modular/work-items/{answer['workItems'][0]['id']}"
    detail = await sandbox.get(path)
    assert detail["item"]["status"] == "CANCELLED"
    assert detail["events"][-1]["eventType"] == "CANCELLED"
    for refused in (
        await sandbox.refused(f"{path}/complete", {"result": {"upstreamBookingRef": "IO-1"}}),
        await sandbox.refused(path, {"status": "OPEN"}, "PATCH"),
        await sandbox.refused(f"/{CTV}/modular/bookings/release", BOOKING),
        await sandbox.refused(f"/{CTV}/modular/bookings/finalize", BOOKING),
    ):
        assert (refused[0], refused[1]["code"]) == (400, "INVALID_STATE")


async def test_releasing_a_booking_cancels_it(sandbox: Sandbox) -> None:
    before = await sandbox.counts()
    answer = await sandbox.finalized()
    path = f"/{CTV}/modular/work-items/{answer['workItems'][0]['id']}/complete"
    await sandbox.post(path, {"result": {"upstreamBookingRef": "IO-5512"}})
    assert (await sandbox.post(f"/{CTV}/modular/bookings/release", BOOKING))["status"] == "CANCELLED"
    assert await sandbox.counts() == before

"""The Interchange sandbox: work items, from the list to completion."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from server.sandbox.store import Store
from tests.server.sandbox.interchange.storefront import BUY, CADENT, CTV, SOURCES, Sandbox, error_of


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Store())


async def queue(sandbox: Sandbox, source_id: str = CTV, **query: Any) -> list[dict[str, Any]]:
    return (await sandbox.get(f"/{source_id}/modular/work-items", **query))["items"]


async def only_item(sandbox: Sandbox, kind: str, source_id: str = CTV, **query: Any) -> tuple[dict[str, Any], str]:
    """The only unfinished item of this kind, and its path."""
    (item,) = await queue(sandbox, source_id, kind=kind, **query)
    return item, f"/{source_id}/modular/work-items/{item['id']}"


# what waits on the first day


async def test_the_queue_holds_late_blocked_and_begun_work_of_many_kinds(sandbox: Sandbox) -> None:
    # hours until it is due
    expected = [
        ("440316901", "EXECUTE_UPSTREAM_BOOKING", "OPEN", "HIGH", -48),
        ("440316902", "MAP_CREATIVE_REF", "IN_PROGRESS", "NORMAL", -24),
        ("440316906", "APPROVE_RATE_EXCEPTION", "OPEN", "HIGH", -24),
        ("440316907", "GENERAL", "BLOCKED", "LOW", None),
        ("440317003", "UPLOAD_FINAL_REPORT", "OPEN", "LOW", 144),
        ("440316908", "CONFIRM_AVAILS", "OPEN", "NORMAL", 28),
        ("440316909", "REVIEW_CREATIVE", "OPEN", "URGENT", 6),
        ("440316910", "SYNC_UPSTREAM_CREATIVE", "OPEN", "NORMAL", 80),
    ]
    found = [
        (item["id"], item["kind"], item["status"], item["priority"], _hours_left(sandbox, item["dueAt"]))
        for item in await queue(sandbox)
    ]
    assert found == expected


def _hours_left(sandbox: Sandbox, due_at: str | None) -> float | None:
    return None if due_at is None else (datetime.fromisoformat(due_at) - sandbox.now) / timedelta(hours=1)


async def test_a_summary_names_the_results_that_completing_needs(sandbox: Sandbox) -> None:
    assert {item["kind"]: item["requiredResultFields"] for item in await queue(sandbox)} == {
        "EXECUTE_UPSTREAM_BOOKING": ["upstreamBookingRef"],
        "MAP_CREATIVE_REF": ["clientCopyMasterRef"],
        "APPROVE_RATE_EXCEPTION": [],
        "GENERAL": [],
        "UPLOAD_FINAL_REPORT": ["reportRef"],
        "CONFIRM_AVAILS": ["confirmedImpressions"],
        "REVIEW_CREATIVE": [],
        "SYNC_UPSTREAM_CREATIVE": [],
    }


async def test_blocked_and_begun_work_says_why_and_by_whom(sandbox: Sandbox) -> None:
    blocked, _ = await only_item(sandbox, "GENERAL")
    assert (blocked["blockedReason"], blocked["moduleId"]) == ("The buyer has not answered yet.", None)
    begun, path = await only_item(sandbox, "MAP_CREATIVE_REF")
    assert begun["assignedTo"] == "dana@northlight.example"
    events = (await sandbox.get(path))["events"]
    assert [(event["eventType"], event["createdAt"]) for event in events] == [
        ("CREATED", "2026-11-18T13:00:00Z"),
        ("UPDATED", "2026-11-20T13:00:00Z"),
    ]


async def test_done_work_keeps_its_result(sandbox: Sandbox) -> None:
    done = await queue(sandbox, status="COMPLETED")
    results: list[dict[str, Any]] = []
    for item in done:
        detail = await sandbox.get(f"/{CTV}/modular/work-items/{item['id']}")
        assert detail["item"]["completedAt"] == "2026-11-15T13:00:00Z"
        results.append(detail["item"]["result"])
    assert results == [{"upstreamBookingRef": "IO-48213"}, {"clientCopyMasterRef": "CCM-7719"}]


async def test_new_work_has_ids_that_do_not_depend_on_what_was_there(sandbox: Sandbox) -> None:
    answer = await sandbox.finalized()
    assert [item["id"] for item in answer["workItems"]] == ["440317005", "440317006"]
    assert answer["booking"]["bookingId"] == "881024044"


# from picked up to done


@pytest.mark.parametrize(
    ("source_id", "avail_id", "kind", "result"),
    [
        (CTV, "avl_movies_holiday", "EXECUTE_UPSTREAM_BOOKING", {"upstreamBookingRef": "IO-5512"}),
        (CADENT, "avl_prime_addressable_auto", "TRAFFIC_TO_CADENT", {"cadentCampaignId": "CAD-90112"}),
    ],
)
async def test_a_late_booking_is_picked_up_and_done_and_its_hold_becomes_booked(
    sandbox: Sandbox, source_id: str, avail_id: str, kind: str, result: dict[str, str]
) -> None:
    # its handoff was prepared, so the hold outlives those around it
    sandbox.now += timedelta(days=5)
    item, path = await only_item(sandbox, kind, source_id)
    available, held, booked = await sandbox.counts(source_id, avail_id)
    assert held > 0
    taken = await sandbox.post(path, {"status": "IN_PROGRESS", "assignedTo": "lee@northlight.example"}, "PATCH")
    assert taken["item"]["status"] == "IN_PROGRESS"
    done = await sandbox.post(f"{path}/complete", {"result": result})
    assert (done["changed"], done["item"]["id"], done["item"]["status"]) == (True, item["id"], "COMPLETED")
    assert await sandbox.counts(source_id, avail_id) == (available, 0, booked + held)
    detail = await sandbox.get(path)
    assert detail["item"]["payload"]["availId"] == avail_id
    assert [event["eventType"] for event in detail["events"]] == ["CREATED", "UPDATED", "COMPLETED"]


async def test_what_was_blocked_is_taken_up_again_and_completed(sandbox: Sandbox) -> None:
    _, path = await only_item(sandbox, "GENERAL")
    taken = await sandbox.post(path, {"status": "IN_PROGRESS"}, "PATCH")
    assert (taken["item"]["status"], taken["item"]["blockedReason"]) == ("IN_PROGRESS", None)
    assert (await sandbox.post(f"{path}/complete", {"notes": "Agreed by phone."}))["changed"] is True


# changes and filters


@pytest.mark.parametrize(
    "body",
    [{"status": "COMPLETED"}, {"status": None}, {"assignedTo": ""}, {"assignedTo": True}, {"notes": 1}, {"result": []}],
)
async def test_an_update_that_breaks_the_schema_is_refused(sandbox: Sandbox, body: dict[str, Any]) -> None:
    status, error = await sandbox.refused(f"/{CTV}/modular/work-items/440317003", body, "PATCH")
    assert (status, error["code"]) == (400, "VALIDATION_ERROR")


async def test_an_update_changes_what_was_sent_and_is_recorded(sandbox: Sandbox) -> None:
    path = f"/{CTV}/modular/work-items/440317003"
    await sandbox.post(path, {"assignedTo": "dana", "status": "IN_PROGRESS"}, "PATCH")
    changes = {"status": "BLOCKED", "blockedReason": "no report yet", "notes": "asked again"}
    item = (await sandbox.post(path, changes, "PATCH"))["item"]
    assert (item["status"], item["assignedTo"], item["blockedReason"]) == ("BLOCKED", "dana", "no report yet")
    events = (await sandbox.get(path))["events"]
    assert [event["eventType"] for event in events] == ["CREATED", "UPDATED", "UPDATED"]
    assert events[2]["notes"] == "asked again"
    assert (await sandbox.post(path, {"assignedTo": None}, "PATCH"))["item"]["assignedTo"] is None


async def test_work_items_are_filtered(sandbox: Sandbox) -> None:
    async def found(**query: Any) -> list[str]:
        listed = await sandbox.get(f"/{CTV}/modular/work-items", **query)
        return [item["kind"] for item in listed["items"]]

    before, done = await found(), await found(status="COMPLETED,CANCELLED")
    booking_id = (await sandbox.finalized())["booking"]["bookingId"]
    ours = ["EXECUTE_UPSTREAM_BOOKING", "MAP_CREATIVE_REF"]
    assert await found() == before + ours
    assert await found(buyerCustomerId=BUY.buyer_customer_id) == ours
    assert await found(resourceType="modular_booking", resourceId=booking_id) == ours
    assert await found(kind="MAP_CREATIVE_REF", mediaBuyId=BUY.media_buy_id) == ["MAP_CREATIVE_REF"]
    assert await found(status=["COMPLETED", "CANCELLED"]) == done == ours
    assert await found(status=["OPEN", "BLOCKED"], mediaBuyId=BUY.media_buy_id) == ours


async def test_a_full_window_is_told_and_storefront_approvals_are_left_out(sandbox: Sandbox) -> None:
    listed = await sandbox.get(f"/{CTV}/modular/work-items")
    assert (listed["total"], listed["scanned"], listed["windowFull"]) == (8, 9, False)
    assert "APPROVE_MEDIA_BUY" not in [item["kind"] for item in listed["items"]]
    cut = await sandbox.get(f"/{CTV}/modular/work-items", limit=6)
    assert (cut["total"], cut["scanned"], cut["windowFull"]) == (5, 6, True)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=1e1",
        "limit=",
        "status=",
        "status=OPEN,DONE",
        "kind=BOOK",
        "mediaBuyId=",
        "buyerCustomerId=0",
        "buyerCustomerId=-1",
        "buyerCustomerId=٣",
        f"buyerCustomerId={'9' * 30}",
    ],
)
async def test_a_query_out_of_its_range_is_refused(sandbox: Sandbox, query: str) -> None:
    response = await sandbox.http.get(f"{SOURCES}/{CTV}/modular/work-items?{query}")
    assert (response.status_code, error_of(response)["code"]) == (400, "VALIDATION_ERROR")


async def test_a_query_parameter_that_is_not_documented_is_ignored(sandbox: Sandbox) -> None:
    assert (await sandbox.get(f"/{CTV}/modular/work-items", offset="3"))["total"] == 8

"""The Interchange sandbox: authentication and rate limit, holds, and the seeded data."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
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
    LIVE,
    SOURCES,
    Sandbox,
    error_of,
)


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(Store())


# the door


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer other", f"Basic {interchange.API_KEY}", "\xff"])
async def test_a_missing_or_other_bearer_token_is_refused(sandbox: Sandbox, authorization: str) -> None:
    headers = {b"Authorization": authorization.encode("latin-1")}
    response = await sandbox.http.get("/api/v2/accounts/current", headers=headers)
    assert (response.status_code, error_of(response)["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", f"{SOURCES}/", 404),
        ("GET", "/api/v2/storefront/accounts/current", 404),
        ("GET", f"{SOURCES}/gam-northlight/ad-server", 405),
        ("GET", f"{SOURCES}/northlight%2Fctv", 404),
        ("GET", f"{SOURCES}/%ff%00", 404),
        ("GET", f"{SOURCES}/northlight-ctv/modular/work-items/1e3", 404),
        ("GET", f"{SOURCES}/northlight-ctv/modular/work-items/{'9' * 400}", 404),
        ("GET", f"{SOURCES}/northlight-radio/modular/work-items/440317001", 404),
        ("POST", SOURCES, 405),
        ("GET", f"{SOURCES}/northlight-ctv/modular/bookings/finalize", 405),
        ("PUT", f"{SOURCES}/northlight-ctv/modular/work-items/1", 405),
    ],
)
async def test_what_is_not_served_is_refused_in_the_error_shape(
    sandbox: Sandbox, method: str, path: str, status: int
) -> None:
    response = await sandbox.http.request(method, path)
    assert response.status_code == status
    assert error_of(response)["code"] in ("NOT_FOUND", "METHOD_NOT_ALLOWED")


async def test_requests_over_the_limit_wait_for_the_next_minute() -> None:
    sandbox = Sandbox(Store(), requests_per_minute=2)
    remaining = [(await sandbox.http.get(SOURCES)).headers["RateLimit-Remaining"] for _ in range(2)]
    sandbox.now += timedelta(seconds=40)
    refused = await sandbox.http.get(SOURCES)
    assert remaining == ["1", "0"]
    assert (refused.status_code, error_of(refused)["code"]) == (429, "RATE_LIMITED")
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"] == "20"
    sandbox.now += timedelta(seconds=20)
    assert (await sandbox.http.get(SOURCES)).status_code == 200


async def test_the_envelope_wraps_answers_and_leaves_refusals() -> None:
    sandbox = Sandbox(Store(), envelope=True)
    listed = await sandbox.get("")
    assert listed["error"] is None
    assert listed["meta"]["pagination"]["total"] == len(listed["data"])
    projection = await sandbox.get(f"/{CTV}/modular")
    assert projection.keys() == {"data", "error"}
    assert (await sandbox.refused(f"/{CTV}/modular/reservations", {}))[0] == 400


# bodies


@pytest.mark.parametrize(
    "change",
    [
        {"mediaBuyId": ""},
        {"mediaBuyId": 7},
        {"mediaBuyId": None},
        {"buyerCustomerId": str(BUY.buyer_customer_id)},
        {"buyerCustomerId": 0},
        {"buyerCustomerId": 2**53},
        {"buyerCustomerId": 10**400},
        {"requestedImpressions": 0},
        {"requestedImpressions": True},
        {"requestedImpressions": 1.5},
        {"holdMinutes": 0},
        {"packageId": None},
        {"availId": ["a"]},
        {"availId": ""},
        {"productId": "prd_kids_summer"},
    ],
)
async def test_a_reservation_that_breaks_the_schema_is_refused_with_its_issue(
    sandbox: Sandbox, change: dict[str, Any]
) -> None:
    status, error = await sandbox.refused(f"/{CTV}/modular/reservations", HOLD | change)
    assert (status, error["code"]) == (400, "VALIDATION_ERROR")
    assert error["details"]["issues"][0]["path"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"notes": "\\ud800"}',
        b'{"result": {"ratio": NaN}}',
        b'{"result": {"ratio": 1e999}}',
        b'{"result": {"count": ' + b"9" * 5000 + b"}}",
        b'{"result": ' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"result": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}",
    ],
)
async def test_a_body_that_is_not_json_is_refused(sandbox: Sandbox, content: bytes) -> None:
    path = f"{SOURCES}/{CTV}/modular/work-items/440317003"
    response = await sandbox.http.patch(path, content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, error_of(response)["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"7"])
async def test_a_body_that_is_not_an_object_is_refused(sandbox: Sandbox, content: bytes) -> None:
    path = f"{SOURCES}/{CTV}/modular/reservations"
    response = await sandbox.http.post(path, content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, error_of(response)["code"]) == (400, "VALIDATION_ERROR")


async def test_another_content_type_is_refused(sandbox: Sandbox) -> None:
    response = await sandbox.http.post(f"{SOURCES}/{CTV}/modular/reservations", data={"availId": AVAIL})
    assert (response.status_code, error_of(response)["code"]) == (400, "BAD_REQUEST")


async def test_fields_that_are_not_documented_are_ignored(sandbox: Sandbox) -> None:
    answer = await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"media_buy_id": "x", "dryRun": True})
    assert answer["status"] == "HELD"


# holds


async def test_a_hold_moves_available_impressions_to_held(sandbox: Sandbox) -> None:
    available, held, booked = await sandbox.counts()
    answer = await sandbox.post(f"/{CTV}/modular/reservations", HOLD)
    assert answer == {
        "bookingId": answer["bookingId"],
        "availId": AVAIL,
        "mediaBuyId": BUY.media_buy_id,
        "packageId": "default",
        "requestedImpressions": 500_000,
        "status": "HELD",
    }
    assert await sandbox.counts() == (available - 500_000, held + 500_000, booked)


async def test_an_avail_can_be_held_by_its_product(sandbox: Sandbox) -> None:
    body = BUYER | {"productId": "prd_kids_summer", "requestedImpressions": 1, "packageId": "pkg_9"}
    answer = await sandbox.post(f"/{CTV}/modular/reservations", body)
    assert (answer["availId"], answer["packageId"]) == ("avl_kids_summer", "pkg_9")


async def test_a_repeated_reservation_is_a_second_hold(sandbox: Sandbox) -> None:
    _, held, _ = await sandbox.counts()
    first = await sandbox.post(f"/{CTV}/modular/reservations", HOLD)
    second = await sandbox.post(f"/{CTV}/modular/reservations", HOLD)
    assert first["bookingId"] != second["bookingId"]
    assert (await sandbox.counts())[1] == held + 1_000_000


async def test_a_hold_over_the_available_impressions_is_refused(sandbox: Sandbox) -> None:
    available, _, _ = before = await sandbox.counts()
    body = HOLD | {"requestedImpressions": available + 1}
    status, error = await sandbox.refused(f"/{CTV}/modular/reservations", body)
    assert (status, error["code"]) == (409, "CONFLICT")
    assert str(available) in error["message"]
    assert str(available + 1) in error["message"]
    assert await sandbox.counts() == before
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"requestedImpressions": available})
    assert (await sandbox.counts())[0] == 0


async def test_a_hold_expires_by_the_clock_and_cannot_be_finalized(sandbox: Sandbox) -> None:
    before = await sandbox.counts()
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"holdMinutes": 30})
    sandbox.now += timedelta(minutes=29)
    assert await sandbox.counts() != before
    sandbox.now += timedelta(minutes=1)
    assert await sandbox.counts() == before
    for action in ("finalize", "release"):
        status, error = await sandbox.refused(f"/{CTV}/modular/bookings/{action}", BOOKING)
        assert (status, error["code"]) == (400, "INVALID_STATE")
        assert "expired at 2026-11-22T13:30:00Z" in error["message"]


async def test_a_hold_lasts_a_day_unless_told(sandbox: Sandbox) -> None:
    await sandbox.post(f"/{CTV}/modular/reservations", HOLD)
    sandbox.now += timedelta(hours=24, seconds=-1)
    assert (await sandbox.post(f"/{CTV}/modular/bookings/release", BOOKING))["status"] == "RELEASED"


async def test_the_longest_hold_that_is_legal_is_accepted(sandbox: Sandbox) -> None:
    answer = await sandbox.post(f"/{CTV}/modular/reservations", HOLD | {"holdMinutes": 2**53 - 1})
    assert answer["status"] == "HELD"


@pytest.mark.parametrize(
    ("source_id", "change", "status", "code"),
    [
        (CTV, {"availId": "avl_nobody"}, 404, "NOT_FOUND"),
        (CADENT, {}, 404, "NOT_FOUND"),
        (CTV, {"mediaBuyId": "sf_mb_nobody"}, 404, "NOT_FOUND"),
        (CTV, {"buyerCustomerId": MEDIA_BUYS[2].buyer_customer_id}, 403, "FORBIDDEN"),
        (CTV, {"mediaBuyId": "sf_mb_0e73c5fa2b", "buyerCustomerId": 90455}, 400, "INVALID_STATE"),
        (CTV, {"mediaBuyId": "sf_mb_c1d84f0a6e", "buyerCustomerId": 88120}, 400, "INVALID_STATE"),
        (CTV, {"mediaBuyId": "sf_mb_ed50a2c783", "buyerCustomerId": 93862}, 400, "INVALID_STATE"),
        (CTV, {"mediaBuyId": "sf_mb_8e1f64b03c", "buyerCustomerId": 87001}, 400, "INVALID_STATE"),
        # it lives in an ad server
        (CTV, {"mediaBuyId": "3391847205", "buyerCustomerId": 91307}, 404, "NOT_FOUND"),
        ("nobody", {}, 404, "NOT_FOUND"),
        ("gam-northlight", {}, 422, "CAPABILITY_NOT_SUPPORTED"),
        ("partner-signals-agent", {}, 422, "CAPABILITY_NOT_SUPPORTED"),
        ("northlight-radio", {"availId": "avl_radio_drive_time"}, 400, "INVALID_STATE"),
        (CADENT, {"availId": "avl_prime_reality_finale"}, 409, "CONFLICT"),
    ],
)
async def test_a_reservation_is_refused_for_what_is_not_there_or_not_for_sale(
    sandbox: Sandbox, source_id: str, change: dict[str, Any], status: int, code: str
) -> None:
    refused, error = await sandbox.refused(f"/{source_id}/modular/reservations", HOLD | change)
    assert (refused, error["code"]) == (status, code)


async def test_a_flight_that_is_over_cannot_be_held(sandbox: Sandbox) -> None:
    sandbox.now += timedelta(days=400)
    status, error = await sandbox.refused(f"/{CTV}/modular/reservations", HOLD)
    assert (status, error["code"]) == (400, "INVALID_STATE")
    assert (await sandbox.get(f"/{CTV}/modular"))["activeAvailCount"] == 0


# what is there on the first day


async def test_avails_read_like_a_publishers(sandbox: Sandbox) -> None:
    products: list[dict[str, Any]] = []
    for source_id in (CADENT, CTV, LIVE):
        listed = (await sandbox.get(f"/{source_id}/modular/products"))["products"]
        assert all((product["cadent"] is not None) == (source_id == CADENT) for product in listed)
        products += listed
    assert len(products) == 40
    for product in products:
        sold = product["heldImpressions"] + product["bookedImpressions"]
        assert product["availableImpressions"] + sold == product["impressionsCapacity"]
        assert product["cpm"] is None or 18 <= product["cpm"] <= 65
        assert product["startTime"] >= "2026-11-16"
        assert product["endTime"] < "2027-07-20"
    assert sum(product["availableImpressions"] == 0 for product in products) == 1
    assert sum(product["cpm"] is None for product in products) == 1


async def test_a_degraded_source_names_the_setup_it_misses(sandbox: Sandbox) -> None:
    projection = await sandbox.get(f"/{LIVE}/modular")
    assert projection["inventorySource"]["healthStatus"] == "degraded"
    assert projection["inventorySource"]["lastError"]
    stages = {stage["stage"]: stage for stage in projection["lifecycleSummary"]}
    assert stages["TRAFFIC_CAMPAIGN"]["status"] == "MISSING_SETUP"
    field = stages["TRAFFIC_CAMPAIGN"]["missingSetupFieldsBySource"][0]["fields"][0]
    assert (field["key"], field["label"]) == ("freewheel_advertiser_id", "FreeWheel advertiser ID")
    assert stages["SYNC_STATUS"]["status"] == "HITL_PENDING"
    assert stages["GET_PRODUCTS"]["status"] == "READY"
    assert stages["LIST_ACCOUNTS"]["status"] == "UNSUPPORTED"


@pytest.mark.parametrize("source_id", [CADENT, CTV])
async def test_a_healthy_source_misses_no_setup(sandbox: Sandbox, source_id: str) -> None:
    projection = await sandbox.get(f"/{source_id}/modular")
    assert projection["inventorySource"]["healthStatus"] == "healthy"
    assert all(stage["status"] != "MISSING_SETUP" for stage in projection["lifecycleSummary"])


async def test_the_seed_depends_on_the_time_alone() -> None:
    one, other = Sandbox(Store()), Sandbox(Store())
    for path in ("", f"/{CTV}/modular/products", f"/{LIVE}/modular", f"/{LIVE}/modular/work-items"):
        assert await one.get(path) == await other.get(path)


async def test_state_survives_a_restart_and_is_shared(tmp_path: Path) -> None:
    def opened(*, seed: bool) -> tuple[Store, Sandbox]:
        store = Store(tmp_path / "sandbox.sqlite3")
        return store, Sandbox(store, seed=seed)

    first_store, first = opened(seed=True)
    second_store, second = opened(seed=False)
    await first.post(f"/{CTV}/modular/reservations", HOLD)
    assert (await second.post(f"/{CTV}/modular/bookings/finalize", BOOKING))["booking"]["status"] == "HELD"
    first_store.close()
    third_store, third = opened(seed=False)
    assert (await third.get(f"/{CTV}/modular/work-items", mediaBuyId=BUY.media_buy_id))["total"] == 2
    second_store.close()
    third_store.close()

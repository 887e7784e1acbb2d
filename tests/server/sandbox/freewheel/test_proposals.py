"""The sandbox's Proposed Insertion Orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.sandbox.freewheel import app as freewheel
from server.sandbox.store import timestamp
from tests.server.sandbox.freewheel.network import NOW, ORDERS, faults_of, opened

SMALL: dict[str, Any] = {"external_id": "NL-OPP-20001", "name": "Red Lantern Express - Late Night Catch-Up"}
FULL: dict[str, Any] = SMALL | {
    "description": "Scatter, two weeks.",
    "delivery": {
        "frequency_caps": [
            {"value": 2, "type": "IMPRESSION", "scope": "TIME", "period": 1440},
            {"value": 1, "type": "PACKAGE", "scope": "STREAM"},
        ]
    },
    "budget": {"budget_model": "IMPRESSION_TARGET", "impression": 4_500_000, "over_delivery": 7.5},
    "brand_id": freewheel.BRANDS[4].id,
    "assignments": {
        "users": [
            {"id": freewheel.USERS[2].id, "full_name": "ignored"},
            {"id": freewheel.USERS[1].id},
            {"id": freewheel.USERS[2].id},
        ]
    },
    "probability_of_close": 55,
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with opened() as client:
        yield client


async def test_a_created_order_answers_its_basic_fields_bare(client: httpx.AsyncClient) -> None:
    answer = await client.post(ORDERS, json=FULL)
    assert answer.status_code == 201
    assert answer.json() == {
        "id": answer.json()["id"],
        "external_id": "NL-OPP-20001",
        "name": "Red Lantern Express - Late Night Catch-Up",
        "description": "Scatter, two weeks.",
        "schedule": {"start_time": None, "end_time": None, "time_zone": "(GMT-05:00) America - New York"},
        "brand_id": freewheel.BRANDS[4].id,
        "created_at": timestamp(NOW),
        "updated_at": timestamp(NOW),
        "probability_of_close": 55,
        "proposed_io_status": "PROPOSED",
    }


async def test_show_wraps_the_order_and_brings_the_rest_when_asked_for_all(client: httpx.AsyncClient) -> None:
    order = (await client.post(ORDERS, json=FULL)).json()
    assert (await client.get(f"{ORDERS}/{order['id']}")).json() == {"proposed_insertion_order": order}
    shown = (await client.get(f"{ORDERS}/{order['id']}?show=all")).json()["proposed_insertion_order"]
    users = [freewheel.USERS[2], freewheel.USERS[1]]
    assert shown == order | {
        "delivery": FULL["delivery"],
        "budget": FULL["budget"] | {"over_delivery_type": "CUSTOM"},
        "assignments": {"users": [{"id": user.id, "full_name": user.full_name, "login": user.login} for user in users]},
    }


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (
            {"over_delivery": 50, "over_delivery_type": "DEFAULT"},
            {"over_delivery": 5.0, "over_delivery_type": "DEFAULT"},
        ),
        ({}, {"over_delivery": 5.0, "over_delivery_type": "DEFAULT"}),
        ({"over_delivery_type": "CUSTOM"}, {"over_delivery": 5.0, "over_delivery_type": "DEFAULT"}),
        ({"over_delivery": 0}, {"over_delivery": 0.0, "over_delivery_type": "CUSTOM"}),
    ],
)
async def test_over_delivery_is_the_networks_unless_a_custom_value_is_set(
    client: httpx.AsyncClient, given: dict[str, Any], stored: dict[str, Any]
) -> None:
    budget = {"budget_model": "CURRENCY_TARGET", "currency": 125_000, **given}
    created = await client.post(ORDERS, json=SMALL | {"budget": budget})
    assert created.status_code == 201
    shown = await client.get(f"{ORDERS}/{created.json()['id']}?show=all")
    assert shown.json()["proposed_insertion_order"]["budget"] == {
        "budget_model": "CURRENCY_TARGET",
        "currency": 125_000.0,
        **stored,
    }


async def test_an_order_without_a_budget_reads_as_evergreen(client: httpx.AsyncClient) -> None:
    order = (await client.post(ORDERS, json=SMALL)).json()
    shown = (await client.get(f"{ORDERS}/{order['id']}?show=all")).json()["proposed_insertion_order"]
    assert shown["budget"] == {"budget_model": "EVERGREEN"}
    assert shown["delivery"] == {"frequency_caps": []}
    assert shown["assignments"] == {"users": []}


async def test_a_repeated_post_makes_a_second_order_at_the_end_of_the_list(client: httpx.AsyncClient) -> None:
    first, second = [(await client.post(ORDERS, json=SMALL)).json() for _ in range(2)]
    assert first["id"] < second["id"]
    listed = (await client.get(f"{ORDERS}?page=2&external_id=NL-OPP-20001")).json()
    items = listed.pop("items")
    assert listed == {"page": 2, "per_page": 20, "total_count": 27, "total_page": 2}
    assert items[-2:] == [first, second]
    assert len(items) == 7


async def test_a_page_of_orders_past_the_last_is_empty_with_the_true_totals(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{ORDERS}?page=9&per_page=5")).json() == {
        "items": [],
        "page": 9,
        "per_page": 5,
        "total_count": 25,
        "total_page": 5,
    }


@pytest.mark.parametrize("query", ["page=0", "page=1001", "per_page=4", "per_page=51", "page=x"])
async def test_a_page_of_orders_out_of_bounds_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"{ORDERS}?{query}")).status_code == 422


async def test_an_order_may_be_created_under_a_campaign(client: httpx.AsyncClient) -> None:
    campaign = freewheel.CAMPAIGNS[3].id
    answer = await client.post(
        f"/services/v4/campaigns/{campaign}/proposed_insertion_orders", json=SMALL | {"status": "BOOKED"}
    )
    assert answer.status_code == 201
    assert "campaign_id" not in answer.json()
    assert "status" not in answer.json()


@pytest.mark.parametrize("campaign", ["1", "0", "abc", "9" * 30, "-3"])
async def test_an_unknown_campaign_is_not_found(client: httpx.AsyncClient, campaign: str) -> None:
    path = f"/services/v4/campaigns/{campaign}/proposed_insertion_orders"
    assert (await client.post(path, json=SMALL)).status_code == 404


@pytest.mark.parametrize("order", ["1", "0", "abc", "9" * 30, "418250.0", "%00"])
async def test_an_unknown_order_is_not_found(client: httpx.AsyncClient, order: str) -> None:
    answer = await client.get(f"{ORDERS}/{order}")
    assert answer.status_code == 404
    assert answer.json()["errors"]


CAP = {"value": 3, "type": "IMPRESSION", "scope": "STREAM"}


def caps(*given: dict[str, Any]) -> dict[str, Any]:
    return {"delivery": {"frequency_caps": list(given)}}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"external_id": None}, "external_id"),
        ({"external_id": 20001}, "external_id"),
        ({"external_id": " "}, "external_id"),
        ({"name": ""}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"description": 5}, "description"),
        ({"id": 5}, "id"),
        ({"schedule": {}}, "schedule"),
        ({"created_at": None}, "created_at"),
        ({"updated_at": "2026-01-01T00:00:00Z"}, "updated_at"),
        ({"proposed_io_status": "PROPOSED"}, "proposed_io_status"),
        ({"probability_of_close": -1}, "probability_of_close"),
        ({"probability_of_close": 101}, "probability_of_close"),
        ({"probability_of_close": "50"}, "probability_of_close"),
        ({"probability_of_close": 50.0}, "probability_of_close"),
        ({"probability_of_close": True}, "probability_of_close"),
        ({"brand_id": 12}, "brand_id"),
        ({"brand_id": str(freewheel.BRANDS[0].id)}, "brand_id"),
        ({"brand_id": 10**40}, "brand_id"),
        ({"assignments": {"users": [{"id": 7}]}}, "assignments.users"),
        ({"assignments": {"users": [{"login": "dana.whitfield"}]}}, "assignments.users.0.id"),
        ({"assignments": [freewheel.USERS[0].id]}, "assignments"),
        ({"delivery": "fast"}, "delivery"),
        (caps(CAP, CAP, CAP, CAP), "delivery.frequency_caps"),
        (caps(CAP | {"value": 0}), "delivery.frequency_caps.0.value"),
        (caps(CAP | {"value": 10**12}), "delivery.frequency_caps.0.value"),
        (caps(CAP | {"type": "impression"}), "delivery.frequency_caps.0.type"),
        (caps(CAP | {"scope": "DAY"}), "delivery.frequency_caps.0.scope"),
        (caps(CAP | {"scope": "TIME"}), "delivery.frequency_caps.0"),
        (caps(CAP | {"period": 60}), "delivery.frequency_caps.0"),
        (caps({"value": 1, "type": "IMPRESSION"}), "delivery.frequency_caps.0.scope"),
        ({"budget": {}}, "budget.budget_model"),
        ({"budget": {"budget_model": "EVERGREEN"}}, "budget.budget_model"),
        ({"budget": {"budget_model": "CURRENCY_TARGET"}}, "budget"),
        ({"budget": {"budget_model": "CURRENCY_TARGET", "currency": 0}}, "budget.currency"),
        ({"budget": {"budget_model": "CURRENCY_TARGET", "currency": "10"}}, "budget.currency"),
        ({"budget": {"budget_model": "CURRENCY_TARGET", "currency": 10, "impression": 10}}, "budget"),
        ({"budget": {"budget_model": "IMPRESSION_TARGET"}}, "budget"),
        ({"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 1.5}}, "budget.impression"),
        ({"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 10, "currency": 1.0}}, "budget"),
        (
            {"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 10, "over_delivery": -1}},
            "budget.over_delivery",
        ),
        (
            {"budget": {"budget_model": "IMPRESSION_TARGET", "impression": 10, "over_delivery_type": "NONE"}},
            "budget.over_delivery_type",
        ),
    ],
)
async def test_an_order_against_the_attribute_tables_is_refused_and_not_made(
    client: httpx.AsyncClient, wrong: dict[str, Any], field: str
) -> None:
    answer = await client.post(ORDERS, json=SMALL | wrong)
    assert faults_of(answer) == [field]
    assert (await client.get(ORDERS)).json()["total_count"] == 25


async def test_every_fault_of_a_body_is_named_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post(ORDERS, json={"id": 1, "probability_of_close": 101})
    assert faults_of(answer) == ["id", "external_id", "name", "probability_of_close"]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe{\x00}\x00", "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b'{"probability_of_close": NaN}', "application/json", 400),
        (b'{"probability_of_close": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"order"', "application/json; charset=utf-8", 422),
        (b'{"budget": {"budget_model": "CURRENCY_TARGET", "currency": 1e999}}', "application/json", 422),
        (b"{}", "application/json; charset=utf-16", 415),
        (b"{}", "text/plain", 415),
        (b"<order/>", "application/xml", 415),
        (b"{}", "", 415),
    ],
)
async def test_a_body_that_is_not_a_json_object_is_refused(
    client: httpx.AsyncClient, content: bytes, content_type: str, status: int
) -> None:
    answer = await client.post(ORDERS, content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


async def test_the_seeded_orders_read_like_a_sellers_pipeline(client: httpx.AsyncClient) -> None:
    orders = (await client.get(f"{ORDERS}?per_page=50")).json()["items"]
    brands = {brand.id for brand in freewheel.BRANDS}
    assert {order["proposed_io_status"] for order in orders} == {"PROPOSED", "COMPLETED", "LOST"}
    assert all(order["brand_id"] in brands for order in orders)
    assert all(order["created_at"] <= order["updated_at"] < timestamp(NOW) for order in orders)
    assert len({order["external_id"] for order in orders}) == 25
    shown = [(await client.get(f"{ORDERS}/{order['id']}?show=all")).json() for order in orders]
    models = {order["proposed_insertion_order"]["budget"]["budget_model"] for order in shown}
    assert models == {"CURRENCY_TARGET", "IMPRESSION_TARGET", "EVERGREEN"}

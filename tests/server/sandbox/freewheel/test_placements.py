"""The sandbox's proposed placements."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.server.sandbox.freewheel.network import ORDERS, opened

BY_MARKET = 418_390


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with opened() as client:
        yield client


async def placements(client: httpx.AsyncClient, order: int, query: str = "per_page=50") -> list[dict[str, Any]]:
    answer = await client.get(f"{ORDERS}/{order}/proposed_placements?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def orders(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    listed = (await client.get(f"{ORDERS}?per_page=50")).json()["items"]
    shown = [(await client.get(f"{ORDERS}/{order['id']}?show=all")).json() for order in listed]
    return [order["proposed_insertion_order"] for order in shown]


async def test_placements_are_listed_in_the_envelope_of_orders(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{ORDERS}/418250/proposed_placements")).json() == {
        "items": [
            {
                "id": 9_204_117,
                "insertion_order_id": 418_250,
                "name": "Halden Trucks - Pro Football In-Game - Full Episode Mid-Roll :30",
                "description": "As agreed on the call.",
                "status": "INACTIVE",
                "enable_canoe": False,
                "placement_type": "NORMAL",
                "external_id": "NL-OPP-10420-L1",
                "schedule": {
                    "start_time": "2026-09-27T05:00:00Z",
                    "end_time": "2026-10-25T04:59:59Z",
                    "time_zone": "(GMT-05:00) America - New York",
                },
                "price": {"price_model": "ACTUAL_ECPM", "price": 18.0},
                "budget": {"budget_model": "IMPRESSION_TARGET", "impression": 18_400_000},
            }
        ],
        "page": 1,
        "per_page": 20,
        "total_count": 1,
        "total_page": 1,
    }


async def test_an_order_in_dollars_divides_its_dollars(client: httpx.AsyncClient) -> None:
    found = await placements(client, 418_264)
    assert [item["budget"] for item in found] == [
        {"budget_model": "CURRENCY_TARGET", "currency": amount} for amount in (416_666.68, 416_666.66, 416_666.66)
    ]
    assert [item["price"] for item in found] == [
        {"price_model": "FLAT_FEE_SPONSORSHIP", "price": 416_666.68},
        {"price_model": "ACTUAL_ECPM", "price": 31.0},
        {"price_model": "ACTUAL_ECPM", "price": 34.0},
    ]


async def test_an_order_with_thirty_placements_fills_pages(client: httpx.AsyncClient) -> None:
    pages = [(await client.get(f"{ORDERS}/{BY_MARKET}/proposed_placements?page={page}")).json() for page in (1, 2, 3)]
    items = [page.pop("items") for page in pages]
    assert [len(found) for found in items] == [20, 10, 0]
    assert pages == [{"page": page, "per_page": 20, "total_count": 30, "total_page": 2} for page in (1, 2, 3)]
    assert items[0] + items[1] == await placements(client, BY_MARKET)
    assert all(first["id"] < second["id"] for first, second in pairwise(items[0] + items[1]))
    assert len({item["name"] for item in items[0] + items[1]}) == 30


async def test_placements_add_up_to_their_orders(client: httpx.AsyncClient) -> None:
    for order in await orders(client):
        found = await placements(client, order["id"])
        times = [item["schedule"] for item in found]
        assert order["schedule"] == {
            "start_time": min((time["start_time"] for time in times), default=None),
            "end_time": max((time["end_time"] for time in times), default=None),
            "time_zone": "(GMT-05:00) America - New York",
        }
        assert all(time["start_time"] < time["end_time"] for time in times)
        for goal in ("impression", "currency"):
            if found and goal in order["budget"]:
                assert sum(item["budget"][goal] for item in found) == pytest.approx(order["budget"][goal], abs=0.001)


async def test_most_orders_have_one_to_four_placements_and_some_have_none(client: httpx.AsyncClient) -> None:
    found = [(order, await placements(client, order["id"])) for order in await orders(client)]
    assert Counter(len(items) for _, items in found) == {0: 3, 1: 6, 2: 3, 3: 6, 4: 6, 30: 1}
    assert [order["id"] for order, items in found if not items] == [418_355, 418_383, 418_411]
    everything = [item for _, items in found for item in items]
    assert len({item["id"] for item in everything}) == len(everything) == 84
    assert {item["placement_type"] for item in everything} == {"NORMAL", "MAKE_GOOD", "PROMO"}
    assert {item["status"] for item in everything} == {"INACTIVE"}
    assert {item["enable_canoe"] for item in everything} == {True, False}
    assert {None, ""} < {item["description"] for item in everything}
    assert None in {item["external_id"] for item in everything}
    assert all(item["insertion_order_id"] == order["id"] for order, items in found for item in items)
    assert all((item["price"]["price"] == 0) is (item["placement_type"] != "NORMAL") for item in everything)


async def test_an_order_without_placements_has_an_empty_list(client: httpx.AsyncClient) -> None:
    made = (await client.post(ORDERS, json={"external_id": "NL-1", "name": "Nightharbor"})).json()
    for order in (418_355, made["id"]):
        assert (await client.get(f"{ORDERS}/{order}/proposed_placements?per_page=5")).json() == {
            "items": [],
            "page": 1,
            "per_page": 5,
            "total_count": 0,
            "total_page": 0,
        }


@pytest.mark.parametrize("order", ["1", "0", "abc", "9" * 30, "418250.0"])
async def test_placements_of_an_unknown_order_are_not_found(client: httpx.AsyncClient, order: str) -> None:
    answer = await client.get(f"{ORDERS}/{order}/proposed_placements")
    assert answer.status_code == 404
    assert answer.json() == {"errors": [{"message": "Proposed insertion order not found."}]}


@pytest.mark.parametrize("query", ["page=0", "page=1001", "per_page=4", "per_page=51", "page=x"])
async def test_a_page_of_placements_out_of_bounds_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"{ORDERS}/{BY_MARKET}/proposed_placements?{query}")).status_code == 422


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_placements_are_never_written(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, f"{ORDERS}/{BY_MARKET}/proposed_placements", json={})
    assert answer.status_code == 405

"""Updates of the sandbox's Proposed Insertion Orders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from server.sandbox.freewheel import app as freewheel
from server.sandbox.store import timestamp
from tests.server.sandbox.freewheel.network import NOW, ORDERS, Clock, faults_of, opened

SEEDED = f"{ORDERS}/418250"
SMALL: dict[str, Any] = {"external_id": "NL-OPP-10420-R2", "name": "Halden Trucks - Pro Football, revised"}
FULL: dict[str, Any] = SMALL | {
    "description": "Fewer games, more weeks.",
    "delivery": {"frequency_caps": [{"value": 3, "type": "IMPRESSION", "scope": "TIME", "period": 1440}]},
    "budget": {"budget_model": "CURRENCY_TARGET", "currency": 310_000.5, "over_delivery": 2},
    "brand_id": freewheel.BRANDS[1].id,
    "assignments": {"users": [{"id": freewheel.USERS[4].id}, {"id": freewheel.USERS[4].id, "login": "ignored"}]},
    "probability_of_close": 0,
    "proposed_io_status": "LOST",
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(clock) as client:
        yield client


async def shown(client: httpx.AsyncClient, path: str = SEEDED) -> dict[str, Any]:
    return (await client.get(f"{path}?show=all")).json()["proposed_insertion_order"]


async def test_an_update_answers_the_basic_fields_bare_and_show_all_the_rest(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    before = await shown(client)
    clock.now = NOW + timedelta(hours=2)
    answer = await client.put(SEEDED, json=FULL)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": 418_250,
        "external_id": "NL-OPP-10420-R2",
        "name": "Halden Trucks - Pro Football, revised",
        "description": "Fewer games, more weeks.",
        "schedule": before["schedule"],
        "brand_id": freewheel.BRANDS[1].id,
        "created_at": before["created_at"],
        "updated_at": timestamp(clock.now),
        "probability_of_close": 0,
        "proposed_io_status": "LOST",
    }
    assert before["schedule"]["start_time"]
    user = freewheel.USERS[4]
    assert await shown(client) == answer.json() | {
        "delivery": FULL["delivery"],
        "budget": FULL["budget"] | {"over_delivery": 2.0, "over_delivery_type": "CUSTOM"},
        "assignments": {"users": [{"id": user.id, "full_name": user.full_name, "login": user.login}]},
    }


async def test_what_an_update_leaves_out_is_reset_to_what_a_new_order_has(client: httpx.AsyncClient) -> None:
    made = (await client.post(ORDERS, json=SMALL)).json()
    new = await shown(client, f"{ORDERS}/{made['id']}")
    before = await shown(client)
    assert (await client.put(SEEDED, json=SMALL)).status_code == 200
    assert await shown(client) == new | {
        "id": 418_250,
        "schedule": before["schedule"],
        "created_at": before["created_at"],
        "proposed_io_status": before["proposed_io_status"],
    }
    assert before["budget"]["budget_model"] != new["budget"]["budget_model"] == "EVERGREEN"
    assert before["delivery"] != new["delivery"]
    assert before["assignments"] != new["assignments"]


async def test_null_resets_as_leaving_out_does(client: httpx.AsyncClient) -> None:
    nulls = dict.fromkeys(["description", "delivery", "budget", "brand_id", "assignments", "probability_of_close"])
    await client.put(SEEDED, json=SMALL)
    left_out = await shown(client)
    await client.put(SEEDED, json=FULL)
    await client.put(SEEDED, json=SMALL | nulls)
    assert await shown(client) == left_out | {"proposed_io_status": "LOST"}


async def test_a_status_that_is_left_out_stays(client: httpx.AsyncClient) -> None:
    completed = await client.put(SEEDED, json=SMALL | {"proposed_io_status": "COMPLETED"})
    left_out = await client.put(SEEDED, json=SMALL)
    reopened = await client.put(SEEDED, json=SMALL | {"proposed_io_status": "PROPOSED"})
    statuses = [answer.json()["proposed_io_status"] for answer in (completed, left_out, reopened)]
    assert statuses == ["COMPLETED", "COMPLETED", "PROPOSED"]


async def test_what_is_not_updatable_is_ignored(client: httpx.AsyncClient) -> None:
    before = await shown(client)
    after = await client.put(
        SEEDED,
        json=SMALL | {"id": 7, "schedule": {"start_time": None}, "created_at": 5, "updated_at": "2001-01-01T00:00:00Z"},
    )
    assert after.status_code == 200
    kept = [after.json()[field] for field in ("id", "schedule", "created_at", "updated_at")]
    assert kept == [before["id"], before["schedule"], before["created_at"], timestamp(NOW)]


async def test_an_order_that_was_read_whole_can_be_put_back_unless_it_is_evergreen(client: httpx.AsyncClient) -> None:
    listed = (await client.get(f"{ORDERS}?per_page=50")).json()["items"]
    assert len(listed) == 25
    for item in listed:
        path = f"{ORDERS}/{item['id']}"
        order = await shown(client, path)
        answer = await client.put(path, json=order)
        if order["budget"]["budget_model"] == "EVERGREEN":
            assert faults_of(answer) == ["budget.budget_model"]
            order["budget"] = None
            answer = await client.put(path, json=order)
        assert answer.status_code == 200, answer.text
        after = await shown(client, path)
        assert after == order | {
            "updated_at": timestamp(NOW),
            "budget": order["budget"] or {"budget_model": "EVERGREEN"},
        }


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"external_id": None}, "external_id"),
        ({"external_id": " "}, "external_id"),
        ({"name": ""}, "name"),
        ({"name": "n" * 256}, "name"),
        ({"proposed_io_status": "proposed"}, "proposed_io_status"),
        ({"proposed_io_status": "BOOKED"}, "proposed_io_status"),
        ({"proposed_io_status": None}, "proposed_io_status"),
        ({"probability_of_close": 101}, "probability_of_close"),
        ({"probability_of_close": "50"}, "probability_of_close"),
        ({"brand_id": 12}, "brand_id"),
        ({"assignments": {"users": [{"id": 7}]}}, "assignments.users"),
        (
            {"delivery": {"frequency_caps": [{"value": 1, "type": "IMPRESSION", "scope": "TIME"}]}},
            "delivery.frequency_caps.0",
        ),
        ({"budget": {"budget_model": "EVERGREEN"}}, "budget.budget_model"),
        ({"budget": {"budget_model": "EVERGREEN", "currency": 5}}, "budget.budget_model"),
        ({"budget": {"budget_model": "IMPRESSION_TARGET", "currency": 5.0}}, "budget"),
    ],
)
async def test_an_update_against_the_attribute_tables_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, wrong: dict[str, Any], field: str
) -> None:
    before = await shown(client)
    assert faults_of(await client.put(SEEDED, json=SMALL | wrong)) == [field]
    assert await shown(client) == before


async def test_external_id_and_name_are_required_in_an_update(client: httpx.AsyncClient) -> None:
    before = await shown(client)
    assert faults_of(await client.put(SEEDED, json={"probability_of_close": 90})) == ["external_id", "name"]
    assert await shown(client) == before


@pytest.mark.parametrize("order", ["1", "0", "abc", "9" * 30, "418250.0"])
async def test_an_update_of_an_unknown_order_is_not_found(client: httpx.AsyncClient, order: str) -> None:
    assert (await client.put(f"{ORDERS}/{order}", json={})).status_code == 404
    assert (await client.get(ORDERS)).json()["total_count"] == 25


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 422), (b"<order/>", "application/xml", 415)],
)
async def test_an_update_must_be_a_json_object(
    client: httpx.AsyncClient, content: bytes, content_type: str, status: int
) -> None:
    answer = await client.put(SEEDED, content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status


@pytest.mark.parametrize(("verb", "other"), [("PUT", "PATCH"), ("PATCH", "PUT")])
async def test_only_one_of_the_two_verbs_updates(verb: str, other: str) -> None:
    async with opened(update_verb=verb) as client:
        before = await shown(client)
        refused = await client.request(other, SEEDED, json=FULL)
        assert refused.status_code == 405
        assert verb in refused.headers["allow"]
        assert refused.json()["errors"][0]["message"]
        assert await shown(client) == before
        assert (await client.request(verb, SEEDED, json=SMALL)).status_code == 200
        after = await shown(client)
        assert (after["name"], after["budget"]) == (SMALL["name"], {"budget_model": "EVERGREEN"})


async def test_an_update_without_its_network_function_answers_403_of_the_gateway() -> None:
    async with opened(proposals_enabled=False) as client:
        refused = await client.put(SEEDED, json=FULL)
        assert refused.status_code == 403
        assert set(refused.json()) == {"Message"}

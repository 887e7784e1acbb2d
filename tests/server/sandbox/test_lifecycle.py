"""The sandbox's state: it survives restarts, is shared by processes, and can be reset."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.sandbox import REVISION, Sandbox
from server.sandbox.freewheel.tokens import TOKEN
from server.sandbox.interchange.app import API_KEY, MEDIA_BUYS

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SOURCES = "/api/v2/storefront/inventory-sources"
HOLD: dict[str, Any] = {
    "availId": "avl_news_evening",
    "mediaBuyId": MEDIA_BUYS[0].media_buy_id,
    "buyerCustomerId": MEDIA_BUYS[0].buyer_customer_id,
    "requestedImpressions": 500_000,
}
ORDER = {"external_id": "CRM-1", "name": "N"}
KEY = "http://127.0.0.1/token"


def at(moment: datetime) -> Any:
    return lambda: moment


async def ask(app: Any, token: str, method: str, path: str, **body: Any) -> Any:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://sandbox",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
    ) as http:
        response = await http.request(method, path, **body)
    assert response.is_success, response.text
    return response.json()


async def interchange(sandbox: Sandbox, method: str, path: str, **body: Any) -> Any:
    return await ask(sandbox.interchange(), API_KEY, method, SOURCES + path, **body)


async def freewheel(sandbox: Sandbox, method: str, path: str, **body: Any) -> Any:
    return await ask(sandbox.freewheel(), TOKEN, method, f"/services/v4/{path}", **body)


async def hold(sandbox: Sandbox) -> str:
    answer = await interchange(sandbox, "POST", "/northlight-cadent/modular/reservations", json=HOLD)
    return answer["bookingId"]


async def order(sandbox: Sandbox) -> int:
    return (await freewheel(sandbox, "POST", "proposed_insertion_orders", json=ORDER))["id"]


async def held(sandbox: Sandbox) -> int:
    products = (await interchange(sandbox, "GET", "/northlight-cadent/modular/products"))["products"]
    return next(item["heldImpressions"] for item in products if item["availId"] == "avl_news_evening")


async def state(sandbox: Sandbox) -> list[Any]:
    """Everything in the sandbox's tables, apart from keys and tokens."""
    sources = await interchange(sandbox, "GET", "")
    modular = [source["sourceId"] for source in sources if source["executionType"] == "MODULAR_SOURCE"]
    return [
        sources,
        *[await interchange(sandbox, "GET", f"/{source}/modular") for source in modular],
        *[await interchange(sandbox, "GET", f"/{source}/modular/products") for source in modular],
        *[await interchange(sandbox, "GET", f"/{source}/modular/work-items") for source in modular],
        *[await freewheel(sandbox, "GET", f"inventory_packages?per_page=50&page={page}") for page in (1, 2, 3)],
        await freewheel(sandbox, "GET", "proposed_insertion_orders?per_page=50"),
    ]


async def test_what_was_done_outlives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "sandbox.sqlite3"
    first = Sandbox(path, at(NOW))
    await hold(first)
    await order(first)
    key = first.service_account_key("http://sandbox/token")
    before = await state(first)
    first.close()
    again = Sandbox(path, at(NOW))
    assert await state(again) == before
    assert await held(again) == 500_000
    assert again.service_account_key("http://sandbox/token") == key
    again.close()


async def test_a_later_start_keeps_the_seed_of_the_first_day(tmp_path: Path) -> None:
    first = Sandbox(tmp_path / "s", at(NOW))
    before = await freewheel(first, "GET", "inventory_packages")
    first.close()
    later = Sandbox(tmp_path / "s", at(NOW + timedelta(days=100)))
    assert await freewheel(later, "GET", "inventory_packages") == before
    later.close()


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_reset_restores_the_seed_with_its_ids(tmp_path: Path, in_memory: bool) -> None:
    sandbox = Sandbox(None if in_memory else tmp_path / "s", at(NOW))
    before = await state(sandbox)
    done = (await hold(sandbox), await order(sandbox))
    await interchange(
        sandbox,
        "POST",
        "/northlight-cadent/modular/bookings/finalize",
        json={name: value for name, value in HOLD.items() if name != "requestedImpressions"},
    )
    assert await state(sandbox) != before
    sandbox.reset()
    assert await state(sandbox) == before
    assert (await hold(sandbox), await order(sandbox)) == done
    sandbox.close()


async def test_a_reset_shows_in_another_process_at_once_and_that_one_can_go_on(tmp_path: Path) -> None:
    one, other = (Sandbox(tmp_path / "s", at(NOW)) for _ in range(2))
    await hold(other)
    assert await held(one) == 500_000
    one.reset()
    assert await held(other) == 0
    await hold(other)
    assert await held(one) == 500_000
    one.close()
    other.close()


async def test_two_processes_on_one_file_share_one_ledger(tmp_path: Path) -> None:
    one, other = (Sandbox(tmp_path / "s", at(NOW)) for _ in range(2))
    bookings = [await hold(sandbox) for sandbox in (one, other, one)]
    assert len(set(bookings)) == 3
    assert await held(one) == await held(other) == 1_500_000
    assert one.service_account_key("x") == other.service_account_key("x")
    one.close()
    assert await held(other) == 1_500_000
    other.close()


def revise(path: Path, revision: int, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in (*statements, f"PRAGMA user_version={revision}"):
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("revision", [REVISION - 1, REVISION + 1])
async def test_a_file_of_another_revision_is_made_anew(tmp_path: Path, revision: int) -> None:
    path = tmp_path / "s"
    first = Sandbox(path, at(NOW))
    seed = await state(first)
    await hold(first)
    first.close()
    revise(
        path,
        revision,
        "ALTER TABLE freewheel_inventory_package RENAME TO packages_of_old",
        'CREATE TABLE "order" (id INTEGER PRIMARY KEY AUTOINCREMENT)',
        "CREATE VIEW seen_of_old AS SELECT id FROM packages_of_old",
    )
    again = Sandbox(path, at(NOW))
    assert await state(again) == seed
    again.close()
    third = Sandbox(path, at(NOW))
    await hold(third)
    assert await held(third) == 500_000
    third.close()


async def test_the_seed_follows_from_the_clock_alone() -> None:
    seeds: list[Any] = []
    for moment in (NOW, NOW, NOW + timedelta(days=30)):
        sandbox = Sandbox(clock=at(moment))
        seeds.append(await state(sandbox))
        sandbox.close()
    assert seeds[0] == seeds[1]
    assert seeds[0] != seeds[2]


async def test_sandboxes_in_memory_share_nothing() -> None:
    one, other = Sandbox(clock=at(NOW)), Sandbox(clock=at(NOW))
    await hold(one)
    assert (await held(one), await held(other)) == (500_000, 0)
    one.close()
    other.close()


async def test_a_file_that_is_no_database_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("somebody's notes" * 1000, encoding="utf-8")
    with pytest.raises(sqlite3.DatabaseError):
        Sandbox(path, at(NOW))
    assert path.read_text(encoding="utf-8") == "somebody's notes" * 1000


def test_what_is_read_in_several_threads_at_once_is_read_by_each(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "state.sqlite3")
    sandbox.service_account_key(KEY)
    with ThreadPoolExecutor(4) as threads:
        keys = [threads.submit(sandbox.service_account_key, KEY) for _ in range(300)]
        generations = [threads.submit(sandbox.generation) for _ in range(300)]
    assert len({key.result() for key in keys}) == 1
    assert {generation.result() for generation in generations} == {sandbox.generation()}
    sandbox.close()

"""A client of the FreeWheel sandbox, and bodies for its tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from server.sandbox.freewheel import app as freewheel
from server.sandbox.freewheel.seed.attributes import attribute_id
from server.sandbox.store import Store

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
PACKAGES = "/services/v4/inventory_packages"
ORDERS = "/services/v4/proposed_insertion_orders"
ATTRIBUTES = "/services/v4/standard_attributes"
DRAMA, SPORTS = str(attribute_id("genres", "Drama")), str(attribute_id("genres", "Sports"))
PUBLISHER = str(attribute_id("ssp_publishers", "Open Range TV"))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def seeded(path: Path | None = None) -> Store:
    store = Store(path)
    with store.transaction() as connection:
        freewheel.create(connection, NOW)
    return store


def client_of(store: Store, clock: Clock, token: str = freewheel.TOKEN, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=freewheel.app(store, clock, **options)),
        base_url="https://api.freewheel.tv",
        headers={"Accept": "application/json", "Authorization": f"Bearer {token}"},
    )


@asynccontextmanager
async def opened(clock: Clock | None = None, **options: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a new network, without rate limits."""
    with closing(seeded()) as store:
        async with client_of(store, clock or Clock(), requests_per_second=0, **options) as client:
            yield client


def faults_of(answer: httpx.Response) -> list[str]:
    """The fields that a 422 names, in order."""
    assert answer.status_code == 422, answer.text
    return [error["message"].partition(":")[0] for error in answer.json()["errors"]]


def item_set(*items: tuple[str, str], where: str = "CONTENT") -> dict[str, Any]:
    return {
        "targeting_type": where,
        "relationship": "AND",
        "item_lists": [{"relationship": "OR", "items": [{"id": id_, "type": type_} for type_, id_ in items]}],
    }


def including(*items: tuple[str, str], where: str = "CONTENT") -> dict[str, Any]:
    return {"include": {"relationship": "AND", "item_sets": [item_set(*items, where=where)]}}


GENRE = including(("STANDARD_GENRE", DRAMA))
SSP = including(("STANDARD_PUBLISHER", PUBLISHER), where="SSP")
SMALL_PACKAGE: dict[str, Any] = {"name": "Prestige Weekend", "targeting": GENRE}
FULL_PACKAGE: dict[str, Any] = SMALL_PACKAGE | {
    "description": "Drama on the big screen, sports left out.",
    "targeting": GENRE
    | {"exclude": {"item_sets": [item_set(("STANDARD_GENRE", SPORTS), ("ASSET_GROUP", "77"), ("DMA", "501"))]}},
    "ssp_targeting": SSP,
}


async def shown_package(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["inventory_package"]
    return answer.json()["inventory_package"]

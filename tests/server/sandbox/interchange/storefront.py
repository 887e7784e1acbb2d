"""A client of the Interchange sandbox for its tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from server.sandbox.interchange import app as interchange
from server.sandbox.interchange.app import MEDIA_BUYS
from server.sandbox.store import Store
from tests.support import OPENED

START = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
SOURCES = "/api/v2/storefront/inventory-sources"
CADENT, CTV, LIVE = "northlight-cadent", "northlight-ctv", "northlight-live-sports"
BUY = MEDIA_BUYS[0]
BUYER: dict[str, Any] = {"mediaBuyId": BUY.media_buy_id, "buyerCustomerId": BUY.buyer_customer_id}
AVAIL = "avl_fast_ros_next_quarter"
HOLD = BUYER | {"availId": AVAIL, "requestedImpressions": 500_000}
BOOKING = BUYER | {"availId": AVAIL}


class Sandbox:
    """The app over a store, with a clock that tests move and the calls that they make most."""

    def __init__(self, store: Store, *, seed: bool = True, **options: Any) -> None:
        self.now = START
        OPENED.callback(store.close)
        if seed:
            with store.transaction() as connection:
                interchange.create(connection, START)
        options = {"requests_per_minute": None} | options
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=interchange.app(store, lambda: self.now, **options)),
            base_url="https://api.interchange.io",
            headers={"Authorization": f"Bearer {interchange.API_KEY}"},
        )

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.http.get(SOURCES + path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: object, method: str = "POST") -> Any:
        response = await self.http.request(method, SOURCES + path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def refused(self, path: str, body: object, method: str = "POST") -> tuple[int, dict[str, Any]]:
        response = await self.http.request(method, SOURCES + path, json=body)
        return response.status_code, error_of(response)

    async def counts(self, source_id: str = CTV, avail_id: str = AVAIL) -> tuple[int, int, int]:
        """The available, held and booked impressions."""
        products = (await self.get(f"/{source_id}/modular/products"))["products"]
        product = next(product for product in products if product["availId"] == avail_id)
        counts = (product["availableImpressions"], product["heldImpressions"], product["bookedImpressions"])
        assert sum(counts) == product["impressionsCapacity"]
        return counts

    async def finalized(self, source_id: str = CTV, avail_id: str = AVAIL, **more: Any) -> dict[str, Any]:
        await self.post(f"/{source_id}/modular/reservations", HOLD | {"availId": avail_id})
        return await self.post(f"/{source_id}/modular/bookings/finalize", BOOKING | {"availId": avail_id} | more)


def error_of(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert body.keys() == {"data", "error"}
    assert body["data"] is None
    assert {"code", "message"} <= body["error"].keys()
    return body["error"]


def kinds(answer: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in answer["workItems"]]

"""The sandbox's lists of campaigns, advertisers and brands, as XML."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import fromstring

import httpx
import pytest

from server.sandbox.freewheel import app as freewheel
from server.sandbox.freewheel.app import BRANDS, CAMPAIGNS, TOKEN
from server.sandbox.store import Store
from tests.support import OPENED

NOW = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
HALDEN = BRANDS[0].advertiser_id


def client(**options: Any) -> httpx.AsyncClient:
    store = Store()
    OPENED.callback(store.close)
    with store.transaction() as connection:
        freewheel.create(connection, NOW)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(freewheel.app(store, lambda: NOW, requests_per_second=0, **options)),
        base_url="https://api.freewheel.tv/services/v3",
        headers={"Authorization": f"Bearer {TOKEN}", "Accept": "application/xml"},
    )


async def read(path: str, **query: Any) -> tuple[str, dict[str, str], list[dict[str, str | None]]]:
    """The name of the root element, its attributes, and the entries."""
    response = await client().get(path, params=query)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/xml")
    root = fromstring(response.text)  # noqa: S314 - our own sandbox wrote it
    return root.tag, dict(root.attrib), [{child.tag: child.text for child in entry} for entry in root]


async def test_campaigns_come_with_their_advertiser_a_page_at_a_time() -> None:
    root, attributes, entries = await read("/campaigns", status="ACTIVE", page=3, per_page=5)
    assert (root, attributes) == ("campaigns", {"page": "3", "per_page": "5", "total_pages": "3"})
    assert [entry["name"] for entry in entries] == [campaign.name for campaign in CAMPAIGNS[10:]]
    assert entries[0]["id"] == str(CAMPAIGNS[10].id)
    assert entries[0]["advertiser_id"]


async def test_advertisers_come_once_each_with_names_that_need_escaping() -> None:
    root, attributes, entries = await read("/advertisers", per_page=50)
    assert (root, attributes["total_pages"]) == ("advertisers", "1")
    assert len(entries) == len({brand.advertiser_id for brand in BRANDS}) == 13
    assert "Carrow & Finch Insurance" in [entry["name"] for entry in entries]


async def test_the_brands_of_an_advertiser_are_its_own() -> None:
    root, _, entries = await read(f"/advertisers/{HALDEN}/brands")
    assert root == "brands"
    assert [entry["id"] for entry in entries] == [str(brand.id) for brand in BRANDS if brand.advertiser_id == HALDEN]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/advertisers/1/brands", {}, 404),
        ("/advertisers/x/brands", {}, 404),
        ("/campaigns?per_page=51", {}, 422),
        ("/campaigns", {"Accept": "application/json"}, 406),
        ("/campaigns", {"Authorization": "Bearer nobody"}, 401),
        ("/brands", {}, 404),
    ],
)
async def test_what_is_refused(path: str, headers: dict[str, str], status: int) -> None:
    assert (await client().get(path, headers=headers)).status_code == status


async def test_a_network_that_may_not_read_it_is_refused() -> None:
    assert (await client(v3_enabled=False).get("/campaigns")).status_code == 403

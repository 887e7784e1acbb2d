"""The sandbox's standard attributes and series."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from server.sandbox.freewheel.seed.attributes import KINDS_OF, attribute_id
from tests.server.sandbox.freewheel.network import ATTRIBUTES, opened

SERIES = f"{ATTRIBUTES}/series"
SINGULAR = {
    "programmers": "programmer",
    "brands": "brand",
    "channels": "channel",
    "tv_ratings": "tv_rating",
    "genres": "genre",
    "languages": "language",
    "content_durations": "content_duration",
    "content_forms": "content_form",
    "content_dayparts": "content_daypart",
    "stream_types": "stream_type",
    "subscription_models": "subscription_model",
    "content_credential_statuses": "content_credential_status",
    "content_territories": "content_territory",
    "device_types": "device_type",
    "environments": "environment",
    "oss": "os",
    "endpoints": "endpoint",
    "endpoint_owners": "endpoint_owner",
    "ip_enabled_audiences": "ip_enabled_audience",
    "inventory_sources": "inventory_source",
    "ssp_channels": "ssp_channel",
    "ssp_publishers": "ssp_publisher",
    "ssp_iab_categories": "ssp_iab_category",
    "ssp_endpoints": "ssp_endpoint",
    "apps": "app",
    "app_bundles": "app_bundle",
    "domains": "domain",
}
PARENTS = {
    "brands": ("parent_programmer_id", "programmers"),
    "channels": ("parent_brand_id", "brands"),
    "genres": ("parent_genre_id", "genres"),
    "app_bundles": ("parent_app_id", "apps"),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with opened() as client:
        yield client


async def attributes(client: httpx.AsyncClient) -> dict[str, list[dict[str, Any]]]:
    answer = await client.get(ATTRIBUTES)
    assert answer.status_code == 200
    return answer.json()


async def test_every_kind_comes_with_its_entries_in_one_flat_answer(client: httpx.AsyncClient) -> None:
    kinds = await attributes(client)
    assert list(kinds) == list(SINGULAR)
    assert sum(len(entries) for entries in kinds.values()) == 250
    assert kinds["environments"] == [{"id": 91, "name": "App"}, {"id": 92, "name": "Web"}]
    for kind, entries in kinds.items():
        label = "country_name" if kind == "content_territories" else "name"
        fields = ["id", label, PARENTS[kind][0]] if kind in PARENTS else ["id", label]
        assert all(list(entry) == fields for entry in entries)
        assert len({entry["id"] for entry in entries}) == len({entry[label] for entry in entries}) == len(entries)
        assert all(type(entry["id"]) is int for entry in entries)


async def test_the_nested_shape_holds_the_same_entries_under_singulars(client: httpx.AsyncClient) -> None:
    flat = await attributes(client)
    async with opened(attributes_shape="nested") as other:
        nested = (await other.get(ATTRIBUTES)).json()
    assert nested == {"standard_attributes": {kind: {SINGULAR[kind]: entries} for kind, entries in flat.items()}}


async def test_a_parent_is_an_entry_of_the_parents_kind(client: httpx.AsyncClient) -> None:
    kinds = await attributes(client)
    for kind, (field, parents) in PARENTS.items():
        ids = {entry["id"] for entry in kinds[parents]}
        found = [entry[field] for entry in kinds[kind]]
        assert {parent for parent in found if parent is not None} <= ids
        assert (None in found) is (kind == "genres")
    brand = next(entry for entry in kinds["brands"] if entry["name"] == "Northlight Sports")
    assert brand["parent_programmer_id"] == attribute_id("programmers", "Northlight Television")
    sitcom = next(entry for entry in kinds["genres"] if entry["name"] == "Sitcom")
    assert sitcom["parent_genre_id"] == attribute_id("genres", "Comedy")


async def test_every_item_type_has_a_kind_to_take_its_ids_from(client: httpx.AsyncClient) -> None:
    kinds = [kind for kinds in KINDS_OF.values() for kind in kinds]
    assert len(kinds) == len(set(kinds))
    assert {*kinds} | {"app_bundles"} == {*await attributes(client)} | {"series"}


async def test_parameters_choose_no_kinds(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{ATTRIBUTES}?type=genres&page=2&name=Drama")).json() == await attributes(client)


def test_an_attribute_of_the_seed_is_found_by_its_exact_name_or_not_at_all() -> None:
    assert attribute_id("content_territories", "Canada") == 845
    for kind, name in (("genres", "drama"), ("domains", "")):
        with pytest.raises(KeyError, match=kind):
            attribute_id(kind, name)


async def test_series_come_in_pages_in_the_order_of_ids(client: httpx.AsyncClient) -> None:
    pages = [(await client.get(f"{SERIES}?page={page}")).json() for page in (1, 2, 3, 4, 5)]
    assert [len(page.pop("series")) for page in pages] == [20, 20, 20, 2, 0]
    assert pages == [{"page": page, "per_page": 20, "total": 62, "total_pages": 4} for page in (1, 2, 3, 4, 5)]
    everything = [
        entry for page in (1, 2) for entry in (await client.get(f"{SERIES}?per_page=50&page={page}")).json()["series"]
    ]
    assert everything[0] == {"id": 90_100, "name": "Nightharbor"}
    assert all(first["id"] < second["id"] for first, second in pairwise(everything))
    assert len({entry["name"] for entry in everything}) == 62


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("marshal", ["The Marshal of Bitter Creek", "Marshals"]),
        (
            "NIGHTHARBOR",
            ["Nightharbor", "Nightharbor: The Lighthouse Years", "Nightharbor (Harbor Street Production)"],
        ),
        ("harbor st", ["Nightharbor (Harbor Street Production)", "Tidewater (Harbor Street Production)"]),
        ("corazÓn", ["Corazón de Puerto"]),
        ("Larry", ["Last Call, Larry"]),
        ("%", []),
        ("Marshals ", []),
    ],
)
async def test_series_are_found_by_a_part_of_the_name_in_any_case(
    client: httpx.AsyncClient, name: str, found: list[str]
) -> None:
    answer = (await client.get(SERIES, params={"name": name})).json()
    assert [entry["name"] for entry in answer.pop("series")] == found
    assert answer == {"page": 1, "per_page": 20, "total": len(found), "total_pages": min(len(found), 1)}


async def test_an_empty_name_finds_every_series(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{SERIES}?name=")).json()["total"] == 62
    assert (await client.get(f"{SERIES}?Name=nightharbor")).json()["total"] == 62


@pytest.mark.parametrize("query", ["page=0", "page=1001", "per_page=4", "per_page=51", "page=x", f"name={'n' * 256}"])
async def test_a_search_of_series_out_of_bounds_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{SERIES}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("path", [ATTRIBUTES, SERIES])
async def test_attributes_are_read_with_a_token_and_as_json_only(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"Authorization": "Bearer x"})).status_code == 401
    assert (await client.get(path, headers={"Accept": "application/xml"})).status_code == 406
    for method in ("POST", "PUT", "DELETE"):
        assert (await client.request(method, path, json={})).status_code == 405

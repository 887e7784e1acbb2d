"""The targeting that the sandbox's inventory packages accept, and that of the seeded ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.sandbox.freewheel.seed.attributes import KINDS_OF, attribute_id
from server.sandbox.store import timestamp
from tests.server.sandbox.freewheel.network import (
    ATTRIBUTES,
    DRAMA,
    FULL_PACKAGE,
    GENRE,
    NOW,
    PACKAGES,
    PUBLISHER,
    SMALL_PACKAGE,
    SSP,
    faults_of,
    including,
    item_set,
    opened,
    shown_package,
)

SEEDED = f"{PACKAGES}/270118"
SSP_TYPES = (
    *("STANDARD_SSP_CHANNEL", "STANDARD_PUBLISHER", "STANDARD_IAB_CATEGORY", "STANDARD_SSP_ENDPOINT"),
    *("STANDARD_APP", "STANDARD_SITE_DOMAIN"),
)
NETWORK_TYPES = (
    *("GEO", "STATE", "DMA", "POSTAL_CODE", "COUNTRY"),
    *("ASSET", "ASSET_GROUP", "SERIES", "SECTION", "SECTION_GROUP", "SITE"),
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with opened() as client:
        yield client


@pytest.mark.parametrize("item_type", KINDS_OF)
async def test_an_item_takes_the_ids_of_its_own_kinds_only(client: httpx.AsyncClient, item_type: str) -> None:
    listed = (await client.get(ATTRIBUTES)).json() | (await client.get(f"{ATTRIBUTES}/series")).json()
    known = [str(listed[kind][0]["id"]) for kind in KINDS_OF[item_type]]
    foreign = DRAMA if item_type == "STANDARD_CONTENT_BRAND" else str(listed["brands"][0]["id"])
    field = "ssp_targeting" if item_type in SSP_TYPES else "targeting"
    standard = ("STANDARD_PUBLISHER", PUBLISHER) if item_type in SSP_TYPES else ("STANDARD_GENRE", DRAMA)
    taken = including(standard, *((item_type, id_) for id_ in known))
    assert (await client.post(PACKAGES, json={"name": "N", field: taken})).status_code == 201
    refused = await client.post(PACKAGES, json={"name": "N", field: including(standard, (item_type, foreign))})
    path = f"{field}.include.item_sets.0.item_lists.0.items.1.id"
    assert refused.status_code == 422
    assert refused.json() == {"errors": [{"message": f"{path}: {item_type} {foreign} does not exist"}]}


@pytest.mark.parametrize("item_type", NETWORK_TYPES)
async def test_the_networks_own_items_are_taken_with_any_id(client: httpx.AsyncClient, item_type: str) -> None:
    tree = including(("STANDARD_GENRE", DRAMA), (item_type, "any-one"), where="VIDEO")
    assert (await client.post(PACKAGES, json={"name": "N", "targeting": tree})).status_code == 201


def tree_with(path: str, value: object) -> dict[str, Any]:
    """`targeting` with another value at `path`, or without it if the value is `...`."""
    tree: Any = json.loads(json.dumps(FULL_PACKAGE["targeting"]))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node = tree
    for part in parents:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return {"targeting": tree}


SET = "include.item_sets.0"
ITEM = f"{SET}.item_lists.0.items.0"
EXCLUDED_ITEM = "exclude.item_sets.0.item_lists.0.items.0"
WRONG_VALUES: tuple[tuple[str, object], ...] = (
    ("include", None),
    ("include.relationship", ...),
    ("include.relationship", "and"),
    (f"{SET}.targeting_type", ...),
    (f"{SET}.targeting_type", "SSP"),
    (f"{SET}.relationship", "NOT"),
    (f"{SET}.item_lists", ...),
    (f"{SET}.item_lists", []),
    (f"{SET}.item_lists.0.relationship", ...),
    (f"{SET}.item_lists.0.items", []),
    (f"{ITEM}.id", ...),
    (f"{ITEM}.id", int(DRAMA)),
    (f"{ITEM}.id", ""),
    (f"{ITEM}.id", f"0{DRAMA}"),
    (f"{ITEM}.type", ...),
    (f"{ITEM}.type", "STANDARD_APP"),
    (f"{ITEM}.type", "standard_genre"),
    ("exclude.item_sets", ...),
    ("exclude.item_sets", []),
    (f"{EXCLUDED_ITEM}.id", "9"),
)
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "name"),
    ({"name": 7}, "name"),
    ({"name": " \t"}, "name"),
    ({"name": "n" * 256}, "name"),
    ({"description": 5}, "description"),
    ({"targeting": None}, "targeting"),
    ({"targeting": None, "ssp_targeting": None}, "targeting"),
    ({"targeting": []}, "targeting"),
    ({"targeting": {}}, "targeting.include"),
    (tree_with("include", ...), "targeting.include"),
    (tree_with("include.item_sets", ...), "targeting.include"),
    (tree_with("include.item_sets", []), "targeting.include"),
    *((tree_with(path, value), f"targeting.{path}") for path, value in WRONG_VALUES),
    ({"ssp_targeting": including(("STANDARD_GENRE", DRAMA))}, f"ssp_targeting.{ITEM}.type"),
    (
        {"ssp_targeting": including(("STANDARD_PUBLISHER", PUBLISHER), where="VIDEO")},
        f"ssp_targeting.{SET}.targeting_type",
    ),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_a_package_against_the_attribute_tables_is_refused_and_not_made(
    client: httpx.AsyncClient, wrong: dict[str, Any], field: str
) -> None:
    assert faults_of(await client.post(PACKAGES, json=SMALL_PACKAGE | wrong)) == [field]
    assert (await client.get(PACKAGES)).json()["total"] == 120


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_a_replacement_against_the_attribute_tables_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, wrong: dict[str, Any], field: str
) -> None:
    before = await shown_package(client, SEEDED)
    assert faults_of(await client.put(SEEDED, json=SMALL_PACKAGE | wrong)) == [field]
    assert await shown_package(client, SEEDED) == before


@pytest.mark.parametrize(
    "items",
    [
        [("ENDPOINT", str(attribute_id("endpoints", "LG Channels")))],
        [("STREAM_MODE", str(attribute_id("stream_types", "Live"))), ("DMA", "501")],
        [("ASSET", "1")],
    ],
)
async def test_a_tree_must_include_an_item_whose_type_is_standard_by_name(
    client: httpx.AsyncClient, items: list[tuple[str, str]]
) -> None:
    tree = including(*items) | {"exclude": {"item_sets": [item_set(("STANDARD_GENRE", DRAMA))]}}
    refused = await client.post(PACKAGES, json={"name": "N", "targeting": tree, "ssp_targeting": SSP})
    assert refused.status_code == 422
    assert refused.json() == {"errors": [{"message": "targeting.include: must include at least 1 standard attribute"}]}


async def test_sets_beside_item_sets_are_ignored(client: httpx.AsyncClient) -> None:
    only_sets = {"include": {"relationship": "AND", "sets": GENRE["include"]["item_sets"]}}
    assert faults_of(await client.post(PACKAGES, json={"name": "N", "targeting": only_sets})) == ["targeting.include"]
    both = {"include": GENRE["include"] | {"sets": [1], "note": "x"}, "sets": 2}
    made = await client.post(PACKAGES, json={"name": "N", "targeting": both, "owner": "me"})
    assert made.json()["targeting"] == GENRE
    assert "owner" not in made.json()


async def test_every_fault_of_a_package_is_named_at_once(client: httpx.AsyncClient) -> None:
    nothing = await client.post(PACKAGES, json={"id": 1, "status": "ACTIVE"})
    assert faults_of(nothing) == ["id", "status", "targeting", "name"]
    unknown = including(("STANDARD_GENRE", "1"), ("STANDARD_OS", "2"))
    both = {"name": "N", "targeting": unknown, "ssp_targeting": including(("STANDARD_APP", "3"))}
    items = f"{SET}.item_lists.0.items"
    assert faults_of(await client.post(PACKAGES, json=both)) == [
        f"targeting.{items}.0.id",
        f"targeting.{items}.1.id",
        f"ssp_targeting.{items}.0.id",
    ]


async def every_package(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    pages = [(await client.get(f"{PACKAGES}?per_page=50&page={page}")).json() for page in (1, 2, 3)]
    return [
        await shown_package(client, f"{PACKAGES}/{item['id']}") for page in pages for item in page["inventory_packages"]
    ]


async def test_every_seeded_package_can_be_put_back_as_it_was_read(client: httpx.AsyncClient) -> None:
    for package in await every_package(client):
        answer = await client.put(f"{PACKAGES}/{package['id']}", json=package)
        assert answer.status_code == 200, answer.text
        assert answer.json() == package | {"updated_at": timestamp(NOW)}


async def test_the_seeded_targeting_is_varied(client: httpx.AsyncClient) -> None:
    packages = await every_package(client)
    trees = [tree for package in packages for tree in (package["targeting"], package["ssp_targeting"]) if tree]
    both = [package for package in packages if package["targeting"] and package["ssp_targeting"]]
    only_ssp = [package for package in packages if not package["targeting"]]
    assert (len(packages), len(both), len(only_ssp)) == (120, 11, 7)
    assert sum("exclude" in tree for tree in trees) == 34
    assert len({json.dumps([package["targeting"], package["ssp_targeting"]]) for package in packages}) == 120
    assert {tree["include"]["relationship"] for tree in trees} == {"AND", "OR"}
    sets = [found for tree in trees for part in tree.values() for found in part["item_sets"]]
    assert {found["targeting_type"] for found in sets} == {"CONTENT", "PLATFORM", "GEO", "VIDEO", "SITE", "SSP"}
    types = {item["type"] for found in sets for items in found["item_lists"] for item in items["items"]}
    assert types >= {*KINDS_OF} | {"DMA", "POSTAL_CODE", "ASSET_GROUP", "SECTION", "SITE"}

"""The sandbox's inventory packages with their targeting: show, create, replace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from server.sandbox.freewheel.seed.attributes import attribute_id
from server.sandbox.store import timestamp
from tests.server.sandbox.freewheel.network import (
    FULL_PACKAGE,
    GENRE,
    NOW,
    PACKAGES,
    SMALL_PACKAGE,
    SSP,
    Clock,
    faults_of,
    item_set,
    opened,
    shown_package,
)

SEEDED = f"{PACKAGES}/270118"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(clock) as client:
        yield client


async def total(client: httpx.AsyncClient) -> int:
    return (await client.get(PACKAGES)).json()["total"]


async def test_a_package_is_shown_wrapped_and_with_its_targeting(client: httpx.AsyncClient) -> None:
    listed = (await client.get(PACKAGES)).json()["inventory_packages"][0]
    assert await shown_package(client, SEEDED) == {
        "id": 270_118,
        "name": "Northlight+ Premium CTV Run of Service",
        "description": listed["description"],
        "status": "ACTIVE",
        "targeting": {
            "include": {
                "relationship": "AND",
                "item_sets": [
                    item_set(("STANDARD_CONTENT_BRAND", str(attribute_id("brands", "Northlight+")))),
                    item_set(
                        ("STANDARD_DEVICE", str(attribute_id("device_types", "Connected TV"))),
                        ("STANDARD_DEVICE", str(attribute_id("device_types", "Streaming Device"))),
                        where="PLATFORM",
                    ),
                ],
            }
        },
        "ssp_targeting": None,
        "created_at": listed["created_at"],
        "updated_at": listed["updated_at"],
    }


async def test_a_created_package_answers_whole_and_bare_and_reads_back_the_same(client: httpx.AsyncClient) -> None:
    answer = await client.post(PACKAGES, json=FULL_PACKAGE)
    assert answer.status_code == 201
    package = answer.json()
    assert package == FULL_PACKAGE | {
        "id": package["id"],
        "status": "ACTIVE",
        "created_at": timestamp(NOW),
        "updated_at": timestamp(NOW),
    }
    assert await shown_package(client, f"{PACKAGES}/{package['id']}") == package


async def test_a_created_package_is_listed_last_and_found_by_the_filters(client: httpx.AsyncClient) -> None:
    package = (await client.post(PACKAGES, json=SMALL_PACKAGE)).json()
    basic = {field: package[field] for field in ("id", "name", "description", "status", "created_at", "updated_at")}
    last = (await client.get(f"{PACKAGES}?page=7")).json()
    assert last["inventory_packages"] == [basic]
    assert last["total"] == 121
    newest = (await client.get(f"{PACKAGES}?name=Weekend&status=ACTIVE&-updated_at=2026-11-22T00:00:00Z..")).json()
    assert newest["inventory_packages"][0] == basic


async def test_what_is_left_out_on_create_is_null(client: httpx.AsyncClient) -> None:
    only_ssp = (await client.post(PACKAGES, json={"name": "N", "ssp_targeting": SSP, "targeting": None})).json()
    assert (only_ssp["description"], only_ssp["targeting"], only_ssp["ssp_targeting"]) == (None, None, SSP)
    only_mrm = (await client.post(PACKAGES, json=SMALL_PACKAGE | {"description": ""})).json()
    assert (only_mrm["description"], only_mrm["targeting"], only_mrm["ssp_targeting"]) == ("", GENRE, None)


async def test_names_are_not_unique_so_a_repeated_post_makes_a_second_package(client: httpx.AsyncClient) -> None:
    first, second = [(await client.post(PACKAGES, json=SMALL_PACKAGE)).json() for _ in range(2)]
    assert first["id"] < second["id"]
    assert {**first, "id": 0} == {**second, "id": 0}


@pytest.mark.parametrize("field", ["id", "status", "created_at", "updated_at"])
async def test_what_the_network_assigns_cannot_be_set_on_create(client: httpx.AsyncClient, field: str) -> None:
    for value in (None, "ACTIVE"):
        assert faults_of(await client.post(PACKAGES, json=SMALL_PACKAGE | {field: value})) == [field]
    assert await total(client) == 120


async def test_a_put_replaces_the_package_and_moves_its_update(client: httpx.AsyncClient, clock: Clock) -> None:
    package = (await client.post(PACKAGES, json=FULL_PACKAGE)).json()
    path = f"{PACKAGES}/{package['id']}"
    clock.now = NOW + timedelta(hours=3)
    answer = await client.put(path, json={"name": "Renamed", "ssp_targeting": SSP, "status": "INACTIVE"})
    assert answer.status_code == 200
    assert answer.json() == {
        "id": package["id"],
        "name": "Renamed",
        "description": None,
        "status": "INACTIVE",
        "targeting": None,
        "ssp_targeting": SSP,
        "created_at": timestamp(NOW),
        "updated_at": timestamp(clock.now),
    }
    assert await shown_package(client, path) == answer.json()
    assert await total(client) == 121


@pytest.mark.parametrize(("kept", "gone"), [("targeting", "ssp_targeting"), ("ssp_targeting", "targeting")])
async def test_the_targeting_that_a_put_leaves_out_is_gone(client: httpx.AsyncClient, kept: str, gone: str) -> None:
    path = f"{PACKAGES}/{(await client.post(PACKAGES, json=FULL_PACKAGE)).json()['id']}"
    await client.put(path, json={"name": "N", kept: FULL_PACKAGE[kept]})
    package = await shown_package(client, path)
    assert (package[kept], package[gone]) == (FULL_PACKAGE[kept], None)


async def test_a_status_that_is_left_out_of_a_put_stays(client: httpx.AsyncClient) -> None:
    off = await client.put(SEEDED, json=SMALL_PACKAGE | {"status": "INACTIVE"})
    left_out = await client.put(SEEDED, json=SMALL_PACKAGE)
    on = await client.put(SEEDED, json=SMALL_PACKAGE | {"status": "ACTIVE"})
    assert [answer.json()["status"] for answer in (off, left_out, on)] == ["INACTIVE", "INACTIVE", "ACTIVE"]


@pytest.mark.parametrize("status", ["active", "DELETED", "", None, 1])
async def test_a_status_must_be_one_of_the_two(client: httpx.AsyncClient, status: object) -> None:
    assert faults_of(await client.put(SEEDED, json=SMALL_PACKAGE | {"status": status})) == ["status"]


async def test_a_put_without_name_or_targeting_is_refused(client: httpx.AsyncClient) -> None:
    before = await shown_package(client, SEEDED)
    assert faults_of(await client.put(SEEDED, json={"status": "INACTIVE"})) == ["targeting", "name"]
    assert faults_of(await client.put(SEEDED, json={"targeting": GENRE})) == ["name"]
    assert await shown_package(client, SEEDED) == before


async def test_what_the_network_assigns_is_ignored_in_a_put(client: httpx.AsyncClient) -> None:
    before = await shown_package(client, SEEDED)
    assigned = {"id": 5, "created_at": "2001-01-01T00:00:00Z", "updated_at": None}
    after = (await client.put(SEEDED, json=SMALL_PACKAGE | assigned)).json()
    assert (after["id"], after["created_at"], after["updated_at"]) == (270_118, before["created_at"], timestamp(NOW))


@pytest.mark.parametrize("package", ["1", "0", "abc", "9" * 30, "270118.0", "-270118", "%00"])
async def test_an_unknown_package_is_not_found(client: httpx.AsyncClient, package: str) -> None:
    for answer in (await client.get(f"{PACKAGES}/{package}"), await client.put(f"{PACKAGES}/{package}", json={})):
        assert answer.status_code == 404
        assert answer.json() == {"errors": [{"message": "Inventory package not found."}]}


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 422), (b"<package/>", "application/xml", 415)],
)
async def test_a_package_must_come_as_a_json_object(
    client: httpx.AsyncClient, content: bytes, content_type: str, status: int
) -> None:
    for method, path in (("POST", PACKAGES), ("PUT", SEEDED)):
        answer = await client.request(method, path, content=content, headers={"Content-Type": content_type})
        assert answer.status_code == status
        assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(("method", "path"), [("POST", PACKAGES), ("PUT", SEEDED)])
async def test_ssp_targeting_without_its_network_function_answers_403_of_the_gateway(method: str, path: str) -> None:
    async with opened(ssp_targeting_enabled=False) as client:
        before = await shown_package(client, SEEDED)
        bodies: list[dict[str, object]] = [FULL_PACKAGE, {"ssp_targeting": {}}]
        for body in bodies:
            refused = await client.request(method, path, json=body)
            assert refused.status_code == 403
            assert refused.json() == {"Message": "User is not authorized to access this resource"}
        assert await shown_package(client, SEEDED) == before
        assert await total(client) == 120
        allowed = await client.request(method, path, json=SMALL_PACKAGE | {"ssp_targeting": None})
        assert allowed.is_success

"""The sandbox's FreeWheel: tokens, rates, headers and inventory packages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.sandbox.freewheel import app as freewheel
from server.sandbox.store import Store, timestamp
from tests.server.sandbox.freewheel.network import ATTRIBUTES, NOW, ORDERS, PACKAGES, Clock, client_of, seeded

GRANT = {"grant_type": "password", "username": freewheel.USERNAME, "password": freewheel.PASSWORD}


@pytest.fixture
def store() -> Iterator[Store]:
    with closing(seeded()) as store:
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(store: Store, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(store, clock, requests_per_second=0, token_requests_per_second=0) as client:
        yield client


async def every_package(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = pages = 1
    while page <= pages:
        body = (await client.get(f"{PACKAGES}?per_page=50&page={page}&{query}")).json()
        found += body["inventory_packages"]
        page, pages = page + 1, body["total_pages"]
    return found


async def test_a_password_grant_opens_the_api_for_seven_days(client: httpx.AsyncClient, clock: Clock) -> None:
    answer = await client.post("/auth/token", data=GRANT)
    token = answer.json()
    assert answer.status_code == 200
    assert token == {
        "access_token": token["access_token"],
        "token_type": "Bearer",
        "created_at": int(NOW.timestamp()),
        "expires_in": 604_800,
    }
    headers = {"Authorization": f"bearer {token['access_token']}"}
    clock.now = NOW + timedelta(seconds=604_799)
    assert (await client.get(PACKAGES, headers=headers)).status_code == 200
    clock.now = NOW + timedelta(seconds=604_800)
    refused = await client.get(PACKAGES, headers=headers)
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["message"]


async def test_client_credentials_open_the_api_for_one_hour(client: httpx.AsyncClient, clock: Clock) -> None:
    answer = await client.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(freewheel.CLIENT_ID, freewheel.CLIENT_SECRET),
    )
    assert answer.json()["expires_in"] == 3600
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get(PACKAGES, headers=headers)).status_code == 200
    assert (await client.get("/auth/token/info", headers=headers)).status_code == 401
    clock.now = NOW + timedelta(hours=1)
    assert (await client.get(PACKAGES, headers=headers)).status_code == 401


async def test_token_info_tells_what_is_left_of_a_password_grant(client: httpx.AsyncClient, clock: Clock) -> None:
    token = (await client.post("/auth/token", data=GRANT)).json()["access_token"]
    clock.now = NOW + timedelta(minutes=10)
    info = await client.get("/auth/token/info", headers={"Authorization": f"Bearer {token}"})
    assert info.json() == {
        "user_id": freewheel.USERS[0].id,
        "created_at": int(NOW.timestamp()),
        "expires_in_seconds": 604_200,
    }


async def test_the_ready_made_token_never_expires_and_has_no_info(client: httpx.AsyncClient, clock: Clock) -> None:
    clock.now = NOW + timedelta(days=4000)
    assert (await client.get(PACKAGES)).status_code == 200
    assert (await client.get("/auth/token/info")).status_code == 401


@pytest.mark.parametrize("form", [GRANT | {"password": "guess"}, GRANT | {"username": "é"}, {"grant_type": "password"}])
async def test_wrong_credentials_answer_401_that_is_not_json(client: httpx.AsyncClient, form: dict[str, str]) -> None:
    answer = await client.post("/auth/token", data=form)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic /w==", "Basic bm9ydGhsaWdodA==", "Bearer x"])
async def test_client_credentials_must_be_right_and_in_http_basic(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.post(
        "/oauth2/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"grant_type=password&username=%ff", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 30, "application/x-www-form-urlencoded", 400),
        (b"grant_type=refresh_token", "application/x-www-form-urlencoded", 400),
    ],
)
@pytest.mark.parametrize("path", ["/auth/token", "/oauth2/token"])
async def test_a_token_request_that_is_not_the_documented_form_is_refused(
    client: httpx.AsyncClient, path: str, content: bytes, content_type: str, status: int
) -> None:
    answer = await client.post(path, content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.json()["errors"]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer unknown", f"Basic {freewheel.TOKEN}", "Bearer \xff"])
async def test_a_request_without_a_valid_token_is_refused(client: httpx.AsyncClient, authorization: str) -> None:
    headers = {b"Authorization": authorization.encode("latin-1")}
    assert (await client.get(PACKAGES, headers=headers)).status_code == 401


@pytest.mark.parametrize("accept", ["*/*", "", "application/xml", "application/*", "text/html"])
async def test_accept_must_name_json(client: httpx.AsyncClient, accept: str) -> None:
    assert (await client.get(PACKAGES, headers={"Accept": accept})).status_code == 406
    assert (await client.post("/auth/token", data=GRANT, headers={"Accept": accept})).status_code == 406


async def test_the_fourth_token_request_within_a_second_is_refused(store: Store, clock: Clock) -> None:
    async with client_of(store, clock) as client:
        statuses = [(await client.post("/auth/token", data=GRANT)).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        clock.now = NOW + timedelta(seconds=1)
        assert (await client.post("/auth/token", data=GRANT)).status_code == 200


async def test_the_twenty_first_request_within_a_second_is_refused(store: Store, clock: Clock) -> None:
    async with client_of(store, clock) as client:
        statuses = [(await client.get(PACKAGES)).status_code for _ in range(21)]
        assert statuses == [200] * 20 + [429]
        clock.now = NOW + timedelta(seconds=1)
        assert (await client.get(PACKAGES)).status_code == 200


@pytest.mark.parametrize(
    ("off", "closed", "still_open"),
    [
        ("proposals_enabled", ORDERS, PACKAGES),
        ("proposals_enabled", f"{ORDERS}/418250/proposed_placements", f"{PACKAGES}/270118"),
        ("marketplace_enabled", PACKAGES, ORDERS),
        ("marketplace_enabled", f"{PACKAGES}/270118", ORDERS),
        ("marketplace_enabled", ATTRIBUTES, ORDERS),
        ("marketplace_enabled", f"{ATTRIBUTES}/series", f"{ORDERS}/418250"),
    ],
)
async def test_a_network_function_that_is_off_answers_403_of_the_gateway(
    store: Store, clock: Clock, off: str, closed: str, still_open: str
) -> None:
    async with client_of(store, clock, freewheel.TOKEN, **{off: False}) as client:
        refused = await client.get(closed)
        assert refused.status_code == 403
        assert set(refused.json()) == {"Message"}
        assert (await client.get(still_open)).status_code == 200
        assert (await client.get(closed, headers={"Authorization": "Bearer x"})).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/services/v4/nothing", 404),
        ("GET", f"{PACKAGES}/", 404),
        ("PUT", PACKAGES, 405),
        ("DELETE", f"{PACKAGES}/270118", 405),
        ("PATCH", f"{PACKAGES}/270118", 405),
        ("POST", ATTRIBUTES, 405),
        ("DELETE", ORDERS, 405),
        ("GET", "/auth/token", 405),
    ],
)
async def test_an_unknown_path_or_method_is_refused_in_the_error_shape(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]
    assert ("allow" in answer.headers) is (status == 405)


async def test_inventory_packages_come_in_the_order_of_ids_with_basic_fields(client: httpx.AsyncClient) -> None:
    body = (await client.get(PACKAGES)).json()
    packages = body.pop("inventory_packages")
    assert body == {"page": 1, "per_page": 20, "total": 120, "total_pages": 6}
    assert len(packages) == 20
    everything = await every_package(client)
    assert everything[:20] == packages
    assert all(first["id"] < second["id"] for first, second in pairwise(everything))
    assert all(
        list(package) == ["id", "name", "description", "status", "created_at", "updated_at"] for package in everything
    )
    assert {None, ""} < {package["description"] for package in everything}
    assert {package["status"] for package in everything} == {"ACTIVE", "INACTIVE"}
    updates = [package["updated_at"] for package in everything]
    assert len(set(updates)) == 120
    assert timestamp(NOW - timedelta(days=731)) < min(updates) < max(updates) < timestamp(NOW)
    assert all(package["created_at"] < package["updated_at"] for package in everything)


async def test_a_name_filter_matches_a_part_of_the_name_in_its_case(client: httpx.AsyncClient) -> None:
    names = [package["name"] for package in await every_package(client, "name=STB")]
    assert len(names) == 24
    assert any(name.startswith("STB") for name in names)
    assert any(name.endswith("Pet Owners") for name in names)
    assert await every_package(client, "name=stb") == []
    assert [p["name"] for p in await every_package(client, "name=%25_")] == [
        "Northlight Mobile Rewarded Video 100%_Viewable"
    ]
    assert len(await every_package(client, "name=")) == 120
    assert (await client.get(PACKAGES, params={"name": "n" * 255})).json()["total"] == 0


async def test_a_status_filter_splits_the_list(client: httpx.AsyncClient) -> None:
    active, inactive = [await every_package(client, f"status={status}") for status in ("ACTIVE", "INACTIVE")]
    assert len(active) + len(inactive) == 120
    assert {package["status"] for package in active} == {"ACTIVE"}
    assert {package["status"] for package in inactive} == {"INACTIVE"}


async def test_updated_at_filters_inclusively_and_sorts_by_its_sign(client: httpx.AsyncClient) -> None:
    by_update = sorted(await every_package(client), key=lambda package: str(package["updated_at"]))
    low, high = by_update[30]["updated_at"], by_update[60]["updated_at"]
    assert await every_package(client, f"updated_at=..{high}") == by_update[:61]
    assert await every_package(client, f"updated_at={low}..") == by_update[30:]
    assert await every_package(client, f"updated_at={low}..{high}") == by_update[30:61]
    assert await every_package(client, f"-updated_at={low}..{high}") == by_update[30:61][::-1]
    assert await every_package(client, f"updated_at={high}..{low}") == []


async def test_filters_combine(client: httpx.AsyncClient) -> None:
    found = await every_package(client, "name=Northlight&status=INACTIVE&-updated_at=2026-01-01T00:00:00Z..")
    assert found
    assert all("Northlight" in p["name"] and p["status"] == "INACTIVE" for p in found)
    assert all(first["updated_at"] > second["updated_at"] for first, second in pairwise(found))


async def test_a_page_past_the_last_is_empty_with_the_true_totals(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{PACKAGES}?page=1000&per_page=50")).json() == {
        "inventory_packages": [],
        "page": 1000,
        "per_page": 50,
        "total": 120,
        "total_pages": 3,
    }
    assert (await client.get(f"{PACKAGES}?name=nothing")).json()["total_pages"] == 0


async def test_a_parameter_in_another_case_is_ignored(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{PACKAGES}?Status=INACTIVE&limit=1")).json()["total"] == 120


@pytest.mark.parametrize(
    "query",
    [
        *("page=0", "page=1001", "page=-1", "page=1.0", "page=", "page=x", f"page={'9' * 5000}", "page=%D9%A1"),
        *("per_page=4", "per_page=51", "per_page=all", "per_page=%2B20"),
        *("status=active", "status=", "status=DELETED", f"name={'n' * 256}"),
        *("updated_at=", "updated_at=..", "updated_at=2026-01-01T00:00:00Z", "updated_at=2026-01-01.."),
        *("updated_at=2026-02-30T00:00:00Z..", "updated_at=2026-01-01T00:00:00%2B00:00..", "-updated_at=desc"),
        *("updated_at=2026-01-01T00:00:00Z...2026-02-01T00:00:00Z", "updated_at=2026-01-01T00:00:00Z..%0A"),
        "updated_at=..2026-01-01T00:00:00Z&-updated_at=..2026-01-01T00:00:00Z",
    ],
)
async def test_a_query_out_of_bounds_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"{PACKAGES}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"]


async def test_a_query_that_is_not_utf_8_matches_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{PACKAGES}?name=%ff%00")).json()["total"] == 0


def test_the_seed_depends_on_the_day_of_creation_alone() -> None:
    tables = ("inventory_package", "brand", "user", "campaign", "proposed_insertion_order", "proposed_placement")
    dumps: list[list[list[tuple[object, ...]]]] = []
    for _ in range(2):
        with closing(seeded()) as store, store.transaction() as connection:
            dumps.append(
                [[tuple(row) for row in connection.execute(f"SELECT * FROM freewheel_{t}")] for t in tables]  # noqa: S608 - names above
            )
    assert dumps[0] == dumps[1]
    assert [len(rows) for rows in dumps[0]] == [120, 30, 8, 12, 25, 84]


async def test_tokens_and_orders_survive_a_restart_and_are_shared(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sandbox.sqlite3"
    with closing(seeded(path)) as first, closing(Store(path)) as second:
        async with client_of(first, clock) as client:
            token = (await client.post("/auth/token", data=GRANT)).json()["access_token"]
            order = (await client.post(ORDERS, json={"external_id": "NL-1", "name": "Nightharbor"})).json()
        async with client_of(second, clock, token) as client:
            shown = await client.get(f"{ORDERS}/{order['id']}")
    assert shown.json() == {"proposed_insertion_order": order}

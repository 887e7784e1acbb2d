"""Every answer of the Interchange sandbox is one that the published OpenAPI document allows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from server.sandbox.interchange import app as interchange
from server.sandbox.interchange.app import MEDIA_BUYS
from server.sandbox.store import Store
from tests.openapi import ContractViolation, document_path, load_document, validate_request, validate_response
from tests.support import OPENED

pytestmark = pytest.mark.skipif(
    not document_path().is_file(), reason="Interchange's OpenAPI document is not here (ADOPS_TEST_OPENAPI)"
)

NOW = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
SOURCES = "/api/v2/storefront/inventory-sources"
BUY = MEDIA_BUYS[0]
BUYER = {"mediaBuyId": BUY.media_buy_id, "buyerCustomerId": BUY.buyer_customer_id}
AVAILS = {
    "northlight-cadent": "avl_vod_full_library",
    "northlight-ctv": "avl_fast_ros_next_quarter",
    "northlight-live-sports": "avl_basketball_weeknight",
}
GAM_SOURCES = (
    "gam-northlight",
    "gam-wrong-network",
    "gam-no-grant",
    "gam-broken-credentials",
    "gam-api-disabled",
    "gam-flaky",
    "gam-new",
)
MEDIA_BUY_LIST = "/api/v2/storefront/media-buys"
GAM = {"type": "google_ad_manager", "networkCode": "21700001"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return load_document()


class Judged(httpx.AsyncBaseTransport):
    """A client of the sandbox that checks every exchange against the document."""

    def __init__(self, document: dict[str, Any], **options: Any) -> None:
        store = Store()
        OPENED.callback(store.close)
        with store.transaction() as connection:
            interchange.create(connection, NOW)
        self._inner = httpx.ASGITransport(interchange.app(store, lambda: NOW, requests_per_minute=None, **options))
        self._document = document

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        await response.aread()
        if response.status_code == 200:
            validate_request(self._document, request)
        validate_response(self._document, request, response)
        return response


@pytest.fixture
def client(document: dict[str, Any]) -> httpx.AsyncClient:
    return connected(document)


def connected(document: dict[str, Any], **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=Judged(document, **options),
        base_url="https://api.interchange.io",
        headers={"Authorization": f"Bearer {interchange.API_KEY}"},
    )


async def test_the_account_and_every_source_are_as_documented(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v2/accounts/current")).status_code == 200
    sources = (await client.get(SOURCES)).json()
    for source in sources:
        assert (await client.get(f"{SOURCES}/{source['sourceId']}")).json() == source


@pytest.mark.parametrize("source_id", AVAILS)
async def test_a_booking_is_as_documented_from_avail_to_booked(client: httpx.AsyncClient, source_id: str) -> None:
    modular = f"{SOURCES}/{source_id}/modular"
    booking = BUYER | {"availId": AVAILS[source_id], "packageId": "pkg_1"}
    assert (await client.get(modular)).status_code == 200
    assert (await client.get(f"{modular}/products")).json()["products"]
    for package in ("pkg_1", "pkg_2"):
        body = booking | {"packageId": package, "requestedImpressions": 2_000_000, "holdMinutes": 30}
        assert (await client.post(f"{modular}/reservations", json=body)).json()["status"] == "HELD"
    released = await client.post(f"{modular}/bookings/release", json=booking | {"packageId": "pkg_2"})
    assert released.json()["status"] == "RELEASED"
    finalized = await client.post(f"{modular}/bookings/finalize", json=booking)
    assert finalized.status_code == 200
    for item in finalized.json()["workItems"]:
        path = f"{modular}/work-items/{item['id']}"
        changes = {"status": "IN_PROGRESS", "assignedTo": 77, "notes": "taken"}
        assert (await client.patch(path, json=changes)).json()["item"]["assignedTo"] == "77"
        result = dict.fromkeys(item["payload"]["requiredResultFields"], "ref-1")
        for changed in (True, False):
            completed = await client.post(f"{path}/complete", json={"result": result, "notes": "done"})
            assert completed.json()["changed"] is changed
        assert len((await client.get(path)).json()["events"]) == 3
    listed = await client.get(
        f"{modular}/work-items", params={"status": "OPEN,COMPLETED", "mediaBuyId": BUY.media_buy_id, "limit": 100}
    )
    assert listed.json()["total"] == len(finalized.json()["workItems"])
    assert (await client.get(modular)).status_code == 200
    assert (await client.post(f"{modular}/bookings/release", json=booking)).json()["status"] == "CANCELLED"


@pytest.mark.parametrize("source_id", GAM_SOURCES)
async def test_connections_and_their_tests_are_as_documented(client: httpx.AsyncClient, source_id: str) -> None:
    for _ in range(2):
        assert (await client.post(f"{SOURCES}/{source_id}/test-connection")).status_code == 200
        assert (await client.get(f"{SOURCES}/{source_id}/esa")).json()["lastTestedAt"] == "2026-11-22T13:00:00Z"
        assert (await client.get(f"{SOURCES}/{source_id}")).status_code == 200


@pytest.mark.parametrize("source_id", GAM_SOURCES)
@pytest.mark.parametrize("network_code", ["21700001", "21700002", "21700007"])
async def test_a_configuration_and_what_follows_are_as_documented(
    client: httpx.AsyncClient, source_id: str, network_code: str
) -> None:
    contract = {"id": "gam", "version": 1, "authenticationMethod": "platform_service_account"}
    body = GAM | {"networkCode": network_code, "connectionContract": contract}
    assert (await client.put(f"{SOURCES}/{source_id}/ad-server", json=body)).status_code == 200
    for _ in range(2):
        assert (await client.post(f"{SOURCES}/{source_id}/test-connection")).status_code == 200
        assert (await client.get(f"{SOURCES}/{source_id}/esa")).status_code == 200
        assert (await client.get(f"{SOURCES}/{source_id}")).status_code == 200


async def test_media_buys_are_as_documented(client: httpx.AsyncClient) -> None:
    assert (await client.get(MEDIA_BUY_LIST)).json()["total"] == 37
    query = {
        "status": "awaiting_source",
        "buyerCustomerId": 88120,
        "sourceId": "northlight-ctv",
        "flightStartFrom": "2026-11-22T13:00:00Z",
        "flightStartTo": "2028-02-29T13:00:00.5Z",
        "take": 200,
        "skip": 0,
    }
    assert (await client.get(MEDIA_BUY_LIST, params=query)).json()["total"] == 1


async def test_media_buys_of_a_storefront_in_trouble_are_as_documented(document: dict[str, Any]) -> None:
    answer = (await connected(document, unreachable="gam-flaky").get(MEDIA_BUY_LIST)).json()
    assert answer["warnings"]
    assert answer["statusFreshness"]


@pytest.mark.parametrize("source_id", [*AVAILS, "northlight-radio"])
async def test_the_work_of_the_first_day_is_as_documented(client: httpx.AsyncClient, source_id: str) -> None:
    path = f"{SOURCES}/{source_id}/modular/work-items"
    every = "OPEN,IN_PROGRESS,BLOCKED,COMPLETED,CANCELLED"
    for item in (await client.get(path, params={"status": every})).json()["items"]:
        assert (await client.get(f"{path}/{item['id']}")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/northlight-ctv/modular/reservations", {"mediaBuyId": ""}, 400),
        ("POST", "/gam-northlight/modular/reservations", BUYER | {"availId": "a", "requestedImpressions": 1}, 422),
        ("POST", "/northlight-ctv/modular/bookings/finalize", BUYER | {"availId": "avl_kids_summer"}, 404),
        ("GET", "/nobody/modular", None, 404),
        ("POST", "/northlight-ctv/test-connection", None, 404),
        ("PUT", "/gam-northlight/ad-server", {"type": "google_ad_manager"}, 400),
        ("PUT", "/nobody/ad-server", GAM, 404),
        ("PUT", "/northlight-ctv/ad-server", GAM, 422),
    ],
)
async def test_refusals_are_as_documented(
    client: httpx.AsyncClient, method: str, path: str, body: object, status: int
) -> None:
    assert (await client.request(method, SOURCES + path, json=body)).status_code == status


async def test_a_query_of_media_buys_is_refused_as_documented(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{MEDIA_BUY_LIST}?take=201")).status_code == 400


async def test_a_wrong_key_is_refused_as_documented(client: httpx.AsyncClient) -> None:
    assert (await client.get(SOURCES, headers={"Authorization": "Bearer nobody"})).status_code == 401


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/api/v2/storefront/accounts/current", None),
        ("GET", "/api/v2/storefront/inventory-sources/", None),
        ("GET", "/api/v2/storefront/bookings", None),
        ("DELETE", SOURCES, None),
        ("GET", f"{SOURCES}?take=5", None),
        ("GET", f"{SOURCES}/s/modular/work-items?limit=101", None),
        ("GET", f"{SOURCES}/s/modular/work-items?limit=ten", None),
        ("GET", f"{SOURCES}/s/modular/work-items?limit=5&limit=6", None),
        ("GET", f"{SOURCES}/s/modular/work-items?status=OPEN,DONE", None),
        ("GET", f"{SOURCES}/s/modular/work-items?kind=", None),
        ("GET", f"{MEDIA_BUY_LIST}?take=201", None),
        ("GET", f"{MEDIA_BUY_LIST}?flightStartFrom=2026-11-22", None),
        ("PUT", f"{SOURCES}/s/ad-server", None),
        ("PUT", f"{SOURCES}/s/ad-server", GAM | {"networkCode": "n"}),
        ("GET", f"{SOURCES}/s/ad-server", None),
        ("POST", f"{SOURCES}/s/test-connection", {}),
        ("POST", f"{SOURCES}/s/modular/reservations", None),
        ("POST", f"{SOURCES}/s/modular/reservations", BUYER | {"availId": "a"}),
        ("POST", f"{SOURCES}/s/modular/reservations", BUYER | {"availId": "a", "requestedImpressions": 0}),
        ("POST", f"{SOURCES}/s/modular/bookings/release", BUYER | {"availId": None}),
    ],
)
def test_a_request_out_of_the_contract_is_found(document: dict[str, Any], method: str, url: str, body: object) -> None:
    request = httpx.Request(method, f"https://api.interchange.io{url}", json=body)
    with pytest.raises(ContractViolation):
        validate_request(document, request)


@pytest.mark.parametrize(
    ("status", "body"),
    [(201, []), (200, {}), (200, [{"id": 7}]), (404, {"error": "no"}), (401, {"data": {}, "error": None})],
)
def test_an_answer_out_of_the_contract_is_found(document: dict[str, Any], status: int, body: object) -> None:
    request = httpx.Request("GET", f"https://api.interchange.io{SOURCES}")
    with pytest.raises(ContractViolation):
        validate_response(document, request, httpx.Response(status, json=body))

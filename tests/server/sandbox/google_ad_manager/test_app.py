"""The sandbox's Google Ad Manager and Google's token endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from server.sandbox.google_ad_manager import seed, service_account
from server.sandbox.google_ad_manager.app import app
from server.sandbox.store import Store

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
IAT = int(NOW.timestamp())
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_URI = "https://oauth2.googleapis.com/token"
CLAIMS: dict[str, Any] = {
    "iss": service_account.SERVICE_ACCOUNT_EMAIL,
    "aud": TOKEN_URI,
    "iat": IAT,
    "exp": IAT + 3600,
    "scope": service_account.SCOPE,
}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One for the module: an RSA key takes time to make. A test leaves the transient attempts at a multiple of four."""
    with closing(Store(tmp_path_factory.mktemp("gam") / "sandbox.sqlite3")) as store:
        with store.transaction() as connection:
            seed.create(connection, NOW)
        yield store


@pytest.fixture
def key(store: Store) -> dict[str, str]:
    return service_account.service_account_key(store, TOKEN_URI)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def stranger(store: Store, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    transport = httpx.ASGITransport(app=app(store, clock))
    async with httpx.AsyncClient(transport=transport, base_url="https://admanager.googleapis.com") as client:
        yield client


@pytest.fixture
async def client(stranger: httpx.AsyncClient, key: dict[str, str]) -> httpx.AsyncClient:
    token = (await grant(stranger, assertion(key))).json()["access_token"]
    stranger.headers["Authorization"] = f"Bearer {token}"
    return stranger


def assertion(key: dict[str, str], claims: dict[str, Any] | None = None, kid: str = "") -> str:
    headers = {"kid": kid or key["private_key_id"]}
    return jwt.encode(claims or CLAIMS, key["private_key"], algorithm="RS256", headers=headers)


async def grant(client: httpx.AsyncClient, signed: str) -> httpx.Response:
    return await client.post("/token", data={"grant_type": GRANT_TYPE, "assertion": signed})


def reasons(answer: httpx.Response) -> set[str]:
    details = answer.json()["error"]["details"]
    violations = [violation for detail in details for violation in detail.get("fieldViolations", [])]
    return {found["reason"] for found in [*details, *violations] if "reason" in found}


def test_the_key_file_is_a_service_accounts_and_stays_the_same(store: Store, key: dict[str, str]) -> None:
    assert key == {
        "type": "service_account",
        "project_id": service_account.PROJECT_ID,
        "private_key_id": key["private_key_id"],
        "private_key": key["private_key"],
        "client_email": service_account.SERVICE_ACCOUNT_EMAIL,
        "client_id": key["client_id"],
        "token_uri": TOKEN_URI,
    }
    assert key["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    assert service_account.service_account_key(store, "http://127.0.0.1:8080/google/token") == key | {
        "token_uri": "http://127.0.0.1:8080/google/token"
    }


async def test_a_signed_assertion_buys_a_token_for_an_hour(
    stranger: httpx.AsyncClient, key: dict[str, str], clock: Clock
) -> None:
    answer = await grant(stranger, assertion(key))
    token = answer.json()["access_token"]
    assert answer.json() == {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}
    headers = {"Authorization": f"Bearer {token}"}
    clock.now = NOW + timedelta(seconds=3598)
    assert (await stranger.get("/v1/networks", headers=headers)).status_code == 200
    clock.now = NOW + timedelta(seconds=3599)
    expired = await stranger.get("/v1/networks", headers=headers)
    assert expired.status_code == 401
    assert reasons(expired) == {"ACCESS_TOKEN_EXPIRED"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "someone@else.iam.gserviceaccount.com"},
        {"aud": "https://admanager.googleapis.com/"},
        {"aud": [TOKEN_URI]},
        {"exp": IAT},
        {"exp": IAT + 3601},
        {"exp": 10**30},
        {"iat": IAT - 4000, "exp": IAT - 400},
        {"iat": IAT + 301, "exp": IAT + 3000},
        {"iat": str(IAT)},
        {"scope": "https://www.googleapis.com/auth/dfp"},
        {"scope": service_account.SCOPE + "x"},
        {"scope": [service_account.SCOPE]},
    ],
)
async def test_an_assertion_with_a_wrong_claim_is_an_invalid_grant(
    stranger: httpx.AsyncClient, key: dict[str, str], wrong: dict[str, Any]
) -> None:
    answer = await grant(stranger, assertion(key, CLAIMS | wrong))
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"
    assert answer.json()["error_description"]


@pytest.mark.parametrize("claim", CLAIMS)
async def test_every_claim_is_needed(stranger: httpx.AsyncClient, key: dict[str, str], claim: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim}
    assert (await grant(stranger, assertion(key, claims))).json()["error"] == "invalid_grant"


async def test_an_assertion_that_another_key_signed_is_refused(
    stranger: httpx.AsyncClient, key: dict[str, str]
) -> None:
    head, _, signature = assertion(key).rpartition(".")
    forged = assertion(key, CLAIMS | {"scope": "none"}).rpartition(".")[2]
    unsigned = jwt.encode(CLAIMS, "", algorithm="none")
    hmac = jwt.encode(CLAIMS, "a secret of thirty-two bytes or so", algorithm="HS256")
    assert (await grant(stranger, f"{head}.{signature}")).status_code == 200
    for bad in (f"{head}.{forged}", f"{head}.", unsigned, hmac, assertion(key, kid="f" * 40)):
        answer = await grant(stranger, bad)
        assert answer.status_code == 400
        assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


@pytest.mark.parametrize("text", ["x", "a.b", "a.b.c", "....", "é.é.é", "W10.W10.W10", "W" * 10_000])
async def test_text_that_is_no_assertion_is_refused(stranger: httpx.AsyncClient, text: str) -> None:
    answer = await grant(stranger, text)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


async def test_nobody_has_a_grant_before_the_key_is_made(key: dict[str, str]) -> None:
    with closing(Store()) as fresh:
        with fresh.transaction() as connection:
            seed.create(connection, NOW)
        transport = httpx.ASGITransport(app=app(fresh, lambda: NOW))
        async with httpx.AsyncClient(transport=transport, base_url="https://oauth2.googleapis.com") as client:
            assert (await grant(client, assertion(key))).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "unsupported_grant_type"),
        (b"grant_type=password", "unsupported_grant_type"),
        (b"\xff\xfe", "unsupported_grant_type"),
        (b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer", "invalid_request"),
    ],
)
async def test_a_token_request_that_is_no_jwt_grant_is_refused(
    stranger: httpx.AsyncClient, content: bytes, error: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await stranger.post("/token", content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [("", "CREDENTIALS_MISSING"), ("Basic eDp5", "CREDENTIALS_MISSING"), ("Bearer x", "ACCESS_TOKEN_INVALID")],
)
async def test_a_request_without_a_valid_token_is_unauthenticated(
    stranger: httpx.AsyncClient, authorization: str, reason: str
) -> None:
    answer = await stranger.get(f"/v1/networks/{seed.NETWORK}", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert reasons(answer) == {reason}


async def test_a_network_is_shown_without_its_default_values(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/networks/{seed.NETWORK}")
    assert answer.status_code == 200
    assert answer.headers["x-goog-correlation-id"]
    assert answer.json() == {
        "name": "networks/21700001",
        "displayName": "Northlight Television",
        "networkCode": "21700001",
        "timeZone": "America/New_York",
        "currencyCode": "USD",
        "secondaryCurrencyCodes": ["CAD"],
        "effectiveRootAdUnit": "networks/21700001/adUnits/21809957681",
        "networkId": "1483920",
    }
    assert (await client.get(f"/v1/networks/{seed.TEST_NETWORK}?alt=json")).json()["testNetwork"] is True


@pytest.mark.parametrize(
    ("code", "http", "status", "reason"),
    [
        (seed.NOT_FOUND, 404, "NOT_FOUND", {"NETWORK_NOT_FOUND"}),
        ("9" * 32, 404, "NOT_FOUND", {"NETWORK_NOT_FOUND"}),
        (seed.GRANT_MISSING, 403, "PERMISSION_DENIED", {"PERMISSION_DENIED"}),
        (seed.BROKEN_CREDENTIALS, 401, "UNAUTHENTICATED", {"AUTHENTICATION_FAILED"}),
        (seed.API_DISABLED, 403, "PERMISSION_DENIED", {"SERVICE_DISABLED"}),
        ("9" * 33, 400, "INVALID_ARGUMENT", {"INVALID_NETWORK_CODE"}),
        ("northlight", 400, "INVALID_ARGUMENT", {"INVALID_NETWORK_CODE"}),
        ("-21700001", 400, "INVALID_ARGUMENT", {"INVALID_NETWORK_CODE"}),
        ("%D9%A1%D9%A2", 400, "INVALID_ARGUMENT", {"INVALID_NETWORK_CODE"}),
        (f"{seed.NETWORK}?view=full", 400, "INVALID_ARGUMENT", {"UNKNOWN_PARAMETER"}),
    ],
)
async def test_a_refusal_is_googles_status_with_reasons_and_the_request_id(
    client: httpx.AsyncClient, code: str, http: int, status: str, reason: set[str]
) -> None:
    answer = await client.get(f"/v1/networks/{code}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (http, http, status)
    assert error["message"]
    assert reasons(answer) == reason
    assert error["details"][-1] == {
        "@type": "type.googleapis.com/google.rpc.RequestInfo",
        "requestId": answer.headers["x-goog-correlation-id"],
    }


async def test_a_disabled_api_names_the_service_and_the_project(client: httpx.AsyncClient) -> None:
    info = (await client.get(f"/v1/networks/{seed.API_DISABLED}")).json()["error"]["details"][0]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert info["domain"] == "googleapis.com"
    assert info["metadata"]["service"] == "admanager.googleapis.com"
    assert info["metadata"]["consumer"] == f"projects/{service_account.PROJECT_ID}"


async def test_the_transient_network_answers_every_fourth_attempt(client: httpx.AsyncClient) -> None:
    answers = [await client.get(f"/v1/networks/{seed.TRANSIENT}") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 503, 503, 200]
    assert answers[0].json()["error"]["status"] == "UNAVAILABLE"
    assert answers[3].json()["networkCode"] == seed.TRANSIENT


async def test_attempts_are_counted_across_restarts(client: httpx.AsyncClient, store: Store, clock: Clock) -> None:
    statuses: list[int] = []
    for _ in range(4):
        transport = httpx.ASGITransport(app=app(store, clock))
        async with httpx.AsyncClient(
            transport=transport, base_url=client.base_url, headers=client.headers
        ) as restarted:
            statuses.append((await restarted.get(f"/v1/networks/{seed.TRANSIENT}")).status_code)
    assert statuses == [503, 503, 503, 200]


async def test_the_list_shows_what_the_account_may_see(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/networks")).json()
    assert [network["networkCode"] for network in answer.pop("networks")] == [seed.NETWORK, seed.TEST_NETWORK]
    assert answer == {}


async def test_the_list_is_paged_by_an_opaque_token(client: httpx.AsyncClient) -> None:
    first = (await client.get("/v1/networks?pageSize=1")).json()
    second = (await client.get("/v1/networks", params={"pageSize": 1, "pageToken": first["nextPageToken"]})).json()
    assert [page["networks"][0]["networkCode"] for page in (first, second)] == [seed.NETWORK, seed.TEST_NETWORK]
    assert "nextPageToken" not in second
    skipped = (await client.get("/v1/networks?pageSize=1&skip=1")).json()
    assert skipped == second
    assert (await client.get("/v1/networks?skip=2")).json() == {}


@pytest.mark.parametrize("size", ["0", "1000", "1001", "2147483647"])
async def test_a_page_size_over_the_maximum_is_coerced(client: httpx.AsyncClient, size: str) -> None:
    assert len((await client.get(f"/v1/networks?pageSize={size}")).json()["networks"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        *("pageSize=-1", "pageSize=ten", "pageSize=1.5", "pageSize=", "pageSize=2147483648", "skip=-1"),
        *("pageToken=guess", "pageToken=c3RhcnQ9eA==", "pageToken=%C3%A9", "page_size=1", "filter=x"),
    ],
)
async def test_a_list_query_that_google_would_not_take_is_an_invalid_argument(
    client: httpx.AsyncClient, query: str
) -> None:
    answer = await client.get(f"/v1/networks?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert answer.json()["error"]["details"][0]["fieldViolations"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/networks"), ("POST", "/v1/networks"), ("GET", "/token"), ("GET", "/v1/networks/1/orders")],
)
async def test_outside_its_resources_google_answers_html(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")

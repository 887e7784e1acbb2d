"""The service account's token: the grant that is sent, how long it is kept, and what is told when there is none."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from pydantic import SecretStr

from tests.support import Answer, FakeTime, Recorder
from tools.errors import AdOpsError, NotConfigured, RateLimited, Unauthorized, Unavailable
from tools.google_ad_manager.auth import ServiceAccountToken, UnusableKey
from tools.google_ad_manager.client import Finding, GoogleAdManagerClient
from tools.vendor_http.network.client import http_client
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.transport import Transport

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TOKEN_URI = "https://oauth2.example/token"
EMAIL = "tester@project.iam.gserviceaccount.com"
SETTING = "ADOPS_GAM_SERVICE_ACCOUNT_FILE"


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption | None = None
) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


KEY: dict[str, Any] = {
    "type": "service_account",
    "private_key_id": "key-1",
    "private_key": pem(RSA),
    "client_email": EMAIL,
    "token_uri": TOKEN_URI,
}


@dataclass
class Google:
    """Google's token endpoint and Ad Manager, which takes the tokens in `good`."""

    key: Path | None = None
    refuse: Answer | None = None
    good: set[str] = field(default_factory=set[str])
    time: FakeTime = field(default_factory=lambda: FakeTime(moment=time.time()))
    heard: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.tokens, self.api = Recorder(self.refuse or self._mint), Recorder(self._network)
        timing = self.time.timing
        self.account = ServiceAccountToken(
            self._text, self._transport("Google's token endpoint", self.tokens, None), timing=timing
        )
        self.client = GoogleAdManagerClient(self._transport("Google Ad Manager", self.api, self.account), self.account)

    def _transport(self, vendor: str, network: Recorder, auth: ServiceAccountToken | None) -> Transport:
        timing = self.time.timing
        http = http_client(transport=network, base_url="https://admanager.example")
        limit = SlidingWindow(1000, 1.0, clock=timing.clock, sleep=timing.sleep)
        return Transport(vendor, http, limit=limit, auth=auth, timing=timing)

    def _text(self) -> SecretStr:
        return SecretStr(self.key.read_text(encoding="utf-8") if self.key else json.dumps(KEY))

    async def _mint(self, _: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        token = f"ya29.token-{self.minted}"
        self.good.add(token)
        return httpx.Response(200, json={"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    async def _network(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(request.headers["authorization"].removeprefix("Bearer "))
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        if self.heard[-1] not in self.good:
            return httpx.Response(401, json={"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}})
        return httpx.Response(200, json={"networkCode": request.url.path.rpartition("/")[2]})

    async def fail(self) -> AdOpsError:
        with pytest.raises(AdOpsError) as told:
            await self.account.token()
        assert "PRIVATE KEY" not in f"{told.value.message} {told.value.next_step}"
        return told.value

    @property
    def minted(self) -> int:
        return len(self.tokens.requests)


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_the_grant_is_a_signed_assertion_for_the_read_only_scope() -> None:
    google = Google()
    assert await google.account.token() == "ya29.token-1"
    (asked,) = google.tokens.requests
    assert (asked.method, str(asked.url)) == ("POST", TOKEN_URI)
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    form = parse_qs(asked.content.decode(), strict_parsing=True)
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    header, claims, signature = form["assertion"][0].split(".")
    RSA.public_key().verify(part(signature), f"{header}.{claims}".encode(), PKCS1v15(), SHA256())
    assert json.loads(part(header)) == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    claimed = json.loads(part(claims))
    assert claimed["exp"] - claimed.pop("iat") == 3600
    assert abs(claimed.pop("exp") - 3600 - time.time()) < 60
    assert claimed == {
        "iss": EMAIL,
        "scope": "https://www.googleapis.com/auth/admanager.readonly",
        "aud": "https://oauth2.googleapis.com/token",
    }


async def test_the_account_can_be_named_without_asking_google() -> None:
    google = Google()
    assert await google.account.email() == EMAIL
    assert google.minted == 0


async def test_twenty_probes_at_once_share_one_token() -> None:
    google, found = Google(), list[Finding]()

    async def probe() -> None:
        found.append((await google.client.probe("123")).finding)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(probe)
    assert found == [Finding.OK] * 20
    assert google.minted == 1


async def test_twenty_probes_whose_token_was_withdrawn_share_one_new_token() -> None:
    google, found = Google(), list[Finding]()
    await google.account.token()
    google.good.clear()

    async def probe() -> None:
        found.append((await google.client.probe("123")).finding)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(probe)
    assert found == [Finding.OK] * 20
    assert google.minted == 2


async def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    google = Google()
    await google.account.token()
    google.time.moment += 3400
    assert await google.account.token() == "ya29.token-1"
    google.time.moment += 200
    assert await google.account.token() == "ya29.token-2"


@pytest.mark.parametrize("hours", [-48, 48])
async def test_the_given_clock_decides_when_a_token_ends(hours: int) -> None:
    google = Google(time=FakeTime(moment=time.time() + hours * 3600))
    await google.account.token()
    await google.account.token()
    assert google.minted == 1
    google.time.moment += 3600
    await google.account.token()
    assert google.minted == 2


REVOKED = (
    "Google gives no token for this service account: the key or the account was deleted or disabled, or this "
    "machine's clock is wrong."
)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_grant", "error_description": "Invalid JWT Signature."},
        {"error": "invalid_grant", "error_description": "Invalid grant: account not found"},
        {"error": "invalid_client"},
    ],
)
async def test_a_refused_grant_is_a_fault_of_the_credentials(body: dict[str, Any]) -> None:
    google = Google(refuse=lambda _: httpx.Response(400, json=body))
    told = await google.fail()
    assert (type(told), told.message) == (Unauthorized, REVOKED)
    assert told.next_step == (
        "A person checks the account and its key in Google Cloud, and makes a new key if need be; "
        f"the operator points {SETTING} at it."
    )
    assert google.minted == 1
    probe = await google.client.probe("123")
    assert (probe.finding, probe.account, google.heard) == (Finding.CREDENTIALS, EMAIL, [])


@pytest.mark.parametrize(
    ("status", "error", "finding"),
    [
        (429, RateLimited, Finding.RATE_LIMITED),
        (500, Unavailable, Finding.CONNECTION),
        (503, Unavailable, Finding.CONNECTION),
    ],
)
async def test_a_token_endpoint_that_is_away_says_nothing_of_the_credentials(
    status: int, error: type[AdOpsError], finding: Finding
) -> None:
    google = Google(refuse=lambda _: httpx.Response(status))
    told = await google.fail()
    assert (type(told), told.message) == (error, f"Google's token endpoint answered {status} (an empty body).")
    assert (google.minted, google.time.slept) == (3, [0.5, 1.0])
    assert (await google.client.probe("123")).finding is finding


async def test_a_token_endpoint_that_cannot_be_reached_says_nothing_of_the_credentials() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no", request=request)

    google = Google(refuse=away)
    assert type(await google.fail()) is Unavailable
    assert (await google.client.probe("123")).finding is Finding.CONNECTION


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, html="<html>no such page</html>"),
        httpx.Response(403, html="<html>blocked by the proxy</html>"),
        httpx.Response(407),
        httpx.Response(400, json={"error": "temporarily_unavailable"}),
    ],
)
async def test_only_a_refused_grant_is_called_a_fault_of_the_credentials(answer: httpx.Response) -> None:
    told = await Google(refuse=lambda _: answer).fail()
    assert told.message != REVOKED


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<html>signed out</html>"),
        httpx.Response(200, json=["t"]),
        httpx.Response(200, json={"access_token": "t", "expires_in": "soon"}),
        httpx.Response(400, json=["no"]),
        httpx.Response(400, content=b"\xff"),
    ],
)
async def test_a_token_answer_that_cannot_be_read_is_an_error_that_an_agent_can_act_on(answer: httpx.Response) -> None:
    await Google(refuse=lambda _: answer).fail()


def changed(**fields: Any) -> str:
    return json.dumps({name: value for name, value in {**KEY, **fields}.items() if value is not None})


LACKING = "lacks a field, or holds one that is no text or no https URL"
DAMAGED = "holds a private key that is damaged, locked or not RSA"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "file cannot be read"),
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (pem(RSA), "is not JSON"),
        ("[]", 'is not of type "service_account"'),
        ("null", 'is not of type "service_account"'),
        (changed(type="authorized_user"), 'is not of type "service_account"'),
        (changed(type=None), 'is not of type "service_account"'),
        (changed(client_email=None), LACKING),
        (changed(token_uri=None), LACKING),
        (changed(token_uri="http://tokens.example/token"), LACKING),
        (changed(private_key=None), LACKING),
        (changed(private_key=""), DAMAGED),
        (changed(private_key=pem(RSA)[:300]), DAMAGED),
        (changed(private_key=pem(RSA).replace("M", "*")), DAMAGED),
    ],
)
async def test_a_key_file_that_is_no_key_says_what_is_wrong_and_where_to_put_one(
    text: str | None, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    google = Google(path)
    told = await google.fail()
    assert isinstance(told, NotConfigured)
    assert told.message == f"The Google service-account key {why}."
    assert told.next_step == f"The operator points {SETTING} at the JSON key file of a service account."
    assert google.minted == 0
    probe = await google.client.probe("123")
    assert (probe.finding, probe.account) == (Finding.KEY, None)


async def test_a_key_file_that_is_no_text_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "key.p12"
    path.write_bytes(b"\xff\xfe\x00")
    assert (await Google(path).fail()).message == "The Google service-account key file cannot be read."


async def test_a_key_file_that_was_put_right_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    google = Google(path)
    await google.fail()
    path.write_text(json.dumps(KEY), encoding="utf-8")
    assert await google.account.token() == "ya29.token-1"


LOCKED = pem(RSA, BestAvailableEncryption(b"word"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(changed(private_key=LOCKED), id="key with a password"),
        pytest.param(changed(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), id="key of another kind"),
        pytest.param(changed(token_uri=5), id="token_uri that is no text"),
        pytest.param("[" * 100_000, id="JSON too deep"),
    ],
)
async def test_a_key_of_another_kind_is_an_unusable_key_too(text: str, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(text, encoding="utf-8")
    assert isinstance(await Google(path).fail(), UnusableKey)

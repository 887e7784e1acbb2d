"""FreeWheel's tokens: how they are asked for, how long they are kept, and what is told when there is none."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import anyio
import anyio.lowlevel
import httpx
import pytest
from pydantic import SecretStr

from tests.support import Answer, FakeTime, Recorder
from tools.errors import AdOpsError, InDoubt, RateLimited, Unauthorized, Unavailable, UnexpectedAnswer
from tools.freewheel.auth import ClientCredentials, MintedToken, PasswordGrant
from tools.vendor_http.auth import Auth, StaticToken
from tools.vendor_http.network.client import http_client
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.transport import Kind, Transport

WEEK = 604_800.0
PASSWORD = PasswordGrant("ops@example.com", SecretStr("pass:wörd&x"))
CLIENT = ClientCredentials("client-1", SecretStr("client:sécret"))
BASIC = base64.b64encode("client-1:client:sécret".encode()).decode()
URLS = {PASSWORD: "https://fw.example/auth/token", CLIENT: "https://token.example/oauth2/token"}
GRANTS = [PASSWORD, CLIENT]


@dataclass
class FreeWheel:
    """A token endpoint and an API that takes the tokens in `good`; answers wait until every caller has asked."""

    grant: PasswordGrant | ClientCredentials = PASSWORD
    lifetime: Any = WEEK
    refuse: Answer | None = None
    static: str | None = None
    good: set[str] = field(default_factory=set[str])
    still_good: bool = True
    time: FakeTime = field(default_factory=FakeTime)
    heard: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.tokens = Recorder(self.refuse or self._mint)
        self.api = Recorder(self._answer)
        minted = MintedToken(
            self.grant,
            self._transport("FreeWheel's token endpoint", self.tokens, None),
            url=URLS[self.grant],
            timing=self.time.timing,
        )
        self.auth: Auth = StaticToken(self.static, setting="ADOPS_FREEWHEEL_TOKEN") if self.static else minted
        self.transport = self._transport("FreeWheel", self.api, self.auth)

    def _transport(self, vendor: str, network: Recorder, auth: Auth | None) -> Transport:
        timing = self.time.timing
        http = http_client(transport=network, base_url="https://fw.example")
        limit = SlidingWindow(1000, 1.0, clock=timing.clock, sleep=timing.sleep)
        return Transport(vendor, http, limit=limit, auth=auth, timing=timing)

    async def _mint(self, _: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        token = f"token-{len(self.tokens.requests)}"
        if self.still_good:
            self.good.add(token)
        return httpx.Response(200, json={"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime})

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        token = request.headers["authorization"].removeprefix("Bearer ")
        self.heard.append(token)
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        return httpx.Response(200 if token in self.good else 401, json={})

    async def call(self, kind: Kind = Kind.READ) -> None:
        await self.transport.request(kind, "POST" if kind is Kind.WRITE else "GET", "/services/v4/things")

    async def call_at_once(self, count: int) -> list[AdOpsError]:
        failed: list[AdOpsError] = []

        async def one() -> None:
            try:
                await self.call()
            except AdOpsError as error:
                failed.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(one)
        return failed

    @property
    def minted(self) -> int:
        return len(self.tokens.requests)


async def test_a_user_signs_in_by_the_password_grant() -> None:
    freewheel = FreeWheel()
    await freewheel.call()
    (asked,) = freewheel.tokens.requests
    assert (asked.method, str(asked.url)) == ("POST", "https://fw.example/auth/token")
    assert parse_qs(asked.content.decode(), strict_parsing=True) == {
        "grant_type": ["password"],
        "username": ["ops@example.com"],
        "password": ["pass:wörd&x"],
    }
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in asked.headers
    assert freewheel.heard == ["token-1"]


async def test_a_client_signs_in_by_http_basic() -> None:
    freewheel = FreeWheel(CLIENT, lifetime=3600)
    await freewheel.call()
    (asked,) = freewheel.tokens.requests
    assert (asked.method, str(asked.url)) == ("POST", "https://token.example/oauth2/token")
    assert asked.headers["authorization"] == f"Basic {BASIC}"
    assert asked.content == b"grant_type=client_credentials"
    assert freewheel.heard == ["token-1"]


async def test_a_ready_made_token_is_used_as_it_is() -> None:
    freewheel = FreeWheel(static="ready-made", good={"ready-made"})
    await freewheel.call()
    assert (freewheel.heard, freewheel.minted) == (["ready-made"], 0)


async def test_a_ready_made_token_that_is_refused_ends_the_call() -> None:
    freewheel = FreeWheel(static="ready-made")
    with pytest.raises(Unauthorized) as told:
        await freewheel.call()
    assert (freewheel.heard, freewheel.minted) == (["ready-made"], 0)
    assert told.value.next_step == "The operator checks ADOPS_FREEWHEEL_TOKEN, then runs `adops-mcp doctor`."


async def test_fifty_calls_at_once_share_one_token() -> None:
    freewheel = FreeWheel()
    assert await freewheel.call_at_once(50) == []
    assert freewheel.heard == ["token-1"] * 50
    assert freewheel.minted == 1


@pytest.mark.parametrize(
    ("lifetime", "kept"), [(WEEK, WEEK - 60), (3600, 3540), ("3600", 3540), (100, 50), (None, 3540)]
)
async def test_a_token_is_replaced_shortly_before_its_end(lifetime: Any, kept: float) -> None:
    freewheel = FreeWheel(lifetime=lifetime)
    if lifetime is None:
        freewheel = FreeWheel(refuse=lambda _: httpx.Response(200, json={"access_token": "t"}), good={"t"})
    await freewheel.call()
    freewheel.time.moment += kept - 1
    await freewheel.call()
    assert freewheel.minted == 1
    freewheel.time.moment += 1
    await freewheel.call()
    assert freewheel.minted == 2


async def test_twenty_calls_whose_token_was_withdrawn_share_one_new_token() -> None:
    freewheel = FreeWheel()
    await freewheel.call()
    freewheel.good.clear()
    assert await freewheel.call_at_once(20) == []
    assert freewheel.heard == ["token-1"] * 21 + ["token-2"] * 20
    assert freewheel.minted == 2


async def test_twenty_calls_that_no_token_helps_mint_once_and_end() -> None:
    freewheel = FreeWheel(still_good=False)
    failed = await freewheel.call_at_once(20)
    assert [type(error) for error in failed] == [Unauthorized] * 20
    assert freewheel.heard == ["token-1"] * 20 + ["token-2"] * 20
    assert freewheel.minted == 2
    assert failed[0].next_step == (
        "The operator checks ADOPS_FREEWHEEL_USERNAME and ADOPS_FREEWHEEL_PASSWORD, then runs `adops-mcp doctor`."
    )


async def test_a_write_with_a_withdrawn_token_is_sent_once_more_with_a_new_one() -> None:
    freewheel = FreeWheel()
    await freewheel.call()
    freewheel.good.clear()
    await freewheel.call(Kind.WRITE)
    assert freewheel.heard[1:] == ["token-1", "token-2"]


def secrets_of(grant: PasswordGrant | ClientCredentials) -> list[str]:
    return ["pass:wörd&x", "pass%3Aw%C3%B6rd%26x"] if isinstance(grant, PasswordGrant) else ["client:sécret", BASIC]


@pytest.mark.parametrize("grant", GRANTS)
@pytest.mark.parametrize("kind", [Kind.READ, Kind.WRITE])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"text": "Invalid credentials: pass:wörd&x client:sécret"}),
        (400, {"json": {"error": "invalid_grant", "error_description": f"pass:wörd&x {BASIC}"}}),
        (403, {"json": {"Message": "client:sécret pass:wörd&x"}}),
        (401, {"html": "<html>pass:wörd&x</html>"}),
    ],
)
async def test_wrong_credentials_are_told_without_them_and_nothing_is_sent(
    grant: PasswordGrant | ClientCredentials, kind: Kind, status: int, body: dict[str, Any]
) -> None:
    answer: Answer = lambda _: httpx.Response(status, headers={"x-request-id": "r-1"}, **body)  # noqa: E731
    freewheel = FreeWheel(grant, refuse=answer)
    with pytest.raises(Unauthorized) as told:
        await freewheel.call(kind)
    assert told.value.message == f"FreeWheel gave no token for the configured credentials ({status})."
    assert told.value.next_step == (
        f"The operator corrects {grant.setting}, and checks that they belong to this environment (production and "
        "staging have separate ones), then runs `adops-mcp doctor`. This answer is kept for a minute; if it was a "
        "temporary fault, the same call works after that."
    )
    assert (told.value.upstream_status, told.value.request_id) == (status, "r-1")
    assert not [secret for secret in secrets_of(grant) if secret in f"{told.value.message}{told.value.next_step}"]
    assert (freewheel.minted, freewheel.heard) == (1, [])


async def test_calls_that_waited_for_a_token_that_did_not_come_do_not_each_ask_again() -> None:
    async def away(_: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        return httpx.Response(503)

    freewheel, failed = FreeWheel(refuse=away), list[AdOpsError]()

    async def call() -> None:
        with pytest.raises(AdOpsError) as told:
            await freewheel.call()
        failed.append(told.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(call)
    assert len(failed) == 20
    assert freewheel.minted == 3


async def test_a_call_that_waited_for_a_mint_that_was_given_up_mints_itself() -> None:
    asked = anyio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        if len(freewheel.tokens.requests) <= 3:
            return httpx.Response(503)
        if len(freewheel.tokens.requests) == 4:
            asked.set()
            await anyio.sleep_forever()
        return httpx.Response(200, json={"access_token": "t"})

    freewheel = FreeWheel(refuse=answer, good={"t"})
    with pytest.raises(AdOpsError):
        await freewheel.call()
    async with anyio.create_task_group() as waiting, anyio.create_task_group() as leaving:
        leaving.start_soon(freewheel.call)
        await asked.wait()
        waiting.start_soon(freewheel.call)
        await anyio.lowlevel.checkpoint()
        leaving.cancel_scope.cancel()
    assert freewheel.heard == ["t"]


async def test_refused_credentials_are_not_tried_again_for_a_minute() -> None:
    freewheel = FreeWheel(refuse=lambda _: httpx.Response(401, text="no"))
    for _ in range(20):
        with pytest.raises(Unauthorized):
            await freewheel.call()
    assert freewheel.minted == 1
    freewheel.time.moment += 61
    with pytest.raises(Unauthorized):
        await freewheel.call()
    assert freewheel.minted == 2


@pytest.mark.parametrize("kind", [Kind.READ, Kind.WRITE])
@pytest.mark.parametrize(
    ("answer", "error", "asked", "words"),
    [
        (httpx.Response(429), RateLimited, 3, "FreeWheel's token endpoint answered 429 (an empty body)."),
        (httpx.Response(429, headers={"retry-after": "60"}), RateLimited, 1, "answered 429"),
        (httpx.Response(500, text="oops"), Unavailable, 3, 'FreeWheel\'s token endpoint answered 500: "oops".'),
        (httpx.Response(502, html="<html></html>"), Unavailable, 3, "answered 502 (an HTML page)."),
        (httpx.Response(200, html="<html></html>"), UnexpectedAnswer, 1, "answered with an HTML page instead of JSON"),
        (httpx.Response(200, json={"token": "t"}), UnexpectedAnswer, 1, "JSON whose access_token could not be read"),
        (httpx.Response(200, json=["t"]), UnexpectedAnswer, 1, "JSON of another shape"),
    ],
)
async def test_a_token_endpoint_that_fails_is_told_and_nothing_is_sent(
    kind: Kind, answer: httpx.Response, error: type[AdOpsError], asked: int, words: str
) -> None:
    freewheel = FreeWheel(refuse=lambda _: answer)
    with pytest.raises(AdOpsError) as told:
        await freewheel.call(kind)
    assert type(told.value) is error
    assert words in told.value.message
    assert (freewheel.minted, freewheel.heard) == (asked, [])


async def test_a_write_that_could_not_get_a_new_token_is_not_in_doubt() -> None:
    freewheel = FreeWheel()
    await freewheel.call()
    freewheel.good.clear()
    freewheel.lifetime = "soon"
    with pytest.raises(AdOpsError) as told:
        await freewheel.call(Kind.WRITE)
    assert not isinstance(told.value, InDoubt)
    assert freewheel.heard == ["token-1", "token-1"]


async def test_a_passing_failure_of_the_token_endpoint_is_waited_out() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"access_token": "t"}) if len(freewheel.tokens.requests) > 2 else busy

    busy = httpx.Response(429)
    freewheel = FreeWheel(refuse=answer, good={"t"})
    await freewheel.call()
    assert (freewheel.heard, freewheel.time.slept) == (["t"], [0.5, 1.0])


@pytest.mark.parametrize("status", [404, 422, 429, 500])
@pytest.mark.parametrize("grant", GRANTS)
async def test_a_secret_that_a_failing_token_endpoint_repeats_is_not_told(
    grant: PasswordGrant | ClientCredentials, status: int
) -> None:
    freewheel = FreeWheel(grant, refuse=lambda _: httpx.Response(status, json={"message": " ".join(secrets_of(grant))}))
    with pytest.raises(AdOpsError) as told:
        await freewheel.call()
    assert not [secret for secret in secrets_of(grant) if secret in told.value.message]


async def test_an_empty_token_is_no_token() -> None:
    freewheel = FreeWheel(refuse=lambda _: httpx.Response(200, json={"access_token": "", "expires_in": 3600}))
    with pytest.raises(UnexpectedAnswer):
        await freewheel.call()
    assert freewheel.heard == []


@pytest.mark.parametrize("grant", GRANTS)
def test_a_grant_does_not_show_its_secret(grant: PasswordGrant | ClientCredentials) -> None:
    assert not [secret for secret in secrets_of(grant) if secret in repr(grant)]

"""test_gam_connection on every answer that Google might give for a bare network."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.sandbox import Sandbox
from tests.snapshots import answer_of
from tests.support import FakeTime, answered_by, error_of, text_of

TOOL = "test_gam_connection"
CODE = "21700001"
GET = ("GET", f"/v1/networks/{CODE}", None)
LIST = ("GET", "/v1/networks?pageSize=1000", None)
NETWORK = {"networkCode": CODE, "displayName": "N"}

Google = Callable[[str], httpx.Response]


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sandbox = Sandbox()
    file = tmp_path_factory.mktemp("key") / "key.json"
    file.write_text(sandbox.service_account_key("https://oauth2.googleapis.com/token"), encoding="utf-8")
    sandbox.close()
    return file


class Outcome:
    """One test of a network: what the agent got, what was sent, and how long was waited before each try."""

    def __init__(self, result: Any, sent: list[tuple[str, str, Any]], slept: list[float]) -> None:
        self.result = result
        self.sent = sent
        self.slept = slept

    @property
    def answer(self) -> dict[str, Any]:
        assert not self.result.is_error, text_of(self.result)
        return answer_of(TOOL, self.result)


async def probed(key_file: Path, google: Google, token: httpx.Response | None = None) -> Outcome:
    """google: gives the answer to a path. token: the token endpoint's answer, instead of a token."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return token or httpx.Response(200, json={"access_token": "secret-token", "expires_in": 3599})
        assert request.headers["authorization"] == "Bearer secret-token"
        return google(request.url.path)

    now = FakeTime(moment=time.time())
    async with answered_by({"google_ad_manager": answer}, now, gam_service_account_file=key_file) as (
        client,
        recorders,
    ):
        result = await client.call_tool(TOOL, {"network_code": CODE})
    return Outcome(result, recorders["google_ad_manager"].sent(), now.slept)


def refusal(status: int, name: str, *details: dict[str, Any]) -> httpx.Response:
    error = {"code": status, "status": name, "message": "See https://console.example/x.", "details": list(details)}
    return httpx.Response(status, json={"error": error}, headers={"X-Goog-Correlation-Id": "req-1"})


def violation(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"reason": reason}]}


def info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def seeing(denial: httpx.Response, visible: httpx.Response) -> Google:
    return lambda path: visible if path == "/v1/networks" else denial


NOTHING_VISIBLE = httpx.Response(200, json={})
DENIED = refusal(403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("denial", "code", "words"),
    [
        (refusal(404, "NOT_FOUND"), "ADAPTER_NETWORK_NOT_FOUND", "Google knows no network with this code"),
        (refusal(400, "INVALID_ARGUMENT", violation("NETWORK_NOT_FOUND")), "ADAPTER_NETWORK_NOT_FOUND", "Google knows"),
        (refusal(400, "X", info("OTHER"), violation("NETWORK_NOT_FOUND")), "ADAPTER_NETWORK_NOT_FOUND", "Google knows"),
        (DENIED, "ADAPTER_PERMISSION_DENIED", "has not granted"),
        (refusal(400, "X", violation("NO_NETWORKS_TO_ACCESS")), "ADAPTER_PERMISSION_DENIED", "has not granted"),
        (refusal(401, "X", info("NOT_ALLOWED")), "ADAPTER_PERMISSION_DENIED", "has not granted"),
        (
            refusal(403, "PERMISSION_DENIED", violation("NETWORK_API_ACCESS_DISABLED")),
            "ADAPTER_PERMISSION_DENIED",
            "API access is turned off for the network.",
        ),
    ],
)
async def test_a_denial_asks_what_the_account_sees_and_seeing_nothing_is_never_ok(
    key_file: Path, denial: httpx.Response, code: str, words: str
) -> None:
    test = await probed(key_file, seeing(denial, NOTHING_VISIBLE))
    assert (test.answer["ok"], test.answer["code"], test.answer["account_sees"]) == (False, code, [])
    assert words in test.answer["meaning"]
    assert test.sent[-1] == LIST
    assert set(test.sent) == {GET, LIST}


@pytest.mark.parametrize(
    ("refused", "code", "words"),
    [
        (refusal(400, "INVALID_ARGUMENT"), "ADAPTER_INVALID_CONFIG", "A field of the configuration is not valid."),
        (refusal(401, "UNAUTHENTICATED"), "ADAPTER_INVALID_CREDENTIALS", "Google does not accept"),
        (refusal(400, "X", info("AUTHENTICATION_FAILED")), "ADAPTER_INVALID_CREDENTIALS", "Google does not accept"),
        (
            refusal(403, "PERMISSION_DENIED", info("SERVICE_DISABLED")),
            "ADAPTER_INVALID_CONFIG",
            "is not enabled in the",
        ),
        (
            refusal(403, "PERMISSION_DENIED", info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")),
            "ADAPTER_INVALID_CONFIG",
            "does not carry the Ad Manager scope",
        ),
    ],
)
async def test_what_is_no_denial_does_not_ask_for_the_networks(
    key_file: Path, refused: httpx.Response, code: str, words: str
) -> None:
    test = await probed(key_file, lambda _: refused)
    assert (test.answer["ok"], test.answer["code"], test.answer["request_id"]) == (False, code, "req-1")
    assert words in test.answer["meaning"]
    assert "account_sees" not in test.answer
    assert LIST not in test.sent


async def test_a_long_list_of_networks_is_cut_and_counted(key_file: Path) -> None:
    visible = httpx.Response(200, json={"networks": [{"networkCode": str(number)} for number in range(1, 24)]})
    answer = (await probed(key_file, seeing(DENIED, visible))).answer
    assert answer["account_sees"] == [{"network_code": str(number)} for number in range(1, 21)]
    assert answer["account_sees_more"] == 3


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(403, html="<html>Blocked by the proxy</html>"),
        httpx.Response(404, html="<html>nginx</html>"),
        httpx.Response(400),
        httpx.Response(403, json={"error": "blocked"}),
        httpx.Response(403, json=["no"]),
    ],
)
async def test_a_refusal_that_is_not_googles_says_nothing_about_the_network(
    key_file: Path, answer: httpx.Response
) -> None:
    test = await probed(key_file, lambda _: answer)
    assert (test.answer["ok"], test.answer["code"]) == (False, "UNKNOWN")
    assert test.answer["meaning"].startswith("Something other than Google's API answered")
    assert test.sent == [GET]


@pytest.mark.parametrize("visible", [refusal(403, "PERMISSION_DENIED"), refusal(404, "NOT_FOUND")])
async def test_networks_that_may_not_be_listed_are_not_known_instead_of_none(
    key_file: Path, visible: httpx.Response
) -> None:
    answer = (await probed(key_file, seeing(DENIED, visible))).answer
    assert answer["code"] == "ADAPTER_PERMISSION_DENIED"
    assert "account_sees" not in answer


@pytest.mark.parametrize(
    "visible", [httpx.Response(503), httpx.Response(429), httpx.Response(200, html="<html>"), httpx.Response(418)]
)
async def test_a_denial_stands_although_the_networks_could_not_be_listed(
    key_file: Path, visible: httpx.Response
) -> None:
    answer = (await probed(key_file, seeing(DENIED, visible))).answer
    assert answer["code"] == "ADAPTER_PERMISSION_DENIED"
    assert "account_sees" not in answer


@pytest.mark.parametrize(
    ("answer", "code", "wait"),
    [
        (httpx.Response(500), "ADAPTER_CONNECTION_FAILED", 60),
        (refusal(503, "UNAVAILABLE"), "ADAPTER_CONNECTION_FAILED", 60),
        (refusal(429, "RESOURCE_EXHAUSTED"), "RATE_LIMITED", 5),
    ],
)
async def test_an_outage_or_a_limit_is_tried_three_times_and_says_that_nothing_was_judged(
    key_file: Path, answer: httpx.Response, code: str, wait: int
) -> None:
    test = await probed(key_file, lambda _: answer)
    assert (test.answer["ok"], test.answer["code"], test.answer["wait_seconds"]) == (False, code, wait)
    assert test.answer["meaning"].endswith("the connection itself was not judged.")
    assert test.sent == [GET] * 3


async def test_after_a_rate_limit_google_is_left_alone_for_five_seconds(key_file: Path) -> None:
    test = await probed(key_file, lambda _: refusal(429, "RESOURCE_EXHAUSTED"))
    assert len(test.sent) == 1 or sum(test.slept) >= 5 * (len(test.sent) - 1)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (httpx.Response(200, json={}), "JSON whose networkCode could not be read"),
        (httpx.Response(200, json={"networkCode": "5"}), "another network than the one asked for"),
        (httpx.Response(200, html="<html></html>"), "an HTML page instead of JSON"),
    ],
)
async def test_an_answer_that_is_not_the_network_is_never_ok(key_file: Path, answer: httpx.Response, what: str) -> None:
    test = await probed(key_file, lambda _: answer)
    error = error_of(test.result)
    assert (error["code"], error["message"].partition(". ")[0]) == (
        "unexpected_answer",
        f"Google Ad Manager answered with {what}",
    )


async def test_a_lost_answer_is_asked_for_again_and_then_told_as_an_outage(key_file: Path) -> None:
    def drop(_: str) -> httpx.Response:
        raise httpx.ReadError("https://admanager.googleapis.com")

    test = await probed(key_file, drop)
    assert (test.answer["ok"], test.answer["code"]) == (False, "ADAPTER_CONNECTION_FAILED")
    assert test.sent == [GET] * 3


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), "ADAPTER_INVALID_CREDENTIALS"),
        (httpx.Response(401, json={"error": "invalid_client"}), "ADAPTER_INVALID_CREDENTIALS"),
        (httpx.Response(503), "ADAPTER_CONNECTION_FAILED"),
        (httpx.Response(429), "RATE_LIMITED"),
    ],
)
async def test_without_a_token_no_network_is_asked_for(key_file: Path, token: httpx.Response, code: str) -> None:
    test = await probed(key_file, lambda _: httpx.Response(200, json=NETWORK), token)
    assert (test.answer["ok"], test.answer["code"]) == (False, code)
    assert test.sent == []


@pytest.mark.parametrize(
    "token",
    [
        httpx.Response(200, json={}),
        httpx.Response(418),
        httpx.Response(200, html="<html>"),
    ],
)
async def test_an_odd_answer_of_the_token_endpoint_is_never_ok_and_never_a_fault(
    key_file: Path, token: httpx.Response
) -> None:
    test = await probed(key_file, lambda _: httpx.Response(200, json=NETWORK), token)
    assert test.sent == []
    if test.result.is_error:
        assert error_of(test.result)["code"] != "internal_error"
    else:
        assert test.answer["ok"] is False


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"type": "authorized_user"}', '{"type": "service_account"}', "\udcff"]
)
async def test_a_key_that_is_none_is_an_answer_with_its_remedy(tmp_path: Path, text: str) -> None:
    key = tmp_path / "key.json"
    key.write_bytes(text.encode("utf-8", "surrogateescape"))
    test = await probed(key, lambda _: httpx.Response(200, json=NETWORK))
    assert (test.answer["ok"], test.answer["code"]) == (False, "ADAPTER_INVALID_CONFIG")
    assert test.answer["where"] == "The setting ADOPS_GAM_SERVICE_ACCOUNT_FILE"
    assert not {"service_account_email", "account_sees"} & test.answer.keys()
    assert test.sent == []


async def test_without_a_key_only_sources_can_be_tested() -> None:
    async with answered_by({"interchange": lambda _: httpx.Response(500)}) as (client, recorders):
        result = await client.call_tool(TOOL, {"network_code": CODE})
    assert text_of(result) == (
        "[not_configured] Google Ad Manager is not configured on this server, so nothing was sent.\n"
        "Next: The operator does this: set ADOPS_GAM_SERVICE_ACCOUNT_FILE to the JSON key file of a service account."
    )
    assert recorders["interchange"].requests == []


async def test_neither_the_token_nor_the_vendors_link_reaches_the_agent(key_file: Path) -> None:
    for answer in (DENIED, refusal(404, "NOT_FOUND"), refusal(500, "INTERNAL", info("secret-token"))):
        test = await probed(key_file, lambda _, answer=answer: answer)
        assert "secret-token" not in text_of(test.result)
        assert "://" not in text_of(test.result)

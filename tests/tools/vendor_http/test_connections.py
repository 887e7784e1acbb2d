"""What is sent to a vendor is what `httpx.AsyncClient` would send, byte for byte; its cookies and redirects aside."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support import Answer, Recorder
from tools.vendor_http.attempts import Attempt
from tools.vendor_http.connections import HEADERS as OURS
from tools.vendor_http.connections import KEPT, TIMEOUT, Connections

BASE_URLS = ["https://acme.example", "https://acme.example/api/v2/", "http://127.0.0.1:8080/a%20b", ""]
HEADERS = {"User-Agent": "adops-mcp/1", "Accept": "application/json"}

names = st.text("abcXYZ09_[]&=+ %é/?#", min_size=1, max_size=6)
values = st.one_of(st.integers(), st.booleans(), st.text("abYZ09 %&+=;,/?#:@é猫\"'\\", max_size=8))
queries = st.none() | st.dictionaries(names, values, max_size=3)
paths = st.text("abz09/.-_~%:@!$&'()*+,;=?# é[]\\", max_size=20)


def ready(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def parts(request: httpx.Request) -> tuple[Any, ...]:
    url = request.url
    where = (url.raw_scheme, url.raw_host, url.port, url.raw_path)
    return request.method, where, str(url), request.headers.raw, request.content, request.extensions


def by_httpx(base_url: str, method: str, path: str, headers: dict[str, str] | None, **given: Any) -> httpx.Request:
    client = httpx.AsyncClient(
        base_url=base_url,
        headers=OURS | HEADERS,
        timeout=TIMEOUT,
        transport=httpx.MockTransport(ready),
        trust_env=False,
    )
    request = client.build_request(method, path, **given)
    request.headers.update(headers or {})
    return request


def by_us(http: Connections, method: str, path: str, headers: dict[str, str] | None, **given: Any) -> httpx.Request:
    given["form"] = given.pop("data", None)
    return http.request(method, path, headers=headers, **given)


def connections(base_url: str = "https://acme.example", answer: Answer = ready) -> tuple[Connections, Recorder]:
    network = Recorder(answer)
    return Connections(network, base_url=base_url, headers=HEADERS), network


@given(base_url=st.sampled_from(BASE_URLS), path=paths, params=queries)
@example(base_url=BASE_URLS[0], path="/things", params={"show": "all", "page": 2})
@example(base_url=BASE_URLS[1], path="//other.example/things", params=None)
@example(base_url=BASE_URLS[1], path="https://other.example:443/token", params=None)
@example(base_url=BASE_URLS[1], path="/things?kept=no", params={"page": 1})
@example(base_url=BASE_URLS[1], path="/things?kept=yes", params={})
@example(base_url=BASE_URLS[2], path="/a%2Fb/../c d", params={"q": "x y+z&é"})
def test_an_address_is_put_together_as_httpx_does(base_url: str, path: str, params: dict[str, Any] | None) -> None:
    http, _ = connections(base_url)
    try:
        expected = by_httpx(base_url, "GET", path, None, params=params or None)
    except httpx.InvalidURL:
        with pytest.raises(httpx.InvalidURL):
            http.request("GET", path, params=params)
        return
    for _ in range(2):
        assert parts(http.request("GET", path, params=params)) == parts(expected)


@pytest.mark.parametrize("method", ["GET", "get", "DELETE", "POST", "PUT", "PATCH"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"json": {"n": 1, "name": "é", "list": [1.5, None, True]}},
        {"json": []},
        {"data": {"grant": "a&b", "empty": "", "é": "x y"}},
        {"params": {"page": 1}, "json": {}},
    ],
)
@pytest.mark.parametrize(
    "headers", [None, {}, {"accept": "text/x", "X-One": "1"}, {"Content-Type": "application/vnd.acme+json"}]
)
def test_method_headers_and_body_are_those_of_httpx(
    method: str, body: dict[str, Any], headers: dict[str, str] | None
) -> None:
    http, _ = connections()
    for _ in range(2):
        ours, theirs = (
            by_us(http, method, "/things", headers, **body),
            by_httpx("https://acme.example", method, "/things", headers, **body),
        )
        assert parts(ours) == parts(theirs)


def test_parameters_that_are_equal_and_not_the_same_have_their_own_addresses() -> None:
    http, _ = connections()
    asked: list[str | int] = [1, True, "1", "True"]
    assert [http.request("GET", "/", params={"n": value}).url.query for value in asked] == [
        b"n=1",
        b"n=true",
        b"n=1",
        b"n=True",
    ]


async def test_what_is_done_to_one_request_is_not_in_the_next() -> None:
    http, network = connections()
    for token in ("one", None):
        request = http.request("GET", "/things", headers={"X-Shared": "yes"})
        if token:
            request.headers["Authorization"] = token
            request.extensions["trace"] = token
        await (await http.send(request, Attempt())).aclose()
    first, second = network.requests
    assert first.headers["authorization"] == "one"
    assert "authorization" not in second.headers
    assert second.extensions == {"timeout": TIMEOUT.as_dict()}


async def test_many_addresses_are_not_all_kept() -> None:
    http, network = connections()
    for number in [*range(KEPT + 50), 0]:
        await http.send(http.request("GET", f"/things/{number}"), Attempt())
    assert [request.url.path for request in network.requests[-2:]] == [f"/things/{KEPT + 49}", "/things/0"]


async def test_cookies_are_not_sent_back() -> None:
    http, network = connections(answer=lambda _: httpx.Response(200, headers={"set-cookie": "a=1; Path=/"}))
    for _ in range(2):
        await http.send(http.request("GET", "/things"), Attempt())
    assert all("cookie" not in request.headers for request in network.requests)


@pytest.mark.parametrize("location", ["/elsewhere", "https:login", "https://[bad", "/" + "x" * 70_000])
async def test_a_redirect_is_an_answer_wherever_it_leads(location: str) -> None:
    http, network = connections(answer=lambda _: httpx.Response(302, headers={"location": location}))
    answer = await http.send(http.request("GET", "/things"), Attempt())
    assert (answer.status_code, len(network.requests)) == (302, 1)


async def test_the_network_is_closed_with_the_connections() -> None:
    closed: list[str] = []

    class Closing(httpx.MockTransport):
        async def aclose(self) -> None:
            closed.append("yes")

    await Connections(Closing(ready)).aclose()
    assert closed == ["yes"]

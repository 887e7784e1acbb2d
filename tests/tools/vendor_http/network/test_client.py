"""The HTTP client of a vendor: the requests that it builds, what it leaves out, and over sockets on loopback the proxy
that a request goes through."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import ssl
from pathlib import Path

import httpx
import pytest

from tests.support import Answer, Recorder
from tests.tools.acme import line, transport
from tests.tools.sockets import Server, listening, without_proxies
from tools.errors import Unavailable
from tools.vendor_http.network.attempts import Attempt
from tools.vendor_http.network.client import TIMEOUT, UnusableProxy, http_client, proxies
from tools.vendor_http.transport import Kind

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def recorded(
    base_url: str = "https://acme.example", answer: Answer | None = None
) -> tuple[httpx.AsyncClient, Recorder]:
    network = Recorder(answer or (lambda _: httpx.Response(200, json={})))
    return http_client(base_url=base_url, headers={"Accept": "application/json"}, transport=network), network


@pytest.fixture(autouse=True)
def no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)
    # on macOS and Windows the system's own proxies count where no variable is set
    monkeypatch.setenv("NO_PROXY", "nobody.example")


async def status_of(url: str, *, trust_env: bool = True) -> int:
    async with http_client(trust_env=trust_env) as http:
        return (await http.get(url)).status_code


def first_line(server: Server) -> bytes:
    (heard,) = server.heard
    return heard.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("base_url", "path", "params", "url"),
    [
        ("https://acme.example", "/things", {"show": "all", "page": 2}, "https://acme.example/things?show=all&page=2"),
        ("https://acme.example/api/v2/", "//other.example/a", None, "https://acme.example/api/v2/a"),
        ("https://acme.example/api/v2/", "https://other.example:443/token", None, "https://other.example/token"),
        ("https://acme.example/api/v2", "/things?kept=no", {"page": 1}, "https://acme.example/api/v2/things?page=1"),
        ("https://acme.example/api/v2", "/things?kept=yes", {}, "https://acme.example/api/v2/things?kept=yes"),
        (
            "http://127.0.0.1:8080/a%20b",
            "/a%2Fb/c d",
            {"q": "x y+z&é"},
            "http://127.0.0.1:8080/a%20b/a%2Fb/c%20d?q=x+y%2Bz%26%C3%A9",
        ),
        ("https://acme.example", "/things", {"n": True}, "https://acme.example/things?n=true"),
        ("https://acme.example", "/things", {"n": "True"}, "https://acme.example/things?n=True"),
        ("https://acme.example", "/things", {"n": 1}, "https://acme.example/things?n=1"),
        ("", "https://acme.example/things", None, "https://acme.example/things"),
    ],
)
async def test_a_path_is_appended_to_the_base_url_and_a_whole_url_is_taken_as_it_is(
    base_url: str, path: str, params: dict[str, str | int] | None, url: str
) -> None:
    acme = line(lambda _: httpx.Response(200, json={}), base_url=base_url)
    for _ in range(2):
        await acme.transport.request(Kind.READ, "GET", path, params=params)
    assert [str(request.url) for request in acme.network.requests] == [url] * 2


async def test_what_is_done_to_one_request_is_not_in_the_next() -> None:
    http, network = recorded()
    for token in ("one", None):
        request = http.build_request("GET", "/things", headers={"X-Shared": "yes"})
        if token:
            request.headers["Authorization"] = token
            request.extensions["attempt"] = Attempt()
        await http.send(request)
    first, second = network.requests
    assert first.headers["authorization"] == "one"
    assert "authorization" not in second.headers
    assert second.extensions == {"timeout": TIMEOUT.as_dict()}


async def test_each_request_asks_for_gzip_at_most_and_for_its_connection_to_be_closed() -> None:
    http, network = recorded()
    await http.get("/things")
    headers = network.requests[0].headers
    assert (headers["accept-encoding"], headers["connection"]) == ("gzip", "close")


@pytest.mark.parametrize("cookie", ["a=1; Path=/", "a=1; expires=Mon, 01-Jan-" + "0" * 9_000])
async def test_cookies_are_not_sent_back_nor_parsed(cookie: str) -> None:
    http, network = recorded(answer=lambda _: httpx.Response(200, headers={"set-cookie": cookie}))
    for _ in range(2):
        await http.get("/things")
    assert all("cookie" not in request.headers for request in network.requests)
    assert not http.cookies


@pytest.mark.parametrize("location", ["/elsewhere", "https:login", "https://[bad", "/" + "x" * 70_000])
async def test_a_redirect_is_an_answer_wherever_it_leads(location: str) -> None:
    http, network = recorded(answer=lambda _: httpx.Response(302, headers={"location": location}))
    answer = await http.get("/things")
    assert (answer.status_code, len(network.requests)) == (302, 1)


async def test_the_network_is_closed_with_the_client() -> None:
    closed: list[str] = []

    class Closing(httpx.MockTransport):
        async def aclose(self) -> None:
            closed.append("yes")

    await http_client(transport=Closing(lambda _: httpx.Response(200))).aclose()
    assert closed == ["yes"]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_request_goes_through_the_proxy(name: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(OK) as proxy:
        monkeypatch.setenv(name, proxy.url.replace("http://", scheme))
        assert await status_of("http://acme.example/things?n=1") == 200
    assert first_line(proxy) == b"GET http://acme.example/things?n=1 HTTP/1.1"


async def test_the_user_of_a_proxy_is_told_to_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("http://", "http://kim:pass@"))
        await status_of("http://acme.example/")
    assert b"Proxy-Authorization: Basic a2ltOnBhc3M=\r\n" in proxy.heard[0]


async def test_a_proxy_for_the_scheme_goes_before_the_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(OK) as proxy, listening(OK) as other:
        monkeypatch.setenv("ALL_PROXY", other.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        await status_of("http://acme.example/")
    assert (len(proxy.heard), len(other.heard)) == (1, 0)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_https_asks_the_proxy_for_a_tunnel_and_a_refused_one_means_not_sent(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        async with http_client() as http:
            with pytest.raises(Unavailable, match="nothing was sent"):
                await transport(http).request(Kind.WRITE, "POST", "https://acme.example/", json={})
    assert {heard.partition(b"\r\n")[0] for heard in proxy.heard} == {b"CONNECT acme.example:443 HTTP/1.1"}


@pytest.mark.parametrize("left_out", ["127.0.0.1", "a.example, 127.0.0.1", "*", "a.example,*", "127.0.0.1:{port}"])
async def test_whom_no_proxy_names_is_reached_directly(left_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(OK) as vendor, listening(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", left_out.format(port=httpx.URL(vendor.url).port))
        assert await status_of(f"{vendor.url}things") == 200
    assert first_line(vendor) == b"GET /things HTTP/1.1"
    assert proxy.heard == []


@pytest.mark.parametrize(
    ("left_out", "host", "directly"),
    [
        ("acme.invalid", "acme.invalid", True),
        ("acme.invalid", "api.acme.invalid", True),
        (".acme.invalid", "api.acme.invalid", True),
        ("ACME.invalid", "acme.Invalid", True),
        ("acme.invalid", "notacme.invalid", False),
        ("acme.invalid:8080", "acme.invalid", False),
        ("*.acme.invalid", "api.acme.invalid", False),
        ("::1", "[::2]", False),
        ("", "acme.invalid", False),
    ],
)
async def test_names_in_no_proxy_are_read_as_httpx_reads_them(
    left_out: str, host: str, directly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", left_out)
        async with httpx.AsyncClient() as client:
            for ask in (status_of, client.get):
                with contextlib.suppress(httpx.ConnectError):
                    await ask(f"http://{host}/")
    assert len(proxy.heard) == (0 if directly else 2)


async def test_each_origin_has_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(OK) as vendor, listening(OK) as proxy, http_client() as nothing_set:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with http_client() as http:
            for url in (vendor.url, "http://token.example/", vendor.url):
                await http.get(url)
        await nothing_set.get(vendor.url)
    assert (len(vendor.heard), len(proxy.heard)) == (3, 1)


async def test_without_trust_in_the_environment_there_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(OK) as vendor, listening(OK) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        await status_of(vendor.url, trust_env=False)
    assert (len(vendor.heard), len(proxy.heard)) == (1, 0)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("ftp://kim:hidden@proxy.example:21", "HTTPS_PROXY: is no proxy that can be used"),
        ("socks4://kim:hidden@proxy.example:1080", "HTTPS_PROXY: is no proxy that can be used"),
        ("http://kim:hidden@proxy.example:port", "HTTPS_PROXY: is no proxy that can be used"),
        ("http://", "HTTPS_PROXY: is no proxy that can be used"),
        pytest.param(
            "socks5://kim:hidden@proxy.example:1080",
            "HTTPS_PROXY: a SOCKS proxy takes the package socksio",
            marks=pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="socksio is installed"),
        ),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_by_its_setting(
    value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    for ask in (proxies, http_client):
        with pytest.raises(UnusableProxy) as error:
            ask()
        assert str(error.value).startswith(told)
        assert "hidden" not in str(error.value)
        assert error.value.__context__ is None


def test_a_proxy_that_is_never_used_need_not_be_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy.example")
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxies() == {}


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_certificates_are_those_that_the_environment_names(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "none.pem"
    file.write_text("no certificate")
    async with http_client():
        monkeypatch.setenv(name, str(file if name == "SSL_CERT_FILE" else tmp_path))
        if name == "SSL_CERT_FILE":
            with pytest.raises(ssl.SSLError):
                http_client()
        async with http_client(trust_env=False):
            pass


async def test_a_packed_body_comes_over_the_network_unpacked() -> None:
    body = gzip.compress(b'{"n": 1}')
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with listening(head + body) as vendor, http_client() as http:
        answer = await transport(http).request(Kind.READ, "GET", vendor.url)
    assert answer.json() == {"n": 1}
    assert b"Accept-Encoding: gzip\r\n" in vendor.heard[0]

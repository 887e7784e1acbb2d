"""Over sockets on loopback: which proxy a request goes through, if any, and what is said of one that is useless."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import ssl
from pathlib import Path

import httpx
import pytest

from tests.tools.acme import line
from tests.tools.sockets import Server, listening, without_proxies
from tools.errors import Unavailable
from tools.vendor_http.network import Network, UnusableProxy, proxies
from tools.vendor_http.transport import Kind

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)
    # on macOS and Windows the system's own proxies count where no variable is set
    monkeypatch.setenv("NO_PROXY", "nobody.example")


async def status_of(url: str, *, trust_env: bool = True) -> int:
    async with Network(trust_env=trust_env) as network:
        answer = await network.handle_async_request(httpx.Request("GET", url))
        await answer.aread()
        return answer.status_code


def first_line(server: Server) -> bytes:
    (heard,) = server.heard
    return heard.partition(b"\r\n")[0]


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
        async with Network() as network:
            with pytest.raises(Unavailable, match="nothing was sent"):
                await line(network).transport.request(Kind.WRITE, "POST", "https://acme.example/", json={})
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
    async with listening(OK) as vendor, listening(OK) as proxy, Network() as nothing_set:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with Network() as network:
            for url in (vendor.url, "http://token.example/", vendor.url):
                await (await network.handle_async_request(httpx.Request("GET", url))).aread()
        await (await nothing_set.handle_async_request(httpx.Request("GET", vendor.url))).aread()
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
    for ask in (proxies, Network):
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
    async with Network():
        monkeypatch.setenv(name, str(file if name == "SSL_CERT_FILE" else tmp_path))
        if name == "SSL_CERT_FILE":
            with pytest.raises(ssl.SSLError):
                Network()
        async with Network(trust_env=False):
            pass


async def test_a_packed_body_comes_over_the_network_unpacked() -> None:
    body = gzip.compress(b'{"n": 1}')
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with listening(head + body) as vendor, Network() as network:
        answer = await line(network).transport.request(Kind.READ, "GET", vendor.url)
    assert answer.json() == {"n": 1}
    assert b"Accept-Encoding: gzip\r\n" in vendor.heard[0]

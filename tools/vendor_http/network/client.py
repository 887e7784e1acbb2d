"""The HTTP client of a vendor: an `httpx.AsyncClient` whose requests each have a connection of their own.

It follows no redirect, keeps no cookie, and goes through this machine's proxies: HTTP_PROXY, HTTPS_PROXY and ALL_PROXY,
or those of the system on macOS and Windows, except for the hosts in NO_PROXY.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, getproxies

import httpx

from tools.vendor_http.decoding import ACCEPTED
from tools.vendor_http.network.attempts import attempt_of

TIMEOUT = httpx.Timeout(connect=5.0, write=15.0, read=45.0, pool=5.0)
"""Limits of the single steps of a request. The transport limits the whole of each try."""

HEADERS = {"Accept-Encoding": ACCEPTED, "Connection": "close"}


class UnusableProxy(Exception):
    """A proxy is set that cannot be used. The message names the setting, not its value, which may hold a password."""


class _NoCookies(CookieJar):
    """Keeps no cookie, and parses none: a malformed one makes the standard library print a traceback."""

    def extract_cookies(self, response: HTTPResponse, request: Request) -> None:
        pass


def http_client(
    *,
    base_url: str = "",
    headers: Mapping[str, str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    trust_env: bool = True,
) -> httpx.AsyncClient:
    """A client, to be closed by the caller. Raises UnusableProxy.

    transport: carries the requests instead of the network, without any proxy: the sandbox's, or a test's. trust_env:
    whether this machine's proxies and certificates count.
    """
    hooks: dict[str, list[Callable[..., Any]]] = {"response": [_forget_location]}
    mounts: dict[str, httpx.AsyncBaseTransport] = {}
    if transport is None:
        # the sandbox does not need sockets
        from tools.vendor_http.network.single_use import SingleUseTransport  # noqa: PLC0415

        tls = _certificates(trust_env)
        transport = SingleUseTransport(tls)
        for scheme, proxy in (proxies() if trust_env else {}).items():
            mounts[f"{scheme}://"] = SingleUseTransport(tls, proxy, direct=transport)
    else:
        hooks["request"] = [_begin_attempt]
    return httpx.AsyncClient(
        base_url=base_url,
        headers=HEADERS | dict(headers or {}),
        cookies=_NoCookies(),
        timeout=TIMEOUT,
        follow_redirects=False,
        transport=transport,
        mounts=mounts,
        event_hooks=hooks,
        trust_env=trust_env,
    )


async def _begin_attempt(request: httpx.Request) -> None:
    """Take it that the request leaves as soon as it is handed over: only our own transport asks its attempt itself."""
    attempt = attempt_of(request)
    await attempt.depart()
    attempt.start()


async def _forget_location(response: httpx.Response) -> None:
    """httpx parses the address of a redirect that it does not follow, and fails when that is malformed."""
    if response.has_redirect_location:
        del response.headers["location"]


def proxies() -> dict[str, httpx.Proxy]:
    """This machine's proxies by scheme: `http`, `https`, and `all` for a scheme without one. Raises UnusableProxy."""
    found = getproxies()
    if "*" in (name.strip() for name in found.get("no", "").split(",")):
        return {}
    return {scheme: _proxy(scheme, found[scheme]) for scheme in ("http", "https", "all") if found.get(scheme)}


def _proxy(scheme: str, value: str) -> httpx.Proxy:
    setting, url = _setting(scheme, value), value if "://" in value else f"http://{value}"
    try:
        proxy = httpx.Proxy(url) if is_address(url) else None
    except ValueError:
        proxy = None
    if proxy is None:
        raise UnusableProxy(f"{setting}: is no proxy that can be used; write http://, https:// or socks5://host:port")
    if proxy.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise UnusableProxy(f"{setting}: a SOCKS proxy takes the package socksio, which is not installed")
    return proxy


def _setting(scheme: str, value: str) -> str:
    names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
    return next((name for name in names if os.environ.get(name) == value), f"the system's proxy for {scheme}")


def _certificates(trust_env: bool) -> ssl.SSLContext:
    """The certificates to trust, read once for all vendors and accounts: it takes tens of milliseconds."""
    return _read_certificates((os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if trust_env else None)


@functools.lru_cache(maxsize=2)
def _read_certificates(named: tuple[str | None, str | None] | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=named is not None)


def is_address(url: str) -> bool:
    """Whether requests can be sent to a URL, as far as its text tells."""
    try:
        return bool(httpx.URL(url).host) and urlsplit(url).port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def is_safe(url: str) -> bool:
    """Whether credentials may be sent to a URL: it is https, or http on this machine."""
    if not is_address(url):
        return False
    parts = urlsplit(url)
    loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return parts.scheme == "https" or (parts.scheme == "http" and loopback)

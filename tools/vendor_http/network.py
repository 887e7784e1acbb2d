"""The network as this machine is set up for it: directly, or through the proxy that is for an address.

Read as `httpx.AsyncClient` reads it: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or else what the system says on
macOS and Windows; SSL_CERT_FILE and SSL_CERT_DIR. Whom NO_PROXY leaves out is for the standard library to say.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

if TYPE_CHECKING:
    from tools.vendor_http.single_use import SingleUseTransport


class UnusableProxy(Exception):
    """A proxy that is set cannot be used. The message names the setting, not its value: that may hold a password."""


def is_address(url: str) -> bool:
    """Whether requests can be sent there, as far as can be told from its text."""
    try:
        return bool(httpx.URL(url).host) and urlsplit(url).port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def proxies() -> dict[str, httpx.Proxy]:
    """The proxies for addresses of `http` and `https`, and for `all` that have none of these. Raises UnusableProxy."""
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


class Network(httpx.AsyncBaseTransport):
    """Each request on a connection of its own; the attempt among its extensions, if any, is asked before it leaves.

    trust_env: whether this machine's proxies and certificates count. Raises UnusableProxy.
    """

    def __init__(self, *, trust_env: bool = True) -> None:
        from tools.vendor_http.single_use import SingleUseTransport  # noqa: PLC0415 - the sandbox needs no sockets

        through = proxies() if trust_env else {}
        tls = _certificates(trust_env)
        self._directly = SingleUseTransport(tls)
        self._through = {name: SingleUseTransport(tls, proxy) for name, proxy in through.items()}
        self._way = functools.lru_cache(maxsize=64)(self._new_way)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        return await self._way(url.scheme, url.host, url.port).handle_async_request(request)

    async def aclose(self) -> None:
        for way in (self._directly, *self._through.values()):
            await way.aclose()

    def _new_way(self, scheme: str, host: str, port: int | None) -> SingleUseTransport:
        way = self._through.get(scheme) or self._through.get("all")
        if way is None or proxy_bypass(f"{host}:{port}" if port else host):
            return self._directly
        return way


def _certificates(trust_env: bool) -> ssl.SSLContext:
    """Reading hundreds of certificates takes tens of milliseconds: once for all vendors and accounts."""
    trusted = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if trust_env else None
    return _read_certificates(trusted)


@functools.lru_cache(maxsize=2)
def _read_certificates(trusted: tuple[str | None, str | None] | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trusted is not None)

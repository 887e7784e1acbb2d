"""What is sent to one vendor, and the network on which it goes.

`httpx.AsyncClient` reads cookies, looks for redirects and parses each address anew; nothing of that is wanted here, and
it takes longer than the rest of a call. What it would send is sent here, byte for byte, cookies aside.

Each request has a connection of its own and says so: what is left over on one answers no other request.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import httpx

from tools.vendor_http.attempts import Attempt
from tools.vendor_http.decoding import ACCEPTED
from tools.vendor_http.network import Network

TIMEOUT = httpx.Timeout(connect=5.0, write=15.0, read=45.0, pool=5.0)
"""Per step; the transport bounds the whole of each try."""

UNTIL_COUNTED = httpx.Timeout(connect=5.0, write=None, read=None, pool=5.0)
"""For a write: while this process stood still its answer may have come, so only the transport says when to give up."""

KEPT = 256
"""Addresses that are not parsed anew: most are asked for again."""

HEADERS = {"Accept-Encoding": ACCEPTED, "Connection": "close"}

_Params = tuple[tuple[str, str | int, type], ...]


class Connections:
    """network: closed with this. base_url: for paths; a whole URL is taken as it is."""

    def __init__(
        self,
        network: httpx.AsyncBaseTransport,
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._network = network
        # a client that sends nothing
        given = HEADERS | dict(headers or {})
        client = httpx.AsyncClient(base_url=base_url, headers=given, transport=network, trust_env=False)
        self._base_url, self._headers = client.base_url, client.headers
        self._url = functools.lru_cache(maxsize=KEPT)(self._new_url)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> httpx.Request:
        # 1, 1.0 and True are the same key, and differ in an address
        query = tuple((name, value, type(value)) for name, value in params.items()) if params else ()
        request = httpx.Request(
            method,
            self._url(path, query),
            headers=self._headers,
            json=json,
            data=dict(form) if form else None,
            extensions={"timeout": timeout.as_dict()},
        )
        request.headers.update(headers)
        return request

    async def send(self, request: httpx.Request, attempt: Attempt) -> httpx.Response:
        """The answer's head; it has to be closed. Raises httpx.TransportError, and what the attempt raises.

        The network asks the attempt once a connection is open. Any other transport is asked nothing: what it is given
        may have left.
        """
        if isinstance(self._network, Network):
            request.extensions["attempt"] = attempt
        else:
            await attempt.depart()
            attempt.start()
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()

    def _new_url(self, path: str, params: _Params) -> httpx.URL:
        url = httpx.URL(path)
        if url.is_relative_url:
            url = self._base_url.copy_with(raw_path=self._base_url.raw_path + url.raw_path.lstrip(b"/"))
        return httpx.URL(url, params={name: value for name, value, _ in params}) if params else url

"""The served sandbox with the faults of `server.sandbox.faults`, over real connections that are really cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.sandbox.faults import FaultyTransport, Misbehaviour

_SCOPE = "asgi_scope"
_HOP_BY_HOP = (b"content-length", b"transfer-encoding", b"connection")


class CuttableProtocol(H11Protocol):
    """Connections that can be cut from inside the application, by the address of their client."""

    open: dict[Any, asyncio.Transport] = {}  # noqa: RUF012 - of all connections of the process

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self.open[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = {peer: open_ for peer, open_ in self.open.items() if open_ is not self.transport}
        super().connection_lost(exc)


class Misbehaving:
    """A vendor's application on which things go wrong, at the rates of the misbehaviour or by a request's header."""

    def __init__(self, app: ASGIApp, misbehaviour: Misbehaviour) -> None:
        self._app = app
        self._way = FaultyTransport(_Through(app), misbehaviour, anyio.sleep)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        url = httpx.URL(scheme="http", host="sandbox", path=scope["path"], query=scope["query_string"] or None)
        request = httpx.Request(
            scope["method"],
            url,
            headers=scope["headers"],
            content=await _body(receive),
            extensions={_SCOPE: scope},
        )
        begun = False
        try:
            answer = await self._way.handle_async_request(request)
            headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            begun = True
            async for part in _parts(answer):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except httpx.TransportError:
            await self._cut(scope, receive, begun=begun)

    async def _cut(self, scope: Scope, receive: Receive, *, begun: bool) -> None:
        # without an address the client has gone away already
        if scope["client"]:
            connection = CuttableProtocol.open.get(tuple(scope["client"]))
            if connection is None:
                raise RuntimeError("the connection cannot be cut: it is served by another protocol")
            if begun:
                connection.close()
            else:
                connection.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class _Through(httpx.AsyncBaseTransport):
    """Hands a request to the application with the scope that it came with."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": request.content, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._app(request.extensions[_SCOPE], receive, send)
        start = messages[0]
        body = b"".join(message.get("body", b"") for message in messages[1:])
        return httpx.Response(start["status"], headers=start.get("headers", []), content=body, request=request)


async def _parts(answer: httpx.Response) -> AsyncGenerator[bytes]:
    """What it holds, or what comes of it before it is cut."""
    if answer.is_stream_consumed or answer.is_closed:
        yield answer.content
        return
    async for part in answer.aiter_raw():
        yield part


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body

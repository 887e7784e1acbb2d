"""The faults of `server.sandbox.faults` over real connections, which are really cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.sandbox.faults import FaultRates, FaultyTransport

_SCOPE = "asgi_scope"
_HOP_BY_HOP = (b"content-length", b"transfer-encoding", b"connection")


class CuttableProtocol(H11Protocol):
    """A uvicorn protocol whose connections the application can cut, by the address of their client."""

    open_connections: dict[Any, asyncio.Transport] = {}  # noqa: RUF012 - shared on purpose

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self.open_connections[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections = {
            peer: connection for peer, connection in self.open_connections.items() if connection is not self.transport
        }
        super().connection_lost(exc)


class FaultyApp:
    """A vendor's application that makes faults, at the given rates or as a request's header says."""

    def __init__(self, app: ASGIApp, rates: FaultRates) -> None:
        self._app = app
        self._transport = FaultyTransport(_AppTransport(app), rates, anyio.sleep)

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
        started = False
        try:
            answer = await self._transport.handle_async_request(request)
            headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
            started = True
            async for part in _parts(answer):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except httpx.TransportError:
            await self._cut(scope, receive, started=started)

    async def _cut(self, scope: Scope, receive: Receive, *, started: bool) -> None:
        # without an address the client has gone away already
        if scope["client"]:
            connection = CuttableProtocol.open_connections.get(tuple(scope["client"]))
            if connection is None:
                raise RuntimeError("the connection cannot be cut: the server does not use CuttableProtocol")
            if started:
                connection.close()
            else:
                connection.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class _AppTransport(httpx.AsyncBaseTransport):
    """Passes a request to the application with the ASGI scope that it came with."""

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
    """The parts of the answer, up to where it is cut."""
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

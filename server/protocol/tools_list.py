"""The list of tools as it goes over the wire: written once for whoever sees the same tools, and not for each request.

The SDK carries out the request as it does any other, with an empty list; the definitions, which it has written once
each, are put in where that was. Over HTTP they go in as text, once the answer is written around them.
"""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp_types.methods import serialize_server_result
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.access.accounts_in_reach import AccountNames
from server.protocol.definitions import definition
from tools.tool import AnyTool

_METHOD = "tools/list"
_SPLICE = "adops.splice"
_HERE = f"tools of {secrets.token_hex(16)}"
"""Stands in an answer for the definitions; nobody outside of this process can write it."""


class Offered:
    """The tools that a caller sees, with the accounts that a call of each names one of."""

    def __init__(self, tools: Iterable[tuple[AnyTool, AccountNames]]) -> None:
        self._tools = tuple(tools)
        self._texts: dict[str, bytes] = {}

    def told(self, version: str) -> list[dict[str, Any]]:
        return [_told(tool, among, version) for tool, among in self._tools]

    def text(self, version: str) -> bytes:
        if version not in self._texts:
            self._texts[version] = json.dumps(self.told(version), separators=(",", ":")).encode()
        return self._texts[version]


class Listing:
    """Puts the definitions in. offered: what the caller of the request at hand sees."""

    def __init__(self, offered: Callable[[], Offered]) -> None:
        self._offered = offered

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method != _METHOD or not isinstance(result, dict):
            return result
        offered = self._offered()
        request: Any = ctx.request
        splice = request.scope.get(_SPLICE) if isinstance(request, Request) else None
        if splice is None:
            return {**result, "tools": offered.told(ctx.protocol_version)}
        splice[f'"{_HERE}"'.encode()] = offered.text(ctx.protocol_version)
        return {**result, "tools": _HERE}


class Splicing:
    """Around the SDK's HTTP application: writes the definitions into its answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        splice: dict[bytes, bytes] = {}
        if scope["type"] == "http":
            scope[_SPLICE] = splice
        head: Message | None = None

        async def spliced(message: Message) -> None:
            nonlocal head
            if not splice:
                await send(message)
            elif message["type"] == "http.response.start":
                head = message
            else:
                body: bytes = message.get("body", b"")
                for here, text in splice.items():
                    body = body.replace(here, text)
                if head is not None:
                    _fit(head, len(body))
                    await send(head)
                    head = None
                await send({**message, "body": body})

        await self._app(scope, receive, spliced)


def _fit(head: MutableMapping[str, Any], length: int) -> None:
    head["headers"] = [
        (name, str(length).encode() if name.lower() == b"content-length" else value) for name, value in head["headers"]
    ]


@functools.cache
def _told(tool: AnyTool, among: AccountNames, version: str) -> dict[str, Any]:
    """A definition as the SDK writes it for that version of the protocol."""
    result = types.ListToolsResult(tools=[definition(tool, among)])
    told = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    if version in MODERN_PROTOCOL_VERSIONS:
        told |= {"ttlMs": 0, "cacheScope": "private"}
    return serialize_server_result(_METHOD, version, told)["tools"][0]

"""The answer to `tools/list`, serialised once for all callers that see the same tools.

The SDK answers the request with an empty list, and the middleware puts the definitions in. Over HTTP they are put in as
text, after the SDK has written the answer around a placeholder.
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
_PLACEHOLDER = f"tools of {secrets.token_hex(16)}"
"""Stands in an answer for the definitions. It is random, so that nobody outside this process can write it."""


class ToolList:
    """The tools that a caller sees, each with the accounts of which a call names one."""

    def __init__(self, tools: Iterable[tuple[AnyTool, AccountNames]]) -> None:
        self._tools = tuple(tools)
        self._texts: dict[str, bytes] = {}

    def definitions(self, version: str) -> list[dict[str, Any]]:
        return [_serialised(tool, accounts, version) for tool, accounts in self._tools]

    def text(self, version: str) -> bytes:
        """The definitions as JSON."""
        if version not in self._texts:
            self._texts[version] = json.dumps(self.definitions(version), separators=(",", ":")).encode()
        return self._texts[version]


class ToolsListMiddleware:
    """Puts the definitions into the SDK's answer. tool_list: returns what the caller of the current request sees."""

    def __init__(self, tool_list: Callable[[], ToolList]) -> None:
        self._tool_list = tool_list

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method != _METHOD or not isinstance(result, dict):
            return result
        tool_list = self._tool_list()
        request: Any = ctx.request
        splice = request.scope.get(_SPLICE) if isinstance(request, Request) else None
        if splice is None:
            return {**result, "tools": tool_list.definitions(ctx.protocol_version)}
        splice[f'"{_PLACEHOLDER}"'.encode()] = tool_list.text(ctx.protocol_version)
        return {**result, "tools": _PLACEHOLDER}


class SpliceMiddleware:
    """Wraps the SDK's HTTP application and writes the definitions into its answers."""

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
                for placeholder, text in splice.items():
                    body = body.replace(placeholder, text)
                if head is not None:
                    _set_content_length(head, len(body))
                    await send(head)
                    head = None
                await send({**message, "body": body})

        await self._app(scope, receive, spliced)


def _set_content_length(head: MutableMapping[str, Any], length: int) -> None:
    head["headers"] = [
        (name, str(length).encode() if name.lower() == b"content-length" else value) for name, value in head["headers"]
    ]


@functools.cache
def _serialised(tool: AnyTool, accounts: AccountNames, version: str) -> dict[str, Any]:
    """A definition as the SDK writes it for a version of the protocol."""
    result = types.ListToolsResult(tools=[definition(tool, accounts)])
    page = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    if version in MODERN_PROTOCOL_VERSIONS:
        page |= {"ttlMs": 0, "cacheScope": "private"}
    return serialize_server_result(_METHOD, version, page)["tools"][0]

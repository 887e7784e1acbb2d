"""What our server over HTTP is compared with: the SDK's low-level server with one tool: `... reference PORT`."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.http import Place, run

ECHO = types.Tool(
    name="echo",
    description="Say it again.",
    input_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)


async def list_tools(_: Any, __: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[ECHO])


async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    text = str((params.arguments or {})["text"])
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content={"text": text})


def application() -> Starlette:
    server = Server[Any](
        "echo",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema={"echo": ECHO.input_schema}.get,
    )
    manager = StreamableHTTPSessionManager(server, stateless=True)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with manager.run():
            yield

    async def ready(_: Request) -> Response:
        return PlainTextResponse("ready\n")

    routes = [Route("/readyz", ready), Route("/mcp", endpoint=StreamableHTTPASGIApp(manager))]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    run(application(), Place(port=int(sys.argv[1])), workers=1)

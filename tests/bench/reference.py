"""What our server is compared with: `python -m tests.bench.reference lowlevel|mcpserver|bare [PORT]`.

The SDK's low-level server and its MCPServer with the same four trivial tools, and a loop without an SDK as the floor.
Over stdio, or over HTTP when a port is given. Each imports what it needs when it runs, as what it takes to start is
measured.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mcp.server.lowlevel import Server
    from starlette.applications import Starlette

_TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "echo": ("Say it again.", _TEXT),
    "reverse": ("Say it backwards.", _TEXT),
    "length": ("Count its characters.", _TEXT),
    "add": ("Add two numbers.", _NUMBERS),
}


def lowlevel() -> Server[Any]:
    import mcp_types as types  # noqa: PLC0415 - see the module's docstring
    from mcp.server.lowlevel import Server  # noqa: PLC0415

    listed = types.ListToolsResult(
        tools=[
            types.Tool(name=name, description=description, input_schema=schema)
            for name, (description, schema) in TOOLS.items()
        ]
    )

    async def list_tools(_: Any, __: Any) -> types.ListToolsResult:
        return listed

    async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        given = params.arguments or {}
        done = {
            "echo": lambda: given["text"],
            "reverse": lambda: given["text"][::-1],
            "length": lambda: len(given["text"]),
            "add": lambda: given["a"] + given["b"],
        }[params.name]()
        text = types.TextContent(text=str(done))
        return types.CallToolResult(content=[text], structured_content={"result": done})

    schemas = {name: schema for name, (_, schema) in TOOLS.items()}
    return Server[Any]("reference", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=schemas.get)


def application() -> Starlette:
    """The low-level server over HTTP, stateless as ours is."""
    from contextlib import asynccontextmanager  # noqa: PLC0415

    from mcp.server.streamable_http_manager import (  # noqa: PLC0415
        StreamableHTTPASGIApp,
        StreamableHTTPSessionManager,
    )
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.responses import PlainTextResponse  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    manager = StreamableHTTPSessionManager(lowlevel(), stateless=True)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with manager.run():
            yield

    async def ready(_: Any) -> PlainTextResponse:
        return PlainTextResponse("ready\n")

    routes = [Route("/readyz", ready), Route("/mcp", endpoint=StreamableHTTPASGIApp(manager))]
    return Starlette(routes=routes, lifespan=lifespan)


def _lowlevel_on_stdio() -> None:
    import anyio  # noqa: PLC0415
    from mcp.server.stdio import stdio_server  # noqa: PLC0415

    server = lowlevel()

    async def serve() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(serve)


def _mcpserver_on_stdio() -> None:
    from mcp.server import MCPServer  # noqa: PLC0415

    server = MCPServer("reference")

    async def echo(text: str) -> str:
        """Say it again."""
        return text

    async def reverse(text: str) -> str:
        """Say it backwards."""
        return text[::-1]

    async def length(text: str) -> int:
        """Count its characters."""
        return len(text)

    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    for function in (echo, reverse, length, add):
        server.tool()(function)
    server.run("stdio")


def _bare_on_stdio() -> None:
    """No SDK and no checks: what reading, answering and writing lines takes at least."""
    import json  # noqa: PLC0415

    listed = [{"name": name, "description": told, "inputSchema": schema} for name, (told, schema) in TOOLS.items()]
    about: dict[str, Any] = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "bare"},
    }
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        result: dict[str, Any] = {}
        if request["method"] == "initialize":
            result = about
        elif request["method"] == "tools/list":
            result = {"tools": listed}
        elif request["method"] == "tools/call":
            text = request["params"]["arguments"]["text"]
            result = {"content": [{"type": "text", "text": text}], "structuredContent": {"result": text}}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)


def main() -> None:
    which, *port = sys.argv[1:]
    if port:
        from server.http.application import BindAddress, run  # noqa: PLC0415

        run(application(), BindAddress(port=int(port[0])), workers=1)
        return
    {"lowlevel": _lowlevel_on_stdio, "mcpserver": _mcpserver_on_stdio, "bare": _bare_on_stdio}[which]()


if __name__ == "__main__":
    main()

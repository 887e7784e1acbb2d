"""The MCP server: which tools it offers, and how the protocol reaches them."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from server import __version__
from server.calls import Calls
from server.settings import Environment, Settings
from server.vendors import Wire, missing_vendors, open_backends
from tools.backends import Backends
from tools.catalogue import CATALOGUE
from tools.schema import arguments_schema, result_schema
from tools.tool import AnyTool, Write

INSTRUCTIONS = """\
Ad operations of a publisher: Interchange (what buyers' agents buy), FreeWheel (ad server), Google Ad Manager.
Selling: list_avails, then reserve_avail (HELD), then finalize_booking (handed over, still HELD until people or the \
ad server have carried it out). Only a status that says BOOKED is booked.
Proposing: list_inventory_packages, create_proposed_io. Connecting: test_gam_connection.
Never invent an id: take it from a tool's result or ask the person. Confirm avail, amount and media buy with the \
person before a write. An error with code in_doubt means that the write may have happened: do not send it again, do \
what its next_step says.\
"""

_DAY_MS = 24 * 60 * 60 * 1000

Context = ServerRequestContext[Backends]


def offered_tools(settings: Settings) -> list[AnyTool]:
    """The tools that have at least one of their vendors configured."""
    missing = missing_vendors(settings)
    return [tool for tool in CATALOGUE if any(vendor not in missing for vendor in tool.vendors)]


def definition(tool: AnyTool) -> types.Tool:
    """A tool as a client sees it. Needs no settings and no network."""
    write = tool.effect if isinstance(tool.effect, Write) else None
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=arguments_schema(tool.arguments),
        output_schema=_output_schema(tool),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=write is None,
            destructive_hint=write is not None and write.destructive,
            idempotent_hint=write is None or write.repeatable,
            open_world_hint=True,
        ),
    )


def _output_schema(tool: AnyTool) -> dict[str, Any]:
    """The result's schema, with the environment, and with the error that takes the place of everything else.

    Older clients hold also an error's structured content against this schema and drop it when it does not fit, so
    the error is part of it and only the environment is required at the top.
    """
    schema = result_schema(tool.result)
    properties = {"environment": _ENVIRONMENT, **schema["properties"], "error": _ERROR}
    return {**schema, "properties": properties, "required": ["environment"]}


_ENVIRONMENT = {"type": "string", "enum": ["sandbox", "staging", "live"], "description": "Where this was done."}
_ERROR = {
    "type": "object",
    "description": "Only when the call failed (isError); then nothing but environment stands beside it.",
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "retryable": {"type": "boolean", "description": "Whether the same call may be made again."},
        "next_step": {"type": "string"},
        "upstream_status": {"type": "integer", "description": "The vendor's HTTP status."},
        "upstream_code": {"type": "string", "description": "The vendor's own error code."},
        "request_id": {"type": "string", "description": "The vendor's id of the request."},
    },
    "required": ["code", "message", "retryable", "next_step"],
    "additionalProperties": False,
}


def build_server(settings: Settings, wire: Wire | None = None, calls: Calls | None = None) -> Server[Backends]:
    """The server object that every transport serves.

    wire: other networks and clocks, for tests. calls: the call path, for who wants to wait until it is idle.
    """
    tools = {tool.name: tool for tool in offered_tools(settings)}
    listing = types.ListToolsResult(tools=[definition(tool) for tool in tools.values()])
    schemas = {tool.name: tool.input_schema for tool in listing.tools}
    path = calls or Calls(settings.environment)

    @asynccontextmanager
    async def lifespan(_: Server[Backends]) -> AsyncGenerator[Backends]:
        async with open_backends(settings, wire) as backends:
            yield backends

    async def list_tools(_: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        if params is not None and params.cursor is not None:
            raise MCPError(types.INVALID_PARAMS, "unknown cursor: all tools are on the first page")
        return listing

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, _unknown_tool(params.name, tools))
        return await path.call(tool, params.arguments, context.lifespan_context)

    server = Server[Backends](
        "adops-mcp",
        version=__version__,
        title="Ad operations",
        instructions=instructions(settings.environment),
        lifespan=lifespan,
        get_tool_input_schema=schemas.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        cache_hints={"tools/list": CacheHint(ttl_ms=_DAY_MS, scope="private")},
    )
    server.add_request_handler("server/discover", types.RequestParams, functools.partial(_discover, server))
    return server


def instructions(environment: Environment) -> str:
    if environment != "sandbox":
        return f"{INSTRUCTIONS}\nThis server works on {environment}: writes are real."
    from server.sandbox.guide import GUIDE  # noqa: PLC0415 - staging and live do without the sandbox

    return f"{INSTRUCTIONS}\n{GUIDE}"


def _unknown_tool(name: str, tools: Iterable[str]) -> str:
    known = any(tool.name == name for tool in CATALOGUE)
    why = "its vendor is not configured; `adops-mcp doctor` says what is missing" if known else "there is none"
    return f"no tool {name[:64]!r} is offered here: {why}. Offered: {', '.join(tools)}"


async def _discover(server: Server[Backends], context: Context, _: types.RequestParams) -> types.DiscoverResult:
    """Every version that is served, not only those without a handshake: a client picks what it speaks."""
    return types.DiscoverResult(
        supported_versions=list(reversed(KNOWN_PROTOCOL_VERSIONS)),
        capabilities=server.get_capabilities(protocol_version=context.protocol_version),
        instructions=server.instructions,
    )

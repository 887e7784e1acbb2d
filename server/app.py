"""The MCP server: which tools it offers, and how the protocol reaches them."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.methods import CacheableMethod
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from prompts import ArgumentType
from server import __version__, resources
from server.arguments import schema_of
from server.auth import READ
from server.callers import caller_of, may_read, may_use, seen_by
from server.calls import Calls
from server.completions import Completions
from server.confirmation import NeedsInput, asker_of, sealed
from server.offer import Offer, offer
from server.prompts import filled, listed, offered_prompts
from server.record import RecordView, open_record
from server.settings import Environment, Settings
from server.vendors import Wire, open_backends
from server.writes import Writes
from tools.backends import Backends
from tools.schema import result_schema
from tools.tool import AnyTool, Read, Write
from tools.writes import PROGRESS

INSTRUCTIONS = """\
Ad operations of a publisher: Interchange (what buyers' agents buy), FreeWheel (ad server), Google Ad Manager (GAM).
Selling: list_media_buys and list_avails, reserve_avail (HELD), finalize_booking (handed over, still HELD), then \
people do the work items: list_work_items. HELD keeps the impressions from others; sold is only what says BOOKED. \
release_booking gives them back.
Packaging: find_targeting_items, create_inventory_package. Proposing: create_proposed_io, which holds nothing.
Connecting GAM: list_inventory_sources, configure_gam_source, a person grants, test_gam_connection.
Never invent an id: every id comes from a list or find tool, or from the person. Confirm a write with the person \
first. An error with code in_doubt means that the write may have happened: do not send it again, do what its \
next_step says. \
A tool that is not there: get_status says why.\
"""

_DAY_MS = 24 * 60 * 60 * 1000

Context = ServerRequestContext[Backends]


@functools.cache
def definition(tool: AnyTool) -> types.Tool:
    """A tool as a client sees it. Needs no settings and no network; made once, as models do not change."""
    write = tool.effect if isinstance(tool.effect, Write) else None
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=schema_of(tool),
        output_schema=_output_schema(tool),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=isinstance(tool.effect, Read),
            destructive_hint=write is not None and write.destructive,
            idempotent_hint=write is None or write.repeatable or write.holds,
            open_world_hint=True,
        ),
    )


def _output_schema(tool: AnyTool) -> dict[str, Any]:
    """The result's schema, with the environment, and with the error that takes the place of everything else.

    Older clients hold also an error's structured content against this schema and drop it when it does not fit, so
    the error is part of it and only the environment is required at the top.
    """
    schema = result_schema(tool.result)
    of_a_write = _OF_A_WRITE if isinstance(tool.effect, Write) else {}
    properties = {"environment": _ENVIRONMENT, **schema["properties"], **of_a_write, "error": _ERROR}
    return {**schema, "properties": properties, "required": ["environment"]}


_ENVIRONMENT = {"type": "string", "enum": ["sandbox", "staging", "live"], "description": "Where this was done."}
_OF_A_WRITE = {
    "operation_id": {"type": "string", "description": "Of this write's record: see get_operation."},
    "replayed": {
        "type": "boolean",
        "description": "True: nothing was sent now; this is the same call's outcome of then.",
    },
    "confirmation": {"type": "string", "description": "Only where a person was to be asked and could not be."},
    "done_at": {"type": "string", "description": "With replayed: when that was, UTC."},
    "found": {"type": "object", "description": "With replayed, where the answer was lost: what reconciling found."},
    "rehearsal": {
        "type": "object",
        "description": "Only with dry_run, and nothing but next_step beside it.",
        "properties": {
            "would_send": {
                "type": "object",
                "description": "The exact request; absent: none would be sent.",
                "properties": {
                    "method": {"type": "string"},
                    "path": {"type": "string"},
                    "body": {"type": "object"},
                },
            },
            "does": {"type": "string"},
            "changes": {"type": "array", "items": {"type": "string"}},
            "problems": {"type": "array", "items": {"type": "string"}, "description": "Why it would fail or surprise."},
            "not_checked": {"type": "array", "items": {"type": "string"}},
            "asks_a_person": {"type": "boolean"},
        },
    },
}
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
        "operation_id": {"type": "string", "description": "Of this write's record: see get_operation."},
    },
    "required": ["code", "message", "retryable", "next_step"],
    "additionalProperties": False,
}


def build_server(settings: Settings, wire: Wire | None = None, calls: Calls | None = None) -> Server[Backends]:
    """The server object that every transport serves.

    wire: other networks and clocks, for tests. calls: the call path, for who wants to wait until it is idle.
    """
    offered = offer(settings)
    tools = {tool.name: tool for tool in offered.tools}
    listing = types.ListToolsResult(tools=[definition(tool) for tool in tools.values()])
    schemas = {tool.name: tool.input_schema for tool in listing.tools}
    path = calls or build_calls(settings, wire)

    @asynccontextmanager
    async def lifespan(_: Server[Backends]) -> AsyncGenerator[Backends]:
        record = path.writes.record
        async with (
            open_backends(settings, wire, left_out=offered.left_out) as backends,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(path.writes.keep_alive)
            try:
                yield replace(backends, record=RecordView(record, settings.settle_after))
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await record.close()

    async def list_tools(_: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        _on_one_page(params, "tools")
        return types.ListToolsResult(tools=[tool for tool in listing.tools if may_use(tools[tool.name])])

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        tool = tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, _unknown_tool(params.name, offered))
        reporting = PROGRESS.set(context.session.report_progress)
        try:
            caller = caller_of(context, asker_of(context, params))
            return await path.call(tool, params.arguments, seen_by(caller, context.lifespan_context), caller)
        except NeedsInput as question:
            return question.result
        finally:
            PROGRESS.reset(reporting)

    async def list_prompts(_: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        _on_one_page(params, "prompts")
        return types.ListPromptsResult(prompts=[listed(prompt) for prompt in offered_prompts(tools).values()])

    async def get_prompt(_: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        known = offered_prompts(tools)
        if params.name not in known:
            there = ", ".join(known) or "none, since the tools that they need are not"
            raise MCPError(types.INVALID_PARAMS, f"no prompt {params.name[:64]!r} is offered here; offered: {there}")
        return filled(known[params.name], params.arguments or {})

    async def list_resources(_: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        _on_one_page(params, "resources")
        return resources.listed_vocabularies()

    async def list_templates(
        _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        _on_one_page(params, "resource templates")
        return resources.listed_templates(resources.offered_templates(tools))

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        backends = context.lifespan_context
        return await resources.read(params.uri, tools, path, backends, caller_of(context))

    completions = Completions((wire or Wire()).timing.clock)

    async def complete(context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        kind = _completed_kind(params, tools)
        return await completions.complete(kind, params.argument.value, context.lifespan_context)

    server = Server[Backends](
        "adops-mcp",
        version=__version__,
        title="Ad operations",
        instructions=instructions(settings.environment),
        lifespan=lifespan,
        get_tool_input_schema=schemas.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_completion=complete,
        cache_hints={method: CacheHint(ttl_ms=_DAY_MS, scope="private") for method in _LISTS},
    )
    server.middleware.append(sealed("adops-mcp", settings.state_key))
    server.add_request_handler("server/discover", types.RequestParams, functools.partial(_discover, server))
    return server


def build_calls(settings: Settings, wire: Wire | None = None) -> Calls:
    """The one path of every call, with the record of writes that it keeps."""
    timing = (wire or Wire()).timing
    record = open_record(settings, timing.now)
    return Calls(settings.environment, Writes(record, settings.confirm, timing, settle_after=settings.settle_after))


_LISTS: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


def _on_one_page(params: types.PaginatedRequestParams | None, what: str) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, f"unknown cursor: all {what} are on the first page")


def _completed_kind(params: types.CompleteRequestParams, tools: Collection[str]) -> ArgumentType | None:
    """What is being typed. Raises MCPError for a prompt, template or argument that there is not, or without a scope."""
    if not may_read():
        raise MCPError(types.INVALID_PARAMS, f"completing needs the scope {READ}")
    reference, name = params.ref, params.argument.name
    kinds: dict[str, ArgumentType] = {}
    if isinstance(reference, types.PromptReference):
        prompt = offered_prompts(tools).get(reference.name)
        kinds = {argument.name: argument.type for argument in prompt.arguments} if prompt else {}
        of = f"prompt {reference.name[:64]!r}"
    else:
        templates = resources.offered_templates(tools)
        kinds = {template.parameter: template.kind for template in templates if template.uri == reference.uri}
        of = f"resource template {reference.uri[:200]!r}"
    if name not in kinds:
        raise MCPError(types.INVALID_PARAMS, f"there is no argument {name[:64]!r} of {of} to complete")
    return kinds[name]


def instructions(environment: Environment) -> str:
    if environment != "sandbox":
        return f"{INSTRUCTIONS}\nThis server works on {environment}: writes are real."
    from server.sandbox.guide import GUIDE  # noqa: PLC0415 - staging and live do without the sandbox

    return f"{INSTRUCTIONS}\n{GUIDE}"


def _unknown_tool(name: str, offered: Offer) -> str:
    why = offered.left_out.get(name, "There is none.")
    return f"no tool {name[:64]!r} is offered here: {why} Offered: {', '.join(tool.name for tool in offered.tools)}"


async def _discover(server: Server[Backends], context: Context, _: types.RequestParams) -> types.DiscoverResult:
    """Every version that is served, not only those without a handshake: a client picks what it speaks."""
    return types.DiscoverResult(
        supported_versions=list(reversed(KNOWN_PROTOCOL_VERSIONS)),
        capabilities=server.get_capabilities(protocol_version=context.protocol_version),
        instructions=server.instructions,
    )

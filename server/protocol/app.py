"""The MCP server: which tools it offers, and how the protocol reaches them."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import mcp_types as types
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types.methods import CacheableMethod
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from server import __version__
from server.access.accounts_in_reach import Choice, Choices, Places, open_accounts
from server.access.authentication import READ
from server.access.principals import caller_of, may_read, may_use, seen_by
from server.calls.dispatch import Calls
from server.clients import Wire
from server.configuration.accounts import Account, accounts_of
from server.configuration.settings import Environment, Settings
from server.protocol import resources
from server.protocol.completions import Completions, Kind
from server.protocol.elicitation import asker_of, sealed
from server.protocol.prompts import filled, listed, prompts_for
from server.protocol.tools_list import Listing, Offered
from server.telemetry.call_log import CallObserver, ignore_call
from server.telemetry.logs_and_traces import RedactedTracing
from server.writes.pipeline import Writes
from server.writes.records import RecordView, open_record
from server.writes.write_call import Caller, NeedsInput
from tools.backends import Backends
from tools.effects import PROGRESS

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

_SEVERAL = """
A tool that takes `account` works in that one alone, and ids are of one account. Never guess whose: it comes from the \
person.\
"""

_DAY_MS = 24 * 60 * 60 * 1000

Context = ServerRequestContext["Opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """What one running server has open: the clients of each account, and the record of writes."""

    accounts: Mapping[str, Backends]
    record: RecordView


class _Handlers:
    """What answers each request of the protocol: for whoever makes it, with the accounts that are for them."""

    def __init__(self, accounts: tuple[Account, ...], path: Calls, clock: Callable[[], float]) -> None:
        self.choices = Choices(accounts)
        self._path = path
        self._completions = Completions(clock)
        self._offered: dict[tuple[int, frozenset[str] | None], Offered] = {}

    def choice(self) -> Choice:
        return self.choices.of(get_access_token())

    def places(self, context: Context, caller: Caller) -> Places:
        opened = context.lifespan_context
        return Places(self.choice(), opened.accounts, seen_by(caller, opened.record))

    async def list_tools(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """An empty page, which `Listing` fills."""
        _on_one_page(params, "tools")
        return types.ListToolsResult(tools=[])

    def offered(self) -> Offered:
        """What `tools/list` shows to whoever makes the request at hand."""
        choice, token = self.choice(), get_access_token()
        kind = (id(choice), None if token is None else frozenset(token.scopes))
        if kind not in self._offered:
            tools = [(entry.tool, choice.among.get(name, ())) for name, entry in choice.tools.items() if may_use(entry)]
            self._offered[kind] = Offered(tools)
        return self._offered[kind]

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        choice = self.choice()
        entry = choice.tools.get(params.name)
        if entry is None:
            self._path.not_offered(caller_of(context))
            raise MCPError(types.INVALID_PARAMS, _unknown_tool(params.name, choice))
        reporting = PROGRESS.set(context.session.report_progress)
        try:
            caller = caller_of(context, asker_of(context, params))
            return await self._path.call(entry.tool, params.arguments, self.places(context, caller), caller)
        except NeedsInput as question:
            return question.result
        finally:
            PROGRESS.reset(reporting)

    async def list_prompts(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        _on_one_page(params, "prompts")
        choice = self.choice()
        return types.ListPromptsResult(
            prompts=[listed(prompt, choice.names_for(prompt.tools)) for prompt in prompts_for(choice).values()]
        )

    async def get_prompt(self, _: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        choice = self.choice()
        known = prompts_for(choice)
        if params.name not in known:
            there = ", ".join(known) or "none, since the tools that they need are not"
            raise MCPError(types.INVALID_PARAMS, f"no prompt {params.name[:64]!r} is offered here; offered: {there}")
        prompt = known[params.name]
        return filled(prompt, params.arguments or {}, choice.names_for(prompt.tools))

    async def list_resources(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        _on_one_page(params, "resources")
        return resources.listed_vocabularies()

    async def list_templates(
        self, _: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        _on_one_page(params, "resource templates")
        return resources.listed_templates(self.choice())

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        caller = caller_of(context)
        return await resources.read(params.uri, self._path, self.places(context, caller), caller)

    async def complete(self, context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        places = self.places(context, caller_of(context))
        kind = _completed_kind(params, places.choice)
        named = (params.context.arguments or {}).get("account", "") if params.context else ""
        return await self._completions.complete(kind, params.argument.value, places, named)


def build_server(settings: Settings, wire: Wire | None = None, calls: Calls | None = None) -> Server[Opened]:
    """The server object that every transport serves. Raises SettingsError when the file of accounts cannot be used.

    wire: other networks and clocks, for tests. calls: the call path, for who wants to wait until it is idle.
    """
    accounts, wire = accounts_of(settings), wire or Wire()
    path = calls or build_calls(settings, wire)
    handlers = _Handlers(accounts, path, wire.timing.clock)

    @asynccontextmanager
    async def lifespan(_: Server[Opened]) -> AsyncGenerator[Opened]:
        record = path.writes.record
        async with open_accounts(accounts, wire) as opened, anyio.create_task_group() as tasks:
            tasks.start_soon(path.writes.keep_alive)
            try:
                yield Opened(opened, RecordView(record, settings.settle_after))
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await record.close()

    server = Server[Opened](
        "adops-mcp",
        version=__version__,
        title="Ad operations",
        instructions=instructions(settings.environment, several=len(accounts) > 1),
        lifespan=lifespan,
        get_tool_input_schema=_nothing_in_headers,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
        on_completion=handlers.complete,
        cache_hints={method: CacheHint(ttl_ms=_DAY_MS, scope="private") for method in _LISTS},
    )
    server.middleware[0] = RedactedTracing(server.middleware[0])
    server.middleware += [sealed("adops-mcp", settings.state_key), Listing(handlers.offered)]
    server.add_request_handler("server/discover", types.RequestParams, functools.partial(_discover, server))
    return server


def build_calls(settings: Settings, wire: Wire | None = None, observer: CallObserver = ignore_call) -> Calls:
    """The one path of every call, with the record of writes that it keeps. observer: gets the record of each call."""
    timing = (wire or Wire()).timing
    record = open_record(settings, timing)
    writes = Writes(record, settings.confirm, timing, settle_after=settings.settle_after)
    return Calls(settings.environment, writes, observer=observer)


_LISTS: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


def _nothing_in_headers(_: str) -> None:
    """No argument of any tool is mirrored in a header (x-mcp-header), so the SDK has no schema to look through."""


def _on_one_page(params: types.PaginatedRequestParams | None, what: str) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, f"unknown cursor: all {what} are on the first page")


def _completed_kind(params: types.CompleteRequestParams, choice: Choice) -> Kind:
    """What is being typed. Raises MCPError for a prompt, template or argument that there is not, or without a scope."""
    if not may_read():
        raise MCPError(types.INVALID_PARAMS, f"completing needs the scope {READ}")
    reference, name = params.ref, params.argument.name
    kinds: dict[str, Kind] = {}
    if isinstance(reference, types.PromptReference):
        if prompt := prompts_for(choice).get(reference.name):
            kinds |= {argument.name: argument.type for argument in prompt.arguments}
            kinds |= {"account": "account"} if choice.names else {}
        of = f"prompt {reference.name[:64]!r}"
    else:
        if template := resources.template_of(reference.uri, choice):
            kinds[template.parameter] = template.kind
            kinds |= {"account": "account"} if template.tool in choice.among else {}
        of = f"resource template {reference.uri[:200]!r}"
    if name not in kinds:
        raise MCPError(types.INVALID_PARAMS, f"there is no argument {name[:64]!r} of {of} to complete")
    return kinds[name]


def instructions(environment: Environment, *, several: bool = False) -> str:
    return _instructions(environment) + (_SEVERAL if several else "")


def _instructions(environment: Environment) -> str:
    if environment != "sandbox":
        return f"{INSTRUCTIONS}\nThis server works on {environment}: writes are real."
    from server.sandbox.google_ad_manager.guide import GUIDE  # noqa: PLC0415 - staging and live do without the sandbox

    return f"{INSTRUCTIONS}\n{GUIDE}"


def _unknown_tool(name: str, choice: Choice) -> str:
    why = choice.left_out.get(name, "There is none.")
    return f"no tool {name[:64]!r} is offered here: {why} Offered: {', '.join(choice.tools)}"


async def _discover(server: Server[Opened], context: Context, _: types.RequestParams) -> types.DiscoverResult:
    """Every version that is served, not only those without a handshake: a client picks what it speaks."""
    return types.DiscoverResult(
        supported_versions=list(reversed(KNOWN_PROTOCOL_VERSIONS)),
        capabilities=server.get_capabilities(protocol_version=context.protocol_version),
        instructions=server.instructions,
    )

"""The MCP server: what it offers, and which function answers each request of the protocol."""

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
from server.access.accounts_in_reach import CallerChoice, CallerChoices, ReachableAccounts, open_accounts
from server.access.authentication import READ
from server.access.principals import caller_of, ledger_for, may_read, may_use
from server.calls.dispatch import Dispatcher
from server.clients import Wire
from server.configuration.accounts import Account, accounts_of
from server.configuration.settings import Environment, Settings
from server.protocol import resources
from server.protocol.completions import Completions, Kind
from server.protocol.elicitation import asker_of, sealed
from server.protocol.prompts import fill_prompt, prompts_for, to_mcp_prompt
from server.protocol.tools_list import ToolList, ToolsListMiddleware
from server.telemetry.call_log import CallObserver, ignore_call
from server.telemetry.logs_and_traces import RedactedTracing
from server.writes.pipeline import WritePipeline
from server.writes.records import LedgerView, open_ledger
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
    """What one running server has open: the vendors' clients of each account, and the ledger."""

    accounts: Mapping[str, Backends]
    ledger: LedgerView


class _Handlers:
    """Answers the requests of the protocol, each for its caller and with the accounts that the caller may use."""

    def __init__(self, accounts: tuple[Account, ...], dispatcher: Dispatcher, clock: Callable[[], float]) -> None:
        self.choices = CallerChoices(accounts)
        self._dispatcher = dispatcher
        self._completions = Completions(clock)
        self._tool_lists: dict[tuple[int, frozenset[str] | None], ToolList] = {}

    def choice(self) -> CallerChoice:
        """The accounts and tools of the caller of the current request."""
        return self.choices.of(get_access_token())

    def accounts(self, context: Context, caller: Caller) -> ReachableAccounts:
        opened = context.lifespan_context
        return ReachableAccounts(self.choice(), opened.accounts, ledger_for(caller, opened.ledger))

    async def list_tools(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """An empty page, which `ToolsListMiddleware` fills."""
        _on_one_page(params, "tools")
        return types.ListToolsResult(tools=[])

    def tool_list(self) -> ToolList:
        """What `tools/list` shows to the caller of the current request."""
        choice, token = self.choice(), get_access_token()
        kind = (id(choice), None if token is None else frozenset(token.scopes))
        if kind not in self._tool_lists:
            tools = [
                (entry.tool, choice.account_names.get(name, ()))
                for name, entry in choice.tools.items()
                if may_use(entry)
            ]
            self._tool_lists[kind] = ToolList(tools)
        return self._tool_lists[kind]

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        choice = self.choice()
        entry = choice.tools.get(params.name)
        if entry is None:
            self._dispatcher.refuse_unknown(caller_of(context))
            raise MCPError(types.INVALID_PARAMS, _unknown_tool(params.name, choice))
        reporting = PROGRESS.set(context.session.report_progress)
        try:
            caller = caller_of(context, asker_of(context, params))
            return await self._dispatcher.call(entry.tool, params.arguments, self.accounts(context, caller), caller)
        except NeedsInput as question:
            return question.result
        finally:
            PROGRESS.reset(reporting)

    async def list_prompts(self, _: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        _on_one_page(params, "prompts")
        choice = self.choice()
        return types.ListPromptsResult(
            prompts=[to_mcp_prompt(prompt, choice.names_with(prompt.tools)) for prompt in prompts_for(choice).values()]
        )

    async def get_prompt(self, _: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        choice = self.choice()
        offered = prompts_for(choice)
        if params.name not in offered:
            names = ", ".join(offered) or "none, since the tools that they need are not"
            raise MCPError(types.INVALID_PARAMS, f"no prompt {params.name[:64]!r} is offered here; offered: {names}")
        prompt = offered[params.name]
        return fill_prompt(prompt, params.arguments or {}, choice.names_with(prompt.tools))

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
        return await resources.read(params.uri, self._dispatcher, self.accounts(context, caller), caller)

    async def complete(self, context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        accounts = self.accounts(context, caller_of(context))
        kind = _completed_kind(params, accounts.choice)
        account = (params.context.arguments or {}).get("account", "") if params.context else ""
        return await self._completions.complete(kind, params.argument.value, accounts, account)


def build_server(settings: Settings, wire: Wire | None = None, calls: Dispatcher | None = None) -> Server[Opened]:
    """The server object that every transport serves. Raises SettingsError when the file of accounts cannot be used.

    wire: other networks and clocks, for tests. calls: a dispatcher that the caller keeps, to close it at the end.
    """
    accounts, wire = accounts_of(settings), wire or Wire()
    dispatcher = calls or build_dispatcher(settings, wire)
    handlers = _Handlers(accounts, dispatcher, wire.timing.clock)

    @asynccontextmanager
    async def lifespan(_: Server[Opened]) -> AsyncGenerator[Opened]:
        ledger = dispatcher.writes.ledger
        async with open_accounts(accounts, wire) as opened, anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.writes.in_progress.keep_alive)
            try:
                yield Opened(opened, LedgerView(ledger, settings.settle_after))
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await ledger.close()

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
    server.middleware += [sealed("adops-mcp", settings.state_key), ToolsListMiddleware(handlers.tool_list)]
    server.add_request_handler("server/discover", types.RequestParams, functools.partial(_discover, server))
    return server


def build_dispatcher(settings: Settings, wire: Wire | None = None, observer: CallObserver = ignore_call) -> Dispatcher:
    """The dispatcher of every call, with its ledger. observer: is called with the record of each call that ended."""
    timing = (wire or Wire()).timing
    ledger = open_ledger(settings, timing)
    writes = WritePipeline(ledger, settings.confirm, timing, settle_after=settings.settle_after)
    return Dispatcher(settings.environment, writes, observer=observer)


_LISTS: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")


def _nothing_in_headers(_: str) -> None:
    """No argument of a tool is mirrored in a header (x-mcp-header), so the SDK needs no schema."""


def _on_one_page(params: types.PaginatedRequestParams | None, what: str) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, f"unknown cursor: all {what} are on the first page")


def _completed_kind(params: types.CompleteRequestParams, choice: CallerChoice) -> Kind:
    """The kind of value that is being typed. Raises MCPError for an unknown prompt, template or argument, or without
    the scope to read."""
    if not may_read():
        raise MCPError(types.INVALID_PARAMS, f"completing needs the scope {READ}")
    reference, name = params.ref, params.argument.name
    kinds: dict[str, Kind] = {}
    if isinstance(reference, types.PromptReference):
        if prompt := prompts_for(choice).get(reference.name):
            kinds |= {argument.name: argument.type for argument in prompt.arguments}
            kinds |= {"account": "account"} if choice.names else {}
        where = f"prompt {reference.name[:64]!r}"
    else:
        if template := resources.template_of(reference.uri, choice):
            kinds[template.parameter] = template.kind
            kinds |= {"account": "account"} if template.tool in choice.account_names else {}
        where = f"resource template {reference.uri[:200]!r}"
    if name not in kinds:
        raise MCPError(types.INVALID_PARAMS, f"there is no argument {name[:64]!r} of {where} to complete")
    return kinds[name]


def instructions(environment: Environment, *, several: bool = False) -> str:
    return _instructions(environment) + (_SEVERAL if several else "")


def _instructions(environment: Environment) -> str:
    if environment != "sandbox":
        return f"{INSTRUCTIONS}\nThis server works on {environment}: writes are real."
    from server.sandbox.google_ad_manager.guide import GUIDE  # noqa: PLC0415 - staging and live do without the sandbox

    return f"{INSTRUCTIONS}\n{GUIDE}"


def _unknown_tool(name: str, choice: CallerChoice) -> str:
    why = choice.left_out.get(name, "There is none.")
    return f"no tool {name[:64]!r} is offered here: {why} Offered: {', '.join(choice.tools)}"


async def _discover(server: Server[Opened], context: Context, _: types.RequestParams) -> types.DiscoverResult:
    """Names every version that is served, also those with a handshake, so that a client can pick one that it speaks."""
    return types.DiscoverResult(
        supported_versions=list(reversed(KNOWN_PROTOCOL_VERSIONS)),
        capabilities=server.get_capabilities(protocol_version=context.protocol_version),
        instructions=server.instructions,
    )

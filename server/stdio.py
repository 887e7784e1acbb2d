"""Serving MCP over stdin and stdout, where nothing but JSON-RPC may appear."""

from __future__ import annotations

import logging
import os
import signal
import sys

import anyio
from mcp.server.stdio import stdio_server

from server.accounts import Account, accounts_of
from server.app import build_calls, build_server
from server.calls import Calls
from server.places import Choices
from server.settings import NoAccess, Settings, misspelt_choices, unknown_variables
from server.unreadable import answering_all
from server.vendors import missing_of, open_sandbox
from tools.backends import TITLES
from tools.tool import VendorName

FLUSH = 0.2
"""Seconds for the last answer to get out before the process ends."""

logger = logging.getLogger(__name__)


def serve_stdio(settings: Settings) -> int:
    """Serve until stdin ends. Refuses to start with no vendor or no tool: a client would only see an empty server.

    Raises SettingsError, before anything is served, when the sandbox's state cannot be used.
    """
    if misspelt := misspelt_choices():
        print("adops-mcp: not started, as tools that are meant to be left out would be offered:", file=sys.stderr)  # noqa: T201
        for line in misspelt:
            print(f"  {line}", file=sys.stderr)  # noqa: T201
        return 2
    accounts = accounts_of(settings)
    missing: list[tuple[Account, VendorName, NoAccess]] = [
        (account, vendor, way) for account in accounts for vendor, way in missing_of(account).items()
    ]
    if len(missing) == len(TITLES) * len(accounts):
        print(f"adops-mcp: no vendor is configured for {settings.environment}, so there is no tool:", file=sys.stderr)  # noqa: T201
        for account, vendor, way in missing:
            print(f"  {account.name}{' ' if account.name else ''}{vendor}: {way.fix}", file=sys.stderr)  # noqa: T201
        print("Or leave ADOPS_ENVIRONMENT out to use the sandbox.", file=sys.stderr)  # noqa: T201
        return 2
    choice = Choices(accounts).whole
    if not choice.tools:
        print("adops-mcp: of the chosen tools none is left to offer:", file=sys.stderr)  # noqa: T201
        for why in dict.fromkeys(choice.left_out.values()):
            print(f"  {why}", file=sys.stderr)  # noqa: T201
        return 2
    if settings.environment == "sandbox":
        for account in accounts:
            open_sandbox(settings, account=account.name).close()
    for line in unknown_variables():
        logger.warning(line)
    for account, vendor, way in missing:
        if way.incomplete:
            logger.warning("%s is left out: %s", f"{TITLES[vendor]} {account.name}".strip(), way.fix)
    if sys.stdin.isatty():
        print("adops-mcp waits for an MCP client on stdin; try `adops-mcp demo`.", file=sys.stderr)  # noqa: T201
    anyio.run(_serve, settings)
    return 0


async def _serve(settings: Settings) -> None:
    calls = build_calls(settings)
    server = build_server(settings, calls=calls)
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":
            tasks.start_soon(_leave_on_signal, calls)
        async with stdio_server() as (read, write), answering_all(read, write) as understood:
            await server.run(understood, write, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _leave_on_signal(calls: Calls) -> None:
    """Take no more writes, and end the process once none is under way.

    The thread that reads stdin cannot be ended, so it is left behind.
    """
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            await calls.close()
            await anyio.sleep(FLUSH)
            sys.stderr.flush()
            os._exit(128 + number)

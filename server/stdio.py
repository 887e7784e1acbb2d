"""Serving MCP over stdin and stdout, where nothing but JSON-RPC may appear."""

from __future__ import annotations

import logging
import sys

import anyio
from mcp.server.stdio import stdio_server

from server.app import build_server, offered_tools
from server.settings import Settings, unknown_variables
from server.vendors import missing_vendors, open_sandbox

logger = logging.getLogger(__name__)


def serve_stdio(settings: Settings) -> int:
    """Serve until stdin ends. Refuses to start with no vendor at all: a client would only see an empty server.

    Raises SettingsError, before anything is served, when the sandbox's state cannot be used.
    """
    if not offered_tools(settings):
        print(f"adops-mcp: no vendor is configured for {settings.environment}, so there is no tool:", file=sys.stderr)  # noqa: T201
        for vendor, way in missing_vendors(settings).items():
            print(f"  {vendor}: {way.fix}", file=sys.stderr)  # noqa: T201
        print("Or leave ADOPS_ENVIRONMENT out to use the sandbox.", file=sys.stderr)  # noqa: T201
        return 2
    if settings.environment == "sandbox":
        open_sandbox(settings).close()
    for line in unknown_variables():
        logger.warning(line)
    anyio.run(_serve, settings)
    return 0


async def _serve(settings: Settings) -> None:
    server = build_server(settings)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

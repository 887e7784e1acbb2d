"""Serving MCP over stdin and stdout, where nothing but JSON-RPC may appear."""

from __future__ import annotations

import os
import signal
import sys

import anyio
from mcp.server.stdio import stdio_server

from server.app import build_calls, build_server
from server.calls import Calls
from server.settings import Settings
from server.starting import may_start
from server.telemetry import start_tracing, stop_tracing
from server.unreadable import answering_all

FLUSH = 0.2
"""Seconds for the last answer to get out before the process ends."""


def serve_stdio(settings: Settings) -> int:
    """Serve until stdin ends; 2 when it may not start. Raises SettingsError before anything is served."""
    if not may_start(settings):
        return 2
    start_tracing()
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
            await anyio.to_thread.run_sync(stop_tracing)
            sys.stderr.flush()
            os._exit(128 + number)

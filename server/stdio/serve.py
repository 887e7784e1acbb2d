"""The live server on stdio, where nothing but JSON-RPC may be written. `server.stdio.early_answers` starts it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.to_thread
from mcp.server.lowlevel import Server

from server.calls.dispatch import Calls
from server.clients import Wire
from server.configuration.settings import SettingsError, load
from server.preflight import may_start, unusable
from server.protocol.app import Opened, build_calls, build_server
from server.stdio.handover import Handover
from server.stdio.transport import EarlyAnswerMismatch, StdinReader, StdoutWriter
from server.telemetry.logs_and_traces import log_to_stderr, start_tracing, stop_tracing

FLUSH = 0.2
"""Seconds for the last answer to be written before the process ends."""


def build_live_server(flags: Mapping[str, Any], wire: Wire | None = None) -> Callable[[Handover], int] | None:
    """Build the server. The returned function serves until stdin ends and returns the exit code.

    Returns None if the server cannot start, after writing the reason to stderr.
    """
    try:
        settings = load(**flags)
        log_to_stderr(settings)
        if not may_start(settings):
            return None
        start_tracing()
        calls = build_calls(settings, wire)
        server = build_server(settings, wire, calls)
    except SettingsError as error:
        unusable(error)
        return None

    def serve(handover: Handover) -> int:
        code = 0
        try:
            anyio.run(_serve, server, calls, handover)
        except* EarlyAnswerMismatch:
            print("adops-mcp: stopped, because its first answer to the client was wrong.", file=sys.stderr)  # noqa: T201
            code = 1
        return code

    return serve


async def _serve(server: Server[Opened], calls: Calls, handover: Handover) -> None:
    write = StdoutWriter(handover.output_fd, handover.answered_id, handover.pending_output)
    read = StdinReader(handover.input_fd, handover.pending_input, write.send, handover.answered_id)
    async with anyio.create_task_group() as tasks:
        if sys.platform != "win32":
            tasks.start_soon(_stop_on_signal, calls)
        tasks.start_soon(write.send_pending)
        await server.run(read, write, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _stop_on_signal(calls: Calls) -> None:
    """On SIGINT or SIGTERM accept no more writes, and exit once no write is running."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            await calls.close()
            await anyio.sleep(FLUSH)
            await anyio.to_thread.run_sync(stop_tracing)
            sys.stderr.flush()
            os._exit(128 + number)

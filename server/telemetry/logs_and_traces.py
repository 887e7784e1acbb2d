"""Where logs and traces go: lines on stderr, and spans to an OpenTelemetry collector when one is named."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.shared.exceptions import MCPError
from opentelemetry import trace

from server import __version__
from server.configuration.settings import Settings
from server.telemetry.call_log import Ids

COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""OpenTelemetry's own variables; whichever is set turns the traces on."""

logger = logging.getLogger(__name__)


class WithoutWords:
    """Around the SDK's span of a request: it would put the words of an error there, and ours repeat what vendors and
    agents said. The code alone goes into the span, and the whole error to the caller."""

    def __init__(self, tracing: ServerMiddleware[Any]) -> None:
        self._tracing = tracing

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        whole: list[MCPError] = []

        async def without(context: ServerRequestContext[Any, Any]) -> HandlerResult:
            try:
                return await call_next(context)
            except MCPError as error:
                whole.append(error)
                raise MCPError(error.code, "refused") from None

        try:
            return await self._tracing(ctx, without)
        except MCPError:
            if whole:
                raise whole[0] from None
            raise


def log_to_stderr(settings: Settings) -> None:
    """stdout is for JSON-RPC alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Ids())
    handler.setFormatter(_json() if settings.log_format == "json" else _text())
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    # what these log of a request is logged by us, without what is secret
    for chatty in ("httpx", "httpcore", "httpx2", "httpcore2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _text() -> logging.Formatter:
    return logging.Formatter("%(levelname)s %(name)s: %(message)s%(where)s")


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter  # noqa: PLC0415 - only who asks for JSON pays for it

    return JsonFormatter(
        ("levelname", "name", "message"),
        rename_fields={"levelname": "level", "name": "logger"},
        reserved_attrs=[*vars(logging.makeLogRecord({})), "where", "taskName", "message", "asctime"],
        timestamp="time",
        json_ensure_ascii=False,
    )


def start_tracing() -> None:
    """Send spans to the collector that OpenTelemetry's variables name; its others hold, too: OTEL_SERVICE_NAME, ..."""
    if not any(os.environ.get(name) for name in COLLECTORS) or os.environ.get("OTEL_SDK_DISABLED") == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        logger.warning("no traces are sent, as OpenTelemetry is not installed: pip install 'adops-mcp[telemetry]'")
        return
    name = os.environ.get("OTEL_SERVICE_NAME", "adops-mcp")
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def stop_tracing() -> None:
    """Send what is left, before the process is ended the hard way."""
    if (stop := getattr(trace.get_tracer_provider(), "shutdown", None)) is not None:
        stop()

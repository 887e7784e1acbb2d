"""Logs go to stderr, and traces to an OpenTelemetry collector if one is configured."""

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
from server.telemetry.call_log import IdFilter

COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""OpenTelemetry's own variables. Traces are on if one of them is set."""

logger = logging.getLogger(__name__)


class RedactedTracing:
    """The SDK's tracing middleware without the messages of errors.

    The SDK puts the message of an error into the span of the request, and our messages repeat text of vendors and
    agents. Only the code goes into the span. The caller still gets the errors error.
    """

    def __init__(self, tracing: ServerMiddleware[Any]) -> None:
        self._tracing = tracing

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        errors: list[MCPError] = []

        async def call_redacted(context: ServerRequestContext[Any, Any]) -> HandlerResult:
            try:
                return await call_next(context)
            except MCPError as error:
                errors.append(error)
                raise MCPError(error.code, "refused") from None

        try:
            return await self._tracing(ctx, call_redacted)
        except MCPError:
            if errors:
                raise errors[0] from None
            raise


def log_to_stderr(settings: Settings) -> None:
    """Configure logging to stderr, since on stdio only JSON-RPC may reach stdout."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(IdFilter())
    handler.setFormatter(_json() if settings.log_format == "json" else _text())
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    # they log requests with their secrets, and we log requests without them
    for library in ("httpx", "httpcore", "httpx2", "httpcore2"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _text() -> logging.Formatter:
    return logging.Formatter("%(levelname)s %(name)s: %(message)s%(where)s")


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter  # noqa: PLC0415 - a slow import that text logs do not need

    return JsonFormatter(
        ("levelname", "name", "message"),
        rename_fields={"levelname": "level", "name": "logger"},
        reserved_attrs=[*vars(logging.makeLogRecord({})), "where", "taskName", "message", "asctime"],
        timestamp="time",
        json_ensure_ascii=False,
    )


def start_tracing() -> None:
    """Send spans to the collector that OpenTelemetry's variables name. Its other variables apply too."""
    if not any(os.environ.get(name) for name in COLLECTORS) or os.environ.get("OTEL_SDK_DISABLED") == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        logger.warning("no traces are sent, because OpenTelemetry is not installed: pip install 'adops-mcp[telemetry]'")
        return
    name = os.environ.get("OTEL_SERVICE_NAME", "adops-mcp")
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def stop_tracing() -> None:
    """Send the remaining spans. It is called before the process ends without cleanup."""
    if (stop := getattr(trace.get_tracer_provider(), "shutdown", None)) is not None:
        stop()

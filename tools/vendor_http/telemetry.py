"""Telemetry for each request to a vendor: a span of the trace, a line of the log, and a record for the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import httpx
from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, StatusCode

logger = logging.getLogger(__name__)

_tracer = trace.get_tracer("adops-mcp")


@dataclass(slots=True)
class Exchange:
    """One request and its answer. status: None when no answer came. seconds: from opening the connection to the last
    byte read."""

    vendor: str
    account: str
    method: str
    status: int | None = None
    seconds: float = 0.0


Observed = Callable[[Exchange], None]


def unobserved(_: Exchange) -> None:
    """The default: counts nothing."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Follows the requests of one account at one vendor.

    clock: seconds, monotonic. observed: is given every exchange.
    """

    vendor: str
    account: str
    clock: Callable[[], float]
    observed: Observed

    def watching(self, request: httpx.Request) -> Watching:
        """Follow one request. Query, headers and body are not recorded: they may hold secrets or private data."""
        return Watching(self, request)


class Watching:
    """One request on its way: a context manager around it. The caller sets the status of its answer."""

    __slots__ = ("_began", "_exchange", "_observer", "_request", "_span", "_within")

    def __init__(self, observer: Observer, request: httpx.Request) -> None:
        self._observer = observer
        self._request = request

    def __enter__(self) -> Exchange:
        observer, method = self._observer, self._request.method
        self._exchange = Exchange(observer.vendor, observer.account, method)
        self._began = observer.clock()
        self._span = _tracer.start_span(f"{method} {observer.vendor}", kind=SpanKind.CLIENT)
        self._within = None
        if self._span.is_recording():
            self._span.set_attributes(_attributes(observer, self._request))
            self._within = context.attach(trace.set_span_in_context(self._span))
        return self._exchange

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        observer, exchange = self._observer, self._exchange
        exchange.seconds = observer.clock() - self._began
        try:
            observer.observed(exchange)
            if logger.isEnabledFor(logging.INFO):
                _log(exchange, self._request.url.path)
        finally:
            if self._within is not None:
                _end(self._span, exchange.status, kind)
                context.detach(self._within)


def _attributes(observer: Observer, request: httpx.Request) -> dict[str, str]:
    return {
        "http.request.method": request.method,
        "server.address": request.url.host,
        "url.path": request.url.path,
        "adops.vendor": observer.vendor,
    } | ({"adops.account": observer.account} if observer.account else {})


def _end(span: Span, status: int | None, error: type[BaseException] | None) -> None:
    if error is not None:
        span.set_attribute("error.type", error.__name__)
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if error is not None or (status is not None and status >= 400):
        span.set_status(StatusCode.ERROR)
    span.end()


def _log(exchange: Exchange, path: str) -> None:
    logger.info(
        "%s %s answered %s",
        exchange.method,
        exchange.vendor,
        exchange.status or "nothing",
        extra={
            "vendor": exchange.vendor,
            "method": exchange.method,
            "path": path,
            "status": exchange.status,
            "seconds": round(exchange.seconds, 3),
        },
    )

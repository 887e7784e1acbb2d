"""Telemetry for each request to a vendor: a span of the trace, a line of the log, and a record for the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

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

    @contextmanager
    def watching(self, request: httpx.Request) -> Generator[Exchange]:
        """Follow one request. The caller sets the status of its answer.

        Query, headers and body are not recorded: they may hold secrets or private data.
        """
        exchange, began = Exchange(self.vendor, self.account, request.method), self.clock()
        with _tracer.start_as_current_span(
            f"{request.method} {self.vendor}",
            kind=SpanKind.CLIENT,
            attributes=self._attributes(request),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield exchange
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                raise
            finally:
                if exchange.status is not None:
                    span.set_attribute("http.response.status_code", exchange.status)
                if exchange.status is None or exchange.status >= 400:
                    span.set_status(StatusCode.ERROR)
                exchange.seconds = self.clock() - began
                self.observed(exchange)
                if logger.isEnabledFor(logging.INFO):
                    _log(exchange, request.url.path)

    def _attributes(self, request: httpx.Request) -> dict[str, str]:
        return {
            "http.request.method": request.method,
            "server.address": request.url.host,
            "url.path": request.url.path,
            "adops.vendor": self.vendor,
        } | ({"adops.account": self.account} if self.account else {})


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

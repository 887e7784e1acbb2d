"""What is seen of each request to a vendor: a span of the trace, a line of the log, and a number for who counts."""

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
    """One request and its answer. status: None when no answer came. seconds: from the first byte sent to the last
    one read."""

    vendor: str
    account: str
    method: str
    status: int | None = None
    seconds: float = 0.0


Observed = Callable[[Exchange], None]


def unobserved(_: Exchange) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class Observer:
    """clock: seconds, monotonic. observed: who counts the exchanges of a vendor and an account."""

    vendor: str
    account: str
    clock: Callable[[], float]
    observed: Observed

    @contextmanager
    def watching(self, request: httpx.Request) -> Generator[Exchange]:
        """Neither query, headers nor body are told: they may hold what is nobody's business, or a secret."""
        exchange = Exchange(self.vendor, self.account, request.method)
        began = self.clock()
        attributes = {
            "http.request.method": request.method,
            "server.address": request.url.host,
            "url.path": request.url.path,
            "adops.vendor": self.vendor,
        } | ({"adops.account": self.account} if self.account else {})
        span_name = f"{request.method} {self.vendor}"
        with _tracer.start_as_current_span(
            span_name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield exchange
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            finally:
                exchange.seconds = self.clock() - began
                if exchange.status is not None:
                    span.set_attribute("http.response.status_code", exchange.status)
                    if exchange.status >= 400:
                        span.set_status(StatusCode.ERROR)
                self.observed(exchange)
                logger.info(
                    "%s %s answered %s",
                    request.method,
                    self.vendor,
                    exchange.status or "nothing",
                    extra={
                        "vendor": self.vendor,
                        "method": request.method,
                        "path": request.url.path,
                        "status": exchange.status,
                        "seconds": round(exchange.seconds, 3),
                    },
                )

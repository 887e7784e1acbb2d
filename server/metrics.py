"""Numbers for Prometheus: calls, requests to vendors, and what stands in the record of writes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from server import __version__
from server.accounts import account_in
from server.followed import Ended
from server.operations import Tally
from tools.observing import Exchange

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: the directory in which the processes of one server add up."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45)


class Metrics:
    """environment: of the server; what the record holds of others is not counted."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._registry = CollectorRegistry()
        self._calls = Histogram(
            "adops_call_seconds",
            "Tool calls: how long each took, by how it ended. outcome: done, replayed, asked (a person is) or the "
            "error's code.",
            ("tool", "account", "outcome"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._requests = Histogram(
            "adops_vendor_request_seconds",
            "Requests to vendors: how long each took. status: of HTTP, or none when no answer came.",
            ("vendor", "account", "method", "status"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._unfinished = Counter(
            "adops_calls_left",
            "Tool calls whose caller went away before the answer.",
            ("tool",),
            registry=self._registry,
        )

    def call(self, ended: Ended) -> None:
        if ended.outcome == "left":
            self._unfinished.labels(ended.tool).inc()
        else:
            self._calls.labels(ended.tool, ended.account, ended.outcome).observe(ended.seconds)

    def exchange(self, exchange: Exchange) -> None:
        status = str(exchange.status or "none")
        labels = self._requests.labels(exchange.vendor, exchange.account, exchange.method, status)
        labels.observe(exchange.seconds)

    def text(self, tallies: Sequence[Tally] | None, now: float) -> bytes:
        """In Prometheus' format. tallies: of the record of writes; None when it cannot be used. now: seconds since the
        epoch."""
        counted = self._registry
        if SHARED in os.environ:
            counted = CollectorRegistry()
            MultiProcessCollector(counted)
        return generate_latest(counted) + generate_latest(self._recorded(tallies, now))

    def _recorded(self, tallies: Sequence[Tally] | None, now: float) -> CollectorRegistry:
        registry = CollectorRegistry()
        usable = Gauge("adops_record_usable", "Whether the record of writes can be used.", registry=registry)
        usable.set(tallies is not None)
        version = Gauge("adops_info", "Which adops-mcp this is.", ("version", "environment"), registry=registry)
        version.labels(__version__, self._environment).set(1)
        if tallies is None:
            return registry
        states = Gauge("adops_operations", "Writes on record.", ("account", "state"), registry=registry)
        oldest = Gauge(
            "adops_in_doubt_oldest_seconds",
            "Age of the oldest write in doubt; absent when there is none.",
            ("account",),
            registry=registry,
        )
        # the oldest last, so that of several sandboxes the oldest doubt is the one that stays
        for tally in sorted(tallies, key=lambda tally: -tally.oldest):
            account = account_in(tally.scope, self._environment)
            if account is None:
                continue
            states.labels(account, tally.state).inc(tally.count)
            if tally.state == "in_doubt":
                oldest.labels(account).set(max(0.0, now - tally.oldest))
        return registry

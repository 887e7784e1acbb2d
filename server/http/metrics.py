"""Metrics for Prometheus: tool calls, requests to vendors, and the writes in the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from server import __version__
from server.configuration.accounts import account_in
from server.ledger.entries import Tally
from server.telemetry.call_log import CallRecord
from tools.vendor_http.telemetry import Exchange

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus_client reads at import: a folder in which the processes of one server share metrics."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45)


class Metrics:
    """The metrics of one server. environment: its environment; writes of others in the ledger are not process."""

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
        self._abandoned = Counter(
            "adops_calls_left",
            "Tool calls whose caller went away before the answer.",
            ("tool",),
            registry=self._registry,
        )

    def call(self, record: CallRecord) -> None:
        if record.outcome == "left":
            self._abandoned.labels(record.tool).inc()
        else:
            self._calls.labels(record.tool, record.account, record.outcome).observe(record.seconds)

    def exchange(self, exchange: Exchange) -> None:
        status = str(exchange.status or "none")
        labels = self._requests.labels(exchange.vendor, exchange.account, exchange.method, status)
        labels.observe(exchange.seconds)

    def text(self, tallies: Sequence[Tally] | None, now: float) -> bytes:
        """The metrics in the format of Prometheus.

        tallies: the counts of the ledger, or None if it cannot be used. now: seconds since the epoch.
        """
        process = self._registry
        if MULTIPROCESS_DIR in os.environ:
            process = CollectorRegistry()
            MultiProcessCollector(process)
        ledger = CollectorRegistry()
        ledger.register(_LedgerMetrics(self._environment, tallies, now))
        return generate_latest(process) + generate_latest(ledger)


@dataclass(frozen=True, eq=False)
class _LedgerMetrics:
    """The metrics of the ledger. They are read anew each time, so they are the same in every process."""

    environment: str
    tallies: Sequence[Tally] | None
    now: float

    def collect(self) -> Iterator[GaugeMetricFamily]:
        usable = float(self.tallies is not None)
        yield GaugeMetricFamily("adops_record_usable", "Whether the record of writes can be used.", value=usable)
        version = GaugeMetricFamily("adops_info", "Which adops-mcp this is.", labels=["version", "environment"])
        version.add_metric([__version__, self.environment], 1)
        yield version
        states = GaugeMetricFamily("adops_operations", "Writes on record.", labels=["account", "state"])
        oldest = GaugeMetricFamily(
            "adops_in_doubt_oldest_seconds",
            "Age of the oldest write in doubt; absent when there is none.",
            labels=["account"],
        )
        counts, since = self._totals()
        for (account, state), count in counts.items():
            states.add_metric([account, state], count)
        for account, moment in since.items():
            oldest.add_metric([account], max(0.0, self.now - moment))
        yield states
        yield oldest

    def _totals(self) -> tuple[dict[tuple[str, str], int], dict[str, float]]:
        """The writes of each account by state, and since when its oldest one is in doubt. Sandboxes are added up."""
        counts: dict[tuple[str, str], int] = {}
        since: dict[str, float] = {}
        for tally in self.tallies or ():
            account = account_in(tally.scope, self.environment)
            if account is None:
                continue
            counts[account, tally.state] = counts.get((account, tally.state), 0) + tally.count
            if tally.state == "in_doubt":
                since[account] = min(tally.oldest, since.get(account, tally.oldest))
        return counts, since

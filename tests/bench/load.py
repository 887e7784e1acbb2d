"""How much our server takes over HTTP, in calls a second, beside the low-level SDK server: `... tests.bench.load`.

wrk sends the calls (Debian: apt-get install wrk). Both servers run one process on the same machine; rounds alternate.
No call goes to a vendor: their limits would be what is measured.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from tests.bench.pipes import request
from tests.processes import served

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2026-07-28"
wrk.headers["Mcp-Method"] = "{method}"
{named}
wrk.body = [[{body}]]
done = function(summary, latency, _)
  io.write(string.format("FIGURES %d %d %f %f %f\\n", summary.requests,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """One request that is sent over and over."""

    title: str
    server: str
    method: str
    params: dict[str, Any]

    def script(self) -> str:
        asked = request(1, self.method, modern=True, **self.params)
        name = self.params.get("name")
        named = f'wrk.headers["Mcp-Name"] = "{name}"' if name else ""
        return _SCRIPT.format(method=self.method, named=named, body=json.dumps(asked))


REFERENCE = Load("SDK low-level: echo", "reference", "tools/call", {"name": "echo", "arguments": {"text": "x"}})
LOADS = (
    REFERENCE,
    Load("tools/list, all tools", "ours", "tools/list", {}),
    Load("tools/call list_operations (reads the record)", "ours", "tools/call", {"name": "list_operations"}),
    Load(
        "tools/call list_avails, refused for its arguments",
        "ours",
        "tools/call",
        {"name": "list_avails", "arguments": {"min_available": "many"}},
    ),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """rate: calls a second. p50, p99: milliseconds."""

    rate: float
    p50: float
    p99: float


def measured(load: Load, url: str, seconds: int, connections: int) -> Figures:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(load.script())
        script.flush()
        given = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url]
        told = subprocess.run(given, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    found = re.search(r"FIGURES (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)", told)
    assert found is not None, told
    requests, errors, took, p50, p99 = (float(value) for value in found.groups())
    assert requests, told
    assert not errors, f"{load.title}: {errors:.0f} of {requests:.0f} answers were errors"
    return Figures(requests / took, p50, p99)


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    arguments.add_argument("--seconds", type=int, default=5, help="of one round (%(default)s)")
    arguments.add_argument("--rounds", type=int, default=3, help="of each load (%(default)s)")
    arguments.add_argument("--connections", type=int, default=16, help="at once (%(default)s)")
    arguments.add_argument("--json", action="store_true", help="for machines")
    given = arguments.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed; on Debian: apt-get install wrk", file=sys.stderr)
        return 2
    rounds: dict[str, list[Figures]] = {load.title: [] for load in LOADS}
    with (
        served("adops_mcp", "serve", "--http", "--port", "PORT") as ours,
        served("tests.bench.reference", "lowlevel", "PORT") as reference,
    ):
        urls = {"ours": ours, "reference": reference}
        for _ in range(given.rounds):
            for load in LOADS:
                rounds[load.title].append(measured(load, urls[load.server], given.seconds, given.connections))
    print(told(rounds, as_json=given.json))
    return 0


def told(rounds: dict[str, list[Figures]], *, as_json: bool) -> str:
    """Medians, with the spread of the rate and its ratio to the reference."""
    base = statistics.median(figures.rate for figures in rounds[REFERENCE.title])
    rows = [
        {
            "load": title,
            "calls_per_second": round(statistics.median(one.rate for one in figures)),
            "spread": round(max(one.rate for one in figures) - min(one.rate for one in figures)),
            "ratio": round(statistics.median(one.rate for one in figures) / base, 2),
            "p50_ms": round(statistics.median(one.p50 for one in figures), 1),
            "p99_ms": round(statistics.median(one.p99 for one in figures), 1),
        }
        for title, figures in rounds.items()
    ]
    if as_json:
        return json.dumps(rows, indent=2)
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows)])


if __name__ == "__main__":
    sys.exit(main())

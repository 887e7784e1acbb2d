"""Over stdio: the start, one call after another, 64 at once, and the memory of 10,000 calls."""

from __future__ import annotations

import functools
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import psutil

from tests.bench.figures import Figure, alternating
from tests.bench.ours import READ
from tests.bench.pipes import Pipes, request, started

SERVERS = {
    "ours": ("adops_mcp",),
    "from memory": ("tests.bench.ours",),
    "low-level": ("tests.bench.reference", "lowlevel"),
    "MCPServer": ("tests.bench.reference", "mcpserver"),
    "bare loop": ("tests.bench.reference", "bare"),
}
ECHO: dict[str, Any] = {"name": "echo", "arguments": {"text": "x"}}
CALLS = {name: READ if name in ("ours", "from memory") else ECHO for name in SERVERS}
AT_ONCE = 64


def start(rounds: int) -> Iterator[Figure]:
    for era, modern in (("2025-11-25", False), ("2026-07-28", True)):
        names = ("ours", "low-level", "bare loop")[: 2 if modern else 3]
        took = alternating(rounds, *(functools.partial(_until_list, name, modern=modern) for name in names))
        what = f"start to the whole tools/list, {era}"
        yield Figure(what, "ms", took[0], took[1], "low-level", 0.15)
        if not modern:
            yield Figure("the same of a bare loop without an SDK", "ms", took[2])
    ours, reference = alternating(
        rounds, functools.partial(_until_call, "ours"), functools.partial(_until_call, "low-level")
    )
    yield Figure("start to the first call's answer (ours: from the sandbox)", "ms", ours, reference, "low-level", 1.15)


def _until_list(name: str, *, modern: bool) -> float:
    with started(*SERVERS[name]) as pipes:
        if not modern:
            pipes.greet()
        assert len(pipes.ask(1, "tools/list", modern=modern)["tools"]) >= 4
        return (time.perf_counter() - pipes.began) * 1000


def _until_call(name: str) -> float:
    with started(*SERVERS[name]) as pipes:
        pipes.greet()
        _succeeded(pipes.ask(1, "tools/call", modern=False, **CALLS[name]))
        return (time.perf_counter() - pipes.began) * 1000


def calls(rounds: int, vendor: float) -> Iterator[Figure]:
    """vendor: milliseconds that a plain httpx call to the same vendor takes."""
    names = ("from memory", "low-level", "MCPServer", "bare loop")
    numbers = count(10)
    with ExitStack() as stack:
        pipes = {name: stack.enter_context(started(*SERVERS[name])) for name in names}
        for one in pipes.values():
            one.greet()
        single = alternating(rounds, *(functools.partial(_p50, pipes[name], name, numbers) for name in names))
        burst = alternating(rounds, *(functools.partial(_burst, pipes[name], name, numbers) for name in names))
    less = [max(one - vendor, 0.0) for one in single[0]]
    what = f"p50 of a read, vendor in memory, less {vendor:.2f} ms of a plain httpx call"
    yield Figure(what, "ms", less, single[2], "MCPServer", 0.6)
    yield Figure("the same beside the low-level server", "ms", less, single[1], "low-level")
    yield Figure("p50 of an echo in a bare loop", "ms", single[3])
    yield Figure(f"{AT_ONCE} reads at once", "calls/s", burst[0], burst[2], "MCPServer", 2, "more")
    yield Figure("the same beside the low-level server", "calls/s", burst[0], burst[1], "low-level")


def _p50(pipes: Pipes, name: str, numbers: Iterator[int], times: int = 150) -> float:
    took: list[float] = []
    for number, _ in zip(numbers, range(times), strict=False):
        began = time.perf_counter()
        _succeeded(pipes.ask(number, "tools/call", modern=False, **CALLS[name]))
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _burst(pipes: Pipes, name: str, numbers: Iterator[int], times: int = 3) -> float:
    began = time.perf_counter()
    for _ in range(times):
        asked = [next(numbers) for _ in range(AT_ONCE)]
        pipes.send(*(request(number, "tools/call", modern=False, **CALLS[name]) for number in asked))
        pipes.receive_all(asked)
    return AT_ONCE * times / (time.perf_counter() - began)


def memory(calls: int) -> Iterator[Figure]:
    """Of one process each, after a tenth of the calls and after all of them."""
    resident: dict[str, tuple[float, float]] = {}
    for name in ("from memory", "low-level"):
        with started(*SERVERS[name]) as pipes:
            pipes.greet()
            numbers = count(10)
            tenth = _resident(pipes, name, numbers, calls // 10)
            resident[name] = (tenth, _resident(pipes, name, numbers, calls - calls // 10))
    ours, reference = resident["from memory"], resident["low-level"]
    yield Figure(f"memory after {calls:,} calls", "MB", [ours[1]], [reference[1]], "low-level", 1.15)
    yield Figure(f"the same beside that after {calls // 10:,}", "MB", [ours[1]], [ours[0]], "ours", 1.02)


def _resident(pipes: Pipes, name: str, numbers: Iterator[int], calls: int) -> float:
    for _ in range(calls // AT_ONCE):
        asked = [next(numbers) for _ in range(AT_ONCE)]
        pipes.send(*(request(number, "tools/call", modern=False, **CALLS[name]) for number in asked))
        pipes.receive_all(asked)
    return psutil.Process(pipes.process.pid).memory_info().rss / 2**20


def _succeeded(result: dict[str, Any]) -> None:
    if result.get("isError"):
        sys.exit(f"a call failed: {result}")

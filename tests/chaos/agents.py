"""One run of the soak: agents that call servers in trouble, and what is open settled in the end."""

from __future__ import annotations

import os
import random
import sys
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import sqlalchemy as sa
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError

from server.ledger.operations import LEASE
from server.sandbox.freewheel.tokens import PASSWORD, USERNAME
from server.sandbox.interchange.wire import API_KEY
from tests.chaos.intents import Intent, Upstream, Verdicts, judged, shown
from tests.chaos.launcher import SETTING, ClockFile
from tests.chaos.trouble import (
    CLEAN,
    IMPATIENT,
    RATES,
    STEPS,
    STEPS_OF_ONE_MACHINE,
    FileRecord,
    ServerRecord,
    killed,
    restored,
    steps,
    stopped,
)
from tests.docs import ROOT

SETTLE_AFTER = 3
"""Seconds: on this machine nothing is carried out later than that."""

MOST_CALLS = 60
"""Of one intent, before its worker leaves it to the end."""

PASSING = ("in_doubt", "in_progress", "unavailable", "rate_limited")
"""Errors after which it makes the same call again where nothing misbehaves."""

MOST_LOOKS = 6
"""In a row: a second between two, so that all that may become known by waiting does."""

WAITED_OUT = LEASE + SETTLE_AFTER + 2
"""Seconds in the end, after which waiting makes nothing known any more."""

LONGEST_CALL = 90.0
LONGEST_LIFE = 60.0
"""Seconds until a client goes away, whatever it waits for, and comes back with a new server."""

NOT_YET = ("in_progress", "unavailable", "rate_limited", "unauthorized", "unexpected_answer", "refused")
"""Errors after which the agent makes the same call again: with the vendors misbehaving, all of them pass."""


@dataclass
class Soak:
    """One run. workers: server processes at once.

    origin, clean_origin: where the vendors are served, and where without faults; empty for the embedded ones. stops,
    kills, restores: how many there are to be. clocks: whether servers have wrong ones. in_flight: what each worker
    calls for. probes: writes that must not have been sent. by_hand: those that a person settled, by number, with what
    was seen of each.
    """

    directory: Path
    fault_rate: float
    kills: int
    seed: int
    workers: int
    database_url: str | None
    work: list[Intent]
    stops: int = 0
    restores: int = 0
    clocks: bool = False
    origin: str = ""
    clean_origin: str = ""
    killed: int = 0
    stopped: int = 0
    restored: int = 0
    calls: int = 0
    paused: bool = False
    by_hand: dict[int, str] = field(default_factory=dict[int, str])
    seen: dict[int, str] = field(default_factory=dict[int, str])
    waiting: list[Intent] = field(default_factory=list[Intent])
    in_flight: dict[int, Intent] = field(default_factory=dict[int, Intent])
    probes: list[Intent] = field(default_factory=list[Intent])
    settling: Client | None = None
    clock_files: dict[ClockFile, None] = field(default_factory=dict[ClockFile, None])
    dice: random.Random = field(default_factory=random.Random)

    async def bounded(self, longest: float) -> None:
        with anyio.fail_after(longest):
            await self.run()

    async def run(self) -> None:
        self.dice.seed(self.seed)
        self.waiting = list(reversed(self.work))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.kill)
            tasks.start_soon(stopped, self)
            if self.restores:
                tasks.start_soon(restored, self, self._record())
            if self.clocks:
                self._clock(0, 0)
                tasks.start_soon(steps, self)
            async with anyio.create_task_group() as workers:
                for number in range(self.workers):
                    workers.start_soon(self._worker, number)
            tasks.cancel_scope.cancel()
        for clock in self.clock_files:
            # they are mended: of the one machine that SQLite is for, nothing that was recorded is in the future then
            clock.write(0 if self.database_url else max(STEPS_OF_ONE_MACHINE))
        await self._settle_all()

    @property
    def progress(self) -> float:
        """The share of the work that was begun."""
        return 1 - len(self.waiting) / max(1, len(self.work))

    async def kill(self) -> None:
        await killed(self)

    def verdicts(self, seconds: float) -> tuple[Verdicts, list[str]]:
        """The table's numbers, and a line on each write for which something does not hold."""
        upstream = Upstream(self.directory)
        assert upstream.capacity_adds_up(datetime.now(UTC))
        wrong = [
            shown(intent)
            for intent in self.work
            if intent.calls and (intent.told is None or (intent.told == "done") != (upstream.times_done(intent) == 1))
        ]
        slipped = [intent for intent in self.probes if upstream.times_done(intent)]
        befell = {"killed": self.killed, "stopped": self.stopped, "restored": self.restored}
        told = judged(
            self.work,
            upstream,
            befell=befell,
            by_hand=list(self.by_hand.values()),
            slipped=len(slipped),
            seconds=seconds,
        )
        return told, [*wrong, *map(shown, slipped)]

    def _record(self) -> FileRecord | ServerRecord:
        if self.database_url:
            return ServerRecord(sa.make_url(self.database_url))
        return FileRecord(self.directory / f"operations-{'staging' if self.origin else 'sandbox'}.sqlite3")

    def client(self, number: int, life: int) -> AbstractAsyncContextManager[Client]:
        """A client of a worker, with the server that it lives with."""
        return Client(self._server(number, life, faults=True))

    def _server(self, number: int, life: int, *, faults: bool) -> StdioServerParameters:
        environment = self.environment(self.seed + 1000 * number + life, faults=faults)
        if self.clocks:
            environment[SETTING] = str(self._clock(number, life).path)
        command = ["-m", "tests.chaos.launcher", f"worker={number}"]
        return StdioServerParameters(command=sys.executable, args=command, env=environment, cwd=ROOT)

    def _clock(self, number: int, life: int) -> ClockFile:
        """The clock of a server: one for all where they share a machine, as with SQLite."""
        here = "clock" if self.database_url is None else f"clock-{number}-{life}"
        clock = ClockFile(self.directory / here)
        if clock not in self.clock_files:
            is_right = number == CLEAN or not self.database_url
            clock.write(0 if is_right else self.dice.choice(STEPS), 1 if is_right else self.dice.choice(RATES))
            if number != CLEAN:
                self.clock_files[clock] = None
        return clock

    def environment(self, seed: int, *, faults: bool) -> dict[str, str]:
        """The settings of a server. seed: of its faults."""
        environment = {"ADOPS_DATA_DIR": str(self.directory), "ADOPS_SETTLE_AFTER": str(SETTLE_AFTER)}
        environment |= {"ADOPS_CONFIRM": "none", "ADOPS_LOG_LEVEL": "ERROR"}
        origin = self.origin if faults else self.clean_origin
        if origin:
            environment |= {
                "ADOPS_ENVIRONMENT": "staging",
                "ADOPS_INTERCHANGE_BASE_URL": f"{origin}/interchange/api/v2/storefront",
                "ADOPS_INTERCHANGE_API_KEY": API_KEY,
                "ADOPS_FREEWHEEL_BASE_URL": f"{origin}/freewheel",
                "ADOPS_FREEWHEEL_USERNAME": USERNAME,
                "ADOPS_FREEWHEEL_PASSWORD": PASSWORD,
            }
        elif faults:
            environment["ADOPS_SANDBOX_FAULTS"] = f"all={self.fault_rate},seed={seed}"
        if self.database_url:
            environment["ADOPS_DATABASE_URL"] = self.database_url
        return environment

    async def pause(self) -> None:
        """Begin no calls, and wait until none is under way."""
        self.paused = True
        while self.in_flight:  # noqa: ASYNC110 - looked at by several tasks
            await anyio.sleep(0.1)

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
        if not _is_due(intent):
            return
        while intent.told is None and intent.calls < MOST_CALLS:
            error = await self.once(number, client, intent)
            if error is not None and intent.told is None:
                if intent.history[-1] == "reconcile: unknown":
                    return
                # who gives up while it is in doubt was not told that it was not done: it is settled in the end
                if _is_final(error) or (error["code"] != "in_doubt" and self.dice.random() < 0.02):
                    intent.told = "not done"

    async def once(self, number: int, client: Client, intent: Intent) -> dict[str, Any] | None:
        """Make a call of an intent, and look when it is in doubt; the error, or None when it is done."""
        while self.paused and number <= IMPATIENT:  # noqa: ASYNC110 - looked at by several tasks
            await anyio.sleep(0.1)
        error = await self._call(number, client, intent)
        if error is None:
            intent.told = "done"
        elif error["code"] == "in_doubt":
            intent.doubted = True
            await self._reconcile(client, intent, error["operation_id"])
        return error

    async def _call(self, number: int, client: Client, intent: Intent) -> dict[str, Any] | None:
        """The error, or None when it is done."""
        intent.calls += 1
        self.calls += 1
        if number <= IMPATIENT:
            self.in_flight[number] = intent
        try:
            with anyio.fail_after(LONGEST_CALL):
                result = await client.call_tool(intent.tool, intent.arguments)
        finally:
            self.in_flight.pop(number, None)
        error = result.structured_content.get("error")
        intent.history.append(error["code"] if error else "done")
        return error

    async def _reconcile(self, client: Client, intent: Intent, operation_id: str) -> None:
        """Look until it is known; what stays unknown is left to the end, or to a person."""
        for _ in range(MOST_LOOKS):
            with anyio.fail_after(LONGEST_CALL):
                result = await client.call_tool("reconcile_operation", {"operation_id": operation_id})
            outcome = "failed" if result.is_error else result.structured_content["outcome"]
            early = outcome == "unknown" and "reconcile_operation again" in result.structured_content["next_step"]
            intent.history.append(f"reconcile: {'early' if early else outcome}")
            self.seen[intent.number] = str(result.structured_content.get("what_happened", outcome))
            if outcome == "succeeded":
                intent.told = "done"
            if (outcome != "failed" and not early) or client is self.settling:
                return
            await anyio.sleep(1)

    async def _settle_all(self) -> None:
        """The vendors answer again: everything that is still open is made known, by a person where looking does not."""
        async with Client(self._server(CLEAN, 0, faults=False)) as client:
            self.settling, began = client, time.monotonic()
            while open_ := [intent for intent in self.work if intent.told is None and _is_due(intent)]:
                doubts: dict[str, Intent] = {}
                for intent in open_:
                    error = await self.once(CLEAN, client, intent)
                    if error is not None and intent.told is None and error["code"] not in PASSING:
                        intent.told = "not done"
                    elif intent.history[-1] == "reconcile: unknown" or (
                        intent.history[-1] == "reconcile: early" and time.monotonic() - began > WAITED_OUT
                    ):
                        assert error is not None
                        doubts[error["operation_id"]] = intent
                await anyio.sleep(0.5)
                if doubts:
                    # one at a time: what a person says of one tells something of others
                    operation_id = next(iter(doubts))
                    await self._by_hand(doubts[operation_id], operation_id)

    async def _by_hand(self, intent: Intent, operation_id: str) -> None:
        """What a person does where the vendor does not tell: look at it, and say so at the command line."""
        outcome = "succeeded" if Upstream(self.directory).times_done(intent) else "not_sent"
        server = self._server(CLEAN, 0, faults=False)
        command = [server.command, *server.args, "operations", "reconcile", operation_id, "--outcome", outcome]
        done = await anyio.run_process(command, env={**os.environ, **(server.env or {})}, cwd=ROOT, check=False)
        if done.returncode == 0:
            self.by_hand[intent.number] = f"{intent.tool}: {self.seen.get(intent.number, outcome)}"
            intent.history.append(f"by hand: {outcome}")


def _is_due(intent: Intent) -> bool:
    return intent.needs is None or intent.needs.told == "done"


def _is_final(error: dict[str, Any]) -> bool:
    """Whether the agent gives up: with the vendors misbehaving, all else passes."""
    ended = error["code"] == "refused" and "expired" in error["message"]
    return ended or error["code"] not in (*NOT_YET, "in_doubt")

"""What befalls the servers of a soak: they die, stand still, have wrong clocks, and find an older record."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import psutil
import sqlalchemy as sa

from server.ledger.operations import LEASE
from tests.chaos.intents import Intent

if TYPE_CHECKING:
    from mcp import Client

    from tests.chaos.agents import Soak

IMPATIENT, PROBING, CLEAN = 90, 91, 99
"""The numbers of clients that are no workers: of an agent whose server stands still, of who looks whether an older
record is noticed, and of who settles what is open in the end, whose server has right clocks and vendors."""

STEPS = (-100.0, -7.0, 0.0, 7.0, 70.0, 100.0)
"""Seconds by which a clock may be ahead of the database's: more than a lease, and less."""

STEPS_OF_ONE_MACHINE = (0.0, 2.0, 7.0, 20.0)
"""The same where all servers share a machine and its clock: nothing is settled until it has caught up."""

RATES = (0.99, 1.0, 1.01)


def _number_of(process: psutil.Process) -> int:
    """Of the worker whose server it is; -1 for any other process."""
    try:
        return next((int(part[7:]) for part in process.cmdline() if part.startswith("worker=")), -1)
    except psutil.Error:
        return -1


def _with_a_call(run: Soak) -> list[psutil.Process]:
    """A server of a worker that has a call under way; none when there is none."""
    found = [one for one in psutil.Process().children() if _number_of(one) in run.in_flight and _is_of_a_worker(one)]
    return run.dice.sample(found, 1) if found else []


def _is_of_a_worker(process: psutil.Process) -> bool:
    return 0 <= _number_of(process) < IMPATIENT


async def killed(run: Soak) -> None:
    """Kill servers that have a call under way, at a moment of chance."""
    while run.killed < run.kills:
        await anyio.sleep(run.dice.uniform(0.2, 1.0))
        if run.progress < run.killed / (run.kills + 1):
            continue
        for process in _with_a_call(run):
            process.send_signal(signal.SIGKILL)
            run.killed += 1


async def stopped(run: Soak) -> None:
    """Let servers with a call under way stand still for longer than a lease, while their agents turn to another one."""
    while run.stopped < run.stops:
        await anyio.sleep(run.dice.uniform(0.1, 1.0))
        if run.progress < run.stopped / (run.stops + 1):
            continue
        for process in [] if run.paused else _with_a_call(run):
            intent = run.in_flight[_number_of(process)]
            process.send_signal(signal.SIGSTOP)
            run.stopped += 1
            intent.history.append("the server stands still")
            with anyio.move_on_after(run.dice.uniform(LEASE + 1, LEASE + 6)):
                await _impatient(run, intent)
                await anyio.sleep_forever()
            intent.history.append("the server goes on")
            if process.is_running():
                process.send_signal(signal.SIGCONT)


async def _impatient(run: Soak, intent: Intent) -> None:
    """The agent of a server that stands still makes the same call of another one, until it knows."""
    async with run.client(IMPATIENT, run.stopped) as client:
        while intent.told is None:
            await run.once(IMPATIENT, client, intent)
            await anyio.sleep(0.5)


async def steps(run: Soak) -> None:
    """Set the clocks of servers that run, whatever they do."""
    while True:
        await anyio.sleep(run.dice.uniform(0.5, 3.0))
        clock = run.dice.choice(sorted(run.clock_files, key=lambda one: one.path))
        _, rate = clock.read()
        clock.write(run.dice.choice(STEPS if run.database_url else STEPS_OF_ONE_MACHINE), rate)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """The record in SQLite, and copies of it."""

    path: Path

    @property
    def _older(self) -> Path:
        return self.path.with_suffix(".older")

    def copy(self) -> None:
        with closing(sqlite3.connect(self.path, timeout=30)) as now, closing(sqlite3.connect(self._older)) as older:
            now.backup(older)

    def go_back(self) -> None:
        self.path.replace(self.path.with_suffix(".newest"))
        self._older.replace(self.path)

    def come_back(self) -> None:
        self.path.with_suffix(".newest").replace(self.path)


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """The record in PostgreSQL, and copies of it. url: of the database that the servers use."""

    url: sa.URL

    def copy(self) -> None:
        name = self.url.database
        self._do(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", name)
        self._do(f"CREATE DATABASE older TEMPLATE {name}")
        self._do(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def go_back(self) -> None:
        self._rename(str(self.url.database), "newest")
        self._rename("older", str(self.url.database))

    def come_back(self) -> None:
        self._rename(str(self.url.database), "older")
        self._rename("newest", str(self.url.database))

    def _rename(self, name: str, other: str) -> None:
        self._do(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", name)
        self._do(f"ALTER DATABASE {name} RENAME TO {other}")
        self._do(f"ALTER DATABASE {other} ALLOW_CONNECTIONS true")

    def _do(self, statement: str, then_end: str | None = None) -> None:
        """then_end: a database whose connections are ended afterwards, until none is left."""
        engine = sa.create_engine(
            self.url.set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
            ended = sa.text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name")
            while then_end is not None and connection.execute(ended, {"name": then_end}).all():
                pass
        engine.dispose()


async def restored(run: Soak, record: FileRecord | ServerRecord) -> None:
    """Put an older copy of the record in its place, see that nothing is sent on it, and put the newest one back."""
    while run.restored < run.restores:
        await _comes_to(run, (run.restored + 0.3) / run.restores)
        await run.pause()
        await anyio.to_thread.run_sync(record.copy)
        run.paused = False
        await _comes_to(run, (run.restored + 0.6) / run.restores)
        await run.pause()
        async with run.client(PROBING, 2 * run.restored) as running:
            await _probe(run, running, is_sent=True)
            await anyio.to_thread.run_sync(record.go_back)
            try:
                await _probe(run, running, is_sent=False)
                async with run.client(PROBING, 2 * run.restored + 1) as started:
                    await _probe(run, started, is_sent=False)
            finally:
                await anyio.to_thread.run_sync(record.come_back)
        run.restored += 1
        run.paused = False


async def _comes_to(run: Soak, share: float) -> None:
    """Wait until that share of the work was begun."""
    while run.progress < share:  # noqa: ASYNC110 - looked at by several tasks
        await anyio.sleep(0.1)


async def _probe(run: Soak, client: Client, *, is_sent: bool) -> None:
    """A write that is sent before the record goes back, and must not be after it."""
    number = run.calls
    probe = Intent(number, "create_proposed_io", {"external_id": f"PROBE-{number}", "name": "Probe"})
    for _ in range(20 if is_sent else 3):
        await run.once(PROBING, client, probe)
        if probe.told is not None:
            break
    if not is_sent:
        run.probes.append(probe)

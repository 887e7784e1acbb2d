"""Several servers on one record whose clocks are wrong, step, stand still or begin anew: nobody's write is taken for a
dead one's, and nothing is taken for not sent before its time."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.clocks import Clocks
from server.ledger.entries import Operation, OperationOutcome
from server.ledger.operations import LEASE, Ledger
from server.ledger.storage.tables import open_engine
from server.writes.reconciliation import settle_as_person_says
from tests.server.ledger.test_operations import DONE, HOLD, LOST, ORDER, REQUEST, begun, state
from tests.support import new_database
from tools.effects import Age

NOT_FOUND = OperationOutcome(event="found_unsent", actor="lee", note="not sent", settle_after=60.0)
START = 1_795_348_800.0


@dataclass
class Machine:
    """One machine: true time, and how it is told. ahead: of its wall clock. asleep: seconds of suspension."""

    true: float = START
    ahead: float = 0.0
    asleep: float = 0.0
    boot: str = "one"
    database_ahead: float = 0.0
    began: float = START - 1000.0

    def clocks(self) -> Clocks:
        return Clocks(
            wall=lambda: self.true + self.ahead,
            monotonic=lambda: self.true - self.began - self.asleep,
            uptime=lambda: self.true - self.began,
            boot=lambda: self.boot,
            database=lambda _: self.true + self.database_ahead,
        )

    def process(self, url: str, ahead: float = 0.0) -> Ledger:
        """A process on it whose own wall clock is that much ahead of the machine's, as one that fakes time has it."""
        clocks = self.clocks()
        return Ledger(url, "ADOPS_DATABASE_URL", replace(clocks, wall=lambda: self.true + self.ahead + ahead))

    def another(self, url: str) -> Ledger:
        """A process on another machine, which has true time, too, and shares the database's clock."""
        clocks = replace(self.clocks(), boot=lambda: "another", monotonic=lambda: self.true, uptime=lambda: self.true)
        return Ledger(url, "ADOPS_DATABASE_URL", clocks)

    def reboot(self, down: float) -> None:
        self.true += down
        self.boot, self.began, self.asleep = "two", self.true, 0.0


@asynccontextmanager
async def opened(*records: Ledger) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for record in records:
            await record.close()


async def found(record: Ledger, operation_id: str) -> Operation:
    got = await record.get(operation_id)
    assert got is not None
    return got[0]


@pytest.mark.parametrize("ahead", [70.0, 3600.0, -3600.0])
async def test_a_server_whose_wall_clock_is_wrong_takes_no_living_write_for_a_dead_one(
    database: str, ahead: float
) -> None:
    machine = Machine()
    one, other = machine.process(database), machine.process(database, ahead)
    async with opened(one, other):
        sent, claimed = await begun(one), await begun(one, HOLD)
        await one.record_departure(sent, REQUEST)
        machine.true += LEASE - 1
        assert [await state(other, each) for each in (sent, claimed)] == ["sending", "sending"]
        assert await one.record_departure(claimed, REQUEST)
        machine.true += LEASE + 1
        assert [await state(other, each) for each in (sent, claimed)] == ["in_doubt", "in_doubt"]


@pytest.mark.parametrize("ahead", [70.0, 3600.0, -3600.0])
async def test_a_server_whose_wall_clock_is_wrong_settles_nothing_as_not_sent_before_its_time(
    database: str, ahead: float
) -> None:
    machine = Machine()
    one, other = machine.process(database), machine.process(database, ahead)
    async with opened(one, other):
        sent = await begun(one)
        await one.record_departure(sent, REQUEST)
        await one.settle(sent, LOST)
        machine.true += 59
        assert await other.settle(sent, NOT_FOUND) is None
        assert await state(other, sent) == "in_doubt"
        machine.true += 3601 if ahead < 0 else 2
        assert await other.settle(sent, NOT_FOUND)


@pytest.mark.parametrize("step", [100.0, -3600.0])
async def test_a_process_whose_wall_clock_steps_does_not_take_its_own_write_for_a_dead_ones(
    database: str, step: float
) -> None:
    machine = Machine()
    record = machine.process(database)
    async with opened(record):
        operation_id = await begun(record)
        machine.true += 1
        machine.ahead += step
        assert await state(record, operation_id) == "sending"
        assert await record.record_departure(operation_id, REQUEST)
        machine.true += LEASE + 100
        assert await state(record, operation_id) == "sending"
        assert await record.settle(operation_id, DONE)


async def test_a_process_never_settles_its_own_write_that_is_under_way(database: str) -> None:
    machine = Machine()
    slow, other = machine.process(database), machine.process(database)
    async with opened(slow, other):
        operation_id = await begun(slow)
        await slow.record_departure(operation_id, REQUEST)
        machine.true += 100
        assert await state(other, operation_id) == "in_doubt"
        assert slow.is_under_way(operation_id)
        for _ in range(2):
            assert await slow.settle(operation_id, NOT_FOUND) is None
        assert await state(other, operation_id) == "in_doubt"


async def test_where_the_clocks_disagree_a_settlement_is_refused_with_what_each_says(tmp_path: object) -> None:
    machine = Machine()
    record = machine.process(f"sqlite:///{tmp_path}/record.sqlite3")
    async with opened(record):
        sent = await begun(record)
        await record.record_departure(sent, REQUEST)
        await record.settle(sent, LOST)
        machine.true += 10
        machine.ahead = 100
        operation = await found(record, sent)
        assert operation.age == Age(10, 110)
        why = await settle_as_person_says(record, operation, "not_sent", settle_after=60, actor="lee", note="")
    told = "wall clock 110 s, monotonic clock 10 s, uptime 10 s"
    assert why == (
        f"{sent} may still be carried out, until about 2026-11-22T12:02:40Z: look again after that. "
        f"The clocks disagree on how long ago it was sent ({told}), so the shortest time counts."
    )


async def test_between_machines_a_databases_clock_that_steps_ends_no_lease_and_settles_nothing(
    postgresql: sa.URL,
) -> None:
    machine, url = Machine(), new_database(postgresql)
    one, other = machine.process(url), machine.another(url)
    async with opened(one, other):
        sent = await begun(one)
        await one.record_departure(sent, REQUEST)
        assert await state(other, sent) == "sending"
        machine.true += 5
        machine.database_ahead = 100
        assert await state(other, sent) == "sending"
        await one.renew_leases()
        await other.renew_leases()
        machine.true += LEASE - 1
        assert await state(other, sent) == "sending"
        machine.true += LEASE + 1
        assert await state(other, sent) == "in_doubt"
        assert await other.settle(sent, NOT_FOUND) is None
        operation = await found(other, sent)
        why = await settle_as_person_says(other, operation, "not_sent", settle_after=60, actor="lee", note="")
        assert f"This process has seen it for {2 * LEASE + 5:.0f} s, and waits until its own clock says, too," in why
        machine.true += 60 - 2 * LEASE - 5
        assert await other.settle(sent, NOT_FOUND)


async def test_a_server_counts_what_it_sees_from_its_start_and_while_nobody_asks_it(postgresql: sa.URL) -> None:
    machine, url = Machine(), new_database(postgresql)
    one, other = machine.process(url), machine.another(url)
    async with opened(one, other):
        sent = await begun(one)
        await one.record_departure(sent, REQUEST)
        await one.settle(sent, LOST)
        claimed = await begun(one, HOLD)
        machine.true += 3600
        await other.tally()
        await other.renew_leases()
        machine.true += LEASE + 1
        assert await state(other, claimed) == "failed"
        machine.true += 59 - LEASE
        assert await other.settle(sent, NOT_FOUND)


async def test_a_clock_that_was_ahead_when_it_departed_keeps_no_person_from_settling_it(tmp_path: Path) -> None:
    machine = Machine(ahead=365 * 86_400.0)
    record = machine.process(f"sqlite:///{tmp_path}/record.sqlite3")

    async with opened(record):
        sent = await begun(record)
        await record.record_departure(sent, REQUEST)
        await record.settle(sent, LOST)
        machine.ahead = 0.0

        async def said() -> str:
            operation = await found(record, sent)
            return await settle_as_person_says(record, operation, "not_sent", settle_after=60, actor="lee", note="")

        machine.true += 10
        assert "may still be carried out, until about 2026-11-22T12:01:00Z" in await said()
        machine.true += 51
        assert await record.settle(sent, NOT_FOUND) is None
        assert await said() == ""
        assert await state(record, sent) == "failed"


async def test_after_a_reboot_what_has_passed_is_at_least_the_time_since_it(tmp_path: object) -> None:
    machine, url = Machine(), f"sqlite:///{tmp_path}/record.sqlite3"
    dead = machine.process(url)
    async with opened(dead):
        sent, claimed = await begun(dead), await begun(dead, HOLD)
        await dead.record_departure(sent, REQUEST)
    machine.reboot(down=30)
    machine.ahead = 3600
    living = machine.process(url)
    async with opened(living):
        machine.true += LEASE - 1
        assert [await state(living, each) for each in (sent, claimed)] == ["sending", "sending"]
        machine.true += 2
        assert [await state(living, each) for each in (sent, claimed)] == ["in_doubt", "failed"]
        assert (await found(living, sent)).age == Age(LEASE + 1, inf)
        assert await living.settle(sent, NOT_FOUND) is None
        machine.true += 60 - LEASE
        assert await living.settle(sent, NOT_FOUND)


async def test_a_suspension_does_not_count_as_time_that_surely_passed(
    tmp_path: object,
) -> None:
    machine, url = Machine(), f"sqlite:///{tmp_path}/record.sqlite3"
    one, other = machine.process(url), machine.process(url)
    async with opened(one, other):
        sent = await begun(one)
        lease = await one.record_departure(sent, REQUEST)
        assert lease is not None
        machine.true += 3600
        machine.asleep += 3595
        assert lease.is_over
        assert await state(other, sent) == "sending"
        assert (await found(other, sent)).age == Age(5, 3600)
        machine.true += 20
        assert await state(other, sent) == "in_doubt"
        assert await other.settle(sent, NOT_FOUND) is None
        machine.true += 40
        assert await other.settle(sent, NOT_FOUND)


async def test_departures_are_numbered_as_they_are_recorded_whatever_the_clocks_say(database: str) -> None:
    machine = Machine()
    one, other = machine.process(database, 3600), machine.process(database)
    async with opened(one, other):
        first, second = await begun(one), await begun(other, HOLD)
        await one.record_departure(first, REQUEST)
        await other.record_departure(second, REQUEST)
        pasts = [(await found(other, each)).past() for each in (first, second)]
    assert 0 < pasts[0].sequence < pasts[1].sequence
    assert all(past.age is not None for past in pasts)


async def test_what_departed_before_this_version_is_aged_from_its_first_start(database: str) -> None:
    machine = Machine(true=time.time(), began=time.time() - 1000)
    record = machine.process(database)
    async with opened(record):
        sent = await begun(record)
        await record.record_departure(sent, REQUEST)
        await record.settle(sent, LOST)
    engine = open_engine(database)
    with engine.begin() as connection:
        for column in ("ground", "leased", "departed", "departure", "corrected"):
            connection.execute(sa.text(f"ALTER TABLE operations DROP COLUMN {column}"))
        connection.execute(sa.text("DROP TABLE operation_restorations"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
    engine.dispose()
    machine.true += 3600
    after = machine.process(database)
    async with opened(after):
        operation = await found(after, sent)
        assert operation.age is not None
        assert (operation.age.at_least < 5, operation.age.at_most, operation.departure) == (True, inf, 1)
        assert operation.requests == [REQUEST]
        assert await after.settle(sent, NOT_FOUND) is None
        machine.true += 60
        assert await after.settle(sent, NOT_FOUND)
        assert await begun(after, ORDER)


async def test_on_postgresql_the_record_goes_by_the_databases_clock(postgresql: sa.URL) -> None:
    url = new_database(postgresql)
    record = Ledger(url, "ADOPS_DATABASE_URL", replace(Clocks(), wall=lambda: 0.0))
    async with opened(record):
        operation = await found(record, await begun(record))
        assert abs(operation.created_at - time.time()) < 60
        assert abs(record.now() - time.time()) < 60

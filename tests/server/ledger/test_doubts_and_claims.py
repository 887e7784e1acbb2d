"""A write in doubt keeps the same write from being claimed: under another key, in another spelling, approved before, or
begun at the very moment at which the doubt arises."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
import sqlalchemy as sa

from server.ledger.entries import Begun, New, Taken
from server.ledger.operations import Operations
from tests.server.ledger.test_operations import LOST, ORDER, REQUEST, begun, records
from tests.support import FakeTime, new_database

ANOTHER = replace(ORDER, idempotency_key="another")


async def in_doubt(record: Operations, new: New = ORDER) -> str:
    operation_id = await begun(record, new)
    await record.depart(operation_id, REQUEST)
    await record.settle(operation_id, LOST)
    return operation_id


@pytest.mark.parametrize(
    ("subject", "other"),
    [
        ("proposed_io:O-777", "proposed_io:o-777"),
        ("proposed_io:O-777", "proposed_io:\uff2f-777"),
        ("proposed_io:O-777", "proposed_io:O\u2011777"),
        ("inventory_package:Pack One", "inventory_package:pack  one"),
        ("work_item:s/440317003", "work_item:S/%20440317003"),
        ("work_item:s/440317003", "work_item:s/0440317003"),
    ],
)
async def test_another_spelling_is_no_way_around_a_doubt(database: str, subject: str, other: str) -> None:
    async with records(database) as (_, (record,)):
        doubt = await in_doubt(record, replace(ORDER, subject=subject, resource=subject))
        again = await record.begin(replace(ANOTHER, subject=other, resource=other))
        assert isinstance(again, Taken)
        assert again.operation.id == doubt
        unlike = replace(ANOTHER, subject=f"{subject}8", resource=f"{subject}8")
        assert isinstance(await record.begin(unlike), Begun)


async def test_an_approved_write_is_not_taken_up_while_the_same_one_is_in_doubt(database: str) -> None:
    async with records(database) as (_, (record,)):
        waiting = await record.begin(ANOTHER, awaiting=True)
        assert isinstance(waiting, Begun)
        await record.decide(waiting.id, approve=True, actor="lee", note="")
        doubt = await in_doubt(record)
        taken = await record.start(waiting.id)
        assert isinstance(taken, Taken)
        assert taken.operation.id == doubt
        found = await record.get(waiting.id)
        assert found is not None
        assert found[0].state == "approved"


async def test_a_claim_that_waited_while_a_doubt_arose_is_given_up(postgresql: sa.URL) -> None:
    """In PostgreSQL a claim waits for the end of the write that holds the same thing, and then finds it free."""
    url = new_database(postgresql)
    record = Operations(url, "ADOPS_DATABASE_URL", FakeTime().clocks)
    operation_id = await begun(record)
    await record.depart(operation_id, REQUEST)
    other = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    outcome: list[object] = []

    async def claim() -> None:
        outcome.append(await record.begin(ANOTHER))

    with other.connect() as connection:
        lost = sa.text("UPDATE operations SET state = 'in_doubt', busy = NULL WHERE id = :id")
        connection.execute(lost, {"id": operation_id})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(claim)
            waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            with other.connect() as looking:
                while not looking.execute(waits).scalar():  # noqa: ASYNC110 - of another process
                    await anyio.sleep(0.01)
            connection.commit()
    other.dispose()
    (taken,) = outcome
    assert isinstance(taken, Taken)
    assert taken.operation.id == operation_id
    await record.close()

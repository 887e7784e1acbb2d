"""The record of writes, over SQLite and over PostgreSQL: who may send, and what becomes of what was begun."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from server.ledger.entries import (
    AlreadyRecorded,
    NewOperation,
    OperationFilter,
    OperationOutcome,
    Recorded,
    ResourceBusy,
)
from server.ledger.operations import LEASE, Ledger
from server.ledger.storage import tables as operations_tables
from server.ledger.storage.database import Unrecorded, reason_of
from server.ledger.storage.tables import HISTORY, METADATA, open_engine
from tests.support import FakeTime, empty_record
from tools.effects import Superseded

ORDER = NewOperation(
    scope="live",
    tool="create_proposed_io",
    subject="proposed_io:CRM-1",
    resource="proposed_io:CRM-1",
    idempotency_key=None,
    keeps="success",
    fingerprint="f",
    principal="kim through a test",
    does="Create a proposed IO.",
    arguments={"external_id": "CRM-1"},
)
HOLD = replace(ORDER, tool="reserve_avail", subject="booking:s/m//a", resource="avail:s/a")
HOLDS = Superseded(tool="reserve_avail", select=lambda standing: [write.id for write in standing])
REQUEST = {"method": "POST", "path": "/x", "body": {"a": 1}}
DONE = OperationOutcome(event="confirmed", actor="kim", note="the vendor answered", result={"id": 7})
LOST = OperationOutcome(event="answer_lost", actor="kim", note="no answer", error={"code": "in_doubt"})
REFUSED = OperationOutcome(event="refused", actor="kim", note="refused", error={"code": "refused"})


@asynccontextmanager
async def records(url: str, *, count: int = 1) -> AsyncGenerator[tuple[FakeTime, list[Ledger]]]:
    """The record as several processes have it open."""
    time = FakeTime()
    opened = [Ledger(url, "ADOPS_DATABASE_URL", time.clocks) for _ in range(count)]
    try:
        yield time, opened
    finally:
        for record in opened:
            await record.close()


async def begun(record: Ledger, new: NewOperation = ORDER) -> str:
    outcome = await record.claim(new)
    assert isinstance(outcome, Recorded), outcome
    return outcome.id


async def state(record: Ledger, operation_id: str) -> str:
    found = await record.get(operation_id)
    assert found is not None
    return found[0].state


async def steps(record: Ledger, operation_id: str) -> list[str]:
    found = await record.get(operation_id)
    assert found is not None
    return [step.state for step in found[1]]


async def test_of_many_that_begin_the_same_write_at_once_in_several_processes_one_may_send(database: str) -> None:
    outcomes: list[Any] = []
    async with records(database, count=3) as (_, opened):

        async def begin(record: Ledger) -> None:
            outcomes.append(await record.claim(ORDER))

        async with anyio.create_task_group() as tasks:
            for record in opened * 4:
                tasks.start_soon(begin, record)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["AlreadyRecorded"] * 11, "Recorded"]


@pytest.mark.parametrize(
    ("keeps", "ending", "again"),
    [
        ("success", DONE, AlreadyRecorded),
        ("success", LOST, AlreadyRecorded),
        ("success", REFUSED, Recorded),
        ("doubt", DONE, Recorded),
        ("doubt", LOST, AlreadyRecorded),
        ("doubt", REFUSED, Recorded),
        ("sending", DONE, Recorded),
        ("sending", LOST, Recorded),
        ("sending", REFUSED, Recorded),
    ],
)
async def test_how_long_a_write_keeps_the_same_one_from_being_sent(
    database: str, keeps: Any, ending: OperationOutcome, again: type
) -> None:
    new = replace(ORDER, keeps=keeps)
    async with records(database) as (_, (record,)):
        operation_id = await begun(record, new)
        assert isinstance(await record.claim(new), AlreadyRecorded)
        assert await record.settle(operation_id, ending)
        assert isinstance(await record.claim(new), again)
        assert await state(record, operation_id) == ending.state


@pytest.mark.parametrize(
    "other",
    [
        replace(ORDER, idempotency_key="another", resource="r"),
        replace(ORDER, scope="sandbox/1"),
        replace(ORDER, subject="proposed_io:CRM-2", resource="r"),
        replace(ORDER, tool="create_inventory_package", resource="r"),
    ],
    ids=["key", "scope", "subject", "tool"],
)
async def test_a_write_with_another_identity_is_another_write(database: str, other: NewOperation) -> None:
    async with records(database) as (_, (record,)):
        await begun(record)
        await begun(record, other)


async def test_two_writes_to_the_same_thing_are_not_under_way_at_once(database: str) -> None:
    async with records(database, count=2) as (_, (one, other)):
        first = await begun(one, HOLD)
        second = replace(HOLD, subject="booking:s/m2//a")
        outcome = await other.claim(second)
        assert isinstance(outcome, ResourceBusy)
        assert outcome.operation.id == first
        await one.settle(first, LOST)
        await begun(other, second)


async def test_what_a_dead_process_had_sent_is_in_doubt_and_what_it_had_not_may_be_sent(database: str) -> None:
    async with records(database, count=2) as (time, (dead, living)):
        sent = await begun(dead)
        assert await dead.record_departure(sent, REQUEST)
        unsent = await begun(dead, HOLD)
        time.moment += LEASE - 1
        assert [await state(living, sent), await state(living, unsent)] == ["sending", "sending"]
        time.moment += 2
        assert [await state(living, sent), await state(living, unsent)] == ["in_doubt", "failed"]
        assert isinstance(await living.claim(ORDER), AlreadyRecorded)
        await begun(living, HOLD)
        assert await steps(living, sent) == ["sending", "sending", "in_doubt"]


async def test_a_write_of_a_living_process_is_never_taken_for_one_of_a_dead_one(database: str) -> None:
    async with records(database, count=2) as (time, (slow, other)):
        operation_id = await begun(slow)
        assert await slow.record_departure(operation_id, REQUEST)
        for _ in range(10):
            time.moment += LEASE - 1
            await slow.renew_leases()
            assert await state(other, operation_id) == "sending"


async def test_a_process_that_was_asleep_past_its_lease_sends_nothing(database: str) -> None:
    async with records(database, count=2) as (time, (asleep, other)):
        operation_id = await begun(asleep)
        time.moment += LEASE + 1
        assert await state(other, operation_id) == "failed"
        assert await asleep.record_departure(operation_id, REQUEST) is None
        found = await other.get(operation_id)
        assert found is not None
        assert (found[0].requests, found[0].sent_at) == ([], None)


async def test_an_answer_that_comes_after_the_lease_still_settles_the_write(database: str) -> None:
    async with records(database, count=2) as (time, (slow, other)):
        operation_id = await begun(slow)
        await slow.record_departure(operation_id, REQUEST)
        time.moment += LEASE + 1
        assert await state(other, operation_id) == "in_doubt"
        assert await slow.settle(operation_id, DONE)
        assert await steps(other, operation_id) == ["sending", "sending", "in_doubt", "succeeded"]


async def test_a_success_supersedes_those_that_it_ends(database: str) -> None:
    async with records(database) as (_, (record,)):
        held = await begun(record, HOLD)
        await record.settle(held, DONE)
        release = await begun(record, replace(HOLD, tool="release_booking"))
        await record.settle(release, replace(DONE, supersedes=[HOLDS]))
        assert await state(record, held) == "superseded"
        await begun(record, HOLD)


async def test_a_failure_supersedes_nothing(database: str) -> None:
    async with records(database) as (_, (record,)):
        held = await begun(record, HOLD)
        await record.settle(held, DONE)
        release = await begun(record, replace(HOLD, tool="release_booking"))
        await record.settle(release, replace(REFUSED, supersedes=[HOLDS]))
        assert await state(record, held) == "succeeded"


async def test_only_an_approved_write_is_taken_up_and_by_one(database: str) -> None:
    async with records(database, count=2) as (_, (one, other)):
        waiting = await one.request_approval(ORDER)
        assert isinstance(waiting, Recorded)
        assert isinstance(await one.claim_approved(waiting.id), AlreadyRecorded)
        decided = await other.decide(waiting.id, approve=True, actor="lee", note="")
        assert decided is not None
        assert (decided.state, decided.approved_by) == ("approved", "lee")
        outcomes: list[Any] = []

        async def start(record: Ledger) -> None:
            outcomes.append(type(await record.claim_approved(waiting.id)))

        async with anyio.create_task_group() as tasks:
            for record in (one, other) * 3:
                tasks.start_soon(start, record)
        assert sorted(outcome.__name__ for outcome in outcomes) == [*["AlreadyRecorded"] * 5, "Recorded"]
        assert await steps(one, waiting.id) == ["awaiting_approval", "approved", "sending"]


async def test_a_rejected_write_is_remembered_with_its_reason_and_may_be_approved_after_all(database: str) -> None:
    async with records(database) as (time, (record,)):
        waiting = await record.request_approval(ORDER)
        assert isinstance(waiting, Recorded)
        await record.decide(waiting.id, approve=False, actor="lee", note="wrong buyer")
        rejected = await record.newest_rejection(ORDER, since=time.moment - 1)
        assert rejected is not None
        assert rejected.error == {"code": "rejected", "message": "A person rejected it: wrong buyer."}
        assert await record.newest_rejection(ORDER, since=time.moment + 1) is None
        again = await record.decide(waiting.id, approve=True, actor="lee", note="")
        assert again is not None
        assert (again.state, again.error, again.ended_at) == ("approved", None, None)
        assert isinstance(await record.claim(ORDER), AlreadyRecorded)
        assert isinstance(await record.claim_approved(waiting.id), Recorded)


async def test_a_rejected_write_is_not_approved_once_another_took_its_place(database: str) -> None:
    async with records(database) as (_, (record,)):
        waiting = await record.request_approval(ORDER)
        assert isinstance(waiting, Recorded)
        await record.decide(waiting.id, approve=False, actor="lee", note="")
        await begun(record)
        decided = await record.decide(waiting.id, approve=True, actor="lee", note="")
        assert decided is not None
        assert decided.state == "rejected"


async def test_an_approval_that_was_not_used_yet_can_be_taken_back(database: str) -> None:
    async with records(database) as (_, (record,)):
        waiting = await record.request_approval(ORDER)
        assert isinstance(waiting, Recorded)
        for approve in (True, False):
            await record.decide(waiting.id, approve=approve, actor="lee", note="")
        assert isinstance(await record.claim_approved(waiting.id), AlreadyRecorded)
        assert await steps(record, waiting.id) == ["awaiting_approval", "approved", "rejected"]


async def test_another_plan_is_another_write_and_ends_the_one_that_waited(database: str) -> None:
    async with records(database) as (_, (record,)):
        waiting = await record.request_approval(replace(ORDER, plan={"does": "This."}))
        assert isinstance(waiting, Recorded)
        await record.decide(waiting.id, approve=True, actor="lee", note="")
        other = await record.replace_waiting(waiting.id, replace(ORDER, plan={"does": "That."}))
        assert isinstance(other, Recorded)
        assert isinstance(await record.claim_approved(waiting.id), AlreadyRecorded)
        assert isinstance(await record.claim_approved(other.id), AlreadyRecorded)
        (was, _), (is_now, _) = [found for found in [await record.get(i) for i in (waiting.id, other.id)] if found]
        assert (was.state, was.plan, is_now.state, is_now.plan) == (
            "failed",
            {"does": "This."},
            "awaiting_approval",
            {"does": "That."},
        )
        assert other.id in str(was.error)
        assert isinstance(await record.replace_waiting(waiting.id, ORDER), AlreadyRecorded)


async def test_an_approval_that_is_not_used_within_a_day_is_over(database: str) -> None:
    async with records(database) as (time, (record,)):
        waiting = await record.request_approval(ORDER)
        assert isinstance(waiting, Recorded)
        time.moment += 10 * 24 * 3600
        assert await state(record, waiting.id) == "awaiting_approval"
        await record.decide(waiting.id, approve=True, actor="lee", note="")
        time.moment += 24 * 3600 + 1
        assert await state(record, waiting.id) == "failed"


async def test_the_history_can_be_added_to_and_not_be_changed(database: str) -> None:
    async with records(database) as (_, (record,)):
        await begun(record)
    engine = open_engine(database)
    for change in (HISTORY.update().values(note="nothing happened"), HISTORY.delete()):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(change)
    engine.dispose()


async def test_a_list_is_filtered_counted_and_cut(database: str) -> None:
    async with records(database) as (time, (record,)):
        operation_id = ""
        for number in range(5):
            time.moment += 1
            subject = f"proposed_io:100%_{number}"
            operation_id = await begun(record, replace(ORDER, subject=subject, resource=subject))
            if number % 2:
                await record.settle(operation_id, LOST)
        found, total = await record.list(OperationFilter(limit=2, offset=1))
        assert ([operation.subject[-1] for operation in found], total) == (["3", "2"], 5)
        found, total = await record.list(OperationFilter(states=["in_doubt"]))
        assert ([operation.subject[-1] for operation in found], total) == (["3", "1"], 2)
        for text, count in (("100%_4", 1), ("100__4", 0), ("create a PROPOSED", 5), (operation_id, 1), ("op_0", 0)):
            assert (await record.list(OperationFilter(text=text)))[1] == count, text
        assert (await record.list(OperationFilter(scopes=["sandbox/1"])))[1] == 0


@pytest.mark.parametrize("text", ["\N{SNOWMAN} ünï", 'quote " and \\ and \n', "x" * 100_000, "\x00"])
async def test_odd_text_is_kept_as_it_is(database: str, text: str) -> None:
    plain = text.replace("\x00", "")
    async with records(database) as (_, (record,)):
        new = replace(ORDER, arguments={"name": text}, does=plain, principal=plain, resource=plain)
        operation_id = await begun(record, new)
        await record.record_departure(operation_id, {"method": "POST", "path": "/", "body": {"name": text}})
        await record.settle(operation_id, replace(DONE, result={"name": text}, note=plain))
        found = await record.get(operation_id)
    assert found is not None
    operation = found[0]
    assert (operation.arguments, operation.result) == ({"name": text}, {"name": text})
    assert operation.requests == [{"method": "POST", "path": "/", "body": {"name": text}}]


async def test_several_processes_that_open_a_new_record_at_once_make_its_tables_once(
    tmp_path: Path, postgresql: sa.URL
) -> None:
    url = postgresql.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE bare TEMPLATE template0"))
    engine.dispose()
    bare = postgresql.set(database="bare").render_as_string(hide_password=False)
    for fresh in (f"sqlite:///{tmp_path}/deep/er/record.sqlite3", bare):
        async with records(fresh, count=4) as (_, opened), anyio.create_task_group() as tasks:
            for record in opened:
                tasks.start_soon(record.list, OperationFilter())


def test_a_new_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself says at once that it is locked, whatever it was told to wait."""
    file = tmp_path / "record.sqlite3"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.3, other.commit)
    done.start()
    open_engine(f"sqlite:///{file}").dispose()
    done.join()
    other.close()


def test_the_migrations_make_the_tables_that_the_queries_stand_on(database: str) -> None:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - it is slow, and for this alone
    from alembic.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    engine = open_engine(database)
    with engine.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert [one for one in differences if one[0] != "remove_index"] == []
    migrations = Path(operations_tables.__file__).parent / "migrations"
    assert ScriptDirectory(str(migrations)).get_current_head() == operations_tables.HEAD


def test_the_file_of_the_record_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "record.sqlite3"
    open_engine(f"sqlite:///{file}").dispose()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/record.sqlite3", "postgresql://u:geheim@127.0.0.1:9/none"])
async def test_a_record_that_cannot_be_opened_says_which_setting_to_mend(url: str) -> None:
    record = Ledger(url, "ADOPS_DATABASE_URL", FakeTime().clocks)
    with pytest.raises(Unrecorded) as caught:
        await record.claim(ORDER)
    error = caught.value
    assert error.message == (
        "The record of writes cannot be used: it cannot be opened, read or written. Without it no write is sent."
    )
    assert error.next_step == "The operator checks ADOPS_DATABASE_URL; then make the same call again."


async def test_a_record_that_another_process_locks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations_tables, "LONGEST_CONVERSION", 0.05)
    file = tmp_path / "record.sqlite3"
    file.write_bytes(empty_record())
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        record = Ledger(f"sqlite:///{file}", "ADOPS_DATA_DIR", FakeTime().clocks)
        with pytest.raises(Unrecorded, match="another process has held its lock") as caught:
            await record.claim(ORDER)
    assert caught.value.next_step.startswith("The operator looks which process has the file open")


def test_a_full_disk_and_one_that_may_not_be_written_to_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "file.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as full:
            connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    with (
        closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection,
        pytest.raises(sqlite3.OperationalError) as read_only,
    ):
        connection.execute("CREATE TABLE u (x)")
    assert reason_of(full.value) == ("its disk is full", "makes room on the disk: %s")
    assert reason_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == reason_of(full.value)
    assert reason_of(read_only.value)[0] == "it, or its directory, may not be written to"
    assert reason_of(OSError("x"))[1] == "checks %s"


async def test_a_record_of_a_newer_version_is_left_alone(database: str) -> None:
    engine = open_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    async with records(database) as (_, (record,)):
        with pytest.raises(Unrecorded, match=r"a newer adops-mcp made it\. Without it no write is sent"):
            await record.claim(ORDER)


async def test_a_damaged_record_is_not_replaced_and_said_to_be_damaged(tmp_path: Path) -> None:
    file = tmp_path / "record.sqlite3"
    file.write_bytes(b"this is no database" * 100)
    async with records(f"sqlite:///{file}") as (_, (record,)):
        with pytest.raises(Unrecorded, match="it is damaged") as caught:
            await record.claim(ORDER)
    assert caught.value.next_step.startswith("The operator keeps its file aside, since it tells what was sent")
    assert file.read_bytes().startswith(b"this is no database")


async def test_a_damaged_row_is_shown_as_damaged_beside_all_others(database: str) -> None:
    async with records(database) as (_, (record,)):
        damaged, whole = await begun(record), await begun(record, HOLD)
        engine = open_engine(database)
        with engine.begin() as connection:
            connection.execute(
                operations_tables.OPERATIONS.update()
                .where(operations_tables.OPERATIONS.c.id == damaged)
                .values(arguments="{cut", requests="[cut")
            )
        engine.dispose()
        listed = {operation.id: operation for operation in (await record.list(OperationFilter()))[0]}
        assert listed.keys() == {damaged, whole}
        assert (listed[damaged].arguments, listed[damaged].requests) == ({"unreadable": "{cut"}, [])
        assert isinstance(await record.claim(ORDER), AlreadyRecorded)


async def test_pages_hold_each_write_once_although_more_are_written_meanwhile(database: str) -> None:
    async with records(database) as (time, (record,)):
        made = {await begun(record, replace(ORDER, subject=str(n), resource=str(n))) for n in range(5)}
        read: list[str] = []
        wanted = OperationFilter(limit=2)
        while page := (await record.list(wanted))[0]:
            read += [operation.id for operation in page]
            wanted = replace(wanted, older_than=(page[-1].created_at, page[-1].id))
            time.moment += 1
            await begun(record, replace(ORDER, subject=str(len(read) + 10), resource=str(len(read) + 10)))
    assert sorted(read) == sorted(made)


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_record_whose_file_is_gone_is_not_written_any_more(tmp_path: Path, replaced: bool) -> None:
    file = tmp_path / "record.sqlite3"
    file.write_bytes(empty_record())
    async with records(f"sqlite:///{file}") as (_, (record,)):
        await begun(record)
        file.rename(tmp_path / "kept.sqlite3")
        if replaced:
            file.write_bytes(empty_record())
        with pytest.raises(Unrecorded, match="moved, deleted or replaced while this server ran") as caught:
            await record.claim(HOLD)
        (tmp_path / "kept.sqlite3").rename(file)
        assert isinstance(await record.claim(ORDER), AlreadyRecorded)
    assert "puts the newest one back and starts the server anew" in caught.value.next_step


def test_a_server_that_only_reads_never_pays_for_the_database() -> None:
    loaded = "print([name for name in ('sqlalchemy', 'alembic', 'psycopg') if name in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, server.stdio.serve; {loaded}"], capture_output=True, text=True, check=True
    )
    assert told.stdout == "[]\n"

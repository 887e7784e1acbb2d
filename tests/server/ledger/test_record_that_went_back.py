"""A record of writes that was removed, replaced, cut or restored under its servers: writes stop and say why, reads go
on where they can, and nothing is recorded twice."""

from __future__ import annotations

import json
import shutil
import sqlite3
import stat
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client

from server.cli import parser
from server.clients import Wire
from server.commands.doctor import examine
from server.commands.operations import run_action
from server.configuration.settings import Settings
from server.ledger.entries import Begun, Ending, Taken, Wanted
from server.ledger.operations import Operations
from server.ledger.storage.database import Unrecorded
from server.ledger.storage.marks import KEPT, Entry, Marks
from server.ledger.storage.tables import open_engine
from server.protocol.app import build_calls, build_server
from tests.server.ledger.test_operations import DONE, HOLD, LOST, ORDER, REQUEST, begun, state
from tests.support import FakeTime, SandboxNetwork, connected, empty_record, error_of
from tools.vendors import VendorName

NOT_FOUND = Ending(event="found_unsent", actor="lee", note="not sent")


class Files:
    """A record in a file, as several servers of a machine have it open."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "record.sqlite3"
        self.kept = directory / "kept.sqlite3"
        self.marks = directory / "record.marks.json"
        self.time = FakeTime()
        self.opened: list[Operations] = []

    def server(self) -> Operations:
        record = Operations(f"sqlite:///{self.file}", "ADOPS_DATA_DIR", self.time.clocks, marks=self.marks)
        self.opened.append(record)
        return record

    def overwrite(self, content: bytes) -> None:
        """In place, as `cp` does: the same inode."""
        with self.file.open("r+b") as there:
            there.write(content)
            there.truncate(len(content))


def logs(directory: Path) -> list[Path]:
    """What is left of write-ahead logs."""
    return [*directory.glob("*-wal"), *directory.glob("*-shm")]


@asynccontextmanager
async def in_files(directory: Path) -> AsyncGenerator[Files]:
    files = Files(directory)
    try:
        yield files
    finally:
        for record in files.opened:
            await record.close()


async def test_the_main_file_alone_is_the_record_after_each_transaction(tmp_path: Path) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        operation_id = await begun(record)
        await record.depart(operation_id, REQUEST)
        with closing(sqlite3.connect(shutil.copy(files.file, files.kept))) as copy:
            assert copy.execute("SELECT state, sent_at IS NULL FROM operations").fetchall() == [("sending", 0)]
        assert logs(tmp_path) == []


@pytest.mark.parametrize("server", ["the same server", "another one", "one that is started then"])
async def test_an_older_copy_that_is_put_in_its_place_stops_writes_and_reads_go_on(tmp_path: Path, server: str) -> None:
    async with in_files(tmp_path) as files:
        record, other = files.server(), files.server()
        first = await begun(record, HOLD)
        await record.settle(first, DONE)
        await other.list(Wanted())
        older = files.file.read_bytes()
        sent = await begun(record)
        await record.depart(sent, REQUEST)
        await record.settle(sent, DONE)
        newest = files.file.read_bytes()
        files.overwrite(older)
        asked = {"the same server": record, "another one": other}.get(server) or files.server()
        with pytest.raises(Unrecorded, match=rf"it went back in time: .* not in it \({sent}\)") as caught:
            await asked.begin(ORDER)
        assert "adops-mcp operations restored --note" in caught.value.next_step
        assert (await asked.list(Wanted()))[1] == 1
        assert await state(asked, first) == "succeeded"
        files.overwrite(newest)
        assert isinstance(await asked.begin(ORDER), Taken)


async def test_what_a_server_has_of_the_file_in_memory_does_not_hide_that_it_went_back(tmp_path: Path) -> None:
    """SQLite takes its pages for fresh while a counter in the file is as it was, and this one is by chance."""
    async with in_files(tmp_path) as files:
        record = files.server()
        first = await begun(record, HOLD)
        older = files.file.read_bytes()
        await record.settle(first, DONE)
        files.overwrite(older)
        with closing(sqlite3.connect(files.file)) as somebody:
            somebody.execute("UPDATE operations SET does = 'x'")
            somebody.commit()
        with pytest.raises(Unrecorded, match="it went back in time"):
            await record.begin(ORDER)


@pytest.mark.parametrize("step", ["take up", "depart", "settle", "expire"])
async def test_each_step_towards_sending_looks_whether_the_record_went_back(tmp_path: Path, step: str) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        waiting = await record.begin(ORDER, awaiting=True)
        assert isinstance(waiting, Begun)
        await record.decide(waiting.id, approve=True, actor="lee", note="")
        claimed = await begun(record, HOLD)
        older = files.file.read_bytes()
        await record.depart(claimed, REQUEST)
        await record.settle(claimed, LOST)
        files.overwrite(older)
        files.time.moment += 3600
        if step == "expire":
            assert await state(record, claimed) == "sending"
            return
        with pytest.raises(Unrecorded, match="it went back in time"):
            await {
                "take up": lambda: record.start(waiting.id),
                "depart": lambda: record.depart(claimed, REQUEST),
                "settle": lambda: record.settle(claimed, NOT_FOUND),
            }[step]()


def removed(files: Files) -> None:
    files.file.rename(files.kept)


def replaced(files: Files) -> None:
    files.file.rename(files.kept)
    files.file.write_bytes(empty_record())


def emptied(files: Files) -> None:
    files.overwrite(b"")


def cut(files: Files) -> None:
    files.overwrite(files.file.read_bytes()[: files.file.stat().st_size // 2 // 4096 * 4096])


def overwritten(files: Files) -> None:
    files.overwrite(b"this is no database" * 1000)


def made_anew(files: Files) -> None:
    files.overwrite(empty_record())


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (removed, "its file was moved, deleted or replaced"),
        (replaced, "its file was moved, deleted or replaced"),
        (emptied, "it is damaged"),
        (cut, "it is damaged"),
        (overwritten, "it is damaged"),
        (made_anew, "it went back in time"),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_happens_to_its_file_stops_writes_with_a_reason(
    tmp_path: Path, done: Callable[[Files], None], why: str, restarted: bool
) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        sent = await begun(record)
        await record.depart(sent, REQUEST)
        await record.settle(sent, LOST)
        done(files)
        if restarted:
            await record.close()
            record = files.server()
            why = "it is damaged" if done in (cut, overwritten) else "it went back in time"
        for new in (ORDER, HOLD):
            with pytest.raises(Unrecorded, match=why):
                await record.begin(new)


@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
async def test_files_beside_it_can_be_removed_under_a_running_server(tmp_path: Path, suffix: str) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        sent = await begun(record)
        files.file.with_name(files.file.name + suffix).unlink(missing_ok=True)
        assert await record.depart(sent, REQUEST)
        files.file.with_name(files.file.name + suffix).unlink(missing_ok=True)
        await record.settle(sent, DONE)
        assert isinstance(await files.server().begin(ORDER), Taken)


async def test_a_record_with_a_write_ahead_log_is_converted_and_keeps_its_data(tmp_path: Path) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        sent = await begun(record)
        await record.close()
        with closing(sqlite3.connect(files.file)) as older:
            assert older.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
            older.execute("UPDATE operations SET does = 'in the log'")
            older.commit()
        record = files.server()
        found = await record.get(sent)
        assert found is not None
        assert found[0].does == "in the log"
        assert logs(tmp_path) == []


async def test_a_record_that_somebody_has_open_with_a_write_ahead_log_takes_no_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ledger.storage.tables.LONGEST_CONVERSION", 0.1)
    async with in_files(tmp_path) as files:
        record = files.server()
        await begun(record)
        with closing(sqlite3.connect(files.file)) as older:
            older.execute("PRAGMA journal_mode=WAL")
            older.execute("SELECT count(*) FROM operations").fetchone()
            for server in (record, files.server()):
                with pytest.raises(Unrecorded, match=r"another process.* has it open with a write-ahead log"):
                    await server.begin(HOLD)
        await begun(record, HOLD)
        assert logs(tmp_path) == []


class Operator:
    """Somebody at the command line of a machine whose record was restored from an older copy."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.network = SandboxNetwork(FakeTime(), directory)
        self.settings = Settings(environment="sandbox", data_dir=directory)
        self.file = directory / "operations-sandbox.sqlite3"
        self._capsys = capsys

    @property
    def wire(self) -> Wire:
        return self.network.wire

    async def run(self, *words: str) -> tuple[int, str, str]:
        code = await run_action(self.settings, parser().parse_args(["operations", *words]), self.wire)
        said = self._capsys.readouterr()
        return code, said.out, said.err


async def test_writes_stop_until_the_operator_has_compared_what_was_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(tmp_path, capsys)
    order = {"external_id": "CRM-1", "name": "N"}
    async with connected(operator.wire, operator.settings) as client:
        await client.call_tool("create_proposed_io", {"external_id": "CRM-0", "name": "N"})
        older = operator.file.read_bytes()
        sent = (await client.call_tool("create_proposed_io", order)).structured_content["operation_id"]
        operator.file.write_bytes(older)
        error = error_of(await client.call_tool("create_proposed_io", order))
        assert "it went back in time" in error["message"]
        assert len(operator.network.freewheel.written()) == 2
        assert not (await client.call_tool("list_proposed_ios", {})).is_error
        status = (await client.call_tool("get_status", {})).structured_content
        assert "it went back in time" in json.dumps(status)
        report, healthy = await examine(operator.settings, operator.wire)
        assert not healthy
        assert f"missing from the record: {sent}" in report
        assert "create_proposed_io proposed_io:CRM-1" in report

        code, shown, complaint = await operator.run("restored")
        assert (code, f"{sent}  2026-11-22T12:00:00Z  create_proposed_io proposed_io:CRM-1" in shown) == (1, True)
        assert "nothing was changed" in complaint
        assert "it went back in time" in error_of(await client.call_tool("create_proposed_io", order))["message"]

        code, _, complaint = await operator.run("restored", "--note", "CRM-1 is there, 418420")
        assert (code, "may still be carried out until about 2026-11-22T12:01:00Z" in complaint) == (1, True)
        assert "it went back in time" in error_of(await client.call_tool("create_proposed_io", order))["message"]
        operator.network.time.moment += 61
        code, shown, _ = await operator.run("restored", "--note", "CRM-1 is there, 418420")
        assert (code, sent in shown, "Writes continue" in shown) == (0, True, True)
        assert not (await client.call_tool("create_proposed_io", {**order, "external_id": "CRM-2"})).is_error
        report, healthy = await examine(operator.settings, operator.wire)
        assert "CRM-1 is there, 418420" in report
        assert healthy
        code, shown, _ = await operator.run("restored")
        assert (code, shown) == (0, "Nothing seems to be lost: the last writes of this machine are in the record.\n")


async def test_servers_that_saw_more_than_the_operators_process_knows_go_on_as_well(tmp_path: Path) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        await begun(record, HOLD)
        older = files.file.read_bytes()
        await begun(record)
        files.overwrite(older)
        files.marks.unlink()
        with pytest.raises(Unrecorded, match="it went back in time"):
            await record.begin(ORDER)
        await files.server().restored("lee", "looked")
        await begun(record)


async def test_an_approval_that_comes_back_with_the_record_is_over_and_what_it_let_depart_is_believed(
    tmp_path: Path,
) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        waiting = await record.begin(ORDER, awaiting=True)
        assert isinstance(waiting, Begun)
        await record.decide(waiting.id, approve=True, actor="lee", note="")
        older = files.file.read_bytes()
        assert await record.start(waiting.id) == waiting
        await record.depart(waiting.id, REQUEST)
        files.overwrite(older)
        early = await record.restored("lee", "looked", settle_after=60)
        assert (early.until, early.ended) == (files.time.moment + 60, ())
        files.time.moment += 61
        assert (await record.restored("lee", "looked", settle_after=60)).ended == (waiting.id,)
        assert await state(record, waiting.id) == "failed"
        assert isinstance(await record.start(waiting.id), Taken)
        assert isinstance(await record.begin(ORDER, awaiting=True), Begun)
        assert await record.settle(waiting.id, DONE)
        assert await state(record, waiting.id) == "succeeded"


async def test_a_write_that_the_record_forgot_while_it_was_under_way_is_on_record_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network, file = SandboxNetwork(FakeTime(), tmp_path), tmp_path / "operations-sandbox.sqlite3"
    older = b""

    async def answered(request: httpx.Request) -> httpx.Response:
        answer = await network.freewheel.handle_async_request(request)
        await answer.aread()
        if older and request.method == "POST" and "order" in request.url.path:
            file.write_bytes(older)
        return answer

    ways: dict[VendorName, httpx.AsyncBaseTransport] = {"freewheel": httpx.MockTransport(answered)}
    wire = Wire({**network.wire.transports, **ways}, network.time.timing)
    order = {"external_id": "CRM-1", "name": "N"}
    async with connected(wire, Settings(environment="sandbox", data_dir=tmp_path)) as client:
        await client.call_tool("create_proposed_io", {"external_id": "CRM-0", "name": "N"})
        older = file.read_bytes()
        answer = (await client.call_tool("create_proposed_io", order)).structured_content
        sent = answer["operation_id"]
        shown = (await client.call_tool("get_operation", {"operation_id": sent})).structured_content
    what = "The record went back in time meanwhile, and had forgotten this; it is on record again: succeeded."
    assert what in answer["what_happened"]
    assert (shown["state"], shown["result"]["proposed_io"], len(shown["requests"])) == (
        "succeeded",
        answer["proposed_io"],
        1,
    )
    assert f"{sent}: {what}" in caplog.text


async def test_an_outcome_that_had_to_wait_is_recorded_although_the_record_forgot_the_write(
    tmp_path: Path,
) -> None:
    network, file = SandboxNetwork(FakeTime(), tmp_path), tmp_path / "operations-sandbox.sqlite3"
    older, away = b"", tmp_path / "away.sqlite3"

    async def answered(request: httpx.Request) -> httpx.Response:
        answer = await network.freewheel.handle_async_request(request)
        await answer.aread()
        if older and request.method == "POST" and "order" in request.url.path:
            file.rename(away)
        return answer

    ways: dict[VendorName, httpx.AsyncBaseTransport] = {"freewheel": httpx.MockTransport(answered)}
    wire = Wire({**network.wire.transports, **ways}, network.time.timing)
    settings = Settings(environment="sandbox", data_dir=tmp_path)
    calls = build_calls(settings, wire)
    async with Client(build_server(settings, wire, calls)) as client:
        await client.call_tool("create_proposed_io", {"external_id": "CRM-0", "name": "N"})
        older = file.read_bytes()
        answer = await client.call_tool("create_proposed_io", {"external_id": "CRM-1", "name": "N"})
        sent = answer.structured_content["operation_id"]
        away.write_bytes(older)
        away.rename(file)
        await calls.writes.look_after()
        shown = (await client.call_tool("get_operation", {"operation_id": sent})).structured_content
    assert shown["state"] == "succeeded"


async def test_what_was_under_way_in_a_restored_record_may_have_departed(tmp_path: Path) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        claimed = await begun(record)
        older = files.file.read_bytes()
        await record.depart(claimed, REQUEST)
        await record.close()
        files.overwrite(older)
        other = files.server()
        await other.restored("lee", "looked")
        assert await state(other, claimed) == "in_doubt"
        files.time.moment += 59
        assert await other.settle(claimed, Ending(event="found_unsent", actor="x", note="", settle_after=60)) is None
        files.time.moment += 1
        assert await other.settle(claimed, Ending(event="found_unsent", actor="x", note="", settle_after=60))


async def test_processes_of_a_machine_share_what_they_wrote_last_and_the_greatest_number_wins(tmp_path: Path) -> None:
    marks = [Marks(tmp_path / "marks.json", "sqlite:///x") for _ in range(2)]
    for one in marks:
        one.load("op_0")
    for number in range(1, 2 * KEPT + 1):
        one = marks[number % 2]
        one.wrote([Entry(number, f"op_{number}", 0.0, "t", "s")])
        one.save()
    third = Marks(tmp_path / "marks.json", "sqlite:///x")
    third.load("")
    assert [entry.number for entry in third.entries] == list(range(KEPT + 1, 2 * KEPT + 1))
    assert stat.S_IMODE((tmp_path / "marks.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("marks", ["gone", "restored as well"])
async def test_a_file_of_marks_that_goes_back_too_makes_no_running_server_forget(tmp_path: Path, marks: str) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        await begun(record, HOLD)
        older = files.file.read_bytes(), files.marks.read_bytes()
        await begun(record)
        files.overwrite(older[0])
        if marks == "gone":
            files.marks.unlink()
        else:
            files.marks.write_bytes(older[1])
        for _ in range(2):
            with pytest.raises(Unrecorded, match="it went back in time"):
                await record.begin(ORDER)
        await record.close()
        with pytest.raises(Unrecorded, match="it went back in time"):
            await files.server().begin(ORDER)


async def test_what_a_server_knows_when_its_directory_is_replaced_is_known_to_the_one_that_is_started_next(
    tmp_path: Path,
) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        await begun(record, HOLD)
        older = files.file.read_bytes(), files.marks.read_bytes()
        await begun(record)
        for file, before in zip((files.file, files.marks), older, strict=True):
            (new := tmp_path / "new").write_bytes(before)
            new.replace(file)
        with pytest.raises(Unrecorded, match="moved, deleted or replaced"):
            await record.begin(ORDER)
        with pytest.raises(Unrecorded, match="it went back in time"):
            await files.server().begin(ORDER)


async def test_a_copy_of_the_record_elsewhere_is_known_by_its_first_entry(tmp_path: Path) -> None:
    one, same, other = (Marks(tmp_path / "marks.json", f"sqlite:///{name}") for name in "xyz")
    one.load("op_1")
    one.wrote([Entry(1, "op_1", 0.0), Entry(2, "op_2", 0.0)])
    one.save()
    same.load("op_1")
    other.load("op_other")
    assert [len(marks.entries) for marks in (one, same, other)] == [2, 2, 0]


async def test_what_this_machine_saw_is_known_after_a_restart_and_what_an_operator_said_of_it(tmp_path: Path) -> None:
    one, same = (Marks(tmp_path / "marks.json", "postgresql://x") for _ in range(2))
    one.load("op_1")
    one.saw(Entry(7, "op_7", 5.0), 4.0)
    one.saw(Entry(6, "op_6", 5.0), 3.0)
    assert not one.is_saved
    one.save()
    same.load("op_1")
    assert (same.known, same.word) == ((Entry(7, "op_7", 5.0),), 4.0)
    one.wrote([Entry(8, "op_8", 6.0)])
    one.save()
    same.refresh()
    same.go_on(9.0, {"op_7"})
    one.refresh()
    # what the operator was not shown stays, so that they are
    assert (one.known, one.word) == ((Entry(8, "op_8", 6.0),), 9.0)
    same.go_on(10.0, {"op_8"})
    one.refresh()
    assert (one.known, one.word) == ((), 10.0)


async def test_a_file_of_marks_that_cannot_be_used_is_no_reason_not_to_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with in_files(tmp_path) as files:
        files.marks.write_text("{damaged")
        record = files.server()
        operation_id = await begun(record)
        files.marks.unlink()
        files.marks.mkdir()
        await record.settle(operation_id, DONE)
    assert "is begun anew" in caplog.text
    assert "cannot be written" in caplog.text


async def test_a_departure_is_in_the_file_of_marks_soon_after_and_at_the_latest_when_the_server_ends(
    tmp_path: Path,
) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        operation_id = await begun(record)
        before = json.loads(files.marks.read_text())["ledgers"][0]["entries"]
        await record.depart(operation_id, REQUEST)
        at_once = json.loads(files.marks.read_text())["ledgers"][0]["entries"]
        await record.close()
        after = json.loads(files.marks.read_text())["ledgers"][0]["entries"]
    assert [len(before), len(at_once), len(after)] == [1, 1, 2]


async def test_a_backup_is_made_while_a_server_writes_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = Operator(tmp_path, capsys)
    async with connected(operator.wire, operator.settings) as client:
        made = await client.call_tool("create_proposed_io", {"external_id": "CRM-1", "name": "N"})
        code, _, _ = await operator.run("backup", str(tmp_path / "copy.sqlite3"))
        assert code == 0
    code, _, complaint = await operator.run("backup", str(tmp_path / "copy.sqlite3"))
    assert (code, "is there already, and is left alone" in complaint) == (1, True)
    assert (tmp_path / "copy.sqlite3").stat().st_mode & 0o077 == 0
    copy = Operations(f"sqlite:///{tmp_path}/copy.sqlite3", "x", operator.network.time.clocks)
    assert await state(copy, made.structured_content["operation_id"]) == "succeeded"
    await copy.close()
    code, _, complaint = await operator.run("backup", str(tmp_path / "none" / "copy.sqlite3"))
    assert (code, "cannot be made" in complaint) == (1, True)


_KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("PRAGMA cache_spill = 1")
connection.execute("BEGIN IMMEDIATE")
for number in range(200):
    connection.execute("INSERT INTO operation_history (operation_id, at, state, actor, note)"
        " SELECT id, 1, 'sending', 'x', hex(randomblob(2000)) FROM operations LIMIT 1")
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("is_restored", [True, False])
async def test_what_a_killed_process_left_is_rolled_back_and_never_into_a_restored_file(
    tmp_path: Path, is_restored: bool
) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        first = await begun(record, HOLD)
        assert await record.backup(files.kept) == ""
        await record.settle(first, DONE)
        await record.close()
        await anyio.run_process([sys.executable, "-c", _KILLED, str(files.file)], check=False)
        journal = files.file.with_name(f"{files.file.name}-journal")
        assert journal.stat().st_size > 512
        if not is_restored:
            assert await state(files.server(), first) == "succeeded"
            return
        files.overwrite(files.kept.read_bytes())
        with pytest.raises(Unrecorded, match="beside it lies a journal that is not of this file") as caught:
            await files.server().list(Wanted())
        assert str(journal) in caught.value.next_step
        journal.unlink()
        with pytest.raises(Unrecorded, match="it went back in time"):
            await files.server().begin(ORDER)


async def test_a_file_that_is_damaged_within_is_not_written_to(tmp_path: Path) -> None:
    async with in_files(tmp_path) as files:
        record = files.server()
        await begun(record)
        await record.close()
        whole = files.file.read_bytes()
        with closing(sqlite3.connect(files.file)) as connection:
            query = "SELECT rootpage FROM sqlite_master WHERE name = 'operations_by_state'"
            page = connection.execute(query).fetchone()[0]
        size = int.from_bytes(whole[16:18])
        files.overwrite(whole[: (page - 1) * size] + bytes(size) + whole[page * size :])
        with pytest.raises(Unrecorded, match="it is damaged"):
            await files.server().list(Wanted())


async def test_a_backup_of_nothing_and_of_postgresql_says_what_to_do_instead(tmp_path: Path, database: str) -> None:
    if database.startswith("sqlite"):
        database = f"sqlite:///{tmp_path}/nothing.sqlite3"
    record = Operations(database, "x", FakeTime().clocks)
    why_not = await record.backup(tmp_path / "copy.sqlite3")
    assert ("pg_dump" in why_not) or ("no record of writes here yet" in why_not)
    assert not (tmp_path / "copy.sqlite3").exists()


def test_the_tables_are_made_without_a_write_ahead_log(tmp_path: Path) -> None:
    open_engine(f"sqlite:///{tmp_path}/record.sqlite3").dispose()
    assert logs(tmp_path) == []

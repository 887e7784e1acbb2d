"""The claim of a write: what begins at once, in several processes, or after one that died between two steps."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest

from server.configuration.settings import Settings
from server.ledger.entries import AlreadyRecorded, Recorded, ResourceBusy
from server.ledger.operations import LEASE
from server.ledger.storage.tables import open_engine
from tests.server.ledger.test_operations import DONE, HOLD, LOST, ORDER, REQUEST, begun, records, state
from tests.server.protocol.test_elicitation import IDS, asking, settings
from tests.server.writes.test_consent import LOST as CLOSED
from tests.server.writes.test_consent import decided, done, waits
from tests.server.writes.test_pipeline import StandingTime
from tests.support import NOW, SandboxNetwork, connected, error_of

PROCESS = """
import anyio, json, os, signal, sys
from dataclasses import replace
from server.clocks import Clocks
from server.ledger.entries import NewOperation, OperationOutcome
from server.ledger.operations import Ledger

given = json.loads(sys.argv[1])
record = Ledger(given["url"], "ADOPS_DATABASE_URL", Clocks.of(lambda: given["now"], lambda: given["now"]))
new = NewOperation(**given["new"])
"""

CLAIMS = f"""{PROCESS}
async def main():
    await record.counts(["live"])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(40):
        one = replace(new, subject=f"s{{number}}", resource=f"r{{number}}")
        print(type(await record.claim(one)).__name__, flush=True)
    await record.close()

anyio.run(main)
"""

DIES = f"""{PROCESS}
async def main():
    operation_id = (await record.claim(new)).id
    if given["died"] != "claimed":
        await record.record_departure(operation_id, given["request"])
    if given["died"] == "settled":
        await record.settle(operation_id, OperationOutcome(**given["done"]))
    print(operation_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""


def process(script: str, url: str, **given: Any) -> subprocess.Popen[str]:
    """A process of its own that has the record open."""
    told = json.dumps({"url": url, "now": NOW.timestamp(), "new": asdict(ORDER), **given})
    command = [sys.executable, "-c", script, told]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_what_is_recorded_is_on_the_disk_before_anything_leaves(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/record.sqlite3")
    with engine.begin() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert pragmas == ["truncate", 2]


def test_of_processes_that_claim_the_same_writes_at_once_one_gets_each(database: str) -> None:
    several = [process(CLAIMS, database) for _ in range(2)]
    for one in several:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in several:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate(timeout=60)[0].split() for one in several]
    assert [one.returncode for one in several] == [0, 0]
    assert {tuple(sorted(outcomes)) for outcomes in zip(*told, strict=True)} == {("AlreadyRecorded", "Recorded")}


@pytest.mark.parametrize(
    ("died", "found", "again"),
    [
        ("claimed", "failed", Recorded),
        ("departed", "in_doubt", AlreadyRecorded),
        ("settled", "succeeded", AlreadyRecorded),
    ],
)
async def test_a_process_that_is_killed_between_two_steps_leaves_word_of_the_last_one(
    database: str, died: str, found: str, again: type
) -> None:
    killed = process(DIES, database, died=died, request=REQUEST, done=asdict(DONE))
    operation_id = killed.communicate(timeout=60)[0].strip()
    assert killed.returncode == -signal.SIGKILL
    async with records(database) as (time, (living,)):
        assert isinstance(await living.claim(ORDER), AlreadyRecorded)
        time.moment += LEASE + 1
        assert isinstance(await living.claim(ORDER), again)
        assert await state(living, operation_id) == found


@pytest.mark.parametrize("departed", [False, True])
async def test_a_thing_that_a_dead_process_wrote_to_is_free_for_another_write(database: str, departed: bool) -> None:
    other = replace(HOLD, subject="booking:s/m2//a")
    async with records(database, count=2) as (time, (dead, living)):
        left = await begun(dead, HOLD)
        if departed:
            await dead.record_departure(left, REQUEST)
        assert isinstance(await living.claim(other), ResourceBusy)
        time.moment += LEASE + 1
        await begun(living, other)
        assert await state(living, left) == ("in_doubt" if departed else "failed")


async def test_an_approval_that_is_over_keeps_nobody_from_the_same_write(database: str) -> None:
    async with records(database) as (time, (record,)):
        waiting = await record.request_approval(ORDER)
        assert isinstance(waiting, Recorded)
        await record.decide(waiting.id, approve=True, actor="lee", note="")
        assert isinstance(await record.claim(ORDER), AlreadyRecorded)
        time.moment += 24 * 3600 + 1
        await begun(record)
        assert await state(record, waiting.id) == "failed"


async def test_a_yes_to_one_question_lets_one_write_begin(database: str) -> None:
    async with records(database) as (_, (record,)):
        first = await begun(record, replace(ORDER, question="q"))
        other = replace(ORDER, subject="proposed_io:CRM-2", resource="proposed_io:CRM-2", question="q")
        outcome = await record.claim(other)
        assert isinstance(outcome, AlreadyRecorded)
        assert outcome.operation.id == first


async def test_of_the_same_write_and_another_one_to_the_same_thing_the_same_is_told(database: str) -> None:
    async with records(database) as (_, (record,)):
        first = await begun(record, HOLD)
        await record.settle(first, LOST)
        await begun(record, replace(HOLD, subject="booking:s/m2//a"))
        outcome = await record.claim(HOLD)
        assert isinstance(outcome, AlreadyRecorded)
        assert outcome.operation.id == first


async def test_each_request_of_a_write_is_on_record_in_the_order_in_which_they_left(database: str) -> None:
    sent = [{"method": "POST", "path": f"/{number}", "body": {"text": '"]},\\'}} for number in range(3)]
    async with records(database) as (time, (record,)):
        operation_id = await begun(record)
        for number, request in enumerate(sent):
            time.moment += 1
            assert await record.record_departure(operation_id, request, {"held": 7} if number == 1 else None)
        found = await record.get(operation_id)
        assert found is not None
        assert (found[0].requests, found[0].before, found[0].sent_at) == (sent, {"held": 7}, time.moment)
        assert found[0].lease_until == time.moment + LEASE


async def test_what_ended_neither_leaves_nor_ends_again(database: str) -> None:
    async with records(database) as (_, (record,)):
        operation_id = await begun(record)
        await record.record_departure(operation_id, REQUEST)
        assert await record.settle(operation_id, DONE)
        assert not await record.record_departure(operation_id, REQUEST)
        assert not await record.settle(operation_id, LOST)
        found = await record.get(operation_id)
    assert found is not None
    assert (found[0].state, found[0].requests, [step.state for step in found[1]]) == (
        "succeeded",
        [REQUEST],
        ["sending", "sending", "succeeded"],
    )


# what stands, where nobody is asked


@pytest.mark.parametrize("confirm", ["none", "client"])
async def test_what_waits_for_the_operator_waits_on_although_this_server_asks_nobody(
    tmp_path: Path, confirm: Literal["none", "client"]
) -> None:
    async with asking(tmp_path, confirm="operator") as (client, network):
        first = (await waits(client, "update_proposed_io", CLOSED))["operation_id"]
        async with connected(network.wire, settings(tmp_path, confirm=confirm)) as other:
            assert (await waits(other, "update_proposed_io", CLOSED))["operation_id"] == first
            await done(client, "update_proposed_io", {"proposed_io_id": 418250, "name": "Renamed"})
            error = await waits(other, "update_proposed_io", CLOSED)
            assert f"What it would do changed since {first} waited, so it waits anew." in error["message"]
            assert len(network.freewheel.written()) == 1
            await decided(network, tmp_path, error["operation_id"])
            answer = await done(other, "update_proposed_io", CLOSED)
    assert answer["operation_id"] == error["operation_id"]
    assert "confirmation" not in answer
    assert len(network.freewheel.written()) == 2


async def test_the_same_key_with_other_arguments_is_refused_while_the_first_is_under_way(tmp_path: Path) -> None:
    time, leaves, refused = StandingTime(), anyio.Event(), anyio.Event()
    network = SandboxNetwork(time, tmp_path)
    inner = network.freewheel.inner

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/proposed_insertion_orders"):
            leaves.set()
            await refused.wait()
        answer = await inner.handle_async_request(request)
        await answer.aread()
        return answer

    network.freewheel.inner = httpx.MockTransport(slow)
    given: dict[str, Any] = {"external_id": "CRM-1", "name": "N"}
    error: dict[str, Any] = {}
    async with (
        connected(network.wire, Settings(environment="sandbox", data_dir=tmp_path)) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(done, client, "create_proposed_io", given)
        await leaves.wait()
        error = error_of(await client.call_tool("create_proposed_io", {**given, "name": "Another"}))
        refused.set()
    assert error["code"] == "conflict"
    assert error["message"].endswith("(name N then and Another now), as sending. This call was not sent.")
    assert time.slept == []
    assert len(network.freewheel.written()) == 1
    network.sandbox.close()


async def test_what_the_record_keeps_from_being_sent_before_its_claim_leaves_nothing_on_record(tmp_path: Path) -> None:
    async with asking(tmp_path, confirm="none") as (client, network):
        inner = network.interchange.inner

        async def lost(request: httpx.Request) -> httpx.Response:
            answer = await inner.handle_async_request(request)
            await answer.aread()
            if request.method == "POST":
                raise httpx.ReadError("the answer is lost", request=request)
            return answer

        network.interchange.inner = httpx.MockTransport(lost)
        hold = {**IDS, "requested_impressions": 500_000}
        first = error_of(await client.call_tool("reserve_avail", hold))
        error = error_of(await client.call_tool("reserve_avail", {**hold, "media_buy_id": "sf_mb_other"}))
        listed = await done(client, "list_operations", {})
    assert first["code"] == "in_doubt"
    assert error["code"] == "in_progress"
    assert "to the same thing is in doubt (op_" in error["message"]
    assert listed["total"] == 1
    assert len(network.interchange.written()) == 1

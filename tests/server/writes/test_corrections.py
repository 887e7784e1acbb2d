"""A later truth wins: proof that comes after something else was concluded of a write."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from server.access.accounts_in_reach import Places
from server.cli import parser
from server.clients import Wire, open_backends
from server.commands.doctor import examine
from server.commands.operations import run_action
from server.configuration.settings import Settings
from server.ledger.entries import Ending, New, Taken, Wanted
from server.ledger.operations import LEASE, Operations
from server.protocol.app import build_calls
from server.writes.reconciliation import settle_by_hand
from tests.server.ledger.test_operations import DONE, HOLD, HOLDS, LOST, ORDER, REFUSED, REQUEST, begun, records, state
from tests.support import FakeTime, SandboxNetwork, connected, error_of
from tools.catalogue import BY_NAME
from tools.effects import Outcome

UNSENT = Ending(event="unsent", actor="kim", note="no byte left", error={"code": "unavailable"})
FOUND = Ending(event="found_done", actor="lee", note="reconciled: succeeded", result={"found": {"id": 7}})
NOT_FOUND = Ending(event="found_unsent", actor="lee", note="reconciled: not sent", error={"code": "not_sent"})
UNREAD = Ending(event="answer_unread", actor="kim", note="no JSON", error={"code": "in_doubt"})


async def concluded(record: Operations, ending: Ending, new: New = ORDER) -> str:
    """A write whose answer was lost, and of which that was concluded."""
    operation_id = await begun(record, new)
    assert await record.depart(operation_id, REQUEST)
    await record.settle(operation_id, LOST)
    assert await record.settle(operation_id, ending)
    return operation_id


async def told(record: Operations, operation_id: str) -> tuple[str, str | None, list[str]]:
    found = await record.get(operation_id)
    assert found is not None
    return found[0].state, found[0].ground, [step.note for step in found[1]]


@pytest.mark.parametrize(
    ("before", "late", "after", "corrects"),
    [
        (NOT_FOUND, DONE, ("succeeded", "proof"), True),
        (NOT_FOUND, REFUSED, ("failed", "proof"), False),
        (NOT_FOUND, UNSENT, ("failed", "proof"), False),
        (NOT_FOUND, UNREAD, ("in_doubt", None), True),
        (NOT_FOUND, LOST, ("in_doubt", None), True),
        (FOUND, DONE, ("succeeded", "proof"), False),
        (FOUND, REFUSED, ("failed", "proof"), True),
        (FOUND, UNSENT, ("failed", "proof"), True),
        (FOUND, LOST, ("succeeded", "inference"), None),
    ],
)
async def test_proof_replaces_what_was_concluded_and_whoever_sent_it_reopens_that_it_was_not_sent(
    database: str, before: Ending, late: Ending, after: tuple[str, str | None], corrects: bool | None
) -> None:
    async with records(database) as (_, (record,)):
        operation_id = await concluded(record, before)
        settled = await record.settle(operation_id, late)
        assert (settled and settled.correction is not None) is corrects
        assert (await told(record, operation_id))[:2] == after


@pytest.mark.parametrize("late", [FOUND, NOT_FOUND, REFUSED, UNSENT, LOST, UNREAD])
async def test_nothing_replaces_the_vendors_own_answer(database: str, late: Ending) -> None:
    async with records(database) as (_, (record,)):
        operation_id = await begun(record)
        await record.depart(operation_id, REQUEST)
        await record.settle(operation_id, DONE)
        assert await record.settle(operation_id, late) is None
        assert (await told(record, operation_id))[:2] == ("succeeded", "proof")


async def test_a_late_success_is_recorded_without_the_claim_that_another_one_has_and_names_it(database: str) -> None:
    async with records(database, count=2) as (_, (slow, other)):
        first = await concluded(slow, NOT_FOUND)
        second = await begun(other)
        await other.depart(second, REQUEST)
        settled = await slow.settle(first, DONE)
        assert settled is not None
        assert settled.others == (second,)
        assert await other.settle(second, DONE)
        found = await slow.get(first)
        assert found is not None
        assert (found[0].state, found[0].result) == ("succeeded", DONE.result)
        assert second in found[1][-1].note
        assert await slow.standing(ORDER) is not None


async def test_a_late_success_names_the_same_one_that_was_sent_with_another_key(database: str) -> None:
    async with records(database) as (_, (record,)):
        first = await concluded(record, NOT_FOUND)
        second = await begun(record, replace(ORDER, idempotency_key="another"))
        await record.depart(second, REQUEST)
        await record.settle(second, DONE)
        third = await begun(record, replace(ORDER, subject="proposed_io:CRM-2", resource="r"))
        settled = await record.settle(first, DONE)
        assert settled is not None
        assert settled.others == (second,)
        assert third not in str(settled)


async def test_what_was_sent_after_all_has_its_claim_again_unless_another_one_has_and_names_that(database: str) -> None:
    async with records(database, count=2) as (_, (slow, other)):
        first = await concluded(slow, NOT_FOUND)
        assert await slow.settle(first, LOST)
        taken = await other.begin(ORDER)
        assert isinstance(taken, Taken)
        assert taken.operation.id == first
        second = await concluded(other, NOT_FOUND, (another := replace(ORDER, subject="s", resource="r")))
        third = await begun(other, another)
        await other.depart(third, REQUEST)
        settled = await slow.settle(second, LOST)
        assert settled is not None
        assert settled.others == (third,)
        assert settled.correction is not None
        assert "it was sent, and what came of it is not known" in settled.correction.what
        assert f"as {third}: there may be two: look at the vendor" in settled.correction.next_step
        standing = await other.standing(another)
        assert standing is not None
        assert standing.id == third


async def test_what_was_reopened_is_not_settled_as_not_sent_by_the_age_of_a_departure_that_was_held_up(
    database: str,
) -> None:
    async with records(database) as (time, (record,)):
        first = await begun(record)
        assert await record.depart(first, REQUEST)
        time.moment += 100
        assert await record.settle(first, LOST)
        late = replace(NOT_FOUND, settle_after=60.0)
        assert await record.settle(first, late) is None
        time.moment += 61
        assert await record.settle(first, late)
        assert await record.settle(first, LOST)
        assert await record.settle(first, late) is None


async def test_a_look_from_before_something_else_went_on_record_settles_nothing(database: str) -> None:
    async with records(database) as (_, (record,)):
        first = await concluded(record, NOT_FOUND)
        looked_at = len((await told(record, first))[2])
        assert await record.settle(first, UNREAD)
        for late in (NOT_FOUND, FOUND):
            assert await record.settle(first, replace(late, looked_at=looked_at)) is None
        assert await record.settle(first, replace(NOT_FOUND, looked_at=looked_at + 1))


@pytest.mark.parametrize(
    ("inferred", "outcome", "after"),
    [(NOT_FOUND, "succeeded", "succeeded"), (FOUND, "not_sent", "failed")],
)
async def test_a_person_who_looked_corrects_what_was_inferred(
    database: str, inferred: Ending, outcome: Outcome, after: str
) -> None:
    async with records(database) as (time, (record,)):
        first = await concluded(record, inferred)

        async def said() -> str:
            found = await record.get(first)
            assert found is not None
            return await settle_by_hand(record, found[0], outcome, settle_after=60, actor="lee", note="seen")

        if outcome == "not_sent":
            assert "may still be carried out" in await said()
            time.moment += 61
        assert await said() == ""
        assert (await told(record, first))[:2] == (after, "inference")
        found = await record.get(first)
        assert found is not None
        assert found[0].correction is not None
        assert "A person looked since, and says that it was" in found[0].correction.what
        assert "already" in await said()
        await record.settle(first, DONE)
        assert (await told(record, first))[:2] == ("succeeded", "proof")
        for one in ("succeeded", "not_sent"):
            outcome = one
            assert "by proof" in await said()


async def test_what_has_no_claim_any_more_is_settled_without_one(database: str) -> None:
    async with records(database) as (_, (record,)):
        first = await concluded(record, NOT_FOUND)
        second = await begun(record)
        assert await record.settle(first, UNREAD)
        for ending in (replace(LOST, event="found_nothing"), FOUND):
            assert await record.settle(first, ending)
        assert await record.settle(second, DONE)
        standing = await record.standing(ORDER)
        assert standing is not None
        assert standing.id == second


async def test_a_late_success_has_its_claim_again_where_nobody_else_has(database: str) -> None:
    async with records(database) as (_, (record,)):
        operation_id = await concluded(record, NOT_FOUND)
        await record.settle(operation_id, DONE)
        standing = await record.standing(ORDER)
        assert standing is not None
        assert standing.id == operation_id


async def test_what_a_write_was_concluded_to_have_ended_stands_again_when_it_was_refused(database: str) -> None:
    async with records(database) as (_, (record,)):
        held = await begun(record, HOLD)
        await record.depart(held, REQUEST)
        await record.settle(held, DONE)
        release = await concluded(
            record, replace(FOUND, supersedes=[HOLDS]), replace(HOLD, tool="release_booking", keeps="doubt")
        )
        assert await state(record, held) == "superseded"
        assert await record.settle(release, REFUSED)
        assert await told(record, held) == (
            "succeeded",
            "proof",
            [
                "recorded",
                "departure recorded: POST /x",
                "the vendor answered",
                f"ended by release_booking, {release}",
                f"not ended by release_booking, {release}: that was not done",
            ],
        )


async def test_a_late_success_ends_what_its_write_ends_and_nothing_that_was_made_since(database: str) -> None:
    async with records(database) as (_, (record,)):
        held = await begun(record, HOLD)
        await record.depart(held, REQUEST)
        await record.settle(held, DONE)
        release = await concluded(record, NOT_FOUND, replace(HOLD, tool="release_booking", keeps="doubt"))
        since = await begun(record, replace(HOLD, subject="booking:s/m2//a"))
        await record.depart(since, REQUEST)
        await record.settle(since, DONE)
        assert await record.settle(release, replace(DONE, supersedes=[HOLDS]))
        assert [await state(record, one) for one in (held, since)] == ["superseded", "succeeded"]


async def test_a_real_result_replaces_the_inferred_one_of_what_was_ended_since(database: str) -> None:
    async with records(database) as (_, (record,)):
        held = await concluded(record, FOUND, HOLD)
        release = await begun(record, replace(HOLD, tool="release_booking", keeps="doubt"))
        await record.depart(release, REQUEST)
        await record.settle(release, replace(DONE, supersedes=[HOLDS]))
        assert await record.settle(held, DONE)
        found = await record.get(held)
        assert found is not None
        assert (found[0].state, found[0].ground, found[0].result) == ("superseded", "proof", DONE.result)


async def test_a_sender_that_gave_up_is_believed_after_another_server_settled_it(database: str) -> None:
    async with records(database, count=2) as (time, (asleep, other)):
        operation_id = await begun(asleep)
        await asleep.depart(operation_id, REQUEST)
        time.moment += LEASE + 1
        assert await state(other, operation_id) == "in_doubt"
        assert await other.settle(operation_id, FOUND)
        settled = await asleep.settle(operation_id, UNSENT)
        assert settled is not None
        assert settled.replaced == "succeeded"
        assert (await told(other, operation_id))[:2] == ("failed", "proof")
        assert await other.standing(ORDER) is None


CALL = {"external_id": "CRM-1", "name": "N"}


class Late:
    """A sandbox on which the order is made at once, and its answer comes when another server has settled the write."""

    def __init__(self, directory: Path, status: int = 200) -> None:
        self.network = SandboxNetwork(FakeTime(), directory)
        self.settings = Settings(environment="sandbox", data_dir=directory)
        self.record = Operations(f"sqlite:///{directory}/operations-sandbox.sqlite3", "x", self.network.time.clocks)
        self.status = status
        self.meanwhile: list[Ending] = []
        self.sent_again = False

    async def answered(self, request: httpx.Request) -> httpx.Response:
        answer = await self.network.freewheel.handle_async_request(request)
        await answer.aread()
        if request.method == "POST" and "order" in request.url.path and self.meanwhile:
            (operation,) = (await self.record.list(Wanted()))[0]
            self.network.time.moment += 61
            assert (await self.record.get(operation.id)) is not None
            for ending in self.meanwhile:
                assert await self.record.settle(operation.id, ending)
            if self.sent_again:
                new = replace(
                    ORDER,
                    **{name: getattr(operation, name) for name in ("scope", "subject", "resource", "fingerprint")},
                )
                again = await begun(self.record, new)
                await self.record.depart(again, REQUEST)
            if not self.status:
                raise httpx.ReadError("the connection was reset")
            if self.status != 200:
                return httpx.Response(self.status, json={"errors": ["no"]})
        return answer

    @property
    def wire(self) -> Wire:
        ways = {**self.network.wire.transports, "freewheel": httpx.MockTransport(self.answered)}
        return Wire(ways, self.network.time.timing)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("sent_again", [True, False])
async def test_agent_and_operator_are_told_to_look_for_a_second_one(
    tmp_path: Path, sent_again: bool, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    late = Late(tmp_path)
    late.meanwhile, late.sent_again = [NOT_FOUND], sent_again
    async with connected(late.wire, late.settings) as client:
        with caplog.at_level(logging.ERROR):
            answer = (await client.call_tool("create_proposed_io", CALL)).structured_content
        operation_id = answer["operation_id"]
        second = [one.id for one in (await late.record.list(Wanted()))[0] if one.id != operation_id]
        shown = (await client.call_tool("get_operation", {"operation_id": operation_id})).structured_content
    what = "Meanwhile it was concluded that this was not sent. In truth it was done."
    look = (
        f"It was sent again since, or is about to be, as {second[0]}: look at the vendor for a second one"
        if sent_again
        else "look at the vendor whether it was made a second time since"
    )
    assert answer["proposed_io"]["id"]
    assert answer["what_happened"].startswith(what)
    assert look in answer["next_step"]
    assert (shown["state"], shown["next_step"].startswith(what), look in shown["next_step"]) == (
        "succeeded",
        True,
        True,
    )
    assert what in shown["history"][-1]["note"]
    assert [record.levelname for record in caplog.records if operation_id in record.message and what in record.message]
    code = await run_action(late.settings, parser().parse_args(["operations", "list"]), late.wire)
    assert (code, look in capsys.readouterr().out) == (0, True)
    report, _ = await examine(late.settings, late.wire)
    assert f"[warning] {operation_id}" in report
    assert look in report
    await late.record.close()


async def test_a_doubt_that_was_reopened_is_told_and_what_it_or_another_one_may_have_made_counts_for_neither(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    late = Late(tmp_path, 0)
    late.meanwhile, late.sent_again = [NOT_FOUND], True
    what = "Meanwhile it was concluded that this was not sent. In truth it was sent, and what came of it is not known."
    async with connected(late.wire, late.settings) as client:
        with caplog.at_level(logging.ERROR):
            error = (await client.call_tool("create_proposed_io", CALL)).structured_content["error"]
        first = error["operation_id"]
        (second,) = [one.id for one in (await late.record.list(Wanted()))[0] if one.id != first]
        shown = (await client.call_tool("get_operation", {"operation_id": first})).structured_content
        told = (await client.call_tool("reconcile_operation", {"operation_id": first})).structured_content
    assert what in error["message"]
    assert f"as {second}: there may be two: look at the vendor" in error["next_step"]
    assert (shown["state"], what in shown["next_step"], second in shown["next_step"]) == ("in_doubt", True, True)
    assert [record.levelname for record in caplog.records if first in record.message and what in record.message]
    assert (told["outcome"], f"Whether this one did that, or {second}, is not known." in str(told)) == ("unknown", True)
    await late.record.close()


async def test_an_agent_is_told_that_what_was_concluded_to_be_done_was_refused(tmp_path: Path) -> None:
    late = Late(tmp_path, 422)
    late.meanwhile = [FOUND]
    async with connected(late.wire, late.settings) as client:
        error = error_of(await client.call_tool("create_proposed_io", CALL))
    assert "Meanwhile it was concluded that this was done. It was not." in error["message"]
    assert "look at what was done since because of it" in error["next_step"]
    await late.record.close()


async def test_an_outcome_that_could_not_be_recorded_in_time_is_believed_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    late = Late(tmp_path)
    file, aside = tmp_path / "operations-sandbox.sqlite3", tmp_path / "aside"

    async def answered(request: httpx.Request) -> httpx.Response:
        answer = await late.answered(request)
        if request.method == "POST" and "order" in request.url.path:
            file.rename(aside)
        return answer

    wire = Wire({"freewheel": httpx.MockTransport(answered)}, late.network.time.timing)
    calls = build_calls(late.settings, wire)
    async with open_backends(late.settings, wire) as backends:
        order = BY_NAME["create_proposed_io"].tool
        first = await calls.call(order, CALL, Places.only(backends))
        aside.rename(file)
        operation_id = str(json.loads(json.dumps(first.structured_content))["operation_id"])
        late.network.time.moment += 61
        assert await state(late.record, operation_id) == "in_doubt"
        assert await late.record.settle(operation_id, NOT_FOUND)
        await calls.writes.look_after()
        assert await state(late.record, operation_id) == "succeeded"
        await calls.writes.record.close()
    await late.record.close()
    assert not calls.writes.late
    assert any(record.levelname == "ERROR" and "In truth it was done" in record.message for record in caplog.records)

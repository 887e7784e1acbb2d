"""What holds for every tool, with the cases that each tool's own test file names: see tests.tools.cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import pytest
from mcp import Client

from tests.snapshots import answer_of
from tests.support import Answer, Recorder, answered_by, by_hand, error_of, sandboxed, text_of, written_to
from tests.tools.cases import (
    EmptyLists,
    FailedReads,
    Failure,
    LostRead,
    LostWrite,
    RefusedArguments,
    RefusedWrite,
    Sent,
    after_reading,
    dropped,
    timed_out,
)
from tools.catalogue import CATALOGUE
from tools.vendors import VendorName

Cases = TypeVar("Cases")
HERE = Path(__file__).parent


def named(kind: type[Cases]) -> Iterator[tuple[str, Cases]]:
    """The tools in the order of the catalogue, each with the cases of that kind in its test files."""
    for entry in CATALOGUE:
        folder, _, name = entry.module.partition(".")
        stem = name if name.startswith("test_") else f"test_{name}"
        for file in (stem, f"{stem}_answers"):
            if (HERE / folder / f"{file}.py").is_file():
                for value in vars(import_module(f"tests.tools.{folder}.{file}")).values():
                    if isinstance(value, kind):
                        yield name, value


def vendor_of(tool: str) -> tuple[VendorName, str]:
    """The vendor that a tool's calls reach first, and its display name."""
    is_freewheel = any(entry.module == f"freewheel.{tool}" for entry in CATALOGUE)
    return ("freewheel", "FreeWheel") if is_freewheel else ("interchange", "Interchange")


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        pytest.param(tool, {**refused.beside, **arguments}, words, id=f"{tool}-{number}")
        for tool, refused in named(RefusedArguments)
        for number, (arguments, words) in enumerate(refused.cases)
    ],
)
async def test_arguments_that_break_a_rule_are_refused_and_nothing_is_sent(
    tmp_path: Path, tool: str, arguments: dict[str, Any], words: str
) -> None:
    async with sandboxed(tmp_path) as (client, network):
        error = error_of(await client.call_tool(tool, arguments))
    assert error["code"] == "invalid_arguments"
    assert words in error["message"]
    assert network.interchange.requests == network.freewheel.requests == network.google_ad_manager.requests == []


@pytest.mark.parametrize(
    ("tool", "arguments", "total", "note"),
    [
        pytest.param(tool, *case, id=f"{tool}-{number}")
        for tool, empty in named(EmptyLists)
        for number, case in enumerate(empty.cases)
    ],
)
async def test_an_empty_list_says_why_and_what_to_try(
    tmp_path: Path, tool: str, arguments: dict[str, Any], total: int, note: str
) -> None:
    async with sandboxed(tmp_path) as (client, _):
        answer = answer_of(tool, await client.call_tool(tool, arguments))
    assert answer == {"environment": "sandbox", "items": [], "total": total, "next": None, "note": note}


@pytest.mark.parametrize(
    ("tool", "reads", "failure"),
    [
        pytest.param(tool, reads, failure, id=f"{tool}-{number}-{failure.code}")
        for tool, reads in named(FailedReads)
        for number, failure in enumerate(reads.cases)
    ],
)
async def test_a_refusal_or_an_unreadable_answer_is_told_with_the_next_move_and_never_an_empty_list(
    tool: str, reads: FailedReads, failure: Failure
) -> None:
    vendor, _ = vendor_of(tool)
    async with answered_by({vendor: lambda _: failure.answer}) as (client, recorders):
        result = await client.call_tool(tool, reads.arguments)
    error = error_of(result)
    answer_of(tool, result)
    assert (error["code"], error["upstream_status"]) == (failure.code, failure.answer.status_code)
    assert error["message"].startswith(failure.message)
    assert error["next_step"].startswith(failure.next_step)
    times = 3 if failure.code in ("rate_limited", "unavailable") else 1
    assert recorders[vendor].sent() == [reads.request] * times


@pytest.mark.parametrize(
    ("lost", "what"), [(timed_out, "did not answer in time"), (dropped, "closed the connection before it answered")]
)
@pytest.mark.parametrize(("tool", "read"), [pytest.param(tool, read, id=tool) for tool, read in named(LostRead)])
async def test_a_lost_answer_is_asked_for_again_because_a_read_changes_nothing(
    tool: str, read: LostRead, lost: Answer, what: str
) -> None:
    vendor, display_name = vendor_of(tool)
    async with answered_by({vendor: lost}) as (client, recorders):
        result = await client.call_tool(tool, read.arguments)
    assert text_of(result) == (
        f"[unavailable] {display_name} {what}. Nothing was changed.\nNext: Make the same call again in a minute."
    )
    assert error_of(result)["retryable"] is True
    assert recorders[vendor].sent() == [read.request] * 3


def writing(
    vendor: VendorName, write: LostWrite | RefusedWrite, answer: Answer
) -> AbstractAsyncContextManager[tuple[Client, dict[VendorName, Recorder]]]:
    """A client of the server whose vendor answers a write like that."""
    if write.reads is None:
        return written_to({vendor: answer})
    return answered_by({vendor: after_reading(write.reads, answer)})


def sent_by(recorder: Recorder, write: LostWrite | RefusedWrite) -> list[Sent]:
    return recorder.sent() if any(method == "GET" for method, _, _ in write.sent) else recorder.written()


@pytest.mark.parametrize(
    ("tool", "write", "answer", "what"),
    [
        pytest.param(tool, write, answer, what, id=f"{tool}-{number}-{what}")
        for tool, write in named(LostWrite)
        for number, (answer, what) in enumerate(write.cases)
    ],
)
async def test_a_lost_answer_is_in_doubt_and_not_sent_again(
    tool: str, write: LostWrite, answer: Answer, what: str
) -> None:
    vendor, display_name = vendor_of(tool)
    async with writing(vendor, write, answer) as (client, recorders):
        result = await client.call_tool(tool, write.arguments)
    assert by_hand(result) == (
        f"[in_doubt] The request was sent, but {display_name} {what}: it may or may not have been carried out.\n"
        f"Next: Do not send it again yet. {write.look}"
    )
    assert error_of(result)["retryable"] is False
    assert sent_by(recorders[vendor], write) == write.sent


def test_every_write_names_the_answers_that_leave_it_in_doubt() -> None:
    writes = {
        entry.name for entry in CATALOGUE if entry.vendors and not entry.reads and entry.effect.__name__ == "Write"
    }
    assert {tool for tool, _ in named(LostWrite)} == writes


@pytest.mark.parametrize(
    ("tool", "write", "failure"),
    [
        pytest.param(tool, write, failure, id=f"{tool}-{failure.answer.status_code}")
        for tool, write in named(RefusedWrite)
        for failure in write.cases
    ],
)
async def test_a_refused_write_is_sent_once_and_changed_nothing(
    tool: str, write: RefusedWrite, failure: Failure
) -> None:
    vendor, _ = vendor_of(tool)
    async with writing(vendor, write, lambda _: failure.answer) as (client, recorders):
        error = error_of(await client.call_tool(tool, write.arguments))
    assert (error["code"], error["upstream_status"]) == (failure.code, failure.answer.status_code)
    assert error["message"] == f"{failure.message}. Nothing was changed."
    assert error["next_step"].startswith(failure.next_step)
    assert sent_by(recorders[vendor], write) == write.sent

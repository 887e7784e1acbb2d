"""What changed, and the look that confirms it."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from tools.errors import Unavailable
from tools.updates import Change, field_changes, read_after_write


def test_only_what_differs_is_a_change_in_the_order_of_what_came_after() -> None:
    before = {"name": "A", "status": "ACTIVE", "description": "x"}
    assert field_changes(before, {"status": "INACTIVE", "name": "A", "description": None, "goal": 5}) == [
        Change(field="status", before="ACTIVE", after="INACTIVE"),
        Change(field="description", before="x", after=None),
        Change(field="goal", before=None, after=5),
    ]


async def test_a_look_finds_what_the_read_gives() -> None:
    async def read() -> str:
        return "there"

    assert await read_after_write(read()) == "there"


async def test_a_look_that_fails_finds_nothing_and_is_no_error() -> None:
    async def read() -> str:
        raise Unavailable("It is away.", next_step="Wait.")

    assert await read_after_write(read()) is None


async def test_a_look_is_finished_although_the_time_of_the_call_is_over() -> None:
    async def read() -> str:
        await anyio.lowlevel.checkpoint()
        return "there"

    found: list[str | None] = []
    with anyio.CancelScope() as call:
        call.cancel()
        found.append(await read_after_write(read()))
    assert found == ["there"]

"""Work in a thread of its own: one after another, its outcome always known."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Generator

import anyio
import pytest

from server.one_thread import OneThread

NAMED: contextvars.ContextVar[str] = contextvars.ContextVar("NAMED", default="")


@pytest.fixture
def one() -> Generator[OneThread]:
    thread = OneThread("a test")
    yield thread
    thread.close()


async def test_all_work_is_done_by_one_thread_in_the_order_in_which_it_came(one: OneThread) -> None:
    done: list[int] = []
    threads: set[int] = set()

    async def work(number: int) -> None:
        def noted() -> None:
            done.append(number)
            threads.add(threading.get_ident())

        await one.run(noted)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(work, number)
    assert done == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_what_is_raised_is_raised_where_it_is_waited_for_and_the_next_work_is_done(one: OneThread) -> None:
    def fails() -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await one.run(fails)
    assert await one.run(lambda: 7) == 7


async def test_work_is_done_in_the_context_of_its_caller(one: OneThread) -> None:
    NAMED.set("this call")
    assert await one.run(NAMED.get) == "this call"


async def test_a_caller_that_is_cancelled_still_learns_what_its_work_did(one: OneThread) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    learnt: list[str] = []

    def work() -> str:
        begun.set()
        goes_on.wait()
        return "done"

    async def call() -> None:
        learnt.append(await one.run(work))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.to_thread.run_sync(begun.wait)
        tasks.cancel_scope.cancel()
        goes_on.set()
    assert learnt == ["done"]


async def test_a_caller_that_is_cancelled_in_the_line_or_before_it_is_not_served(one: OneThread) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    served: list[str] = []

    def work() -> None:
        begun.set()
        goes_on.wait()

    async def first() -> None:
        await one.run(work)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await anyio.to_thread.run_sync(begun.wait)
        async with anyio.create_task_group() as others:
            others.start_soon(one.run, lambda: served.append("in the line"))
            await anyio.lowlevel.checkpoint()
            others.cancel_scope.cancel()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await one.run(lambda: served.append("before it"))
        goes_on.set()
    await one.run(lambda: None)
    assert served == []


async def test_the_thread_ends_when_it_is_closed_and_starts_again_when_it_is_needed(one: OneThread) -> None:
    before = await one.run(threading.current_thread)
    one.close()
    await anyio.to_thread.run_sync(before.join)
    after = await one.run(threading.current_thread)
    assert after is not before
    assert after.is_alive()

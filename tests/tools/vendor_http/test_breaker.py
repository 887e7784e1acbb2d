"""A vendor that is down: it is left alone for a while, and the agent is told so at once."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import httpx
import pytest

from tests.tools.acme import Line, line
from tools.errors import AdOpsError, InDoubt, RateLimited, Unavailable
from tools.vendor_http.breaker import FIRST_PAUSE, LONGEST_PAUSE
from tools.vendor_http.transport import Kind


class Vendor:
    """Answers with `status`, or not at all when that is 0."""

    def __init__(self, status: int = 503) -> None:
        self.status = status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.status:
            raise httpx.ConnectError("", request=request)
        return httpx.Response(self.status, json={})


async def refused(acme: Line, kind: Kind = Kind.READ) -> AdOpsError:
    """A call for which nothing was sent."""
    before = acme.tries
    error = await acme.fail(kind)
    assert acme.tries == before
    return error


async def back_after_the_pause(acme: Line, vendor: Vendor) -> None:
    """It was down until nothing was sent any more; now the pause is over, and it would answer."""
    for _ in range(2):
        await acme.fail(Kind.READ)
    acme.time.moment += FIRST_PAUSE
    vendor.status = 200


@pytest.mark.parametrize("status", [0, 502, 503, 504])
async def test_after_five_failures_in_a_row_nothing_is_sent_for_a_while(status: int) -> None:
    acme = line(Vendor(status))
    await acme.fail(Kind.READ)
    assert acme.tries == 3
    error = await acme.fail(Kind.READ)
    assert acme.tries == 5
    acme.time.moment += 3
    assert isinstance(error, Unavailable)
    for kind in (Kind.READ, Kind.PROBE, Kind.WRITE):
        error = await refused(acme, kind)
        assert isinstance(error, Unavailable)
        assert error.retryable
    assert error.message == (
        "Acme did not answer, or failed, 5 times in a row, the last time 4 s ago. It is left alone for a moment, and "
        "nothing was sent."
    )
    assert error.next_step == (
        "Wait 6 s, then make the same call again. If it stays so, tell the person that the vendor is down."
    )


async def test_after_the_pause_it_is_tried_and_used_again_once_it_answers() -> None:
    vendor = Vendor()
    acme = line(vendor)
    await back_after_the_pause(acme, vendor)
    for _ in range(3):
        await acme.send(Kind.READ)
    assert acme.tries == 8
    vendor.status = 503
    await acme.fail(Kind.READ)
    assert acme.tries == 11


async def test_each_failed_try_makes_the_pause_longer_up_to_a_minute() -> None:
    acme = line(Vendor())
    for _ in range(2):
        await acme.fail(Kind.READ)
    for pause in (FIRST_PAUSE, 20.0, 40.0, LONGEST_PAUSE, LONGEST_PAUSE):
        acme.time.moment += pause - 2
        await refused(acme)
        acme.time.moment += 2
        before = acme.tries
        await acme.fail(Kind.READ)
        assert acme.tries == before + 1


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429])
async def test_a_vendor_that_refuses_is_not_down(status: int) -> None:
    vendor = Vendor()
    acme = line(vendor)
    for _ in range(4):
        vendor.status = 503
        with pytest.raises(InDoubt):
            await acme.send(Kind.WRITE)
    vendor.status = status
    await acme.fail(Kind.WRITE)
    vendor.status = 503
    for _ in range(4):
        with pytest.raises(InDoubt):
            await acme.send(Kind.WRITE)
    assert acme.tries == 9


async def test_a_500_is_an_answer_and_may_be_about_one_object() -> None:
    vendor = Vendor(500)
    acme = line(vendor)
    for _ in range(4):
        await acme.fail(Kind.READ)
    assert acme.tries == 12


async def test_failures_of_what_was_under_way_make_the_pause_no_longer() -> None:
    closing = anyio.Event()

    async def down(_: httpx.Request) -> httpx.Response:
        await closing.wait()
        return httpx.Response(503)

    acme = line(httpx.MockTransport(down))
    async with anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(acme.fail, Kind.PROBE)
        while acme.tries < 12:
            await anyio.lowlevel.checkpoint()
        closing.set()
    error = await refused(acme)
    assert "12 times in a row" in error.message
    assert error.next_step.startswith(f"Wait {FIRST_PAUSE:.0f} s, ")


async def test_one_of_many_goes_first_after_the_pause_and_the_others_are_told_to_wait() -> None:
    asked, answer = anyio.Event(), anyio.Event()
    vendor = Vendor()

    async def slow(request: httpx.Request) -> httpx.Response:
        if vendor.status == 503:
            return vendor(request)
        asked.set()
        await answer.wait()
        return httpx.Response(200, json={})

    acme = line(httpx.MockTransport(slow))
    await back_after_the_pause(acme, vendor)
    async with anyio.create_task_group() as group:
        group.start_soon(acme.send, Kind.READ)
        await asked.wait()
        assert (await refused(acme)).next_step.startswith("Wait 5 s, ")
        answer.set()
    await acme.send(Kind.READ)


async def test_a_try_whose_caller_goes_away_leaves_the_way_free_for_the_next() -> None:
    vendor, asked = Vendor(), anyio.Event()

    async def never(request: httpx.Request) -> httpx.Response:
        if vendor.status == 503:
            return vendor(request)
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    acme = line(httpx.MockTransport(never))
    await back_after_the_pause(acme, vendor)
    async with anyio.create_task_group() as group:
        group.start_soon(acme.send, Kind.READ)
        await asked.wait()
        group.cancel_scope.cancel()
    vendor.status = 503
    before = acme.tries
    await acme.fail(Kind.READ)
    assert acme.tries == before + 1


async def test_waiting_for_the_limit_is_no_failure_of_the_vendor() -> None:
    acme = line(lambda _: httpx.Response(200, json={}), limit=(1, 60.0))
    await acme.send(Kind.READ)
    for _ in range(8):
        assert isinstance(await refused(acme), RateLimited)
    acme.time.moment += 60
    await acme.send(Kind.READ)

"""A write between its departure on record and its first byte, over a real socket and a real record: what is sent, and
how it ends, when this process stands still on the way."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.clocks import Clocks
from server.journey import Journey, ended_as
from server.operations import Operation, Operations
from tests.server.test_operations import begun, steps
from tests.tools.acme import LOOK, transport
from tests.tools.sockets import answer, heard, serving, without_proxies
from tools.errors import AdOpsError, Conflict, InDoubt, Unavailable
from tools.network import Network
from tools.transport import Auth, Hints, Kind
from tools.writes import departing

HELD_UP = "This server was held up for so long that the write was given up. Nothing was sent."


@pytest.fixture(autouse=True)
def no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


@dataclass
class Standstill:
    """A clock that goes on by `seconds` after it was read `after` times."""

    seconds: float
    after: int = 1

    def clock(self) -> Callable[[], float]:
        reads = itertools.count()
        return lambda: self.seconds if next(reads) >= self.after else 0.0


@dataclass
class Vendor:
    """A server that gives `answers` in turn."""

    answers: list[bytes]
    heard: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        self.heard += 1
        writer.write(self.answers.pop(0))


@asynccontextmanager
async def recording(directory: Path, clocks: Clocks) -> AsyncGenerator[tuple[Operations, Journey]]:
    record = Operations(f"sqlite:///{directory}/r.sqlite3", "ADOPS_DATA_DIR", clocks)
    try:
        yield record, Journey(record, await begun(record), set(), None)
    finally:
        await record.close()


async def sent(journey: Journey, url: str, auth: Auth | None = None) -> AdOpsError:
    """The error of a write that fails, settled as it ended."""
    async with Network() as network:
        with pytest.raises(AdOpsError) as told, departing(journey):
            await transport(network, auth=auth).request(
                Kind.WRITE, "POST", f"{url}orders", json={"n": 1}, hints=Hints(look=LOOK)
            )
    assert await journey.record.settle(journey.operation_id, ended_as(journey, told.value, "kim"))
    return told.value


async def found(journey: Journey) -> Operation:
    operation = await journey.record.get(journey.operation_id)
    assert operation is not None
    return operation[0]


LONG = Standstill(100.0).clock
NO_TIME = Standstill(0.0).clock


@pytest.mark.parametrize(("wall", "monotonic"), [(LONG, NO_TIME), (NO_TIME, LONG), (LONG, LONG)])
async def test_a_process_that_stands_still_after_the_departure_gives_the_write_up(
    wall: Callable[[], Callable[[], float]], monotonic: Callable[[], Callable[[], float]], tmp_path: Path
) -> None:
    vendor = Vendor([answer(201)])
    async with recording(tmp_path, Clocks(wall(), monotonic())) as (record, journey), serving(vendor) as url:
        error = await sent(journey, url)
        assert (type(error), error.message) == (Unavailable, HELD_UP)
        operation = await found(journey)
        assert (operation.state, operation.requests) == ("failed", [])
        assert operation.sent_at is not None
        assert "in_doubt" not in await steps(record, journey.operation_id)
    assert vendor.heard == 0


async def test_a_process_that_goes_on_sends_it_and_a_refusal_is_one(tmp_path: Path) -> None:
    vendor = Vendor([answer(409)])
    async with recording(tmp_path, Clocks(NO_TIME(), NO_TIME())) as (_, journey), serving(vendor) as url:
        assert type(await sent(journey, url)) is Conflict
        operation = await found(journey)
    request = {"method": "POST", "path": "/orders", "body": {"n": 1}, "status": 409}
    assert (vendor.heard, operation.state, operation.requests) == (1, "failed", [request])


async def test_a_lost_answer_stays_in_doubt_however_late_it_is_by_then(tmp_path: Path) -> None:
    vendor = Vendor([b""])
    later = Standstill(100.0, after=2).clock
    async with recording(tmp_path, Clocks(later(), later())) as (_, journey), serving(vendor) as url:
        assert type(await sent(journey, url)) is InDoubt
        operation = await found(journey)
    assert (vendor.heard, operation.state, len(operation.requests)) == (1, "in_doubt", 1)


async def test_a_second_try_with_another_token_is_given_up_as_a_first_one_is(tmp_path: Path) -> None:
    class Renewed:
        setting = "ACME_KEY"

        async def token(self) -> str:
            return "one"

        async def renew(self, refused: str) -> str | None:
            return f"{refused}-renewed"

    # each try reads a clock as its lease begins and at the last look
    third = Standstill(100.0, after=3).clock
    vendor = Vendor([answer(401), answer(201)])
    async with recording(tmp_path, Clocks(third(), third())) as (_, journey), serving(vendor) as url:
        error = await sent(journey, url, Renewed())
        assert (type(error), error.message) == (Unavailable, HELD_UP)
        operation = await found(journey)
    assert (vendor.heard, operation.state) == (1, "failed")
    assert [request["status"] for request in operation.requests] == [401]


async def test_a_write_whose_connection_never_opened_has_no_departure_on_record(tmp_path: Path) -> None:
    async with recording(tmp_path, Clocks(NO_TIME(), NO_TIME())) as (_, journey):
        async with serving(Vendor([])) as url:
            pass
        assert type(await sent(journey, url)) is Unavailable
        operation = await found(journey)
    assert (operation.state, operation.sent_at, operation.requests) == ("failed", None, [])


async def test_whoever_hears_a_write_finds_its_departure_on_record(tmp_path: Path) -> None:
    departed: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        departed.append((await found(journey)).sent_at is not None)
        await heard(reader)
        writer.write(answer(409))

    async with recording(tmp_path, Clocks(NO_TIME(), NO_TIME())) as (_, journey), serving(serve) as url:
        assert type(await sent(journey, url)) is Conflict
    assert departed == [True]

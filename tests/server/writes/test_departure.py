"""A write between its departure on record and its first byte, over a real socket and a real record: what is sent, and
how it ends, when this process stands still on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from server.clocks import Clocks
from server.ledger.entries import Operation
from server.ledger.operations import Ledger
from server.writes.sending import SendAttempt, outcome_of_failure
from tests.server.ledger.test_operations import begun, steps
from tests.tools.acme import LOOK, transport
from tests.tools.sockets import answer, heard, serving, without_proxies
from tools.effects import recording_departures
from tools.errors import AdOpsError, Conflict, InDoubt, Unavailable
from tools.vendor_http.auth import Auth
from tools.vendor_http.network.client import http_client
from tools.vendor_http.transport import Hints, Kind

HELD_UP = "This server was held up for so long that the write was given up. Nothing was sent."


@pytest.fixture(autouse=True)
def no_proxy_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proxies(monkeypatch)


@dataclass
class Time:
    """Two clocks, and by how much each goes on while a process stands still."""

    wall: float = 0.0
    monotonic: float = 0.0
    moved: float = 0.0

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall * self.moved, lambda: self.monotonic * self.moved, lambda: None, lambda: "boot")


@dataclass
class StandsStill(SendAttempt):
    """A process that stands still for 100 s after its departure number `after`."""

    time: Time = field(default_factory=Time)
    after: int = 1
    departures: int = 0

    async def leaving(self, method: str, path: str, body: Any) -> None:
        await super().leaving(method, path, body)
        self.departures += 1
        self.time.moved = 100.0 if self.departures >= self.after else 0.0


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
async def recording(directory: Path, time: Time, *, after: int = 1) -> AsyncGenerator[tuple[Ledger, SendAttempt]]:
    record = Ledger(f"sqlite:///{directory}/r.sqlite3", "ADOPS_DATA_DIR", time.clocks)
    try:
        yield record, StandsStill(record, await begun(record), set(), None, time=time, after=after)
    finally:
        await record.close()


async def sent(attempt: SendAttempt, url: str, auth: Auth | None = None) -> AdOpsError:
    """The error of a write that fails, settled as it ended."""
    async with http_client() as network:
        with pytest.raises(AdOpsError) as told, recording_departures(attempt):
            await transport(network, auth=auth).request(
                Kind.WRITE, "POST", f"{url}orders", json={"n": 1}, hints=Hints(look=LOOK)
            )
    assert await attempt.ledger.settle(attempt.operation_id, outcome_of_failure(attempt, told.value, "kim"))
    return told.value


async def found(attempt: SendAttempt) -> Operation:
    operation = await attempt.ledger.get(attempt.operation_id)
    assert operation is not None
    return operation[0]


@pytest.mark.parametrize(("wall", "monotonic"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
async def test_a_process_that_stands_still_after_the_departure_gives_the_write_up(
    wall: float, monotonic: float, tmp_path: Path
) -> None:
    vendor = Vendor([answer(201)])
    async with recording(tmp_path, Time(wall, monotonic)) as (record, attempt), serving(vendor) as url:
        error = await sent(attempt, url)
        assert (type(error), error.message) == (Unavailable, HELD_UP)
        operation = await found(attempt)
        assert (operation.state, operation.requests) == ("failed", [])
        assert operation.sent_at is not None
        assert "in_doubt" not in await steps(record, attempt.operation_id)
    assert vendor.heard == 0


async def test_a_process_that_goes_on_sends_it_and_a_refusal_is_one(tmp_path: Path) -> None:
    vendor = Vendor([answer(409)])
    async with recording(tmp_path, Time()) as (_, attempt), serving(vendor) as url:
        assert type(await sent(attempt, url)) is Conflict
        operation = await found(attempt)
    request = {"method": "POST", "path": "/orders", "body": {"n": 1}, "status": 409}
    assert (vendor.heard, operation.state, operation.requests) == (1, "failed", [request])


async def test_a_lost_answer_stays_in_doubt_however_late_it_is_by_then(tmp_path: Path) -> None:
    vendor = Vendor([b""])
    time = Time(1.0, 1.0)

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        time.moved = 100.0
        await vendor(reader, writer)

    async with recording(tmp_path, time, after=2) as (_, attempt), serving(late) as url:
        assert type(await sent(attempt, url)) is InDoubt
        operation = await found(attempt)
    assert (vendor.heard, operation.state, len(operation.requests)) == (1, "in_doubt", 1)


async def test_a_second_try_with_another_token_is_given_up_as_a_first_one_is(tmp_path: Path) -> None:
    class Renewed:
        setting = "ACME_KEY"

        async def token(self) -> str:
            return "one"

        async def renew(self, refused: str) -> str | None:
            return f"{refused}-renewed"

    vendor = Vendor([answer(401), answer(201)])
    async with recording(tmp_path, Time(1.0, 1.0), after=2) as (_, attempt), serving(vendor) as url:
        error = await sent(attempt, url, Renewed())
        assert (type(error), error.message) == (Unavailable, HELD_UP)
        operation = await found(attempt)
    assert (vendor.heard, operation.state) == (1, "failed")
    assert [request["status"] for request in operation.requests] == [401]


async def test_a_write_whose_connection_never_opened_has_no_departure_on_record(tmp_path: Path) -> None:
    async with recording(tmp_path, Time()) as (_, attempt):
        async with serving(Vendor([])) as url:
            pass
        assert type(await sent(attempt, url)) is Unavailable
        operation = await found(attempt)
    assert (operation.state, operation.sent_at, operation.requests) == ("failed", None, [])


@pytest.mark.parametrize(("status", "event"), [(404, "refused"), (408, "answer_lost"), (499, "answer_lost")])
async def test_a_write_that_is_ended_after_its_answer_ended_as_the_status_proves(
    status: int, event: str, tmp_path: Path
) -> None:
    async with recording(tmp_path, Time()) as (_, attempt):
        attempt.requests.append({"status": status})
        assert outcome_of_failure(attempt, asyncio.CancelledError(), "kim").event == event


async def test_whoever_hears_a_write_finds_its_departure_on_record(tmp_path: Path) -> None:
    departed: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        departed.append((await found(attempt)).sent_at is not None)
        await heard(reader)
        writer.write(answer(409))

    async with recording(tmp_path, Time()) as (_, attempt), serving(serve) as url:
        assert type(await sent(attempt, url)) is Conflict
    assert departed == [True]

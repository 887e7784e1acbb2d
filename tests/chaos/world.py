"""A sandbox with a server before it that can die, for the stateful test: the record, the way to a vendor, the world."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
from mcp import Client

from server.calls.dispatch import Calls
from server.clients import Wire
from server.clocks import Clocks
from server.configuration.settings import Settings
from server.ledger.operations import Operations, T
from server.ledger.rows import Record
from server.ledger.storage.database import Unrecorded
from server.protocol.app import build_server
from server.sandbox.faults import HEADER, Fault, FaultRates, FaultyTransport
from server.writes.pipeline import Writes
from tests.chaos.intents import seeded
from tests.chaos.others import Others, contradicted
from tests.support import NOW, FakeTime, SandboxNetwork
from tools.vendors import VendorName

AVAIL: dict[str, Any] = {
    "source_id": "northlight-cadent",
    "avail_id": "avl_news_evening",
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}
ITEM: dict[str, Any] = {"source_id": "northlight-ctv", "work_item_id": "440317003"}


def orders(directory: Path) -> list[dict[str, Any]]:
    ids = seeded(directory, "freewheel_proposed_insertion_order", "id", "external_id NOT LIKE 'OTHER-%'")
    return [{"proposed_io_id": one} for one in ids]


def packages(directory: Path) -> list[dict[str, Any]]:
    ids = seeded(directory, "freewheel_inventory_package", "id", "name NOT LIKE 'Somebody else%'")
    return [{"package_id": one} for one in ids]


def work_items(directory: Path) -> list[dict[str, Any]]:
    ids = seeded(directory, "interchange_work_items", "id", "status = 'OPEN' AND booking_id IS NULL")
    source = {one: seeded(directory, "interchange_work_items", "source_id", f"id = {one}")[0] for one in ids}
    payload = {one: json.loads(seeded(directory, "interchange_work_items", "payload", f"id = {one}")[0]) for one in ids}
    return [
        {
            "source_id": source[one],
            "work_item_id": str(one),
            "result": dict.fromkeys(payload[one]["requiredResultFields"], "R"),
        }
        for one in ids
        if str(one) != ITEM["work_item_id"]
    ]


CHANGES: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "update_proposed_io": orders,
    "update_inventory_package": packages,
    "complete_work_item": work_items,
}


class Mortal(Operations):
    """The record of a process that can die: nothing that it does afterwards is kept."""

    dead = False

    async def _run(self, work: Callable[[Record], T]) -> T:
        if self.dead:
            raise Unrecorded("The process is dead.", next_step="None.")
        return await super()._run(work)


class Way(httpx.AsyncBaseTransport):
    """The way to one vendor: on the next write, the fault and the death that were chosen."""

    def __init__(self, inner: httpx.AsyncBaseTransport, world: World) -> None:
        clock = world.time.now_seconds
        self._faulty = FaultyTransport(inner, FaultRates.parse(""), world.time.sleep, clock=clock)
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or request.url.path.endswith("/token"):
            return await self._read(request)
        fault, death = self._world.chosen()
        if death == "before":
            self._world.die(request)
        if fault is not None:
            request.headers[HEADER] = fault
        try:
            answer = await self._faulty.handle_async_request(request)
        finally:
            if death == "after":
                self._world.die(request)
        await self._world.hold_back()
        return answer

    async def _read(self, request: httpx.Request) -> httpx.Response:
        world = self._world
        if world.late:
            request.headers[HEADER] = "stale_read"
        if "page" not in request.url.params:
            return await self._faulty.handle_async_request(request)
        if world.moves:
            world.others.move_lists()
        answer = await self._faulty.handle_async_request(request)
        if not world.contradicts:
            return answer
        content = contradicted(await answer.aread(), world.dice)
        return httpx.Response(answer.status_code, content=content, headers={"content-type": "application/json"})


class World:
    """A sandbox, and a server before it that can be started again."""

    def __init__(self, directory: Path, record_url: str) -> None:
        self.directory = directory
        self.record_url = record_url
        self.time = FakeTime(NOW.timestamp() + 7)
        self.network = SandboxNetwork(self.time, directory)
        self.fault: Fault | None = None
        self.death: str | None = None
        self.late = False
        self.moves = False
        self.contradicts = False
        self.ahead = 0.0
        self.record: Mortal | None = None
        self.held: anyio.Event | None = None
        self.let_go: anyio.Event | None = None
        self.dice = random.Random(0)  # noqa: S311 - to be repeated, not to be secret
        self.others = Others(directory, self.dice, self.time.now)
        self.others.move_lists(60)

    def wall(self) -> float:
        """By the wall clock of the server's machine, which is not the vendor's."""
        return self.time.moment + self.ahead

    async def hold_back(self) -> None:
        """Keep one answer until it is let go, if that was asked for."""
        held, self.held = self.held, None
        if held is not None and self.let_go is not None:
            held.set()
            await self.let_go.wait()

    def chosen(self) -> tuple[Fault | None, str | None]:
        """Once each."""
        chosen = self.fault, self.death
        self.fault = self.death = None
        return chosen

    def die(self, request: httpx.Request) -> None:
        assert self.record is not None
        self.record.dead = True
        raise httpx.ReadError("the process is dead", request=request)

    @asynccontextmanager
    async def served(self) -> AsyncGenerator[Client]:
        self.record = self.new_record()
        async with self.server(self.record) as client:
            yield client

    def new_record(self) -> Mortal:
        """The record, as one more process has it open."""
        moment = self.time.now_seconds
        clocks = Clocks(self.wall, moment, moment, lambda: "test", lambda _: moment())
        return Mortal(self.record_url, "ADOPS_DATA_DIR", clocks)

    @asynccontextmanager
    async def server(self, record: Mortal) -> AsyncGenerator[Client]:
        given = Settings(environment="sandbox", data_dir=self.directory, settle_after=60)
        ways: dict[VendorName, httpx.AsyncBaseTransport] = {
            "interchange": Way(self.network.interchange, self),
            "freewheel": Way(self.network.freewheel, self),
        }
        wire = Wire({**self.network.wire.transports, **ways}, replace(self.time.timing, now=self.wall))
        calls = Calls("sandbox", Writes(record, "none", wire.timing))
        async with Client(build_server(given, wire, calls)) as client:
            yield client

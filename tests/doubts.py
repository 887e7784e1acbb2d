"""A server on a sandbox that loses answers, for tests of how a write in doubt is settled."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
from mcp import Client

from server.clients import Wire
from server.configuration.settings import Settings
from server.sandbox import FILE_NAME
from tests.snapshots import answer_of
from tests.support import NOW, FakeTime, SandboxNetwork, connected, text_of
from tools.vendors import VendorName

RECONCILE = "reconcile_operation"
SOURCE = "northlight-cadent"
AVAIL = "avl_news_evening"
IDS: dict[str, Any] = {
    "source_id": SOURCE,
    "avail_id": AVAIL,
    "media_buy_id": "sf_mb_7f3a91c204",
    "buyer_customer_id": 88120,
}
HOLD: dict[str, Any] = {**IDS, "requested_impressions": 500_000}
LASTING: dict[str, Any] = {**HOLD, "hold_minutes": 1440}
"""A hold that is known to stand for a day."""
ITEM: dict[str, Any] = {"source_id": "northlight-ctv", "work_item_id": "440317003"}
GENRE: dict[str, Any] = {
    "relationship": "OR",
    "item_lists": [{"relationship": "OR", "items": [{"id": "1076", "type": "STANDARD_GENRE"}]}],
}
TARGETING = {"include": {"relationship": "AND", "item_sets": [{"targeting_type": "CONTENT", **GENRE}]}}

ANOTHER_ORDER = (
    "INSERT INTO freewheel_proposed_insertion_order SELECT NULL, campaign_id, ?, name, description, start_time,"
    " end_time, time_zone, delivery, budget, user_ids, brand_id, created_at, updated_at, probability_of_close,"
    " proposed_io_status FROM freewheel_proposed_insertion_order LIMIT 1"
)
"""Somebody else's order, with this external_id, at the end of FreeWheel's list."""
AN_ORDER_LESS = (
    "DELETE FROM freewheel_proposed_insertion_order WHERE id IN"
    " (SELECT id FROM freewheel_proposed_insertion_order WHERE external_id LIKE 'O-%' LIMIT 1)"
)
"""Somebody deletes the first of those whose external_id begins with O-."""

Rewrite = Callable[[httpx.Request, Any], Any]
"""Another answer to a read, by its request and the JSON that was answered."""


class Losing(httpx.AsyncBaseTransport):
    """A vendor of the sandbox whose answers to writes are lost while `losing`: before it does them, or after.

    rewrite: what a read is answered instead.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.losing: str | None = None
        self.rewrite: Rewrite | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        write = request.method != "GET" and not request.url.path.endswith("/token")
        if write and self.losing == "before":
            raise httpx.ReadError("", request=request)
        answer = await self._inner.handle_async_request(request)
        if write and self.losing == "after":
            await answer.aread()
            raise httpx.ReadError("", request=request)
        if request.method == "GET" and self.rewrite is not None:
            payload = self.rewrite(request, json.loads(await answer.aread()))
            return payload if isinstance(payload, httpx.Response) else httpx.Response(answer.status_code, json=payload)
        return answer


class World:
    """The server on a sandbox that loses answers, and an agent before it."""

    def __init__(self, client: Client, network: SandboxNetwork, losing: dict[VendorName, Losing]) -> None:
        self.client = client
        self.network = network
        self.losing = losing

    async def done(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.network.time.moment += 1
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content

    async def lost(self, tool: str, arguments: dict[str, Any], *, when: str) -> str:
        """The operation of a call whose answer is lost."""
        self.network.time.moment += 1
        for vendor in self.losing.values():
            vendor.losing = when
        result = await self.client.call_tool(tool, arguments)
        for vendor in self.losing.values():
            vendor.losing = None
        assert result.is_error, text_of(result)
        error = result.structured_content["error"]
        assert error["code"] == "in_doubt", text_of(result)
        assert error["next_step"].startswith(f"Call reconcile_operation with operation_id {error['operation_id']}: ")
        return error["operation_id"]

    async def reconciled(self, operation_id: str, *, later: float = 120) -> dict[str, Any]:
        self.network.time.moment += later
        return answer_of(RECONCILE, await self.client.call_tool(RECONCILE, {"operation_id": operation_id}))

    def writes(self) -> int:
        return len(self.network.interchange.written()) + len(self.network.freewheel.written())

    def sandbox(self, statement: str, *values: Any) -> list[Any]:
        """What somebody does at the vendors, past the server, by the sandbox's own state."""
        with closing(sqlite3.connect(self.network.directory / FILE_NAME)) as state, state:
            return state.execute(statement, values).fetchall()

    @asynccontextmanager
    async def colleague(self) -> AsyncGenerator[Client]:
        """Somebody else before the same vendors, whose writes are on another record."""
        async with connected(self.network.wire, Settings(environment="sandbox")) as client:
            yield client


@asynccontextmanager
async def world(directory: Path) -> AsyncGenerator[World]:
    # not on the minute, as times are that were rounded to it
    network = SandboxNetwork(FakeTime(NOW.timestamp() + 7), directory)
    losing: dict[VendorName, Losing] = {
        "interchange": Losing(network.interchange),
        "freewheel": Losing(network.freewheel),
    }
    transports: dict[VendorName, httpx.AsyncBaseTransport] = {**network.wire.transports, **losing}
    settings = Settings(environment="sandbox", data_dir=directory)
    async with connected(Wire(transports, network.time.timing), settings) as client:
        yield World(client, network, losing)
    network.sandbox.close()

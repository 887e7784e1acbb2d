"""What the tests stand on: the server in memory, its time under control, its network recorded or made up."""

from __future__ import annotations

import functools
import itertools
import json
import re
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import sqlalchemy as sa
from mcp import Client
from mcp_types import CallToolResult, TextContent
from pydantic import SecretStr

from server.calls.dispatch import LONGEST_CALL, Calls
from server.clients import Wire
from server.clocks import Clocks
from server.configuration.settings import Settings
from server.ledger.operations import Operations
from server.ledger.storage.tables import open_engine
from server.protocol.app import build_server
from server.sandbox import FILE_NAME, Sandbox
from server.sandbox.interchange.app import API_KEY
from server.writes.pipeline import LATEST_DEPARTURE, Writes
from server.writes.records import clocks_of
from tools.vendor_http.transport import Timing
from tools.vendors import VendorName

OPERATION_ID = r"op_[0-9a-f]{19}"
RECONCILE = rf"Call reconcile_operation with operation_id {OPERATION_ID}: it looks whether it was done\. "
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

OPENED = ExitStack()
"""Closes what the current test opened; a fixture in conftest.py calls it when the test is over."""

Answer = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


@dataclass
class FakeTime:
    """A clock that only a sleep moves. `slept` holds the length of every sleep, in seconds."""

    moment: float = NOW.timestamp()
    slept: list[float] = field(default_factory=list[float])

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += seconds

    @property
    def timing(self) -> Timing:
        return Timing(clock=lambda: self.moment, now=lambda: self.moment, sleep=self.sleep, jitter=lambda: 0.0)

    @property
    def clocks(self) -> Clocks:
        """Every clock of this machine, and the database's."""
        return Clocks.of(lambda: self.moment, lambda: self.moment)

    def now_seconds(self) -> float:
        return self.moment

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.moment, UTC)


class Recorder(httpx.AsyncBaseTransport):
    """A transport that keeps every request on its way to another one, `inner`, or to a made-up answer."""

    def __init__(self, inner: httpx.AsyncBaseTransport | Answer) -> None:
        self.inner = inner if isinstance(inner, httpx.AsyncBaseTransport) else httpx.MockTransport(inner)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return await self.inner.handle_async_request(request)

    def sent(self) -> list[tuple[str, str, Any]]:
        """(method, path with query, JSON body or None) of every request, tokens aside."""
        return [
            (request.method, request.url.raw_path.decode(), json.loads(request.content) if request.content else None)
            for request in self.requests
            if not request.url.path.endswith("/token")
        ]

    def written(self) -> list[tuple[str, str, Any]]:
        """The same of the requests that change something."""
        return [request for request in self.sent() if request[0] != "GET"]


@functools.cache
def _seeded_sandbox(moment: float) -> bytes:
    """The SQLite file of a sandbox that was seeded at that moment."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / FILE_NAME
        Sandbox(file, lambda: datetime.fromtimestamp(moment, UTC)).close()
        return file.read_bytes()


class SandboxNetwork:
    """The sandbox's three vendors over the state in a directory, behind recorders."""

    def __init__(self, time: FakeTime, directory: Path) -> None:
        self.time = time
        self.directory = directory
        file = directory / FILE_NAME
        if not file.exists():
            file.write_bytes(_seeded_sandbox(time.moment))
        self.sandbox = Sandbox(file, time.now)
        OPENED.callback(self.sandbox.close)
        self.interchange = Recorder(httpx.ASGITransport(self.sandbox.interchange()))
        self.freewheel = Recorder(httpx.ASGITransport(self.sandbox.freewheel()))
        self.google_ad_manager = Recorder(httpx.ASGITransport(self.sandbox.google_ad_manager()))

    async def hold_elsewhere(self, ids: Mapping[str, Any], impressions: int) -> None:
        """Somebody else holds impressions of the avail in Interchange, past the server."""
        body = {
            "availId": ids["avail_id"],
            "mediaBuyId": ids["media_buy_id"],
            "buyerCustomerId": ids["buyer_customer_id"],
            "requestedImpressions": impressions,
        }
        path = f"inventory-sources/{ids['source_id']}/modular/reservations"
        key = {"Authorization": f"Bearer {API_KEY}"}
        async with httpx.AsyncClient(transport=self.interchange) as somebody:
            answer = await somebody.post(f"https://i.sandbox/api/v2/storefront/{path}", json=body, headers=key)
        assert answer.is_success, answer.text

    @property
    def wire(self) -> Wire:
        transports: dict[VendorName, httpx.AsyncBaseTransport] = {
            "interchange": self.interchange,
            "freewheel": self.freewheel,
            "google_ad_manager": self.google_ad_manager,
        }
        return Wire(transports, self.time.timing)


def live_settings(**changes: Any) -> Settings:
    """Live settings with every vendor but Google Ad Manager configured, and nothing from the environment."""
    given: dict[str, Any] = {
        "environment": "live",
        "interchange_api_key": SecretStr("interchange-key"),
        "freewheel_token": SecretStr("freewheel-token"),
        **changes,
    }
    return Settings(**given)


@functools.cache
def empty_record() -> bytes:
    """A SQLite file of the record of writes, as the migrations make it."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "record.sqlite3"
        open_engine(f"sqlite:///{file}").dispose()
        return file.read_bytes()


_NUMBERS = itertools.count()


def new_database(server: sa.URL) -> str:
    """The URL of an empty record of writes on a PostgreSQL whose `template1` holds one."""
    name = f"record{next(_NUMBERS)}"
    engine = sa.create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


def with_record(settings: Settings, directory: Path) -> Settings:
    """The settings with an empty record of writes, in `directory` unless they name another place."""
    settings = settings if settings.data_dir else settings.model_copy(update={"data_dir": directory})
    assert settings.data_dir is not None
    file = settings.data_dir / f"operations-{settings.environment}.sqlite3"
    if not file.exists():
        file.write_bytes(empty_record())
    return settings


@asynccontextmanager
async def connected(
    wire: Wire, settings: Settings, mode: Literal["auto", "legacy"] = "auto", **client: Any
) -> AsyncGenerator[Client]:
    """An MCP client of the server, in memory. client: what else the SDK's Client takes."""
    with tempfile.TemporaryDirectory() as directory:
        server = build_server(with_record(settings, Path(directory)), wire)
        async with Client(server, mode=mode, **client) as connection:
            yield connection


@asynccontextmanager
async def sandboxed(
    directory: Path, mode: Literal["auto", "legacy"] = "auto"
) -> AsyncGenerator[tuple[Client, SandboxNetwork]]:
    """A client of the server on the sandbox, at the moment NOW, and the network that it used."""
    network = SandboxNetwork(FakeTime(), directory)
    async with connected(network.wire, Settings(environment="sandbox", data_dir=directory), mode) as client:
        yield client, network
    network.sandbox.close()


@asynccontextmanager
async def answered_by(
    answers: Mapping[VendorName, Answer], time: FakeTime | None = None, **settings: Any
) -> AsyncGenerator[tuple[Client, dict[VendorName, Recorder]]]:
    """A client of the live server whose vendors answer as the given functions do."""
    recorders: dict[VendorName, Recorder] = {vendor: Recorder(answer) for vendor, answer in answers.items()}
    wire = Wire({**recorders}, (time or FakeTime()).timing)
    async with connected(wire, live_settings(**settings)) as client:
        yield client, recorders


@asynccontextmanager
async def written_to(
    answers: Mapping[VendorName, Answer], time: FakeTime | None = None, **settings: Any
) -> AsyncGenerator[tuple[Client, dict[VendorName, Recorder]]]:
    """As `answered_by`, for writes: what is looked up before them is there and empty, whatever the functions answer."""

    def with_lists(answer: Answer) -> Answer:
        async def answered(request: httpx.Request) -> httpx.Response:
            listed = request.url.path.rpartition("/")[2] if request.method == "GET" else ""
            if listed in _EMPTY_LISTS:
                return httpx.Response(200, json=_EMPTY_LISTS[listed])
            answer_ = answer(request)
            return answer_ if isinstance(answer_, httpx.Response) else await answer_

        return answered

    listing: dict[VendorName, Answer] = {vendor: with_lists(answer) for vendor, answer in answers.items()}
    async with answered_by(listing, time, **settings) as connection:
        yield connection


_EMPTY_LISTS: dict[str, Any] = {
    "products": {"products": []},
    "media-buys": {"items": [], "total": 0},
    "work-items": {"items": [], "total": 0},
    "inventory_packages": {"items": [], "total_count": 0},
    "proposed_insertion_orders": {"items": [], "total_count": 0},
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def calls_of(settings: Settings, wire: Wire | None = None, *, longest: float | None = None) -> Calls:
    """The one call path without a client before it. longest: seconds for a call, instead of its own limits."""
    timing = (wire or Wire()).timing
    file = Path(OPENED.enter_context(tempfile.TemporaryDirectory())) / "record.sqlite3"
    file.write_bytes(empty_record())
    record = Operations(f"sqlite:///{file}", "ADOPS_DATA_DIR", clocks_of(timing))
    OPENED.callback(anyio.run, record.close)
    writes = Writes(record, settings.confirm, timing, longest or LATEST_DEPARTURE)
    return Calls(settings.environment, writes, longest_call=longest or LONGEST_CALL)


def text_of(result: CallToolResult) -> str:
    """What an agent reads."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def by_hand(result: CallToolResult) -> str:
    """What an agent reads of a write in doubt, without the first way out, which names its record."""
    text = text_of(result)
    assert re.search(rf"\nNext: {RECONCILE}", text), text
    return re.sub(RECONCILE, "", text)


def error_of(result: CallToolResult) -> dict[str, Any]:
    """The structured error of a call that must have failed, without the id of a write's record and how it is settled:
    of a write in doubt, what is left of the next step is the way by hand."""
    assert result.is_error, text_of(result)
    error = without_id(result.structured_content["error"])
    return {**error, "next_step": re.sub(RECONCILE, "", error["next_step"])}


def without_id(told: dict[str, Any]) -> dict[str, Any]:
    """What was told, without the id of a write's record, which is another one each time, and without what every
    consequential write says whose client cannot ask."""
    assert re.fullmatch(OPERATION_ID, told.get("operation_id", "op_19a0000000000000000")), told
    return {name: value for name, value in told.items() if name not in ("operation_id", "confirmation")}

"""What the tests stand on: the server in memory, its time under control, its network recorded or made up."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx
from mcp import Client
from mcp_types import CallToolResult, TextContent
from pydantic import SecretStr

from server.app import build_server
from server.sandbox import FILE_NAME, Sandbox
from server.settings import Settings
from server.vendors import Wire
from tools.tool import VendorName
from tools.transport import Timing

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

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

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.moment, UTC)


class Recorder(httpx.AsyncBaseTransport):
    """A transport that keeps every request on its way to another one, or to a made-up answer."""

    def __init__(self, inner: httpx.AsyncBaseTransport | Answer) -> None:
        self._inner = inner if isinstance(inner, httpx.AsyncBaseTransport) else httpx.MockTransport(inner)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return await self._inner.handle_async_request(request)

    def sent(self) -> list[tuple[str, str, Any]]:
        """(method, path with query, JSON body or None) of every request, tokens aside."""
        return [
            (request.method, request.url.raw_path.decode(), json.loads(request.content) if request.content else None)
            for request in self.requests
            if not request.url.path.endswith("/token")
        ]


class SandboxNetwork:
    """The sandbox's three vendors over the state in a directory, behind recorders."""

    def __init__(self, time: FakeTime, directory: Path) -> None:
        self.time = time
        self.sandbox = Sandbox(directory / FILE_NAME, time.now)
        self.interchange = Recorder(httpx.ASGITransport(self.sandbox.interchange()))
        self.freewheel = Recorder(httpx.ASGITransport(self.sandbox.freewheel()))
        self.google_ad_manager = Recorder(httpx.ASGITransport(self.sandbox.google_ad_manager()))

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


@asynccontextmanager
async def connected(wire: Wire, settings: Settings, mode: Literal["auto", "legacy"] = "auto") -> AsyncGenerator[Client]:
    """An MCP client of the server, in memory."""
    async with Client(build_server(settings, wire), mode=mode) as client:
        yield client


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


def text_of(result: CallToolResult) -> str:
    """What an agent reads."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def error_of(result: CallToolResult) -> dict[str, Any]:
    """The structured error of a call that must have failed."""
    assert result.is_error, text_of(result)
    return result.structured_content["error"]

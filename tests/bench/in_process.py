"""In one process: the CPU of a call over HTTP, of the way to a vendor, and what at-most-once costs."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
from starlette.applications import Starlette

from server.access.accounts_in_reach import Choices, Places, open_accounts
from server.clients import Wire
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings
from server.http.application import application
from server.protocol.app import build_calls
from server.sandbox import Sandbox
from server.sandbox.freewheel.tokens import PASSWORD, USERNAME
from server.writes.records import RecordView
from tests.bench.figures import Figure
from tests.bench.inside import caller, cpu_of
from tests.bench.ours import GRANT, JSON, PATH, READ, ahead, wire
from tests.bench.reference import application as low_level
from tests.processes import served

WRITE = "create_proposed_io"


def over_http(rounds: int) -> Iterator[Figure]:
    """CPU of a call in the process that serves it."""
    yield from anyio.run(_over_http, rounds)


async def _over_http(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        return await _took_over_http(application(Settings(data_dir=Path(directory)), wire()), rounds)


async def _took_over_http(ours: Starlette, rounds: int) -> list[Figure]:
    reference = low_level()
    async with ours.router.lifespan_context(ours), reference.router.lifespan_context(reference):
        loads = {
            "echo": caller(reference, "tools/call", name="echo", arguments={"text": "x"}),
            "a call that is refused for its arguments": caller(
                ours, "tools/call", name="list_avails", arguments={"min_available": "many"}
            ),
            "a read, vendor in memory": caller(ours, "tools/call", **READ),
            "tools/list, all tools": caller(ours, "tools/list"),
        }
        took: dict[str, list[float]] = {name: [] for name in loads}
        for name in list(loads) * rounds:
            took[name].append(await cpu_of(loads[name], 100) * 1e6)
    echo = took.pop("echo")
    return [
        Figure(f"HTTP 2026-07-28, CPU in process: {name}", "us", values, echo, "low-level echo", 1.2)
        for name, values in took.items()
    ]


async def plain_call(times: int = 300) -> float:
    """Milliseconds of the median plain httpx call that `READ` amounts to."""
    took: list[float] = []
    async with httpx.AsyncClient(
        transport=wire().transports["freewheel"], base_url="https://freewheel.sandbox"
    ) as http:
        minted = await http.post("/auth/token", data=GRANT, headers=JSON)
        for _ in range(times):
            began = time.perf_counter()
            answer = await http.get(PATH, headers={**JSON, "Authorization": f"Bearer {minted.json()['access_token']}"})
            took.append(time.perf_counter() - began)
            assert answer.is_success, answer.text
    return statistics.median(took) * 1000


def over_the_wire(rounds: int) -> Iterator[Figure]:
    """A call through everything to a vendor on loopback, less a plain call to it: CPU of this process."""
    with tempfile.TemporaryDirectory() as directory, served("tests.bench.vendor", "PORT") as address:
        url = address.removesuffix("/mcp")
        settings = Settings.model_validate(
            {
                "environment": "staging",
                "data_dir": directory,
                "freewheel_base_url": url,
                "freewheel_username": USERNAME,
                "freewheel_password": PASSWORD,
            }
        )
        yield from anyio.run(_over_the_wire, settings, url, rounds)


async def _over_the_wire(settings: Settings, url: str, rounds: int) -> list[Figure]:
    app = application(settings, Wire(timing=ahead()))
    whole, plain = list[float](), list[float]()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(base_url=url, trust_env=False, headers=JSON) as http,
    ):
        http.headers["Authorization"] = (
            f"Bearer {(await http.post('/auth/token', data=GRANT, headers=JSON)).json()['access_token']}"
        )

        async def directly() -> None:
            answer = await http.get(PATH)
            assert answer.is_success, answer.text

        through = caller(app, "tools/call", **READ)
        for _ in range(rounds):
            for took, call in ((whole, through), (plain, directly)):
                await call()
                took.append(await cpu_of(call, 60) * 1000)
    less = [one - other for one, other in zip(whole, plain, strict=True)]
    what = "a call through everything to a vendor on loopback, less a plain httpx call"
    return [Figure(what, "ms CPU", less, target=1.0), Figure("the plain httpx call", "ms CPU", plain)]


def at_most_once(rounds: int) -> Iterator[Figure]:
    """A write beside the same request without the record: the handler alone."""
    with tempfile.TemporaryDirectory() as directory:
        yield from anyio.run(_at_most_once, Settings(data_dir=Path(directory)), rounds)


async def _at_most_once(settings: Settings, rounds: int) -> list[Figure]:
    # so many requests a second as its time goes by are within its limits
    tenths = itertools.count()
    sandbox = Sandbox(clock=lambda: datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=next(tenths) / 10))
    accounts, network = accounts_of(settings), Wire({"freewheel": httpx.ASGITransport(sandbox.freewheel())}, ahead())
    calls = build_calls(settings, network)
    choice = Choices(accounts).whole
    tool = choice.tools[WRITE].tool
    recorded, alone = list[float](), list[float]()
    async with open_accounts(accounts, network) as opened:
        places = Places(choice, opened, RecordView(calls.writes.record, settings.settle_after))

        async def whole(given: dict[str, Any]) -> None:
            assert not (await calls.call(tool, given, places)).is_error

        async def handler(given: dict[str, Any]) -> None:
            await tool.handler(tool.arguments.model_validate(given), opened[""])

        numbers = itertools.count()
        # the first write makes the record
        for number in range(rounds + 1):
            for figures, call in ((recorded, whole), (alone, handler)):
                found: list[float] = []
                for _ in range(20):
                    given = {"external_id": f"B-{next(numbers)}", "name": "Bench"}
                    began = time.perf_counter()
                    await call(given)
                    found.append(time.perf_counter() - began)
                if number:
                    figures.append(statistics.median(found) * 1000)
        await calls.writes.record.close()
    less = [one - other for one, other in zip(recorded, alone, strict=True)]
    what = "at most once: p50 of a write less its request alone (three commits to SQLite)"
    return [Figure(what, "ms", less, target=2.0), Figure("the request alone", "ms", alone)]

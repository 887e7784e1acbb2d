"""How time and memory grow: pages of 1,000 packages, a search of 100,000 attributes, a record of 50,000 operations."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import sqlalchemy as sa

from server.access.accounts_in_reach import CallerChoices, ReachableAccounts, open_accounts
from server.calls.dispatch import Dispatcher
from server.clients import Wire
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings
from server.ledger.storage.tables import HISTORY, OPERATIONS, open_engine
from server.protocol.app import build_dispatcher
from server.writes.records import LedgerView
from tests.bench.ours import ahead

PACKAGES = (125, 250, 500, 1000)
ATTRIBUTES = (12_500, 25_000, 50_000, 100_000)
OPERATIONS_ON_RECORD = (6_250, 12_500, 25_000, 50_000)

Call = Callable[..., Awaitable[dict[str, Any]]]


def drawn() -> list[dict[str, Any]]:
    """A row for each size, in fours that double: the time should double with them, or stay."""
    rows: list[dict[str, Any]] = []
    for curve, sizes in ((_packages, PACKAGES), (_attributes, ATTRIBUTES), (_operations, OPERATIONS_ON_RECORD)):
        for size in sizes:
            with tempfile.TemporaryDirectory() as directory:
                rows += anyio.run(curve, size, Path(directory))
    return rows


async def _measured(what: str, size: int, call: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """What allocating is followed for takes several times as long, so that it is done a second time for that."""
    await call()
    began = time.perf_counter()
    await call()
    took = time.perf_counter() - began
    tracemalloc.start()
    await call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "what": what,
        "size": f"{size:,}",
        "seconds": round(took, 3),
        "us for each": round(took / size * 1e6, 1),
        "peak MB": round(peak / 2**20, 1),
    }


async def _with(directory: Path, freewheel: Callable[[httpx.Request], httpx.Response], run: Any) -> Any:
    settings = Settings(data_dir=directory)
    network = Wire({"freewheel": httpx.MockTransport(freewheel)}, ahead())
    accounts, calls = accounts_of(settings), build_dispatcher(settings, network)
    choice = CallerChoices(accounts).unrestricted
    async with open_accounts(accounts, network) as opened:
        places = ReachableAccounts(choice, opened, LedgerView(calls.writes.ledger, settings.settle_after))

        async def call(name: str, **arguments: Any) -> dict[str, Any]:
            result = await calls.call(choice.tools[name].tool, arguments, places)
            assert not result.is_error, result.content
            return result.structured_content

        try:
            return await run(call, calls, opened[""].scope())
        finally:
            await calls.writes.ledger.close()


def _minted() -> httpx.Response:
    return httpx.Response(200, json={"access_token": "a" * 20, "token_type": "bearer", "expires_in": 600_000})


async def _packages(size: int, directory: Path) -> list[dict[str, Any]]:
    def freewheel(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return _minted()
        page, per_page = (int(request.url.params[name]) for name in ("page", "per_page"))
        first = (page - 1) * per_page
        items = [
            {"id": number, "name": f"Package {number}", "status": "ACTIVE", "description": "Bench " * 20}
            for number in range(first + 1, min(first + per_page, size) + 1)
        ]
        pages = -(-size // per_page)
        body = {"inventory_packages": items, "total_count": size, "page": page, "per_page": per_page}
        return httpx.Response(200, json={**body, "total_page": pages, "total_pages": pages})

    async def run(call: Call, _: Dispatcher, __: str) -> list[dict[str, Any]]:
        async def every() -> None:
            seen, following = 0, {"per_page": 50}
            while following:
                page = await call("list_inventory_packages", **following)
                seen, following = seen + len(page["items"]), page.get("next")
            assert seen == size

        return [await _measured("list_inventory_packages, page after page", size, every)]

    return await _with(directory, freewheel, run)


async def _attributes(size: int, directory: Path) -> list[dict[str, Any]]:
    kinds = ("programmers", "brands", "channels", "genres", "apps")
    body = json.dumps(
        {kind: [{"id": number, "name": f"{kind} {number}"} for number in range(size // len(kinds))] for kind in kinds}
    ).encode()

    def freewheel(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return _minted()
        if request.url.path.endswith("/series"):
            return httpx.Response(200, json={"series": [], "total_count": 0})
        return httpx.Response(200, content=body, headers={"content-type": "application/json"})

    async def run(call: Call, _: Dispatcher, __: str) -> list[dict[str, Any]]:
        async def once() -> None:
            assert (await call("find_targeting_items", text="7"))["total"]

        return [await _measured("find_targeting_items, standard attributes", size, once)]

    return await _with(directory, freewheel, run)


async def _operations(size: int, directory: Path) -> list[dict[str, Any]]:
    def freewheel(request: httpx.Request) -> httpx.Response:
        return _minted() if request.method == "POST" else httpx.Response(404)

    async def run(call: Call, calls: Dispatcher, scope: str) -> list[dict[str, Any]]:
        await calls.writes.ledger.counts(())
        await asyncio.to_thread(_recorded, f"sqlite:///{directory / 'operations-sandbox.sqlite3'}", scope, size)
        last = -(-size // 50)
        looks: dict[str, Callable[[], Awaitable[Any]]] = {
            "list_operations, the first page": lambda: call("list_operations", per_page=50),
            "list_operations, the last page": lambda: call("list_operations", per_page=50, page=last),
            "list_operations, words that are nowhere": lambda: call("list_operations", text="nowhere"),
            "get_operation": lambda: call("get_operation", operation_id=_id(size // 2)),
        }
        rows = [await _measured(what, size, look) for what, look in looks.items()]
        return [*rows, await asyncio.to_thread(_export, directory, size)]

    return await _with(directory, freewheel, run)


def _id(number: int) -> str:
    return f"op_{number:019x}"


def _recorded(url: str, scope: str, size: int) -> None:
    """Put that many finished writes on record, as the server puts them there."""
    told = json.dumps({"id": 1, "name": "Bench " * 20})
    engine = open_engine(url)
    with engine.begin() as connection:
        for first in range(0, size, 1000):
            numbers = range(first, min(first + 1000, size))
            connection.execute(
                sa.insert(OPERATIONS),
                [
                    {
                        "id": _id(number),
                        "scope": scope,
                        "tool": "create_proposed_io",
                        "subject": f"proposed_io:B-{number}",
                        "resource": f"proposed_io:B-{number}",
                        "identity": f"{number:064x}",
                        "claim": f"{number:064x}",
                        "keeps": "success",
                        "fingerprint": f"{number:064x}",
                        "state": "succeeded",
                        "principal": "bench",
                        "does": f"Create the proposed IO B-{number}.",
                        "arguments": told,
                        "requests": "[]",
                        "result": told,
                        "created_at": 1.7e9 + number,
                        "sent_at": 1.7e9 + number,
                        "ended_at": 1.7e9 + number,
                    }
                    for number in numbers
                ],
            )
            steps = [
                {"operation_id": _id(number), "at": 1.7e9 + number, "state": state, "actor": "bench", "note": "bench"}
                for number in numbers
                for state in ("sending", "succeeded")
            ]
            connection.execute(sa.insert(HISTORY), steps)
    engine.dispose()


_EXPORT = """
import sys, time
from pathlib import Path
from server.cli import main
began = time.perf_counter()
assert main(["operations", "export"]) == 0
took, status = time.perf_counter() - began, Path("/proc/self/status")
peak = status.read_text().partition("VmHWM:")[2].split()[0] if status.exists() else "nan"
print(took, peak, file=sys.stderr)
"""


def _export(directory: Path, size: int) -> dict[str, Any]:
    environment = {**os.environ, "ADOPS_DATA_DIR": str(directory)}
    ended = subprocess.run([sys.executable, "-c", _EXPORT], capture_output=True, env=environment, text=True, check=True)
    assert len(ended.stdout.splitlines()) == size
    took, kilobytes = (float(number) for number in ended.stderr.split())
    return {
        "what": "adops-mcp operations export (memory: of the process)",
        "size": f"{size:,}",
        "seconds": round(took, 3),
        "us for each": round(took / size * 1e6, 1),
        "peak MB": round(kilobytes / 1024, 1),
    }

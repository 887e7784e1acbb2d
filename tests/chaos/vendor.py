"""`python -m tests.chaos.vendor DIRECTORY PORT ...`: the vendors of a run, as a process of their own.

They are the sandbox's, with its faults over real connections (see `server.sandbox.faulty_server`), and with what only
others can do: answers that come late or twice, lists that change between two of their pages, counts that contradict
each other, and holds that end, of ours and of others. As a process of its own a vendor goes on while a server stands
still.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.sandbox import FILE_NAME, Sandbox
from server.sandbox.faults import FaultRates
from server.sandbox.faulty_server import CuttableProtocol, FaultyApp
from server.sandbox.store import utc_now
from tests.chaos.others import Others, contradicted

TWICE = 0.02
"""Of requests: how often an answer comes twice, half of them refusals of what was not carried out."""

LATE = 0.03
LATEST = 4.0
"""Of requests, and seconds: how often and how late an answer comes of what was carried out at once."""

MOVES = 0.01
CONTRADICTS = 0.005
"""Of pages of lists: how often a list changes before it, and how often its counts contradict each other."""

ENDS_EVERY = 0.4
"""Seconds between two things that others do to holds."""

_REFUSED = (
    b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
)


class Unreliable:
    """A vendor's application behind something that answers late or twice, over lists that others change."""

    def __init__(self, app: ASGIApp, others: Others, dice: random.Random, rate: float) -> None:
        self._app = app
        self._others = others
        self._dice = dice
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].endswith("/token"):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "GET" and b"page=" in scope["query_string"]:
            await self._page(scope, receive, send)
        elif self._happens(TWICE):
            await self._twice(scope, receive)
        elif self._happens(LATE):
            await self._late(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _happens(self, rate: float) -> bool:
        return self._dice.random() < rate * self._rate

    async def _late(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def slowly(message: Message) -> None:
            if message["type"] == "http.response.start":
                await anyio.sleep(self._dice.uniform(0, LATEST))
            await send(message)

        await self._app(scope, receive, slowly)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._happens(MOVES):
            self._others.move_lists()
        if not self._happens(CONTRADICTS):
            await self._app(scope, receive, send)
            return
        start, body = await self._answered(scope, receive)
        if start is None:
            return
        told = contradicted(body, self._dice)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": told})

    async def _answered(self, scope: Scope, receive: Receive) -> tuple[Message | None, bytes]:
        """Start and body of the answer; no start when the connection was cut instead."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return (messages[0] if messages else None), b"".join(message.get("body", b"") for message in messages[1:])

    async def _twice(self, scope: Scope, receive: Receive) -> None:
        """RecordedWrite uvicorn, which answers once."""
        answer = _REFUSED
        if self._dice.random() < 0.5:
            start, body = await self._answered(scope, receive)
            if start is None:
                return
            head = f"HTTP/1.1 {start['status']} Told\r\ncontent-type: application/json\r\nconnection: close\r\n"
            answer = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        client = scope["client"]
        connection = CuttableProtocol.open_connections.get(tuple(client)) if client else None
        if connection is not None and not connection.is_closing():
            connection.write(answer + answer)
            connection.close()
        while (await receive())["type"] != "http.disconnect":
            pass


def _app(directory: Path, faults: str, *, moods: float, ends: bool, seed: int) -> tuple[Starlette, Sandbox]:
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    sandbox = Sandbox(directory / FILE_NAME)
    others = Others(directory, dice, utc_now)
    rates = FaultRates.parse(faults)

    def served(make: Callable[[], ASGIApp]) -> ASGIApp:
        return Unreliable(FaultyApp(make(), rates), others, dice, moods)

    @asynccontextmanager
    async def others_at_work(_: Starlette) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as tasks:
            if ends:
                tasks.start_soon(_end_holds, others, dice)
            yield
            tasks.cancel_scope.cancel()

    async def ready(_: Request) -> Response:
        return Response()

    routes = [
        Route("/ready", ready),
        Mount("/interchange", served(sandbox.interchange)),
        Mount("/freewheel", served(sandbox.freewheel)),
    ]
    return Starlette(routes=routes, lifespan=others_at_work), sandbox


async def _end_holds(others: Others, dice: random.Random) -> None:
    while True:
        await anyio.sleep(dice.uniform(0, 2 * ENDS_EVERY))
        others.move_holds()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.vendor", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the sandbox keeps its state")
    parser.add_argument("port", type=int, help="on loopback")
    parser.add_argument("--faults", default="", help="as ADOPS_SANDBOX_FAULTS")
    parser.add_argument("--moods", type=float, default=0.0, help="0 to 1: how much of what the sandbox cannot do")
    parser.add_argument("--ends", action="store_true", help="holds end, and others hold")
    parser.add_argument("--seed", type=int, default=0, help="of the dice")
    given = parser.parse_args()
    app, sandbox = _app(given.directory, given.faults, moods=given.moods, ends=given.ends, seed=given.seed)
    config = uvicorn.Config(app, host="127.0.0.1", port=given.port, log_level="warning", http=CuttableProtocol)
    try:
        uvicorn.Server(config).run()
    finally:
        sandbox.close()


if __name__ == "__main__":
    main()

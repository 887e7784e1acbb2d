"""What a request over HTTP takes inside the process: ASGI messages by hand, and the CPU time of this process."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from starlette.types import ASGIApp, Message

from tests.bench.pipes import request

Call = Callable[[], Awaitable[None]]


def caller(app: ASGIApp, method: str, **params: Any) -> Call:
    """Makes one request of the era of 2026-07-28 to an application."""
    asked = request(1, method, modern=True, **params)
    body = json.dumps(asked).encode()
    headers = {
        "host": "127.0.0.1:8760",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        **({"mcp-name": params["name"]} if "name" in params else {}),
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def call() -> None:
        sent: list[Message] = []
        given = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if not given:
                await anyio.sleep_forever()
            return given.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "query_string": b"",
            "root_path": "",
            "headers": list(raw),
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8760),
        }
        await app(scope, receive, send)
        answer = b"".join(part.get("body", b"") for part in sent)
        assert b'"result":' in answer, answer

    return call


async def cpu_of(call: Call, times: int) -> float:
    """Seconds of CPU of one call."""
    began = time.process_time()
    for _ in range(times):
        await call()
    return (time.process_time() - began) / times

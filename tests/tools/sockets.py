"""A server on loopback that says what it is told to, and no proxy on the way to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest


@dataclass
class Server:
    """A server on loopback that reads each request whole, writes `answer` and closes."""

    url: str = ""
    heard: list[bytes] = field(default_factory=list[bytes])
    opened: int = 0


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine of the tests is set up for."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@asynccontextmanager
async def listening(answer: bytes) -> AsyncGenerator[Server]:
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.opened += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            server.heard.append(head + await reader.readexactly(int(length[1]) if length else 0))
            writer.write(answer)
            await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()
            await writer.wait_closed()

    async with asyncio.timeout(10), await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        yield server

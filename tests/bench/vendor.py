"""A vendor on loopback that answers at once and has no limits: `python -m tests.bench.vendor PORT`.

FreeWheel's one order of the bench, with the bytes that the sandbox answers.
"""

from __future__ import annotations

import sys

import anyio
import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.http.application import BindAddress, run
from tests.bench.ours import GRANT, JSON, PATH, wire


async def answers() -> dict[str, bytes]:
    """The token and the order, by method."""
    async with httpx.AsyncClient(
        transport=wire().transports["freewheel"], base_url="https://freewheel.sandbox"
    ) as http:
        minted = await http.post("/auth/token", data=GRANT, headers=JSON)
        order = await http.get(PATH, headers={**JSON, "Authorization": f"Bearer {minted.json()['access_token']}"})
    return {"POST": minted.content, "GET": order.content}


class Vendor:
    def __init__(self, told: dict[str, bytes]) -> None:
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = self._told[Request(scope).method]
            await Response(body, media_type="application/json")(scope, receive, send)


if __name__ == "__main__":
    run(Vendor(anyio.run(answers)), BindAddress(port=int(sys.argv[1])), workers=1)  # pyright: ignore[reportArgumentType]

"""Our server on stdio with a vendor that answers from memory: `python -m tests.bench.ours`.

Each request is answered by the sandbox once, and from then on with the same bytes. The clock that the limits go by
runs ahead, as waiting for a vendor's limit is not what is measured.
"""

from __future__ import annotations

import itertools
import sys

import httpx

from server.front import Handover, claimed
from server.sandbox import Sandbox
from server.stdio import opened
from server.vendors import Wire
from tools.transport import Timing


class Remembered(httpx.AsyncBaseTransport):
    """What another transport answered."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self._answers: dict[tuple[str, str, bytes], tuple[int, bytes]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        key = (request.method, str(request.url), request.content)
        if key not in self._answers:
            response = await self._inner.handle_async_request(request)
            self._answers[key] = (response.status_code, await response.aread())
        status, body = self._answers[key]
        return httpx.Response(status, content=body, headers={"content-type": "application/json"})


def wire() -> Wire:
    sandbox = Sandbox()
    ahead = itertools.count(0, 60)
    return Wire(
        {
            "interchange": Remembered(httpx.ASGITransport(sandbox.interchange())),
            "freewheel": Remembered(httpx.ASGITransport(sandbox.freewheel())),
        },
        Timing(clock=lambda: float(next(ahead))),
    )


def main() -> int:
    with claimed() as (reads, writes):
        live = opened({}, wire())
        assert live is not None
        return live(Handover(reads, writes))


if __name__ == "__main__":
    sys.exit(main())

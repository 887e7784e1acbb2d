"""Our server on stdio with a vendor that answers from memory: `python -m tests.bench.ours`.

Each request is answered by the sandbox once, and from then on with the same bytes.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import httpx

from server.clients import Wire
from server.sandbox import Sandbox
from server.sandbox.freewheel.tokens import PASSWORD, USERNAME
from server.stdio.early_answers import claimed_stdio
from server.stdio.handover import Handover
from server.stdio.lazy_models import lazy_models
from tools.vendor_http.transport import Timing

READ: dict[str, Any] = {"name": "get_proposed_io", "arguments": {"proposed_io_id": 418250}}
"""The read that is measured, one request of one object,"""
PATH = f"/services/v4/proposed_insertion_orders/{READ['arguments']['proposed_io_id']}"
"""and where it asks."""
GRANT = {"grant_type": "password", "username": USERNAME, "password": PASSWORD}
JSON = {"Accept": "application/json"}


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
    return Wire(
        {
            "interchange": Remembered(httpx.ASGITransport(sandbox.interchange())),
            "freewheel": Remembered(httpx.ASGITransport(sandbox.freewheel())),
        },
        ahead(),
    )


def ahead() -> Timing:
    """A clock that runs ahead: waiting for a vendor's limit is not what is measured."""
    minutes = itertools.count(0, 60)
    return Timing(clock=lambda: float(next(minutes)))


def main() -> int:
    with lazy_models():
        from server.stdio.serve import build_live_server  # noqa: PLC0415 - as at a real start
    with claimed_stdio() as (input_fd, output_fd):
        serve = build_live_server({}, wire())
        assert serve is not None
        return serve(Handover(input_fd, output_fd))


if __name__ == "__main__":
    sys.exit(main())

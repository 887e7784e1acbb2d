"""Interchange's door: what is counted and checked before any route."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.sandbox.interchange.refusals import Refusal
from server.sandbox.store import Clock

API_KEY = "scope3_sandbox_northlight"


class Gate:
    """Before any route: 100 requests a minute for each client address, then the bearer token."""

    def __init__(self, inner: ASGIApp, clock: Clock, requests_per_minute: int) -> None:
        self._inner = inner
        self._clock = clock
        self._limit = requests_per_minute
        self._windows: dict[str, tuple[datetime, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        limits, remaining = self._count(scope)

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(limits)
            await send(message)

        refusal = self._refusal(scope, remaining)
        if refusal is None:
            await self._inner(scope, receive, send_with_limits)
            return
        headers = {"Retry-After": limits["RateLimit-Reset"]} if refusal.status == 429 else None
        await JSONResponse(refusal.body(), refusal.status, headers)(scope, receive, send_with_limits)

    def _count(self, scope: Scope) -> tuple[dict[str, str], int]:
        """(the RateLimit headers, requests left before this one was counted)."""
        if not self._limit:
            return {}, 1
        address = (scope.get("client") or ("unknown",))[0]
        now = self._clock()
        start, used = self._windows.get(address, (now, 0))
        if now - start >= timedelta(minutes=1):
            start, used = now, 0
        self._windows[address] = (start, used + 1)
        reset = math.ceil((start + timedelta(minutes=1) - now).total_seconds())
        headers = {
            "RateLimit-Limit": str(self._limit),
            "RateLimit-Remaining": str(max(0, self._limit - used - 1)),
            "RateLimit-Reset": str(reset),
        }
        return headers, self._limit - used

    def _refusal(self, scope: Scope, remaining: int) -> Refusal | None:
        if remaining <= 0:
            return Refusal(429, "RATE_LIMITED", f"More than {self._limit} requests in a minute")
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.strip() != API_KEY:
            return Refusal(401, "UNAUTHORIZED", "A valid API key or access token is required")
        return None

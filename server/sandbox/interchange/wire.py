"""What every request and answer of the sandbox's Interchange has in common: API key, rate limit, error object.

The codes and statuses are those that the platform documents and its clients have seen: 400 BAD_REQUEST,
VALIDATION_ERROR and INVALID_STATE, 401 UNAUTHORIZED, 403 FORBIDDEN, 404 NOT_FOUND, 409 CONFLICT,
422 CAPABILITY_NOT_SUPPORTED, 429 RATE_LIMITED.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.sandbox.store import Clock

API_KEY = "scope3_sandbox_northlight"
"""The only API key that the sandbox accepts. It is public: it opens nothing but the sandbox."""


class Refusal(Exception):
    """An error answer: `{data: null, error: {code, message, field?, details?}}` with its HTTP status."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.details = details

    def body(self) -> dict[str, object]:
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        if self.details is not None:
            error["details"] = self.details
        return {"data": None, "error": error}


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BAD_REQUEST", message)


def invalid_state(message: str, **details: object) -> Refusal:
    return Refusal(400, "INVALID_STATE", message, details=details or None)


def not_found(message: str, *, field: str | None = None) -> Refusal:
    return Refusal(404, "NOT_FOUND", message, field=field)


def invalid(issues: Sequence[tuple[str, str]]) -> Refusal:
    """A 400 VALIDATION_ERROR. `issues` are pairs of path and message; the answer lists them in `details.issues`."""
    path, message = issues[0]
    return Refusal(
        400,
        "VALIDATION_ERROR",
        f"{path}: {message}" if path else message,
        field=path or None,
        details={"issues": [{"path": at, "message": text} for at, text in issues]},
    )


class RateLimitAndAuthMiddleware:
    """Counts every request against the rate limit of its client address, then checks the bearer token.

    A refused request counts too, and every answer carries the RateLimit headers.
    """

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
        """Count the request. Returns the RateLimit headers and how many requests were left before it."""
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

"""The middleware before MCP over HTTP: checks of the request and its body, authentication, and the rate limit."""

from __future__ import annotations

import math
from collections.abc import Collection

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.access.authentication import NoVerdict, Verifier
from server.access.principals import identity_of
from server.http.rate_limits import RateLimiter, RateLimitExceeded

LARGEST_BODY = 1_000_000
"""In bytes. An inventory package with thousands of targeting items has a tenth of that."""

LONGEST_RECEIVE = 20.0
"""Seconds to receive a whole request. One that stalls would hold up its caller, and the end of the server, for ever."""

_NO_MESSAGE = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {"code": -32600, "message": "The body is not a JSON-RPC request, notification or response."},
}

_NO_VERDICT = {"error": "Your token cannot be checked now. Nothing was done. Try again in a moment."}


class RequestCheckMiddleware:
    """Refuses a request that is not a JSON-RPC message, or is too large or too slow, with an error of our own.

    The SDK's errors repeat the body and show its internals. It also keeps a GET open, although a stateless server has
    nothing to send on that stream.
    """

    def __init__(self, app: ASGIApp, longest_receive: float = LONGEST_RECEIVE) -> None:
        self._app = app
        self._longest_receive = longest_receive

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            refusal = PlainTextResponse("Use POST for MCP.\n", status_code=405, headers={"Allow": "POST"})
            await refusal(scope, receive, send)
            return
        try:
            with anyio.fail_after(self._longest_receive):
                body = await _read_body(receive)
        except TimeoutError:
            await PlainTextResponse("The request took too long to arrive.\n", status_code=408)(scope, receive, send)
            return
        if body is None:
            return
        if len(body) > LARGEST_BODY:
            await PlainTextResponse("The request is too large.\n", status_code=413)(scope, receive, send)
            return
        received: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return received.pop() if received else await receive()

        held_start: list[Message] = []

        async def send_checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 400:
                held_start.append(message)
                return
            if held_start and message["type"] == "http.response.body":
                start = held_start.pop()
                if b"Validation error" in message.get("body", b"") and not message.get("more_body"):
                    await JSONResponse(_NO_MESSAGE, status_code=400)(scope, receive, send)
                    return
                await send(start)
            await send(message)

        await self._app(scope, receive_again, send_checked)


async def _read_body(receive: Receive) -> bytes | None:
    """The body, read only until it is too large. None if the client went away."""
    body, more = b"", True
    while more and len(body) <= LARGEST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


class BearerAuthMiddleware:
    """Checks the bearer token (RFC 6750) and the rate limit. What the token may do is decided where the tools are."""

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        limiter: RateLimiter,
        metadata_url: str | None,
        *,
        any_scope: Collection[str],
    ) -> None:
        """any_scope: the scopes of which the token must have one."""
        self._app = app
        self._any_scope = any_scope
        self._verifier = verifier
        self._limiter = limiter
        self._metadata = f', resource_metadata="{metadata_url}"' if metadata_url else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            await self._refused(401, "")(scope, receive, send)
            return
        try:
            found = await self._verifier.verify_token(token.strip())
        except NoVerdict:
            await JSONResponse(_NO_VERDICT, status_code=503, headers={"Retry-After": "5"})(scope, receive, send)
            return
        if found is None:
            await self._refused(401, ', error="invalid_token"')(scope, receive, send)
        elif not set(self._any_scope) & set(found.scopes):
            wanted = next(iter(self._any_scope))
            await self._refused(403, f', error="insufficient_scope", scope="{wanted}"')(scope, receive, send)
        else:
            scope["user"] = AuthenticatedUser(found)
            try:
                with self._limiter.admitted(identity_of(found)):
                    await self._app(scope, receive, send)
            except RateLimitExceeded as error:
                await _too_many_requests(error)(scope, receive, send)

    def _refused(self, status: int, error: str) -> Response:
        message = "a valid token is required" if status == 401 else "the token does not have the scope for this"
        header = f'Bearer realm="adops-mcp"{self._metadata}{error}'
        return JSONResponse({"error": message}, status_code=status, headers={"WWW-Authenticate": header})


def _too_many_requests(error: RateLimitExceeded) -> Response:
    retry_after = max(1, math.ceil(error.retry_after))
    body = {"error": f"You sent {error.excess}, which is the limit of one caller. Nothing was done."}
    return JSONResponse(body, status_code=429, headers={"Retry-After": str(retry_after)})

"""What stands before MCP over HTTP: who is let in, how much they may ask, and what is refused in plain words."""

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
from server.http.rate_limits import Quotas, TooMany

LARGEST_BODY = 1_000_000
"""Bytes of a request: an inventory package with thousands of targeting items is a tenth of that."""

LONGEST_BODY = 20.0
"""Seconds for a request to come whole: one that stalls would hold its place, and an ended server, for ever."""

_NO_MESSAGE = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {"code": -32600, "message": "The body is no JSON-RPC request, notification or response."},
}

_NO_VERDICT = {"error": "Whether your token counts cannot be found out now. Nothing was done; try again in a moment."}


class PlainRefusals:
    """Refuses in our words what is no message: the SDK's repeat the body and its own insides, and hold a GET open,
    which asks for a stream that a stateless server has nothing to send on."""

    def __init__(self, app: ASGIApp, longest_body: float = LONGEST_BODY) -> None:
        self._app = app
        self._longest_body = longest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            refusal = PlainTextResponse("MCP is spoken with POST here.\n", status_code=405, headers={"Allow": "POST"})
            await refusal(scope, receive, send)
            return
        try:
            with anyio.fail_after(self._longest_body):
                body = await _whole(receive)
        except TimeoutError:
            await PlainTextResponse("The request did not come whole in time.\n", status_code=408)(scope, receive, send)
            return
        if body is None:
            return
        if len(body) > LARGEST_BODY:
            await PlainTextResponse("The request is too large.\n", status_code=413)(scope, receive, send)
            return
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def then() -> Message:
            return first.pop() if first else await receive()

        held: list[Message] = []

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 400:
                held.append(message)
                return
            if held and message["type"] == "http.response.body":
                start = held.pop()
                if b"Validation error" in message.get("body", b"") and not message.get("more_body"):
                    await JSONResponse(_NO_MESSAGE, status_code=400)(scope, receive, send)
                    return
                await send(start)
            await send(message)

        await self._app(scope, then, pass_on)


async def _whole(receive: Receive) -> bytes | None:
    """The body, no further than what is too large; None when the client went away."""
    body, more = b"", True
    while more and len(body) <= LARGEST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


class Guard:
    """Lets in who has a token that counts (RFC 6750); what it may do is judged where the tools are."""

    def __init__(
        self, app: ASGIApp, verifier: Verifier, quotas: Quotas, metadata_url: str | None, needed: Collection[str]
    ) -> None:
        """needed: the scopes of which one lets in."""
        self._app = app
        self._needed = needed
        self._verifier = verifier
        self._quotas = quotas
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
        elif not set(self._needed) & set(found.scopes):
            wanted = next(iter(self._needed))
            await self._refused(403, f', error="insufficient_scope", scope="{wanted}"')(scope, receive, send)
        else:
            scope["user"] = AuthenticatedUser(found)
            try:
                with self._quotas.taken(identity_of(found)):
                    await self._app(scope, receive, send)
            except TooMany as refusal:
                await _later(refusal)(scope, receive, send)

    def _refused(self, status: int, error: str) -> Response:
        words = (
            "a token is needed, or this one does not count" if status == 401 else "the token has not the scope for this"
        )
        header = f'Bearer realm="adops-mcp"{self._metadata}{error}'
        return JSONResponse({"error": words}, status_code=status, headers={"WWW-Authenticate": header})


def _later(refusal: TooMany) -> Response:
    after = max(1, math.ceil(refusal.after))
    told = {"error": f"You sent {refusal.what}, which is the limit of one caller here. Nothing was done."}
    return JSONResponse(told, status_code=429, headers={"Retry-After": str(after)})

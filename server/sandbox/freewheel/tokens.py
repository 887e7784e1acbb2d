"""The token endpoints of the sandbox's FreeWheel, its check of bearer tokens, and its request rates."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections import deque
from datetime import datetime, timedelta
from typing import NoReturn
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from server.sandbox.freewheel.seed.network import USERS
from server.sandbox.freewheel.wire import JSON, forbid, form_text, refuse, require_accept
from server.sandbox.store import Clock, Store

USERNAME = "trafficking@northlight.example"
PASSWORD = "sandbox-password"  # noqa: S105 - public: it opens nothing but the sandbox
CLIENT_ID = "northlight-sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - public: it opens nothing but the sandbox
TOKEN = "northlight-sandbox-ready-made-token"  # noqa: S105 - public: it opens nothing but the sandbox
"""A bearer token issued by hand. It never expires, and `/auth/token/info` does not know it."""

PASSWORD_GRANT_SECONDS = 604_800
CLIENT_CREDENTIALS_SECONDS = 3_600


class RequestRate:
    """At most `limit` requests in any second of the clock. 0 means no limit."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._counted: deque[datetime] = deque()

    def count(self) -> None:
        """Count a request. Refuses with 429 over the limit, without `Retry-After`: FreeWheel documents no headers."""
        if not self._limit:
            return
        now = self._clock()
        while self._counted and now - self._counted[0] >= timedelta(seconds=1):
            self._counted.popleft()
        if len(self._counted) >= self._limit:
            refuse(429, "Too many requests.")
        self._counted.append(now)


class TokenService:
    """The token endpoints, and the check of every other request.

    The same credentials may mint any number of tokens. A new token does not end an older one.
    """

    def __init__(self, store: Store, clock: Clock, token_rate: int, request_rate: int) -> None:
        self._store = store
        self._clock = clock
        self._token_rate = RequestRate(token_rate, clock)
        self._request_rate = RequestRate(request_rate, clock)

    async def password_token(self, request: Request) -> Response:
        """`POST /auth/token`: form `grant_type=password&username&password`, `Accept: application/json`.

        Wrong credentials answer 401 in plain text, as seen in the field.
        """
        self._token_rate.count()
        require_accept(request)
        form = await _form(request)
        if form.get("grant_type") != "password":
            refuse(400, "grant_type must be password.")
        if not _same(form.get("username", ""), USERNAME) or not _same(form.get("password", ""), PASSWORD):
            return _invalid_credentials()
        return self._issue(PASSWORD_GRANT_SECONDS, user_id=USERS[0].id)

    async def client_credentials_token(self, request: Request) -> Response:
        """`POST /oauth2/token`: HTTP Basic and `grant_type=client_credentials`. The token lives for one hour."""
        self._token_rate.count()
        form = await _form(request)
        if form.get("grant_type") != "client_credentials":
            refuse(400, "grant_type must be client_credentials.")
        client_id, secret = _basic_credentials(request)
        if not _same(client_id, CLIENT_ID) or not _same(secret, CLIENT_SECRET):
            return _invalid_credentials()
        return self._issue(CLIENT_CREDENTIALS_SECONDS, user_id=None)

    async def token_info(self, request: Request) -> Response:
        """`GET /auth/token/info`: how long a password grant's token still lives; 401 for every other token."""
        self._request_rate.count()
        require_accept(request)
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT user_id, created_at, expires_at FROM freewheel_token WHERE token = ?"
                " AND user_id IS NOT NULL AND expires_at > ?",
                (_bearer(request), self._now()),
            ).fetchone()
        if row is None:
            _refuse_token()
        return JSONResponse(
            {
                "user_id": row["user_id"],
                "created_at": row["created_at"],
                "expires_in_seconds": row["expires_at"] - self._now(),
            }
        )

    def authorize(self, request: Request, enabled: bool, media_type: str = JSON) -> None:
        """Refuse a request that may not pass.

        429: it is over the rate. 401: it has no valid token. 403, in the gateway's form `{"Message": ...}`: the network
        function of the resource is off. 406: it does not accept the media type of the resource.
        """
        self._request_rate.count()
        token = _bearer(request)
        if token != TOKEN:
            with self._store.transaction() as connection:
                known = connection.execute(
                    "SELECT 1 FROM freewheel_token WHERE token = ? AND expires_at > ?", (token, self._now())
                ).fetchone()
            if known is None:
                _refuse_token()
        if not enabled:
            forbid()
        require_accept(request, media_type)

    def _issue(self, lifetime: int, user_id: int | None) -> Response:
        token, now = secrets.token_hex(32), self._now()
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM freewheel_token WHERE expires_at <= ?", (now,))
            connection.execute(
                "INSERT INTO freewheel_token (token, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (token, user_id, now, now + lifetime),
            )
        return JSONResponse({"access_token": token, "token_type": "Bearer", "created_at": now, "expires_in": lifetime})

    def _now(self) -> int:
        return int(self._clock().timestamp())


async def _form(request: Request) -> dict[str, str]:
    text = await form_text(request)
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=20))
    except ValueError:
        refuse(400, "The request body is not a valid form.")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _basic_credentials(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        pair = base64.b64decode(encoded, validate=True).decode("utf-8") if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        pair = ""
    client_id, _, secret = pair.partition(":")
    return client_id, secret


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8"), expected.encode("utf-8"))


def _invalid_credentials() -> Response:
    return PlainTextResponse("Invalid credentials", 401)


def _refuse_token() -> NoReturn:
    refuse(401, "The access token is invalid or has expired.", headers={"WWW-Authenticate": "Bearer"})

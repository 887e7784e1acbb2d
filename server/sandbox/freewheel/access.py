"""Who may call the sandbox's FreeWheel, and how often: token endpoints, bearer tokens, request rates."""

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
"""A bearer token that was issued by hand: it never expires, and `/auth/token/info` does not know it."""

PASSWORD_GRANT_SECONDS = 604_800
CLIENT_CREDENTIALS_SECONDS = 3_600


class Rate:
    """At most `limit` admissions in any second of the clock; 0 admits everything."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._admitted: deque[datetime] = deque()

    def admit(self) -> None:
        """429 over the limit, with no `Retry-After`: FreeWheel documents no rate headers."""
        if not self._limit:
            return
        now = self._clock()
        while self._admitted and now - self._admitted[0] >= timedelta(seconds=1):
            self._admitted.popleft()
        if len(self._admitted) >= self._limit:
            refuse(429, "Too many requests.")
        self._admitted.append(now)


class Access:
    """The token endpoints, and the check of every other request.

    The same credentials may mint any number of tokens; minting one does not end another.
    """

    def __init__(self, store: Store, clock: Clock, token_rate: int, request_rate: int) -> None:
        self._store = store
        self._clock = clock
        self._token_rate = Rate(token_rate, clock)
        self._request_rate = Rate(request_rate, clock)

    async def password_token(self, request: Request) -> Response:
        """`POST /auth/token`: form `grant_type=password&username&password`, `Accept: application/json`.

        Wrong credentials answer 401 in plain text, as seen in the field.
        """
        self._token_rate.admit()
        require_accept(request)
        form = await _form(request)
        if form.get("grant_type") != "password":
            refuse(400, "grant_type must be password.")
        if not _same(form.get("username", ""), USERNAME) or not _same(form.get("password", ""), PASSWORD):
            return _invalid_credentials()
        return self._issue(PASSWORD_GRANT_SECONDS, user_id=USERS[0].id)

    async def client_credentials_token(self, request: Request) -> Response:
        """`POST /oauth2/token`: HTTP Basic and `grant_type=client_credentials`; the token lives one hour."""
        self._token_rate.admit()
        form = await _form(request)
        if form.get("grant_type") != "client_credentials":
            refuse(400, "grant_type must be client_credentials.")
        client_id, secret = _basic_credentials(request)
        if not _same(client_id, CLIENT_ID) or not _same(secret, CLIENT_SECRET):
            return _invalid_credentials()
        return self._issue(CLIENT_CREDENTIALS_SECONDS, user_id=None)

    async def token_info(self, request: Request) -> Response:
        """`GET /auth/token/info`: what is left of a password grant's token; 401 for every other token."""
        self._request_rate.admit()
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

    def admit(self, request: Request, enabled: bool, speaks: str = JSON) -> None:
        """Refuses a request over the rate (429), without a valid token (401), to a resource whose network function
        is off (403 of the gateway, `{"Message": ...}`), or that does not accept what the resource speaks (406).
        """
        self._request_rate.admit()
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
        require_accept(request, speaks)

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

"""The sandbox's Google service account: its key file, the token endpoint, and the check of access tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sqlite3
from typing import cast
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.sandbox.store import Clock, Store

PROJECT_ID = "northlight-adops-sandbox"
SERVICE_ACCOUNT_EMAIL = f"adops-mcp@{PROJECT_ID}.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/admanager.readonly"

_CLIENT_ID = "113370482915570026144"
_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3599
_CLOCK_SKEW = 300
_TIMEFRAME = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat"
    " and exp values in the JWT claim."
)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of the service account and its tokens."""
    connection.execute(
        "CREATE TABLE gam_service_account (client_email TEXT PRIMARY KEY, private_key_id TEXT NOT NULL,"
        " private_key TEXT NOT NULL, public_key TEXT NOT NULL)"
    )
    connection.execute("CREATE TABLE gam_token (token TEXT PRIMARY KEY, expires_at INTEGER NOT NULL)")


def service_account_key(store: Store, token_uri: str) -> dict[str, str]:
    """The service account's key file as Google issues it. `token_uri` is where the sandbox is mounted.

    The RSA key is made on first use and then stays in the store. So it is in no repository, and a session that does not
    use Google does not wait for it.
    """
    row = _service_account(store)
    if row is None:
        made = _new_key()
        with store.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO gam_service_account VALUES (?, ?, ?, ?)",
                (SERVICE_ACCOUNT_EMAIL, *made),
            )
        row = _service_account(store)
    if row is None:
        raise LookupError("the service account's key was removed while it was being made")
    return {
        "type": "service_account",
        "project_id": PROJECT_ID,
        "private_key_id": row["private_key_id"],
        "private_key": row["private_key"],
        "client_email": SERVICE_ACCOUNT_EMAIL,
        "client_id": _CLIENT_ID,
        "token_uri": token_uri,
    }


async def access_token(store: Store, clock: Clock, request: Request) -> Response:
    """`POST /token`: the JWT bearer grant (RFC 7523), form-encoded. Refusals are 400 `{error, error_description}`.

    Any audience that ends in `/token` is accepted: the sandbox may be mounted anywhere, and google-auth always names
    Google's own endpoint.
    """
    form = _form(await request.body())
    if form.get("grant_type") != _GRANT_TYPE:
        return _refusal("unsupported_grant_type", f"Invalid grant_type: expected {_GRANT_TYPE}")
    assertion = form.get("assertion", "")
    if not assertion:
        return _refusal("invalid_request", "Missing required parameter: assertion")
    now = int(clock().timestamp())
    problem = _assertion_problem(assertion, _service_account(store), now)
    if problem is not None:
        return _refusal("invalid_grant", problem)
    token = f"ya29.c.{secrets.token_urlsafe(48)}"
    with store.transaction() as connection:
        connection.execute("DELETE FROM gam_token WHERE expires_at <= ?", (now,))
        connection.execute("INSERT INTO gam_token VALUES (?, ?)", (token, now + _LIFETIME))
    return JSONResponse({"access_token": token, "expires_in": _LIFETIME, "token_type": "Bearer"})


def token_problem(store: Store, clock: Clock, authorization: str) -> str | None:
    """Why a request's `Authorization` is refused, as an ErrorInfo reason. None if it is accepted."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return "CREDENTIALS_MISSING"
    with store.transaction() as connection:
        row = connection.execute("SELECT expires_at FROM gam_token WHERE token = ?", (token.strip(),)).fetchone()
    if row is None:
        return "ACCESS_TOKEN_INVALID"
    return "ACCESS_TOKEN_EXPIRED" if row["expires_at"] <= clock().timestamp() else None


def _assertion_problem(assertion: str, account: sqlite3.Row | None, now: int) -> str | None:
    head, _, signature = assertion.rpartition(".")
    header, claims = (_json_part(part) for part in (head.partition(".")[0], head.partition(".")[2]))
    if header is None or claims is None:
        return "Bad Request"
    if account is None or claims.get("iss") != account["client_email"]:
        return "Invalid grant: account not found"
    signed = (
        header.get("alg") == "RS256"
        and header.get("kid", account["private_key_id"]) == account["private_key_id"]
        and _has_valid_signature(head, signature, account["public_key"])
    )
    audience, scope = claims.get("aud"), claims.get("scope")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not signed:
        return "Invalid JWT Signature."
    if not isinstance(audience, str) or not audience.endswith("/token"):
        return "Invalid JWT: Failed audience check."
    if not isinstance(issued, int) or not isinstance(expires, int):
        return _TIMEFRAME
    if not (issued - _CLOCK_SKEW <= now < expires <= issued + 3600):
        return _TIMEFRAME
    if not isinstance(scope, str) or SCOPE not in scope.split(" "):
        return f"Invalid JWT: the scope must contain {SCOPE}."
    return None


def _has_valid_signature(message: str, signature: str, public_key: str) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - a slow import that most sessions do not need
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - as above

    key, given = load_pem_public_key(public_key.encode("ascii")), _decoded(signature)
    if not isinstance(key, RSAPublicKey) or given is None:
        return False
    try:
        key.verify(given, message.encode("ascii"), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _new_key() -> tuple[str, str, str]:
    """The key id, the private key and the public key. The keys are in PEM."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key  # noqa: PLC0415 - see _has_valid_signature
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - see _has_valid_signature
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return hashlib.sha256(public).hexdigest()[:40], private.decode("ascii"), public.decode("ascii")


def _service_account(store: Store) -> sqlite3.Row | None:
    with store.transaction() as connection:
        row: sqlite3.Row | None = connection.execute(
            "SELECT * FROM gam_service_account WHERE client_email = ?", (SERVICE_ACCOUNT_EMAIL,)
        ).fetchone()
    return row


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=20))
    except ValueError:
        return {}


def _json_part(part: str) -> dict[str, object] | None:
    decoded = _decoded(part)
    try:
        value: object = json.loads(decoded.decode("utf-8")) if decoded is not None else None
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _decoded(part: str) -> bytes | None:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def _refusal(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, 400)

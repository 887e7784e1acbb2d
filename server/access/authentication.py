"""Who is calling over HTTP, and what they may do: an OAuth 2.1 resource server (RFC 6750, 7662, 9068, 9728).

A token is a JWT of the configured issuer, an opaque one that the issuer is asked about, or one of a file of hashes.
Whatever is wrong with it, the caller reads that it does not count and not why: the log has the reason. No token goes on
to a vendor.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import anyio
import httpx
from mcp.server.auth.provider import AccessToken
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

logger = logging.getLogger(__name__)

READ, WRITE, APPROVE, METRICS = "adops:read", "adops:write", "adops:approve", "adops:metrics"
SCOPES = (READ, WRITE, APPROVE, METRICS)
"""read: tools that change nothing. write: those that do. approve: seeing the operations of everybody. metrics: the
numbers for Prometheus, and nothing else."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Of signatures with a public key alone: never `none`, and never one whose key the issuer would share with us."""

KEYS_LIFETIME = 600.0
"""Seconds for which an issuer's keys are used before they are read again. A token that names an unknown key has them
read earlier."""

SHORTEST_REFRESH = 10.0
"""Seconds that always pass between two readings of an issuer's keys."""

LONGEST_TOKEN = 16_384
LEEWAY = 30
"""Seconds by which an issuer's clock may be off."""


class Verifier(Protocol):
    """Judges a bearer token."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose it is and what it is for; None when it does not count. Raises NoVerdict."""
        ...


class NoVerdict(Exception):
    """Whether a token counts cannot be found out now; the log has the reason."""


class AuthError(Exception):
    """An issuer, or the file of tokens, cannot be used; the message names the setting."""


@dataclass
class Tokens:
    """The tokens of a file: TOML, one `[[token]]` each with `principal`, `sha256` of the token and `scopes`.

    The file is read again when it changed: a token that is taken out of it does not count any more.
    """

    path: Path
    _read_at: tuple[int, int] | None = None
    _entries: dict[str, _Entry] = field(default_factory=dict[str, "_Entry"])

    def check(self) -> None:
        """Raises AuthError when the file cannot be used."""
        if not self._current():
            raise AuthError(f"ADOPS_AUTH_TOKENS_FILE: {self.path} holds no token; `adops-mcp token` makes one")

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            entries = await anyio.to_thread.run_sync(self._current)
        except AuthError as error:
            logger.error("%s", error)
            raise NoVerdict from None
        entry = entries.get(hashed(token))
        if entry is None:
            return None
        return AccessToken(token=token, client_id=entry.principal, scopes=list(entry.scopes), subject=entry.principal)

    def _current(self) -> dict[str, _Entry]:
        try:
            found = self.path.stat()
            if (found.st_mtime_ns, found.st_size) != self._read_at:
                told = tomllib.loads(self.path.read_text(encoding="utf-8"))
                entries = _ENTRIES.validate_python(told.get("token", []))
                self._entries = {entry.sha256.lower(): entry for entry in entries}
                self._read_at = found.st_mtime_ns, found.st_size
        except OSError:
            raise AuthError(f"ADOPS_AUTH_TOKENS_FILE: {self.path} cannot be read") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            raise AuthError(f"ADOPS_AUTH_TOKENS_FILE: {self.path} is not TOML") from None
        except ValidationError as error:
            where = ".".join(str(step) for step in error.errors(include_input=False)[0]["loc"])
            raise AuthError(f"ADOPS_AUTH_TOKENS_FILE: in {self.path}, token {where} is missing or wrong") from None
        return self._entries


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    principal: Annotated[str, Field(min_length=1, max_length=200)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
    scopes: tuple[Annotated[str, Field(pattern="^adops:(read|write|approve|metrics)$")], ...]


_ENTRIES = TypeAdapter(list[_Entry])


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def new_token(principal: str, scopes: Sequence[str]) -> tuple[str, str]:
    """A token, and its lines for the file of hashes."""
    token = f"adops_{secrets.token_urlsafe(32)}"
    told = {"principal": principal, "sha256": hashed(token), "scopes": list(scopes)}
    return token, "[[token]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in told.items())


def token_command(principal: str, scopes: str) -> int:
    """`adops-mcp token`: 0 when one was made."""
    wanted = [f"adops:{scope.strip()}" for scope in scopes.split(",") if scope.strip()]
    if not wanted or set(wanted) - set(SCOPES):
        print(f"adops-mcp: --scopes takes {', '.join(scope[6:] for scope in SCOPES)}.", file=sys.stderr)  # noqa: T201
        return 2
    if not principal.strip() or not principal.isprintable() or len(principal) > 200:
        print("adops-mcp: PRINCIPAL is a name of up to 200 characters that can be seen.", file=sys.stderr)  # noqa: T201
        return 2
    token, lines = new_token(principal.strip(), wanted)
    print(f"The token, shown this once:\n{token}\n\nFor ADOPS_AUTH_TOKENS_FILE:\n{lines}")  # noqa: T201
    return 0


@dataclass
class Issuer:
    """Verifies JWTs of one issuer with its keys, which are read from its JWKS document and cached.

    PyJWT's own PyJWKClient blocks a thread for each reading, drops the keys after their lifetime while the issuer does
    not answer, and asks an issuer that is down again for every token.

    audience: this server. clock: seconds, for the age of the keys. now: seconds since the epoch.
    """

    url: str
    audience: str
    client: httpx.AsyncClient
    clock: Callable[[], float]
    now: Callable[[], float]
    keys_url: str | None = None
    _keys: Mapping[str | None, _Key] = field(default_factory=dict[str | None, "_Key"])
    _keys_read_at: float | None = None
    _is_unreadable: bool = False
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def verify_token(self, token: str) -> AccessToken | None:
        import jwt  # noqa: PLC0415 - stdio does without it

        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise jwt.InvalidAlgorithmError("not an algorithm that is taken here")
            key = await self._key(header.get("kid"))
            if key is None:
                raise jwt.InvalidKeyError("signed with a key that is not the issuer's")
            claims = self._claims(token, key, header["alg"])
        except (jwt.PyJWTError, TypeError) as error:
            # a TypeError is what a key of another kind than the algorithm's comes to
            logger.warning("a JWT does not count: %s", type(error).__name__)
            return None
        return _of_claims(token, claims)

    def _claims(self, token: str, key: _Key, algorithm: str) -> Mapping[str, Any]:
        """Time is checked against our clock: a test may stand still."""
        import jwt  # noqa: PLC0415 - see above

        needed = ["exp", "iss", "aud", "sub"]
        options: Any = {"require": needed, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        if key.algorithm not in (None, algorithm):
            raise jwt.InvalidAlgorithmError("not the algorithm of its key")
        claims = jwt.decode(
            token, key.public, algorithms=[algorithm], audience=self.audience, issuer=self.url, options=options
        )
        moment = self.now()
        if _seconds(claims["exp"]) <= moment - LEEWAY:
            raise jwt.ExpiredSignatureError("expired")
        if "nbf" in claims and _seconds(claims["nbf"]) > moment + LEEWAY:
            raise jwt.ImmatureSignatureError("not yet")
        return claims

    async def _key(self, kid: str | None) -> _Key | None:
        async with self._reading:
            age = float("inf") if self._keys_read_at is None else self.clock() - self._keys_read_at
            if age > KEYS_LIFETIME or (kid not in self._keys and age > SHORTEST_REFRESH):
                self._keys_read_at = self.clock()
                await self._renew()
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if kid not in self._keys and self._is_unreadable:
            raise NoVerdict
        return self._keys.get(kid)

    async def _renew(self) -> None:
        """Read the keys again. The previous ones stay valid while the issuer does not answer."""
        try:
            self._keys, self._is_unreadable = await self._read(), False
        except (httpx.HTTPError, ValueError) as error:
            self._is_unreadable = True
            logger.error("the keys of %s cannot be read: %s", self.url, type(error).__name__)

    async def _read(self) -> dict[str | None, _Key]:
        import jwt  # noqa: PLC0415 - see above

        answer = await self.client.get(self.keys_url or await self._discovered())
        document: Any = answer.raise_for_status().json()
        listed = cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            raise ValueError("no set of keys")
        keys: dict[str | None, _Key] = {}
        for one in cast("list[Any]", listed):
            try:
                key = jwt.PyJWK(one)
            except (jwt.PyJWTError, AttributeError, TypeError, ValueError):
                continue
            if key.public_key_use in (None, "sig"):
                keys[key.key_id] = _Key(key.key, one.get("alg"))
        return keys

    async def _discovered(self) -> str:
        """The URL of the keys, from the issuer's metadata (RFC 8414, OpenID Connect Discovery)."""
        for path in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"):
            answer = await self.client.get(_well_known(self.url, path))
            metadata: Any = answer.json() if answer.is_success else {}
            keys_url = cast("dict[str, Any]", metadata).get("jwks_uri") if isinstance(metadata, dict) else None
            if isinstance(keys_url, str):
                return keys_url
        raise ValueError("the issuer does not say where its keys are")


@dataclass(frozen=True, slots=True)
class _Key:
    """A public key. algorithm: the only one that it may be used with, if the issuer names one."""

    public: Any
    algorithm: str | None


def _well_known(issuer: str, path: str) -> str:
    """The URL of the issuer's metadata: RFC 8414 puts the issuer's path behind `path`, OpenID Connect before it."""
    url = httpx.URL(issuer)
    if path.endswith("openid-configuration"):
        return issuer.rstrip("/") + path
    return str(url.copy_with(path=path + url.path.rstrip("/")))


def _seconds(value: Any) -> float:
    import jwt  # noqa: PLC0415 - see above

    if isinstance(value, bool) or not isinstance(value, int | float):
        raise jwt.DecodeError("a time that is no number")
    return float(value)


@dataclass
class Introspection:
    """Opaque tokens, about which the issuer is asked each time (RFC 7662)."""

    url: str
    client_id: str
    client_secret: SecretStr
    audience: str
    client: httpx.AsyncClient
    now: Callable[[], float]

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            answer = await self.client.post(
                self.url,
                data={"token": token, "token_type_hint": "access_token"},
                auth=(self.client_id, self.client_secret.get_secret_value()),
            )
            told = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            logger.error("a token could not be introspected: %s", type(error).__name__)
            raise NoVerdict from None
        claims: dict[str, Any] = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
        named = claims.get("aud")
        audience = cast("list[Any]", named) if isinstance(named, list) else [named]
        expires = claims.get("exp")
        is_over = not isinstance(expires, int | float) or expires <= self.now() - LEEWAY
        if claims.get("active") is not True or is_over or self.audience not in audience:
            logger.warning("an introspected token does not count")
            return None
        return _of_claims(token, claims)


def _of_claims(token: str, claims: Mapping[str, Any]) -> AccessToken | None:
    """The scopes are in `scope` (RFC 9068) or, as some issuers write them, in `scp`."""
    told = claims.get("scope", claims.get("scp", ""))
    scopes = told.split() if isinstance(told, str) else [s for s in cast("list[Any]", told or []) if isinstance(s, str)]
    subject = claims.get("sub")
    named = claims.get("client_id") or claims.get("azp")
    client = named or subject
    if not isinstance(client, str) or not client:
        return None
    return AccessToken(
        token=token,
        client_id=client,
        scopes=[scope for scope in scopes if scope in SCOPES],
        subject=subject if isinstance(subject, str) else None,
        claims={"iss": claims.get("iss"), "client": named},
    )


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Several ways: the file first, which costs nothing; then what has the shape of a JWT goes to the issuer, and
    anything else to introspection."""

    tokens: Tokens | None
    issuer: Issuer | None
    introspection: Introspection | None

    async def verify_token(self, token: str) -> AccessToken | None:
        if not token or len(token) > LONGEST_TOKEN or not token.isascii():
            return None
        unread = False
        if self.tokens is not None:
            try:
                if (found := await self.tokens.verify_token(token)) is not None:
                    return found
            except NoVerdict:
                unread = True
        found = await self._of_an_issuer(token)
        if found is None and unread:
            raise NoVerdict
        return found

    async def _of_an_issuer(self, token: str) -> AccessToken | None:
        if self.issuer is not None and token.count(".") == 2:
            return await self.issuer.verify_token(token)
        return await self.introspection.verify_token(token) if self.introspection is not None else None

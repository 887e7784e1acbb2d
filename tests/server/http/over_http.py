"""The server over HTTP in memory: its application, a made-up issuer of tokens, and MCP clients of both "
"eras."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette

from server.access.authentication import new_token
from server.configuration.settings import Settings
from server.http.application import application
from tests.support import FakeTime, SandboxNetwork, with_record

URL = "https://adops.example.com/mcp"
ISSUER = "https://login.example.com/tenant"
KEYS = f"{ISSUER}/keys"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class MadeUpIssuer:
    """An issuer with metadata, keys, and introspection of the tokens in `opaque`. asked: the requested paths."""

    time: FakeTime
    keys: dict[str, Key]
    opaque: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    asked: list[str] = field(default_factory=list[str])
    is_down: bool = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.is_down:
            raise httpx.ConnectError("down")
        match request.url.path:
            case "/.well-known/oauth-authorization-server/tenant":
                return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": KEYS})
            case "/tenant/keys":
                return httpx.Response(200, json={"keys": [_public(kid, key) for kid, key in self.keys.items()]})
            case "/tenant/introspect":
                token = httpx.QueryParams(request.content.decode())["token"]
                return httpx.Response(200, json=self.opaque.get(token, {"active": False}))
            case _:
                return httpx.Response(404)

    def token(self, kid: str = "one", *, algorithm: str = "RS256", key: Any = None, **claims: Any) -> str:
        """A valid token with `claims` changed. A claim that is None is left out."""
        now = int(self.time.moment)
        told = {
            "iss": ISSUER,
            "aud": URL,
            "sub": "kim",
            "client_id": "planner",
            "scope": "adops:read adops:write",
            "iat": now,
            "exp": now + 600,
            **claims,
        }
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(told, key if key is not None else self.keys[kid], algorithm=algorithm, headers={"kid": kid})


def _public(kid: str, key: Key) -> dict[str, Any]:
    told = RSAAlgorithm.to_jwk(key.public_key()) if isinstance(key, rsa.RSAPrivateKey) else _elliptic(key)
    return {**json.loads(told), "kid": kid, "use": "sig"}


def _elliptic(key: ec.EllipticCurvePrivateKey) -> str:
    return ECAlgorithm.to_jwk(key.public_key())


@asynccontextmanager
async def running(app: Starlette) -> AsyncGenerator[httpx.AsyncClient]:
    """Run the application with its lifespan, and yield a plain HTTP client."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://adops.example.com") as client:
            yield client


@asynccontextmanager
async def connected_over_http(
    app: Starlette, token: str | None = None, mode: Literal["auto", "legacy"] = "auto", **client: Any
) -> AsyncGenerator[Client]:
    """An MCP client of a running application."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), headers=headers) as http,
        Client(streamable_http_client(URL, http_client=http), mode=mode, **client) as connection,
    ):
        yield connection


def tokens_file(directory: Path, **scopes: tuple[str, ...]) -> tuple[Path, dict[str, str]]:
    """A file of token hashes, and the token of each principal."""
    made = {
        principal: new_token(principal, [f"adops:{scope}" for scope in given]) for principal, given in scopes.items()
    }
    file = directory / "tokens.toml"
    file.write_text("\n\n".join(lines for _, lines in made.values()))
    return file, {principal: token for principal, (token, _) in made.items()}


@dataclass
class Hosted:
    """A server over HTTP on the sandbox."""

    app: Starlette
    http: httpx.AsyncClient
    network: SandboxNetwork
    issuer: MadeUpIssuer


@asynccontextmanager
async def hosted(directory: Path, keys: dict[str, Key] | None = None, **settings: Any) -> AsyncGenerator[Hosted]:
    """Run the server with these settings. `keys` are those of the issuer."""
    time = FakeTime()
    network = SandboxNetwork(time, directory)
    issuer = MadeUpIssuer(time, keys or {})
    given = with_record(Settings(environment="sandbox", data_dir=directory, http_url=URL, **settings), directory)
    app = application(given, network.wire, httpx.MockTransport(issuer.answer))
    async with running(app) as http:
        yield Hosted(app, http, network, issuer)
    network.sandbox.close()

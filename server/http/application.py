"""MCP over streamable HTTP, for hosted clients and other agents. Both eras of the protocol are on one path.

The server is stateless, so any replica can answer any request. Requests from other machines need a token: see
`server.access.authentication`.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.to_thread
import httpx
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from prometheus_client import CONTENT_TYPE_LATEST
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, request_response
from starlette.types import ASGIApp

from server.access.accounts_in_reach import Choices
from server.access.authentication import APPROVE, METRICS, READ, WRITE, AnyOf, AuthError, Introspection, Issuer, Tokens
from server.calls.dispatch import Calls
from server.clients import Wire
from server.configuration.accounts import accounts_of
from server.configuration.settings import Settings, SettingsError, load, variable
from server.http.metrics import MULTIPROCESS_DIR, Metrics
from server.http.middleware import LARGEST_BODY, BearerAuthMiddleware, RequestCheckMiddleware
from server.http.rate_limits import RateLimiter
from server.preflight import may_start
from server.protocol.app import Opened, build_calls, build_server
from server.protocol.tools_list import Splicing
from server.telemetry.logs_and_traces import log_to_stderr, start_tracing
from tools.errors import AdOpsError

logger = logging.getLogger(__name__)

PATH = "/mcp"
METADATA = "/.well-known/oauth-protected-resource"
LONGEST_DRAIN = 75
"""Seconds for the running calls when the server stops. A write is sent within 25 and answered within 30 more."""

ISSUER_TIMEOUT = 5.0
"""Seconds for a request to the issuer about a token or its keys."""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class BindAddress:
    """The host and port that the server binds to."""

    host: str = "127.0.0.1"
    port: int = 8760


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_settings(settings: Settings, address: BindAddress) -> None:
    """Raise SettingsError if the server would be open to everybody, or could never let anybody in."""
    if not is_loopback(address.host) and not settings.has_auth:
        raise SettingsError(
            f"--host {address.host} can be reached from other machines, and nothing says who may call. Set "
            "ADOPS_AUTH_TOKENS_FILE (see `adops-mcp token`), ADOPS_AUTH_ISSUER or ADOPS_AUTH_INTROSPECTION_URL, or "
            "serve on 127.0.0.1."
        )
    if not is_loopback(address.host) and settings.http_url is None:
        raise SettingsError(
            "ADOPS_HTTP_URL: set the address that clients use, such as https://adops.example.com/mcp. Requests for any "
            "other host are refused."
        )
    accounts = accounts_of(settings)
    restricted = [account.name for account in accounts if account.principals is not None]
    if restricted and not settings.has_auth:
        raise SettingsError(
            f"ADOPS_ACCOUNTS_FILE: [{restricted[0]}] says who may use it, and over HTTP nothing says who calls. Set "
            "ADOPS_AUTH_TOKENS_FILE (see `adops-mcp token`), ADOPS_AUTH_ISSUER or ADOPS_AUTH_INTROSPECTION_URL."
        )
    if (settings.auth_issuer or settings.auth_introspection_url) and settings.http_url is None:
        raise SettingsError(
            "ADOPS_HTTP_URL: set the address that clients use, such as https://adops.example.com/mcp. Only tokens that "
            "were issued for it are accepted."
        )
    if settings.auth_introspection_url and not (
        settings.auth_introspection_client_id and settings.auth_introspection_client_secret
    ):
        raise SettingsError("ADOPS_AUTH_INTROSPECTION_CLIENT_ID and _CLIENT_SECRET: set both for introspection.")
    if settings.auth_tokens_file is not None:
        try:
            Tokens(settings.auth_tokens_file).check()
        except AuthError as error:
            raise SettingsError(str(error)) from None


def application(
    settings: Settings,
    wire: Wire | None = None,
    issuer: httpx.AsyncBaseTransport | None = None,
    *,
    build: Callable[[Settings, Wire, Calls], Server[Opened]] = build_server,
) -> Starlette:
    """The ASGI application. issuer: the transport to the issuer of tokens. build: builds the MCP server."""
    metrics, wire = Metrics(settings.environment), wire or Wire()
    wire = replace(wire, observed=metrics.exchange)
    calls = build_calls(settings, wire, metrics.call)
    server = build(settings, wire, calls)
    manager = StreamableHTTPSessionManager(
        server, stateless=True, security_settings=_security(settings), max_request_body_size=LARGEST_BODY
    )
    choice = Choices(accounts_of(settings)).whole
    client = httpx.AsyncClient(transport=issuer, timeout=ISSUER_TIMEOUT, follow_redirects=False)
    verifier = _verifier(settings, client, wire)

    # at the first signal it would cut every running answer; instead they finish, and then the server ends
    AppStatus.disable_automatic_graceful_drain()

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None]:
        async with client, manager.run():
            yield
            await calls.close()

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readiness(_: Request) -> Response:
        try:
            if choice.writes:
                await calls.writes.record.counts(())
            if verifier is not None and verifier.tokens is not None:
                await anyio.to_thread.run_sync(verifier.tokens.check)
        except AdOpsError as error:
            return PlainTextResponse(f"{error.message}\n", status_code=503)
        except AuthError as error:
            logger.error("%s", error)
            return PlainTextResponse("The file of tokens cannot be used. The log says why.\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def metrics_page(request: Request) -> Response:
        # without tokens only this machine may read it, and not a web page in its browser (DNS rebinding)
        if verifier is None and not is_loopback(request.url.hostname or ""):
            return PlainTextResponse("This server does not serve that host.\n", status_code=421)
        try:
            tallies = await calls.writes.record.tally()
        except AdOpsError:
            tallies = None
        return Response(metrics.text(tallies, wire.timing.now()), headers={"content-type": CONTENT_TYPE_LATEST})

    async def metadata(_: Request) -> Response:
        """The metadata of the protected resource (RFC 9728)."""
        document = {
            "resource": settings.http_url,
            "authorization_servers": [settings.auth_issuer] if settings.auth_issuer else [],
            "scopes_supported": [READ, WRITE, APPROVE],
            "bearer_methods_supported": ["header"],
            "resource_name": "adops-mcp",
        }
        return JSONResponse({name: value for name, value in document.items() if value})

    mcp: ASGIApp = AuthContextMiddleware(RequestCheckMiddleware(Splicing(StreamableHTTPASGIApp(manager))))
    metrics_app: Any = metrics_page
    if verifier is not None:
        limiter = RateLimiter(settings.http_rate, settings.http_at_once, wire.timing.clock)
        metadata_url = _metadata_url(settings)
        mcp = BearerAuthMiddleware(mcp, verifier, limiter, metadata_url, any_scope=(READ, WRITE, APPROVE))
        metrics_app = BearerAuthMiddleware(
            request_response(metrics_page), verifier, limiter, metadata_url, any_scope=(METRICS,)
        )
    routes = [
        Route("/healthz", healthz),
        Route("/readyz", readiness),
        Route("/metrics", endpoint=metrics_app, methods=["GET"]),
        Route(PATH, endpoint=mcp),
    ]
    if settings.http_url is not None:
        path = httpx.URL(settings.http_url).path.rstrip("/")
        routes += [Route(METADATA + suffix, metadata) for suffix in dict.fromkeys(("", path))]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False
    if settings.http_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.http_origins,
            allow_methods=["POST"],
            allow_headers=["authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name"],
            expose_headers=["www-authenticate", "retry-after"],
        )
    return app


def _security(settings: Settings) -> TransportSecuritySettings:
    """The allowed Host and Origin headers: those of this machine, and the configured ones (against DNS rebinding)."""
    hosts = [*(f"{name}:*" for name in _LOOPBACK_NAMES), *_LOOPBACK_NAMES]
    origins = [f"http://{name}:*" for name in _LOOPBACK_NAMES]
    if settings.http_url is not None:
        url = httpx.URL(settings.http_url)
        host = url.netloc.decode("ascii")
        hosts += [host, f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"]
        origins += [f"{url.scheme}://{host}"]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[*origins, *settings.http_origins])


def _verifier(settings: Settings, client: httpx.AsyncClient, wire: Wire) -> AnyOf | None:
    if not settings.has_auth:
        return None
    audience, clock, now = settings.http_url or "", wire.timing.clock, wire.timing.now
    issuer = introspection = None
    if settings.auth_issuer is not None:
        issuer = Issuer(settings.auth_issuer, audience, client, clock, now, settings.auth_jwks_url)
    if settings.auth_introspection_url is not None:
        client_id, secret = settings.auth_introspection_client_id, settings.auth_introspection_client_secret
        assert client_id is not None  # noqa: S101 - `check_settings` requires it
        assert secret is not None  # noqa: S101
        introspection = Introspection(settings.auth_introspection_url, client_id, secret, audience, client, now)
    file = settings.auth_tokens_file
    return AnyOf(Tokens(file) if file is not None else None, issuer, introspection)


def _metadata_url(settings: Settings) -> str | None:
    if settings.http_url is None:
        return None
    url = httpx.URL(settings.http_url)
    return str(url.copy_with(path=METADATA + url.path.rstrip("/")))


def serve_http(settings: Settings, address: BindAddress, *, workers: int = 1) -> int:
    """Serve until interrupted. Returns 2 if the server cannot start. Raises SettingsError before it serves anything."""
    check_settings(settings, address)
    if not may_start(settings):
        return 2
    url = f"http://{f'[{address.host}]' if ':' in address.host else address.host}:{address.port}{PATH}"
    access = "with a token" if settings.has_auth else "for everybody on this machine, without a token"
    print(f"adops-mcp serves MCP on {url}, {access}.", file=sys.stderr, flush=True)  # noqa: T201
    with ExitStack() as stack:
        app: str | Starlette = "server.http.application:worker"
        if workers > 1:
            shared = stack.enter_context(TemporaryDirectory(prefix="adops-mcp-metrics-"))
            os.environ.update({MULTIPROCESS_DIR: shared, **_worker_environment(settings)})
        else:
            start_tracing()
            app = application(settings)
        run(app, address, workers)
    return 0


def run(app: str | Starlette, address: BindAddress, workers: int) -> None:
    import uvicorn  # noqa: PLC0415 - stdio does not need it

    uvicorn.run(
        app,
        factory=workers > 1,
        workers=workers,
        host=address.host,
        port=address.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LONGEST_DRAIN,
    )


def worker() -> Starlette:
    """The application in one of several processes. It finds the settings where the first process found them."""
    settings = load()
    log_to_stderr(settings)
    start_tracing()
    return application(settings)


_NO_NAMES = ","
"""An empty list of names as a variable that is not empty. With an empty variable the .env file's would apply."""


def _worker_environment(settings: Settings) -> dict[str, str]:
    """The variables for the worker processes: the flags of the command line, and the state key that they share."""
    flags = {
        variable("read_only"): str(settings.read_only).lower(),
        variable("toolsets"): ",".join(settings.toolsets) or _NO_NAMES,
        variable("tools"): ",".join(settings.tools) or _NO_NAMES,
    }
    return flags if settings.state_key else {**flags, variable("state_key"): secrets.token_urlsafe(32)}

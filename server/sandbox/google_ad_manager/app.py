"""The sandbox's Google Ad Manager API v1 (networks.get and networks.list), and Google's token endpoint.

The network code decides the outcome of networks.get:

| code | answer |
|---|---|
| 21700001, 21700010 | the network; the second one is a test network |
| 21700003 | 403 PERMISSION_DENIED: the service account was not added to the network |
| 21700004 | 401 UNAUTHENTICATED: the credentials are broken, although the token endpoint accepted them |
| 21700005 | 403 SERVICE_DISABLED: the Cloud project has not enabled the API |
| 21700006 | 503 UNAVAILABLE three times, then the network once, and so on |
| 21700002, any other | 404 NETWORK_NOT_FOUND |

Google does not publish its answers to a wrong network or a missing grant; the reasons used here are those of its SOAP
API. As in every JSON answer of Google, fields with a default value (`testNetwork: false`) are left out.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from server.sandbox.google_ad_manager.seed import (
    API_DISABLED,
    BROKEN_CREDENTIALS,
    GRANT_MISSING,
    NETWORKS,
    TRANSIENT,
    VISIBLE,
)
from server.sandbox.google_ad_manager.service_account import access_token, token_problem
from server.sandbox.google_ad_manager.wire import (
    RefusedError,
    bad_request,
    grant_missing,
    invalid_argument,
    read_int32,
    read_page_token,
    require_known_parameters,
    service_disabled,
    unauthenticated,
)
from server.sandbox.store import Clock, Store

_CODE = re.compile(r"[0-9]{1,32}", re.ASCII)

Endpoint = Callable[[Request], Awaitable[Response]]


def app(store: Store, clock: Clock) -> Starlette:
    """Google Ad Manager as an ASGI app over `store`, in which `create` has made the tables.

    Requests need a token from `POST /token` on the same app. An unknown query parameter is refused, as Google does.
    Response field masks are accepted and not applied. Every API answer has the header `X-Goog-Correlation-Id`; an
    error also has the id as RequestInfo.
    """

    async def token(request: Request) -> Response:
        return await access_token(store, clock, request)

    async def get_network(request: Request) -> Response:
        require_known_parameters(request.query_params)
        return _get_network(store, clock, str(request.path_params["code"]))

    async def list_networks(request: Request) -> Response:
        return _list_networks(request.query_params)

    vendor = Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            Route("/v1/networks", _authorized(store, clock, list_networks)),
            Route("/v1/networks/{code}", _authorized(store, clock, get_network)),
        ],
        exception_handlers={HTTPException: _unrouted},
    )
    vendor.router.redirect_slashes = False
    return vendor


def _authorized(store: Store, clock: Clock, endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        request_id = secrets.token_hex(8)
        try:
            reason = token_problem(store, clock, request.headers.get("authorization", ""))
            if reason is not None:
                raise unauthenticated(reason)
            response = await endpoint(request)
        except RefusedError as refused:
            response = refused.response(request_id)
        response.headers["X-Goog-Correlation-Id"] = request_id
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
        return response

    return answer


async def _unrouted(_: Request, error: Exception) -> Response:
    """Google's front end answers an HTML 404 for an unknown path, and for a wrong method too."""
    if not isinstance(error, HTTPException):
        raise error
    return HTMLResponse(
        "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>"
        "<p><b>404.</b> The requested URL was not found on this server.",
        404,
    )


def _get_network(store: Store, clock: Clock, code: str) -> Response:
    if not _CODE.fullmatch(code):
        raise invalid_argument("name", "INVALID_NETWORK_CODE", "The network code must be 1 to 32 digits.")
    if code == TRANSIENT and _count_attempt(store, clock, code) % 4:
        raise RefusedError(503, "UNAVAILABLE", "The service is currently unavailable.")
    refusal = {
        GRANT_MISSING: grant_missing,
        BROKEN_CREDENTIALS: lambda: unauthenticated("AUTHENTICATION_FAILED"),
        API_DISABLED: service_disabled,
    }.get(code)
    if refusal:
        raise refusal()
    network = NETWORKS.get(code)
    if network is None:
        description = "No network has this code."
        raise RefusedError(
            404,
            "NOT_FOUND",
            "Requested entity was not found.",
            bad_request("name", "NETWORK_NOT_FOUND", description),
        )
    return JSONResponse(network)


def _list_networks(query: QueryParams) -> Response:
    """Answer networks.list with its parameters `pageSize`, `pageToken` and `skip`.

    `pageSize` is 1 to 1000: 0 means the default of 50, and more than 1000 means 1000. Google gives `totalSize` only to
    a response field mask, so it is never here.
    """
    require_known_parameters(query, "pageSize", "pageToken", "skip")
    size = min(read_int32(query, "pageSize", "page_size") or 50, 1000)
    start = read_page_token(query.get("pageToken", "")) + read_int32(query, "skip", "skip")
    networks = [NETWORKS[code] for code in VISIBLE]
    answer: dict[str, object] = {}
    if networks[start : start + size]:
        answer["networks"] = networks[start : start + size]
    if start + size < len(networks):
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"start={start + size}".encode()).decode()
    return JSONResponse(answer)


def _count_attempt(store: Store, clock: Clock, code: str) -> int:
    with store.transaction() as connection:
        row = connection.execute(
            "UPDATE gam_attempt SET attempts = attempts + 1, last_at = ? WHERE network_code = ? RETURNING attempts",
            (clock().isoformat(), code),
        ).fetchone()
    attempts: int = row["attempts"]
    return attempts

"""The sandbox's Google Ad Manager API v1 (networks.get, networks.list) with Google's token endpoint beside it.

Network codes choose the outcome of networks.get:

| code | answer |
|---|---|
| 21700001, 21700010 | the network; the second one is a test network |
| 21700003 | 403 PERMISSION_DENIED: the service account was not added to the network |
| 21700004 | 401 UNAUTHENTICATED: the credentials are broken, although the token endpoint took them |
| 21700005 | 403 SERVICE_DISABLED: the Cloud project has not enabled the API |
| 21700006 | 503 UNAVAILABLE three times, then the network once, and so on |
| 21700002, any other | 404 NETWORK_NOT_FOUND |

What Google answers to a wrong network or a missing grant is not published; the reasons are those of its SOAP
API. As in every Google JSON answer, fields with a default value (`testNetwork: false`) are left out.
"""

from __future__ import annotations

import base64
import re
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from server.sandbox.google_ad_manager.service_account import (
    PROJECT_ID,
    SCOPE,
    SERVICE_ACCOUNT_EMAIL,
    access_token,
    service_account_key,
    token_problem,
)
from server.sandbox.google_ad_manager.service_account import create as create_service_account
from server.sandbox.store import Clock, Store

__all__ = [
    "API_DISABLED",
    "BROKEN_CREDENTIALS",
    "GRANT_MISSING",
    "NETWORK",
    "NOT_FOUND",
    "PROJECT_ID",
    "SCOPE",
    "SERVICE_ACCOUNT_EMAIL",
    "TEST_NETWORK",
    "TRANSIENT",
    "app",
    "create",
    "service_account_key",
]

NETWORK = "21700001"
NOT_FOUND = "21700002"
GRANT_MISSING = "21700003"
BROKEN_CREDENTIALS = "21700004"
API_DISABLED = "21700005"
TRANSIENT = "21700006"
TEST_NETWORK = "21700010"

_SERVICE = "admanager.googleapis.com"
_VISIBLE = (NETWORK, TEST_NETWORK)
_NETWORKS: dict[str, dict[str, object]] = {
    NETWORK: {
        "name": f"networks/{NETWORK}",
        "displayName": "Northlight Television",
        "networkCode": NETWORK,
        "timeZone": "America/New_York",
        "currencyCode": "USD",
        "secondaryCurrencyCodes": ["CAD"],
        "effectiveRootAdUnit": f"networks/{NETWORK}/adUnits/21809957681",
        "networkId": "1483920",
    },
    TRANSIENT: {
        "name": f"networks/{TRANSIENT}",
        "displayName": "Northlight FAST Channels",
        "networkCode": TRANSIENT,
        "timeZone": "America/Los_Angeles",
        "currencyCode": "USD",
        "effectiveRootAdUnit": f"networks/{TRANSIENT}/adUnits/21811340277",
        "networkId": "1483977",
    },
    TEST_NETWORK: {
        "name": f"networks/{TEST_NETWORK}",
        "displayName": "Northlight Test",
        "networkCode": TEST_NETWORK,
        "timeZone": "America/New_York",
        "currencyCode": "USD",
        "testNetwork": True,
        "effectiveRootAdUnit": f"networks/{TEST_NETWORK}/adUnits/21822650194",
        "networkId": "1490315",
    },
}

_CODE = re.compile(r"[0-9]{1,32}", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_SYSTEM_PARAMETERS = frozenset({"$fields", "alt", "fields", "key", "prettyPrint", "quotaUser"})

Detail = dict[str, object]
Endpoint = Callable[[Request], Awaitable[Response]]


def create(connection: sqlite3.Connection, now: datetime) -> None:
    """Makes Google's tables; called once, inside a transaction. The networks themselves do not change."""
    create_service_account(connection)
    connection.execute(
        "CREATE TABLE gam_attempt (network_code TEXT PRIMARY KEY, attempts INTEGER NOT NULL, last_at TEXT NOT NULL)"
    )
    connection.execute("INSERT INTO gam_attempt VALUES (?, 0, ?)", (TRANSIENT, now.isoformat()))


def app(store: Store, clock: Clock) -> Starlette:
    """Google Ad Manager as an ASGI app over `store`, in which `create` has made the tables.

    Requests need a token of `POST /token` on the same app. An unknown query parameter is refused, as Google
    does; response field masks are accepted and not applied. Every API answer carries
    `X-Goog-Correlation-Id`, in an error also as RequestInfo.
    """

    async def token(request: Request) -> Response:
        return await access_token(store, clock, request)

    async def get_network(request: Request) -> Response:
        _only(request.query_params)
        return _get_network(store, clock, str(request.path_params["code"]))

    async def list_networks(request: Request) -> Response:
        return _list_networks(request.query_params)

    vendor = Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            Route("/v1/networks", _api(store, clock, list_networks)),
            Route("/v1/networks/{code}", _api(store, clock, get_network)),
        ],
        exception_handlers={HTTPException: _unrouted},
    )
    vendor.router.redirect_slashes = False
    return vendor


class _RefusedError(Exception):
    """An answer in Google's error model (google.rpc.Status), without its RequestInfo."""

    def __init__(self, http: int, status: str, message: str, *details: Detail) -> None:
        super().__init__(status)
        self.http = http
        self.status = status
        self.message = message
        self.details = details

    def response(self, request_id: str) -> Response:
        request_info = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id}
        error = {
            "code": self.http,
            "message": self.message,
            "status": self.status,
            "details": [*self.details, request_info],
        }
        return JSONResponse({"error": error}, self.http)


def _api(store: Store, clock: Clock, endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        request_id = secrets.token_hex(8)
        try:
            reason = token_problem(store, clock, request.headers.get("authorization", ""))
            if reason is not None:
                raise _unauthenticated(reason)
            response = await endpoint(request)
        except _RefusedError as refused:
            response = refused.response(request_id)
        response.headers["X-Goog-Correlation-Id"] = request_id
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
        return response

    return answer


async def _unrouted(_: Request, error: Exception) -> Response:
    """Outside its resources Google's front end answers HTML 404, for a wrong method too."""
    if not isinstance(error, HTTPException):
        raise error
    return HTMLResponse(
        "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>"
        "<p><b>404.</b> The requested URL was not found on this server.",
        404,
    )


def _get_network(store: Store, clock: Clock, code: str) -> Response:
    if not _CODE.fullmatch(code):
        raise _invalid_argument("name", "INVALID_NETWORK_CODE", "The network code must be 1 to 32 digits.")
    if code == TRANSIENT and _attempt(store, clock, code) % 4:
        raise _RefusedError(503, "UNAVAILABLE", "The service is currently unavailable.")
    refusal = {
        GRANT_MISSING: _grant_missing,
        BROKEN_CREDENTIALS: lambda: _unauthenticated("AUTHENTICATION_FAILED"),
        API_DISABLED: _service_disabled,
    }.get(code)
    if refusal:
        raise refusal()
    network = _NETWORKS.get(code)
    if network is None:
        description = "No network has this code."
        raise _RefusedError(
            404,
            "NOT_FOUND",
            "Requested entity was not found.",
            _bad_request("name", "NETWORK_NOT_FOUND", description),
        )
    return JSONResponse(network)


def _list_networks(query: QueryParams) -> Response:
    """networks.list: `pageSize` 1..1000 (0 means the default of 50, more than 1000 means 1000), `pageToken`,
    `skip`. `totalSize` is given only to a response field mask, so never here.
    """
    _only(query, "pageSize", "pageToken", "skip")
    size = min(_int32(query, "pageSize", "page_size") or 50, 1000)
    start = _page_start(query.get("pageToken", "")) + _int32(query, "skip", "skip")
    networks = [_NETWORKS[code] for code in _VISIBLE]
    answer: dict[str, object] = {}
    if networks[start : start + size]:
        answer["networks"] = networks[start : start + size]
    if start + size < len(networks):
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"start={start + size}".encode()).decode()
    return JSONResponse(answer)


def _attempt(store: Store, clock: Clock, code: str) -> int:
    with store.transaction() as connection:
        row = connection.execute(
            "UPDATE gam_attempt SET attempts = attempts + 1, last_at = ? WHERE network_code = ? RETURNING attempts",
            (clock().isoformat(), code),
        ).fetchone()
    attempts: int = row["attempts"]
    return attempts


def _only(query: QueryParams, *known: str) -> None:
    for name in query:
        if name not in known and name not in _SYSTEM_PARAMETERS:
            raise _invalid_argument(
                "",
                "UNKNOWN_PARAMETER",
                f'Unknown name "{name[:100]}": Cannot bind query parameter.',
            )


def _int32(query: QueryParams, name: str, field: str) -> int:
    text = query.get(name, "0")
    if not _INTEGER.fullmatch(text) or not -(2**31) <= int(text) < 2**31:
        raise _invalid_argument(field, "INVALID_VALUE", f"Invalid value at '{field}' (TYPE_INT32).")
    if int(text) < 0:
        raise _invalid_argument(field, "INVALID_VALUE", f"{name} must not be negative.")
    return int(text)


def _page_start(token: str) -> int:
    if not token:
        return 0
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        text = ""
    match = re.fullmatch(r"start=([0-9]{1,6})", text, re.ASCII)
    if match is None:
        raise _invalid_argument("page_token", "INVALID_PAGE_TOKEN", "The page token is invalid.")
    return int(match[1])


def _invalid_argument(field: str, reason: str, description: str) -> _RefusedError:
    return _RefusedError(400, "INVALID_ARGUMENT", description, _bad_request(field, reason, description))


def _unauthenticated(reason: str) -> _RefusedError:
    return _RefusedError(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other"
        " valid authentication credential.",
        _error_info(reason, "googleapis.com", {"service": _SERVICE}),
    )


def _grant_missing() -> _RefusedError:
    description = "The caller is not a user of this network."
    return _RefusedError(
        403,
        "PERMISSION_DENIED",
        "The caller does not have permission",
        _bad_request("name", "PERMISSION_DENIED", description),
        _error_info("PERMISSION_DENIED", _SERVICE, {"service": _SERVICE}),
    )


def _service_disabled() -> _RefusedError:
    console = f"https://console.developers.google.com/apis/api/{_SERVICE}/overview?project={PROJECT_ID}"
    return _RefusedError(
        403,
        "PERMISSION_DENIED",
        f"Google Ad Manager API has not been used in project {PROJECT_ID} before or it is disabled. Enable it by"
        f" visiting {console} then retry.",
        _error_info(
            "SERVICE_DISABLED",
            "googleapis.com",
            {
                "service": _SERVICE,
                "serviceTitle": "Google Ad Manager API",
                "consumer": f"projects/{PROJECT_ID}",
                "activationUrl": console,
            },
        ),
    )


def _bad_request(field: str, reason: str, description: str) -> Detail:
    violation = {"field": field, "description": description, "reason": reason}
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{key: value for key, value in violation.items() if value}],
    }


def _error_info(reason: str, domain: str, metadata: dict[str, str]) -> Detail:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }

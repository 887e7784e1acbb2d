"""What the resources of the sandbox's Google Ad Manager have in common: Google's error model and query parameters."""

from __future__ import annotations

import base64
import re

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

from server.sandbox.google_ad_manager.service_account import PROJECT_ID

_SERVICE = "admanager.googleapis.com"
_INTEGER = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_SYSTEM_PARAMETERS = frozenset({"$fields", "alt", "fields", "key", "prettyPrint", "quotaUser"})

Detail = dict[str, object]


class RefusedError(Exception):
    """An error in Google's model (google.rpc.Status). `response` adds the RequestInfo."""

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


def require_known_parameters(query: QueryParams, *known: str) -> None:
    for name in query:
        if name not in known and name not in _SYSTEM_PARAMETERS:
            raise invalid_argument(
                "",
                "UNKNOWN_PARAMETER",
                f'Unknown name "{name[:100]}": Cannot bind query parameter.',
            )


def read_int32(query: QueryParams, name: str, field: str) -> int:
    text = query.get(name, "0")
    if not _INTEGER.fullmatch(text) or not -(2**31) <= int(text) < 2**31:
        raise invalid_argument(field, "INVALID_VALUE", f"Invalid value at '{field}' (TYPE_INT32).")
    if int(text) < 0:
        raise invalid_argument(field, "INVALID_VALUE", f"{name} must not be negative.")
    return int(text)


def read_page_token(token: str) -> int:
    if not token:
        return 0
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        text = ""
    match = re.fullmatch(r"start=([0-9]{1,6})", text, re.ASCII)
    if match is None:
        raise invalid_argument("page_token", "INVALID_PAGE_TOKEN", "The page token is invalid.")
    return int(match[1])


def invalid_argument(field: str, reason: str, description: str) -> RefusedError:
    return RefusedError(400, "INVALID_ARGUMENT", description, bad_request(field, reason, description))


def unauthenticated(reason: str) -> RefusedError:
    return RefusedError(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other"
        " valid authentication credential.",
        _error_info(reason, "googleapis.com", {"service": _SERVICE}),
    )


def grant_missing() -> RefusedError:
    description = "The caller is not a user of this network."
    return RefusedError(
        403,
        "PERMISSION_DENIED",
        "The caller does not have permission",
        bad_request("name", "PERMISSION_DENIED", description),
        _error_info("PERMISSION_DENIED", _SERVICE, {"service": _SERVICE}),
    )


def service_disabled() -> RefusedError:
    console = f"https://console.developers.google.com/apis/api/{_SERVICE}/overview?project={PROJECT_ID}"
    return RefusedError(
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


def bad_request(field: str, reason: str, description: str) -> Detail:
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

"""How Interchange refuses: the error object every answer of another status than 200 carries.

Codes and statuses are those the platform documents and its clients have seen: 400 BAD_REQUEST, VALIDATION_ERROR
and INVALID_STATE, 401 UNAUTHORIZED, 403 FORBIDDEN, 404 NOT_FOUND, 409 CONFLICT, 422 CAPABILITY_NOT_SUPPORTED,
429 RATE_LIMITED.
"""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(Exception):
    """`{data: null, error: {code, message, field?, details?}}` with its HTTP status."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.details = details

    def body(self) -> dict[str, object]:
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        if self.details is not None:
            error["details"] = self.details
        return {"data": None, "error": error}


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BAD_REQUEST", message)


def invalid_state(message: str, **details: object) -> Refusal:
    return Refusal(400, "INVALID_STATE", message, details=details or None)


def not_found(message: str, *, field: str | None = None) -> Refusal:
    return Refusal(404, "NOT_FOUND", message, field=field)


def invalid(issues: Sequence[tuple[str, str]]) -> Refusal:
    """400 VALIDATION_ERROR; `issues` are (path, message), listed in `details.issues`."""
    path, message = issues[0]
    return Refusal(
        400,
        "VALIDATION_ERROR",
        f"{path}: {message}" if path else message,
        field=path or None,
        details={"issues": [{"path": at, "message": said} for at, said in issues]},
    )

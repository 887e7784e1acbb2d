"""The errors of the tools. The vendors' clients raise them, and `server/calls/dispatch.py` alone shows them to agents.

Every error says what failed, whether the same call may be made again, and what to do next. Its texts never hold a URL,
a response body, a secret or the text of another exception.
"""

from __future__ import annotations

from typing import ClassVar


class AdOpsError(Exception):
    """One failure, as an agent may read it.

    message: what failed and why, in one or two sentences.
    next_step: what the agent, or the person it works for, does now.
    upstream_status: the vendor's HTTP status, when one arrived.
    upstream_code: the vendor's own error code, when it gave one.
    request_id: the vendor's id of the request, for its support.
    operation_id: the id of this write in the ledger, when there is one.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        next_step: str,
        upstream_status: int | None = None,
        upstream_code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        self.request_id = request_id
        self.operation_id: str | None = None


class InvalidArguments(AdOpsError):
    """The arguments break a rule that this server knows; nothing was sent."""

    code = "invalid_arguments"


class NotConfigured(AdOpsError):
    """A vendor that the call needs is not configured, or not completely; nothing was sent."""

    code = "not_configured"


class Unauthorized(AdOpsError):
    """The vendor does not accept our credentials (401)."""

    code = "unauthorized"


class Forbidden(AdOpsError):
    """The vendor accepts our credentials and does not allow this (402, 403)."""

    code = "forbidden"


class NotFound(AdOpsError):
    """The vendor has no such object, or does not show it to this account (404, 410)."""

    code = "not_found"


class Refused(AdOpsError):
    """The vendor refused the request (another 4xx); it changed nothing."""

    code = "refused"


class Conflict(AdOpsError):
    """The vendor refused the request because of the object's current state (409); it changed nothing."""

    code = "conflict"


class RateLimited(AdOpsError):
    """There were too many requests (429, or our own limit); nothing was done."""

    code = "rate_limited"
    retryable = True


class Unavailable(AdOpsError):
    """The vendor could not be reached or could not answer, and nothing was changed."""

    code = "unavailable"
    retryable = True


class UnexpectedAnswer(AdOpsError):
    """The vendor's answer to a read cannot be understood."""

    code = "unexpected_answer"


class InDoubt(AdOpsError):
    """A write was sent and its outcome is not known. It must not be sent again before a reconciliation."""

    code = "in_doubt"


class InProgress(AdOpsError):
    """The same write, or another one on the same resource, is being sent; this one was not sent."""

    code = "in_progress"
    retryable = True


class AwaitingApproval(AdOpsError):
    """The write is in the ledger and waits for a person's approval; it was not sent."""

    code = "awaiting_approval"
    retryable = True


class NotPermitted(AdOpsError):
    """The caller may not do this on this server; nothing was sent."""

    code = "not_permitted"


class Declined(AdOpsError):
    """A person was asked and did not agree; nothing was sent."""

    code = "declined"


class Rejected(AdOpsError):
    """The operator rejected the write; nothing was sent."""

    code = "rejected"


class InternalError(AdOpsError):
    """A fault of adops-mcp itself. The log on stderr has it, under the reference in the message."""

    code = "internal_error"

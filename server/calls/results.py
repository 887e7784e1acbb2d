"""The result of a tool call as the agent gets it. This is the only place where an error becomes text for an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent

from server.text.sanitizing import sanitized, sanitized_json
from server.writes.outcomes import look_with_us
from server.writes.sending import WriteFault
from tools.backends import Backends
from tools.errors import AdOpsError, InDoubt, InternalError, Unavailable
from tools.tool import AnyTool, Probe


def success(response: Mapping[str, Any], backends: Backends, environment: str) -> CallToolResult:
    """The result of a call that succeeded, with the environment and the account that it worked in."""
    content, text = sanitized_json({**_place(backends, environment), **response}, backends.sent_tokens)
    return CallToolResult(content=[TextContent(text=text)], structured_content=content)


def failure(error: AdOpsError, backends: Backends, environment: str) -> CallToolResult:
    """The result of a call that failed."""
    message, next_step = backends.name_settings(error.message), backends.name_settings(error.next_step)
    fields = {
        "code": error.code,
        "message": message,
        "retryable": error.retryable,
        "next_step": next_step,
        "upstream_status": error.upstream_status,
        "upstream_code": error.upstream_code,
        "request_id": error.request_id,
        "operation_id": error.operation_id,
    }
    described = {name: value for name, value in fields.items() if value is not None}
    content, _ = sanitized_json({**_place(backends, environment), "error": described}, backends.sent_tokens)
    text = sanitized(f"[{error.code}] {message}\nNext: {next_step}", backends.sent_tokens)
    return CallToolResult(content=[TextContent(text=text)], structured_content=content, is_error=True)


def took_too_long(tool: AnyTool) -> AdOpsError:
    """The error of a call that was ended. For a write it means that nothing was sent: one that was sent is never cut
    short."""
    return Unavailable(
        f"{tool.name} took too long and was ended.{_effect_of_failure(tool)}",
        next_step="Ask for less if you can, or make the same call again in a few minutes.",
    )


def internal_error(tool: AnyTool, reference: str, fault: Exception) -> AdOpsError:
    """The error of a call in which this server failed. reference: finds the fault in the log."""
    what = f"{tool.name} failed inside adops-mcp (reference {reference} in its log)"
    if isinstance(fault, WriteFault) and fault.departed:
        error: AdOpsError = InDoubt(
            f"{what} after it was sent: it may or may not have been carried out.",
            next_step=look_with_us(fault.operation_id, "Do not send it again before that."),
        )
    else:
        error = InternalError(f"{what}.{_effect_of_failure(tool)}", next_step="Report the reference to the operator.")
    error.operation_id = fault.operation_id if isinstance(fault, WriteFault) else None
    return error


def summary(result: CallToolResult | None) -> str:
    """How a write ended, for the log. The ledger has the rest, since a log has more readers."""
    if result is None:
        return "nothing was carried out"
    content: dict[str, Any] = result.structured_content or {}
    error: dict[str, Any] = content.get("error", {})
    operation_id = error.get("operation_id", content.get("operation_id", "not on record"))
    return f"it ended as {error.get('code', 'done')}: {operation_id}"


def _place(backends: Backends, environment: str) -> dict[str, str]:
    """The environment and the account that the call worked in."""
    account = {"account": backends.account} if backends.account else {}
    return {"environment": environment, **account}


def _effect_of_failure(tool: AnyTool) -> str:
    if isinstance(tool.effect, Probe):
        return " What it set off, if it was sent, is not known."
    return " Nothing was changed."

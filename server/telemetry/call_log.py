"""The record of each tool call: its ids on every log line, its outcome, and how long it took."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolResult
from opentelemetry import trace

logger = logging.getLogger(__name__)

_CALL: ContextVar[str] = ContextVar("call", default="")
_OPERATION: ContextVar[str] = ContextVar("operation", default="")


@dataclass(slots=True)
class CallRecord:
    """How a call ended.

    outcome: done, rehearsed (a dry run), replayed, asked (a person is asked), left (the caller went away), or the code
    of the error. seconds: how long the whole call took.
    """

    tool: str
    outcome: str = "left"
    account: str = ""
    operation_id: str | None = None
    seconds: float = 0.0

    def set_result(self, result: CallToolResult) -> None:
        """Take the outcome, the account and the operation from the result of the call."""
        content: dict[str, Any] = result.structured_content or {}
        error: dict[str, Any] = content.get("error", {})
        success = "replayed" if content.get("replayed") else "rehearsed" if "rehearsal" in content else "done"
        self.outcome = str(error.get("code", success))
        self.account = str(content.get("account", ""))
        self.operation_id = error.get("operation_id", content.get("operation_id"))


CallObserver = Callable[[CallRecord], None]


def ignore_call(_: CallRecord) -> None:
    """The default observer: does nothing."""


def call_id() -> str:
    """The id of the current call, or an empty string outside a call."""
    return _CALL.get()


def set_operation(operation_id: str) -> None:
    """Set the operation of the current call. Log lines have its id from here on."""
    _OPERATION.set(operation_id)


@contextmanager
def record_call(tool: str, clock: Callable[[], float], observer: CallObserver, principal: str) -> Generator[CallRecord]:
    """Record one call: log it, and pass the record to the observer. clock: monotonic, in seconds."""
    record = CallRecord(tool)
    started = clock()
    call, operation = _CALL.set(secrets.token_hex(4)), _OPERATION.set("")
    try:
        yield record
    finally:
        record.seconds = clock() - started
        record.operation_id = record.operation_id or _OPERATION.get() or None
        observer(record)
        _log(record, principal)
        _CALL.reset(call)
        _OPERATION.reset(operation)


def _log(record: CallRecord, principal: str) -> None:
    """Write the record to the log and to the span of the call."""
    level = logging.WARNING if record.outcome in ("in_doubt", "internal_error") else logging.INFO
    span = trace.get_current_span()
    if not (logger.isEnabledFor(level) or span.is_recording()):
        return
    fields = {"outcome": record.outcome, "account": record.account, "operation_id": record.operation_id}
    outcome = {name: value for name, value in fields.items() if value}
    call = {"tool": record.tool, "principal": principal, "seconds": round(record.seconds, 3)}
    logger.log(level, "%s ended: %s", record.tool, record.outcome, extra=call | outcome)
    span.set_attributes({f"adops.{name}": value for name, value in outcome.items()})


class IdFilter(logging.Filter):
    """Adds the ids of the call and of its operation to every log line. `where` has them as text."""

    def filter(self, record: logging.LogRecord) -> bool:
        ids = {"call_id": _CALL.get(), "operation_id": getattr(record, "operation_id", "") or _OPERATION.get()}
        found = {name: value for name, value in ids.items() if value}
        vars(record).update(found)
        record.where = f" ({', '.join(f'{name} {value}' for name, value in found.items())})" if found else ""
        return True

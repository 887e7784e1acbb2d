"""What is followed of each call: its ids in every line of the log, how it ended, and how long it took."""

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
class Ended:
    """How a call ended. outcome: done, dry_run, replayed, asked (a person is), left (by its caller), or the error's
    code. seconds: for the whole of it."""

    tool: str
    outcome: str = "left"
    account: str = ""
    operation_id: str | None = None
    seconds: float = 0.0

    def with_answer(self, result: CallToolResult) -> None:
        told: dict[str, Any] = result.structured_content or {}
        error: dict[str, Any] = told.get("error", {})
        otherwise = "replayed" if told.get("replayed") else "dry_run" if "dry_run" in told else "done"
        self.outcome = str(error.get("code", otherwise))
        self.account = str(told.get("account", ""))
        self.operation_id = error.get("operation_id", told.get("operation_id"))


Followed = Callable[[Ended], None]


def unfollowed(_: Ended) -> None:
    """Nobody counts."""


def call_id() -> str:
    """Of the call at hand; empty outside of one."""
    return _CALL.get()


def about(operation_id: str) -> None:
    """The call at hand is that write, from here on."""
    _OPERATION.set(operation_id)


@contextmanager
def following(tool: str, clock: Callable[[], float], followed: Followed, principal: str) -> Generator[Ended]:
    """One call. clock: seconds, monotonic. followed: who counts. principal: for the log."""
    ended = Ended(tool)
    began = clock()
    call, operation = _CALL.set(secrets.token_hex(4)), _OPERATION.set("")
    try:
        yield ended
    finally:
        ended.seconds = clock() - began
        ended.operation_id = ended.operation_id or _OPERATION.get() or None
        followed(ended)
        _tell(ended, principal)
        _CALL.reset(call)
        _OPERATION.reset(operation)


def _tell(ended: Ended, principal: str) -> None:
    """In the log, and on the span of the call."""
    level = logging.WARNING if ended.outcome in ("in_doubt", "internal_error") else logging.INFO
    span = trace.get_current_span()
    if not (logger.isEnabledFor(level) or span.is_recording()):
        return
    told = {"outcome": ended.outcome, "account": ended.account, "operation_id": ended.operation_id}
    kept = {name: value for name, value in told.items() if value}
    called = {"tool": ended.tool, "principal": principal, "seconds": round(ended.seconds, 3)}
    logger.log(level, "%s ended: %s", ended.tool, ended.outcome, extra=called | kept)
    span.set_attributes({f"adops.{name}": value for name, value in kept.items()})


class Ids(logging.Filter):
    """Puts the ids of the call and of its operation on every line; `where` has them as text."""

    def filter(self, record: logging.LogRecord) -> bool:
        ids = {"call_id": _CALL.get(), "operation_id": getattr(record, "operation_id", "") or _OPERATION.get()}
        found = {name: value for name, value in ids.items() if value}
        vars(record).update(found)
        record.where = f" ({', '.join(f'{name} {value}' for name, value in found.items())})" if found else ""
        return True

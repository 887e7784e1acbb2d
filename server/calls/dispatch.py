"""One tool call from start to end: the arguments checked, the handler run, its result or its error shaped.

This is the only place where an error becomes text for an agent. Between the arguments and the handler of a write
stands `server.writes.pipeline`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel
from mcp_types import CallToolResult, TextContent

from server.access.accounts_in_reach import Places
from server.access.principals import permitted
from server.calls.arguments import check
from server.telemetry.call_log import CallObserver, call_id, ignore_call, record_call
from server.text.sanitizing import sanitized, sanitized_json
from server.writes.outcomes import look_with_us
from server.writes.pipeline import Fault, Writes
from server.writes.write_call import Caller, NeedsInput, WriteCall
from tools.backends import Backends
from tools.errors import AdOpsError, InDoubt, InternalError, Unavailable
from tools.tool import AnyTool, Probe, Write

logger = logging.getLogger(__name__)

LONGEST_CALL = 45.0
"""Seconds for a whole call with its waiting and its tries: common clients give up after 60 and then know nothing."""


class Calls:
    """environment: named in every result, so that sandbox and live are never mistaken for each other."""

    def __init__(
        self,
        environment: str,
        writes: Writes,
        *,
        longest_call: float = LONGEST_CALL,
        observer: CallObserver = ignore_call,
    ) -> None:
        self._environment = environment
        self.writes = writes
        self._observer = observer
        self._longest_call = longest_call

    async def call(
        self, tool: AnyTool, arguments: Mapping[str, Any] | None, places: Places, caller: Caller | None = None
    ) -> CallToolResult:
        """The result, or the error, as the agent gets it.

        A write that has left is seen through although its caller went away; the log then says how it ended.
        """
        caller = caller or Caller()
        with record_call(tool.name, self.writes.timing.clock, self._observer, caller.principal) as record:
            try:
                answer = await self._seen_through(tool, arguments, places, caller)
            except NeedsInput:
                record.outcome = "asked"
                raise
            record.set_result(answer)
            return answer

    async def _seen_through(
        self, tool: AnyTool, arguments: Mapping[str, Any] | None, places: Places, caller: Caller
    ) -> CallToolResult:
        if not isinstance(tool.effect, Write):
            return await self._answer(tool, arguments, places, caller)
        answer: CallToolResult | None = None
        try:
            answer = await self._answer(tool, arguments, places, caller)
            await anyio.lowlevel.checkpoint_if_cancelled()
        except anyio.get_cancelled_exc_class():
            logger.warning("%s: the caller went away, and %s", tool.name, _ended(answer))
            raise
        return answer

    def not_offered(self, caller: Caller) -> None:
        """A call of a tool that there is not for this caller; its name is whatever they made up."""
        with record_call("none", self.writes.timing.clock, self._observer, caller.principal) as record:
            record.outcome = "not_offered"

    async def close(self) -> None:
        """Take no more writes, and wait until none is under way; each ends within the transport's own limits."""
        await self.writes.close()

    async def _answer(
        self, tool: AnyTool, arguments: Mapping[str, Any] | None, places: Places, caller: Caller
    ) -> CallToolResult:
        backends = Backends()
        try:
            permitted(tool, caller)
            asked = check(tool, arguments or {}, places.choice.among.get(tool.name, ()))
            backends = places.at(tool, asked.account)
            if isinstance(tool.effect, Write):
                told = await self._written(WriteCall(tool, asked.arguments, asked.options, backends, caller))
            else:
                with anyio.fail_after(self._longest_call):
                    told = (await tool.handler(asked.arguments, backends)).structured_content()
            return self._result(told, backends)
        except AdOpsError as error:
            return self._error(error, backends)
        except TimeoutError:
            return self._error(_too_long(tool), backends)
        except NeedsInput:
            raise
        except Exception as error:
            reference = call_id()
            logger.exception("%s failed inside (reference %s)", tool.name, reference, exc_info=error)
            return self._error(_fault(tool, reference, error), backends)

    async def _written(self, call: WriteCall) -> dict[str, Any]:
        if not call.options.dry_run:
            return await self.writes.write(call)
        with anyio.fail_after(self._longest_call):
            return await self.writes.rehearse(call)

    def _result(self, told: Mapping[str, Any], backends: Backends) -> CallToolResult:
        answer, text = sanitized_json({**self._place(backends), **told}, backends.sent_tokens)
        return CallToolResult(content=[TextContent(text=text)], structured_content=answer)

    def _error(self, error: AdOpsError, backends: Backends) -> CallToolResult:
        message, next_step = backends.spelt(error.message), backends.spelt(error.next_step)
        described = {
            "code": error.code,
            "message": message,
            "retryable": error.retryable,
            "next_step": next_step,
            "upstream_status": error.upstream_status,
            "upstream_code": error.upstream_code,
            "request_id": error.request_id,
            "operation_id": error.operation_id,
        }
        told = {name: value for name, value in described.items() if value is not None}
        tokens = backends.sent_tokens
        answer, _ = sanitized_json({**self._place(backends), "error": told}, tokens)
        text = sanitized(f"[{error.code}] {message}\nNext: {next_step}", tokens)
        return CallToolResult(content=[TextContent(text=text)], structured_content=answer, is_error=True)

    def _place(self, backends: Backends) -> dict[str, str]:
        """Where it was done."""
        account = {"account": backends.account} if backends.account else {}
        return {"environment": self._environment, **account}


def _too_long(tool: AnyTool) -> AdOpsError:
    """For a write this means that it was not carried out: one that has left is not cut short."""
    return Unavailable(
        f"{tool.name} took too long and was ended.{_unchanged(tool)}",
        next_step="Ask for less if you can, or make the same call again in a few minutes.",
    )


def _unchanged(tool: AnyTool) -> str:
    return (
        " What it set off, if it was sent, is not known." if isinstance(tool.effect, Probe) else " Nothing was changed."
    )


def _ended(answer: CallToolResult | None) -> str:
    """The record has the rest: a log is read by more people than that."""
    if answer is None:
        return "nothing was carried out"
    told: dict[str, Any] = answer.structured_content or {}
    error: dict[str, Any] = told.get("error", {})
    operation_id = error.get("operation_id", told.get("operation_id", "not on record"))
    return f"it ended as {error.get('code', 'done')}: {operation_id}"


def _fault(tool: AnyTool, reference: str, fault: Exception) -> AdOpsError:
    what = f"{tool.name} failed inside adops-mcp (reference {reference} in its log)"
    if isinstance(fault, Fault) and fault.departed:
        error: AdOpsError = InDoubt(
            f"{what} after it was sent: it may or may not have been carried out.",
            next_step=look_with_us(fault.operation_id, "Do not send it again before that."),
        )
    else:
        error = InternalError(f"{what}.{_unchanged(tool)}", next_step="Report the reference to the operator.")
    error.operation_id = fault.operation_id if isinstance(fault, Fault) else None
    return error

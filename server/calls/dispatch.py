"""One tool call from its arguments to its result.

Read `Dispatcher._respond` for the order of the steps. A write goes on in `server.writes.pipeline`. Every error becomes
a result here, with the texts of `server.calls.results`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.lowlevel
from mcp_types import CallToolResult

from server.access.accounts_in_reach import ReachableAccounts
from server.access.principals import check_permitted
from server.calls.arguments import check_arguments
from server.calls.results import failure, internal_error, success, summary, took_too_long
from server.telemetry.call_log import CallObserver, call_id, ignore_call, record_call
from server.writes.pipeline import WritePipeline
from server.writes.write_call import Caller, NeedsInput, WriteCall
from tools.backends import Backends
from tools.errors import AdOpsError
from tools.tool import AnyTool, Write

logger = logging.getLogger(__name__)

LONGEST_CALL = 45.0
"""Seconds for a whole call, with its waiting and its retries. Common clients give up after 60 and then know nothing."""


class Dispatcher:
    """environment: named in every result, so that sandbox and live are never mistaken for each other."""

    def __init__(
        self,
        environment: str,
        writes: WritePipeline,
        *,
        longest_call: float = LONGEST_CALL,
        observer: CallObserver = ignore_call,
    ) -> None:
        self._environment = environment
        self.writes = writes
        self._observer = observer
        self._longest_call = longest_call

    async def call(
        self,
        tool: AnyTool,
        arguments: Mapping[str, Any] | None,
        accounts: ReachableAccounts,
        caller: Caller | None = None,
    ) -> CallToolResult:
        """The result of a call, or its error as a result. Raises NeedsInput when a person is to be asked first."""
        caller = caller or Caller()
        with record_call(tool.name, self.writes.timing.clock, self._observer, caller.principal) as record:
            try:
                result = await self._finish(tool, arguments, accounts, caller)
            except NeedsInput:
                record.outcome = "asked"
                raise
            record.set_result(result)
            return result

    def refuse_unknown(self, caller: Caller) -> None:
        """Log and count a call of a tool that is not offered. Its name is not logged, since the caller made it up."""
        with record_call("none", self.writes.timing.clock, self._observer, caller.principal) as record:
            record.outcome = "not_offered"

    async def close(self) -> None:
        """Take no more writes, and wait until none is in progress. Each ends within the transport's own limits."""
        await self.writes.in_progress.close()

    async def _finish(
        self, tool: AnyTool, arguments: Mapping[str, Any] | None, accounts: ReachableAccounts, caller: Caller
    ) -> CallToolResult:
        """The result of a call. A write that was sent is finished although its caller went away; the log says how."""
        if not isinstance(tool.effect, Write):
            return await self._respond(tool, arguments, accounts, caller)
        result: CallToolResult | None = None
        try:
            result = await self._respond(tool, arguments, accounts, caller)
            await anyio.lowlevel.checkpoint_if_cancelled()
        except anyio.get_cancelled_exc_class():
            logger.warning("%s: the caller went away, and %s", tool.name, summary(result))
            raise
        return result

    async def _respond(
        self, tool: AnyTool, arguments: Mapping[str, Any] | None, accounts: ReachableAccounts, caller: Caller
    ) -> CallToolResult:
        """The steps of every call, in their order."""
        backends = Backends()
        try:
            check_permitted(tool, caller)
            checked = check_arguments(tool, arguments or {}, accounts.choice.account_names.get(tool.name, ()))
            backends = accounts.backends_for(tool, checked.account)
            if isinstance(tool.effect, Write):
                response = await self._write(WriteCall(tool, checked.arguments, checked.options, backends, caller))
            else:
                with anyio.fail_after(self._longest_call):
                    response = (await tool.handler(checked.arguments, backends)).structured_content()
            return success(response, backends, self._environment)
        except AdOpsError as error:
            return failure(error, backends, self._environment)
        except TimeoutError:
            return failure(took_too_long(tool), backends, self._environment)
        except NeedsInput:
            raise
        except Exception as error:
            reference = call_id()
            logger.exception("%s failed inside (reference %s)", tool.name, reference, exc_info=error)
            return failure(internal_error(tool, reference, error), backends, self._environment)

    async def _write(self, call: WriteCall) -> dict[str, Any]:
        if not call.options.dry_run:
            return await self.writes.write(call)
        with anyio.fail_after(self._longest_call):
            return await self.writes.dry_run(call)

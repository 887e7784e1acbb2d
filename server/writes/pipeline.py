"""One write from its arguments to its result: not sent twice, confirmed by whoever has to, and recorded before it is
sent.

The order matters. The ledger is read before a person is asked, so that nobody is asked about what is done already. The
write is claimed afterwards, in one transaction, so that of two at once only one is sent. Where nobody is asked, the
claim alone finds an existing operation. What the person read is read once more and compared with the request that is
sent: they agreed to that request alone.
"""

from __future__ import annotations

from typing import Any

import anyio

from server.ledger.entries import AlreadyRecorded, Operation, Recorded
from server.ledger.operations import Ledger
from server.writes.confirmation import Confirm, Confirmation, ReadyToSend
from server.writes.existing_operations import (
    LOOK_EVERY,
    PATIENCE,
    ExistingOperations,
    is_not_done,
    is_same,
    is_waiting,
    response_from,
)
from server.writes.in_progress import WritesInProgress
from server.writes.outcomes import dry_run_response, under_way
from server.writes.plan import make_plan
from server.writes.sending import Sender
from server.writes.write_call import WriteCall
from tools.vendor_http.transport import Timing

LATEST_DEPARTURE = 25.0
"""Seconds within which a write is sent or given up. Once it is sent, it may take the transport's 30 seconds."""


class WritePipeline:
    """What every write goes through.

    confirm: who confirms a consequential write. longest: seconds until it has been sent. settle_after: seconds after
    which a write shows at the vendor, or was not carried out.
    """

    def __init__(
        self,
        ledger: Ledger,
        confirm: Confirm,
        timing: Timing,
        longest: float = LATEST_DEPARTURE,
        settle_after: float = 60.0,
    ) -> None:
        self.ledger = ledger
        self.timing = timing
        self.in_progress = WritesInProgress(ledger)
        self._longest = longest
        self._existing = ExistingOperations(ledger, timing, settle_after)
        self._confirmation = Confirmation(confirm, ledger, self._existing)
        self._sender = Sender(ledger, self._existing, self.in_progress, longest)

    async def dry_run(self, call: WriteCall) -> dict[str, Any]:
        """What the write would send and change. Nothing is sent, and nothing is recorded. Raises AdOpsError."""
        plan, new = await make_plan(call, without_preview=False), call.new_operation()
        existing = await self._existing.same_as(new, wait=False)
        conflict = await self._existing.conflict_with(call)
        by_operator = self._confirmation.by_operator(call)
        if by_operator and existing is None:
            existing = await self._existing.recent_rejection(new, plan)
        return dry_run_response(
            plan,
            existing=existing,
            same=existing is not None and is_same(existing, new),
            waits=existing is not None and is_waiting(existing, new),
            conflict=conflict,
            by_operator=by_operator,
            asks_a_person=self._confirmation.is_needed(call),
        )

    async def write(self, call: WriteCall) -> dict[str, Any]:
        """The result for the agent, or the outcome of the same write before. Raises AdOpsError, NeedsInput,
        WriteFault."""
        self.in_progress.check_open(call.tool)
        new = call.new_operation()
        existing: Operation | None = None
        asks = self._confirmation.is_needed(call)
        looked_up = asks or call.effect.blocked_by is not None
        if looked_up:
            existing = await self._existing.same_as(new, wait=asks)
            if existing is not None and not is_not_done(existing, new):
                return response_from(existing, new, call)
            if (conflict := await self._existing.conflict_with(call)) is not None:
                raise conflict
        ready = await self._confirmation.confirm(call, existing)
        sent = await self._claim_and_send(call, ready)
        if not looked_up and isinstance(sent, Operation) and is_waiting(sent, new):
            # it was left to the operator before, so that it stays with them
            ready = await self._confirmation.ask_operator(call, sent)
            sent = await self._claim_and_send(call, ready)
        return response_from(sent, new, call) if isinstance(sent, Operation) else sent

    async def _claim_and_send(self, call: WriteCall, ready: ReadyToSend | Operation) -> dict[str, Any] | Operation:
        """The result of the write, or the existing operation in its place."""
        if isinstance(ready, Operation):
            return ready
        self.in_progress.check_open(call.tool)
        with self.in_progress:
            with anyio.fail_after(self._longest):
                claimed = await self._claim(ready)
            if isinstance(claimed, Operation):
                return claimed
            result = await self._sender.send(claimed, call, ready.plan)
        return result | {"confirmation": ready.unconfirmed} if ready.unconfirmed else result

    async def _claim(self, ready: ReadyToSend) -> str | Operation:
        """The id under which the write is sent now, or the existing operation in its place.

        Waits while the same write, or another one to the same resource, is being sent.
        """
        began = self.timing.clock()
        while not isinstance(claimed := await ready.claim(), Recorded):
            existing, same = claimed.operation, isinstance(claimed, AlreadyRecorded)
            if same and not (existing.state == "sending" and is_same(existing, ready.new)):
                return existing
            if self.timing.clock() - began >= PATIENCE:
                raise under_way(existing, same=same)
            await self.timing.sleep(LOOK_EVERY)
        return claimed.id

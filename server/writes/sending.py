"""Sending a claimed write: its departure is recorded before a request is sent, and its outcome afterwards.

A recorded departure does not prove that a request was sent. The lease is checked once more right before the first byte,
and a request that is given up there was not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from server.clocks import Lease
from server.ledger.entries import OperationOutcome, Settlement
from server.ledger.operations import Ledger
from server.ledger.state_machine import Event
from server.telemetry.call_log import set_operation
from server.text.redaction import redacted
from server.writes.existing_operations import ExistingOperations
from server.writes.in_progress import WritesInProgress
from server.writes.outcomes import changed_meanwhile, corrected, look_with_us, unsent
from server.writes.plan import Plan, is_still_planned, read_preview
from server.writes.write_call import WriteCall, storable
from tools.effects import recording_departures
from tools.errors import AdOpsError, InDoubt, Unavailable
from tools.schema import Result
from tools.vendor_http.refusals import REFUSALS


class WriteFault(Exception):
    """A fault of this server during a write. departed: whether a request had been sent, so that its effect is not
    known."""

    def __init__(self, operation_id: str, *, departed: bool) -> None:
        super().__init__(operation_id)
        self.operation_id = operation_id
        self.departed = departed


@dataclass
class SendAttempt:
    """One attempt to send a write. Implements `tools.effects.Departure`: the client of the vendor calls it on the way.

    plan: what a person agreed to. before: what the vendor held before. requests: those that were sent, or may have
    been. lease: of the request that was recorded last.
    """

    ledger: Ledger
    operation_id: str
    sent_tokens: set[str]
    plan: Plan | None
    before: Mapping[str, Any] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    lease: Lease | None = None

    def remember(self, before: Mapping[str, Any]) -> None:
        """Keep what the vendor held before, for the record of the departure."""
        self.before = before

    def requested(self, method: str, path: str, body: Any) -> None:
        """Raises Conflict when the request is not the one that a person agreed to."""
        if self.plan is not None and not self.requests and self._shown(method, path, body) != self.plan.would_send:
            raise changed_meanwhile()

    async def leaving(self, method: str, path: str, body: Any) -> None:
        """Record the departure. Raises Unavailable when the lease is lost."""
        request = self._shown(method, path, body)
        self.lease = await self.ledger.record_departure(self.operation_id, request, self.before)
        if self.lease is None:
            raise _held_up()
        self.requests.append(request)

    def check(self) -> None:
        """Raises Unavailable when the lease is over: another server may be settling the write by now."""
        if self.lease is None or self.lease.is_over:
            raise _held_up()

    def not_sent(self) -> None:
        """Nothing of the last request was sent."""
        self.requests.pop()

    def answered(self, status: int) -> None:
        """The vendor answered the last request."""
        self.requests[-1]["status"] = status

    def _shown(self, method: str, path: str, body: Any) -> dict[str, Any]:
        return redacted({"method": method, "path": path, "body": body}, self.sent_tokens)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends claimed writes. longest: seconds until a write has been sent, or is given up."""

    ledger: Ledger
    existing: ExistingOperations
    in_progress: WritesInProgress
    longest: float

    async def send(self, operation_id: str, call: WriteCall, plan: Plan | None) -> dict[str, Any]:
        """Send a write and record its outcome, also when its caller goes away. The result for the agent.

        plan: what a person agreed to. Raises AdOpsError or WriteFault.
        """
        set_operation(operation_id)
        attempt = SendAttempt(self.ledger, operation_id, call.backends.sent_tokens, plan)
        try:
            with anyio.fail_after(self.longest):
                result = await self._run_handler(attempt, call, plan)
        except BaseException as error:
            if isinstance(error, AdOpsError) and not attempt.requests:
                unsent(error)
            outcome = outcome_of_failure(attempt, error, call.caller.principal)
            settlement = await self._record(attempt, outcome, call)
            if isinstance(error, AdOpsError):
                _add_outcome(error, operation_id, settlement)
            elif isinstance(error, Exception) and not isinstance(error, TimeoutError):
                raise WriteFault(operation_id, departed=bool(attempt.requests)) from error
            raise
        response = result.structured_content()
        settlement = await self._record(attempt, _outcome_of_success(attempt, response, call), call)
        response = {"operation_id": operation_id, **call.effect.present(call.arguments, response)}
        return corrected(response, settlement.correction) if settlement and settlement.correction else response

    async def _run_handler(self, attempt: SendAttempt, call: WriteCall, plan: Plan | None) -> Result:
        """Look once more at what may have changed since the call began, and run the tool's handler."""
        if (conflict := await self.existing.conflict_with(call, attempt.operation_id)) is not None:
            raise conflict
        if call.effect.needs_baseline or plan is not None:
            # what was read earlier may be from before another write
            preview = await read_preview(call)
            if plan is not None and plan.would_send is not None and not is_still_planned(plan, preview, call):
                raise changed_meanwhile()
            if preview is not None:
                await self.ledger.record_preview(attempt.operation_id, storable(preview.does), preview.baseline)
        with recording_departures(attempt):
            return await call.tool.handler(call.arguments, call.backends)

    async def _record(self, attempt: SendAttempt, outcome: OperationOutcome, call: WriteCall) -> Settlement | None:
        with anyio.CancelScope(shield=True):
            return await self.in_progress.record_outcome(attempt.operation_id, call.new_operation(), outcome)


def _held_up() -> Unavailable:
    return Unavailable(
        "This server was held up for so long that the write was given up. Nothing was sent.",
        next_step="Make the same call again.",
    )


def _add_outcome(error: AdOpsError, operation_id: str, settlement: Settlement | None) -> None:
    """Add to an error which operation it is about, and what the outcome corrected."""
    if isinstance(error, InDoubt):
        error.next_step = look_with_us(operation_id, error.next_step)
    if settlement and settlement.correction:
        error.message = f"{error.message} {settlement.correction.what}"
        error.next_step = f"{settlement.correction.next_step} {error.next_step}"
    error.operation_id = operation_id


def _outcome_of_success(attempt: SendAttempt, response: dict[str, Any], call: WriteCall) -> OperationOutcome:
    return OperationOutcome(
        event="confirmed",
        actor=call.caller.principal,
        note="the vendor answered" if attempt.requests else "nothing had to be sent",
        result=redacted(response, call.backends.sent_tokens),
        requests=attempt.requests,
        supersedes=call.effect.supersedes(call.arguments, response),
    )


def outcome_of_failure(attempt: SendAttempt, error: BaseException, actor: str) -> OperationOutcome:
    """The outcome of a write that gave no result: in doubt unless it is known that nothing was carried out."""
    status = attempt.requests[-1].get("status", 0) if attempt.requests else None
    if isinstance(error, AdOpsError):
        in_doubt = isinstance(error, InDoubt) or (status is not None and 200 <= status < 300)
        described = {"code": error.code, "message": error.message, "next_step": error.next_step}
    else:
        in_doubt = status is not None and status not in REFUSALS
        what = "It was sent, and the answer was not read." if in_doubt else "It was ended before it was carried out."
        described = {"code": "in_doubt" if in_doubt else "unavailable", "message": what}
    return OperationOutcome(
        event=_event(status, in_doubt=in_doubt),
        actor=actor,
        note=described["message"],
        error=described,
        requests=attempt.requests,
    )


def _event(status: int | None, *, in_doubt: bool) -> Event:
    """status: of the vendor's answer; 0 without an answer, None when no request was sent."""
    if in_doubt:
        return "answer_unread" if status is not None and 200 <= status < 300 else "answer_lost"
    return "refused" if status else "unsent"

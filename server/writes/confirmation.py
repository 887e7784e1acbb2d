"""Who has to confirm a write before it is sent: the person in the client, the operator, or nobody.

Whoever confirms a write is shown its plan. A write that was confirmed, or needs no confirmation, is `ReadyToSend`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from server.ledger.entries import (
    AlreadyRecorded,
    NewOperation,
    Operation,
    OperationOutcome,
    Recorded,
    ResourceBusy,
)
from server.ledger.operations import Ledger
from server.writes.existing_operations import WAITING_FOR_APPROVAL, ExistingOperations
from server.writes.outcomes import awaiting, declined, rejected_before, unsent
from server.writes.plan import Plan, agreement_to, make_plan
from server.writes.write_call import Asker, WriteCall
from tools.errors import AdOpsError

Confirm = Literal["client", "operator", "none"]

LONGEST_PLAN = 25.0
"""Seconds for finding out what a write would do, for a person to decide on."""

_NOBODY_ASKED = "Nobody was asked first: this client cannot show a person a question."

_NOTHING_LEFT = OperationOutcome(
    event="nothing_left",
    actor="adops-mcp",
    note="it is as asked for already, so nothing is left to be sent",
    error={"code": "conflict", "message": "It is as asked for already, so nothing was sent."},
)


@dataclass(frozen=True, slots=True)
class ReadyToSend:
    """A write that no person has to confirm any more.

    new: the operation to be recorded. claim: claims it in the ledger. plan: what a person agreed to. unconfirmed: for
    the agent, why nobody was asked although somebody should have been.
    """

    new: NewOperation
    claim: Callable[[], Awaitable[Recorded | AlreadyRecorded | ResourceBusy]]
    plan: Plan | None = None
    unconfirmed: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """mode: who confirms a consequential write."""

    mode: Confirm
    ledger: Ledger
    existing: ExistingOperations

    def by_operator(self, call: WriteCall) -> bool:
        """Whether the operator has to approve the call."""
        return self.mode == "operator" and call.is_consequential

    def asker_for(self, call: WriteCall) -> Asker | None:
        """Who asks the person in the client. None when nobody is asked there."""
        return call.caller.asker if self.mode == "client" and call.is_consequential else None

    def is_needed(self, call: WriteCall) -> bool:
        """Whether a person is asked before the call is sent."""
        return self.by_operator(call) or self.asker_for(call) is not None

    async def confirm(self, call: WriteCall, existing: Operation | None) -> ReadyToSend | Operation:
        """Get the call confirmed by whoever has to. existing: the same write, when it waits or is being sent.

        The operation in its place, when it has been recorded meanwhile. Raises Declined, AwaitingApproval, Rejected, or
        NeedsInput.
        """
        if self.by_operator(call) or (existing is not None and existing.state in WAITING_FOR_APPROVAL):
            return await self.ask_operator(call, existing)
        if (asker := self.asker_for(call)) is not None:
            return await self._ask_in_client(call, asker)
        return self._unasked(call)

    def _unasked(self, call: WriteCall) -> ReadyToSend:
        new = call.new_operation()
        if call.is_consequential and self.mode == "client":
            new = replace(new, note="this client cannot ask the person")
            return ReadyToSend(new, lambda: self.ledger.claim(new), unconfirmed=_NOBODY_ASKED)
        return ReadyToSend(new, lambda: self.ledger.claim(new))

    async def _ask_in_client(self, call: WriteCall, asker: Asker) -> ReadyToSend:
        plan = await _plan_for_person(call)
        if plan.would_send is None:
            new = call.new_operation()
            return ReadyToSend(new, lambda: self.ledger.claim(new), plan)
        answer = await asker.ask(plan.question(call.backends.account), plan.agreement)
        if answer.action != "accept":
            raise declined(answer.action)
        agreed = plan.added_to(call.new_operation("the person agreed in the client", answer.question))
        return ReadyToSend(agreed, lambda: self.ledger.claim(agreed), plan)

    async def ask_operator(self, call: WriteCall, existing: Operation | None) -> ReadyToSend | Operation:
        """Ready when the operator approved exactly what the write would do now; else it waits for them.

        existing: the same write, when it waits or was approved.
        """
        plan = await _plan_for_person(call)
        plan = replace(plan, now=[*plan.now, *await self.existing.recent_rejections(call)])
        new = plan.added_to(call.new_operation())
        if plan.would_send is None:
            if existing is not None:
                await self.ledger.settle(existing.id, _NOTHING_LEFT)
            return ReadyToSend(new, lambda: self.ledger.claim(new), plan)
        if existing is None:
            if (rejected := await self.existing.recent_rejection(new, plan)) is not None:
                raise rejected_before(rejected)
            recorded = await self.ledger.request_approval(new)
        elif agreement_to(existing.plan or {}) != plan.agreement:
            recorded = await self.ledger.replace_waiting(existing.id, new)
        elif existing.state == "approved":
            return ReadyToSend(new, lambda: self.ledger.claim_approved(existing.id, new.principal), plan)
        else:
            raise awaiting(existing.id, plan.problems)
        if isinstance(recorded, Recorded):
            raise awaiting(recorded.id, plan.problems, instead_of=existing)
        return recorded.operation


async def _plan_for_person(call: WriteCall) -> Plan:
    try:
        with anyio.fail_after(LONGEST_PLAN):
            return await make_plan(call, without_preview=True)
    except AdOpsError as error:
        raise unsent(error) from None

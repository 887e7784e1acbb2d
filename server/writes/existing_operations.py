"""What the ledger already has about a write: the same operation, one that conflicts with it, or a recent rejection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from server.ledger.entries import NewOperation, Operation
from server.ledger.operations import Ledger
from server.writes.outcomes import (
    cannot_be_told_from,
    not_sent_now,
    rejection_reason,
    replayed,
    under_way,
    with_other_arguments,
)
from server.writes.plan import Plan, agreement_to
from server.writes.write_call import WriteCall
from tools.effects import State, is_settled
from tools.errors import AdOpsError
from tools.vendor_http.transport import Timing

PATIENCE = 10.0
"""Seconds for which a write waits for the same write, or for another one to the same resource, to end."""

LOOK_EVERY = 0.25
"""Seconds between two looks at the ledger while a write waits."""

REJECTION_STANDS = 3600.0
"""Seconds for which the same call is answered with its rejection, instead of asking again."""

WAITING_FOR_APPROVAL: tuple[State, ...] = ("awaiting_approval", "approved")
_NOT_DONE: tuple[State, ...] = (*WAITING_FOR_APPROVAL, "sending")
_MAY_STILL_ARRIVE: tuple[State, ...] = ("in_doubt",)
_MAY_CONFLICT: tuple[State, ...] = (*_NOT_DONE, *_MAY_STILL_ARRIVE, "succeeded")


@dataclass(frozen=True, slots=True)
class ExistingOperations:
    """settle_after: seconds after which a write shows at the vendor, or was not carried out."""

    ledger: Ledger
    timing: Timing
    settle_after: float

    async def same_as(self, new: NewOperation, *, wait: bool) -> Operation | None:
        """The existing operation for the same write. wait: first wait until it is not being sent any more, so that no
        person is asked about what is being done."""
        began = self.timing.clock()
        while (existing := await self.ledger.existing_operation(new)) is not None and existing.state == "sending":
            if not wait:
                break
            if self.timing.clock() - began >= PATIENCE:
                raise under_way(existing, same=True)
            await self.timing.sleep(LOOK_EVERY)
        return existing

    async def conflict_with(self, call: WriteCall, own_id: str = "") -> AdOpsError | None:
        """Why another operation keeps this call from being sent. own_id: the call's own operation, once it has one."""
        against = call.effect.blocked_by
        new = call.new_operation()
        states = _MAY_CONFLICT if against else _MAY_STILL_ARRIVE
        on_resource = await self.ledger.on_resource(new.scope, new.resource, states=states, excluding=own_id)
        if against is None:
            return self._overtaken(new, on_resource)
        by_id = {operation.id: operation for operation in on_resource}
        found = against(call.arguments, [operation.past() for operation in on_resource], self.settle_after)
        if found is None or (found.may_be_same and new.idempotency_key is not None):
            return None
        return with_other_arguments(by_id[found.id], new) if found.may_be_same else cannot_be_told_from(by_id[found.id])

    def _overtaken(self, new: NewOperation, on_resource: Iterable[Operation]) -> AdOpsError | None:
        """Why a write has to wait: another one to the same object is in doubt, may still be on its way, and would undo
        this one or come after it."""
        for operation in on_resource:
            if operation.subject == new.subject and not is_settled(operation.age, self.settle_after):
                return cannot_be_told_from(operation)
        return None

    async def recent_rejection(self, new: NewOperation, plan: Plan) -> Operation | None:
        """The same write, if a person recently rejected exactly this plan."""
        rejected = await self.ledger.newest_rejection(new, since=self.ledger.now() - REJECTION_STANDS)
        return rejected if rejected and agreement_to(rejected.plan or {}) == plan.agreement else None

    async def recent_rejections(self, call: WriteCall) -> list[str]:
        """What was recently rejected on the same resource, in words for the person who decides on this call."""
        new, since = call.new_operation(), self.ledger.now() - REJECTION_STANDS
        rejected = await self.ledger.on_resource(new.scope, new.resource, states=("rejected",))
        recent = [found for found in rejected if found.tool == new.tool and (found.ended_at or 0) >= since]
        return [f"{found.id}, of the same kind, was rejected: {rejection_reason(found)}" for found in recent]


def is_same(existing: Operation, new: NewOperation) -> bool:
    """Whether both have the same arguments."""
    return existing.fingerprint == new.fingerprint


def is_waiting(existing: Operation, new: NewOperation) -> bool:
    """Whether it is the same write, and waits for the operator or for the call that sends it."""
    return existing.state in WAITING_FOR_APPROVAL and is_same(existing, new)


def is_not_done(existing: Operation, new: NewOperation) -> bool:
    """Whether it is the same write and neither done nor in doubt, so that the call goes on."""
    return existing.state in _NOT_DONE and is_same(existing, new)


def response_from(existing: Operation, new: NewOperation, call: WriteCall) -> dict[str, Any]:
    """The outcome of the existing operation as the response to this call. Raises AdOpsError where it has no result."""
    if existing.state == "in_doubt" and existing.identity != new.identity:
        raise cannot_be_told_from(existing)
    if not is_same(existing, new):
        raise with_other_arguments(existing, new)
    if existing.state in ("succeeded", "superseded"):
        return call.effect.present(call.arguments, replayed(existing))
    raise not_sent_now(existing)

"""The record of writes of one server: which database it is, and how an agent reads it."""

from __future__ import annotations

import functools
import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.clients import data_directory
from server.clocks import Clocks
from server.configuration.settings import Settings, variable
from server.ledger.entries import Operation, Step, Wanted
from server.ledger.operations import Operations
from server.ledger.storage.database import Stopped
from server.writes.outcomes import APPROVE, moment
from server.writes.reconciliation import asked_of, reconcile
from tools.backends import Backends
from tools.effects import RecordedWrite, State
from tools.errors import AdOpsError, NotFound
from tools.operations.models import (
    HistoryStep,
    OperationSummary,
    Reachability,
    Reconciliation,
    SentRequest,
    WholeOperation,
)
from tools.vendor_http.replies import printable
from tools.vendor_http.transport import Timing

if TYPE_CHECKING:
    from tools.operations.models import OperationQuery

READER = "an agent, through reconcile_operation"


def clocks_of(timing: Timing) -> Clocks:
    """Those of this machine, or, where a test hands in another time, all of them moved by that."""
    return Clocks() if timing.now is Timing().now else Clocks.of(timing.clock, timing.now)


def open_record(settings: Settings, timing: Timing) -> Operations:
    """The record of this environment; nothing is opened before its first use."""
    clocks = clocks_of(timing)
    directory = data_directory(settings)
    marks = directory / f"operations-{settings.environment}.marks.json"
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        return Operations(url, variable("database_url"), clocks, marks=marks)
    path = directory / f"operations-{settings.environment}.sqlite3"
    return Operations(f"sqlite:///{path}", f"{variable('data_dir')} ({path})", clocks, marks=marks)


_OPEN: dict[State, str] = {
    "in_doubt": "in doubt",
    "awaiting_approval": "waiting for approval",
    "approved": "approved and not sent yet",
    "sending": "under way",
}


@functools.cache
def user() -> str:
    """Who is at this machine, as the record names them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown user"


@dataclass(frozen=True, slots=True)
class RecordView:
    """What the tools of the record stand on. only_of: the caller whose operations alone are shown. may_settle:
    whether this caller settles those of others, too. actor: who does, for the history."""

    record: Operations
    settle_after: float
    only_of: str | None = None
    may_settle: bool = True
    actor: str = READER

    async def list(self, query: OperationQuery, backends: Backends) -> tuple[Sequence[OperationSummary], int]:
        page, per_page = query.page, query.per_page
        places = by_scope(backends)
        found, total = await self.record.list(
            Wanted(
                scopes=places.keys(),
                states=(query.state,) if query.state else (),
                text=query.text,
                caller=self.only_of,
                limit=per_page,
                offset=(page - 1) * per_page,
            )
        )
        return [OperationSummary(**summary(operation, places[operation.scope].account)) for operation in found], total

    async def get(self, operation_id: str, backends: Backends) -> WholeOperation:
        operation, steps, there = await self._found(operation_id, backends, only_of=self.only_of)
        return WholeOperation(**whole(operation, steps, there.account))

    async def reconcile(self, operation_id: str, backends: Backends) -> Reconciliation:
        only_of = None if self.may_settle else self.only_of
        operation, _, there = await self._found(operation_id, backends, only_of=only_of)
        settled = await reconcile(self.record, operation, there, settle_after=self.settle_after, actor=self.actor)
        return Reconciliation(
            operation_id=operation.id,
            account=there.account or None,
            outcome=settled.verdict.outcome,
            state=settled.operation.state,
            found=dict(settled.verdict.found) or None,
            what_happened=settled.verdict.evidence,
            next_step=settled.next_step,
        )

    async def status(self, backends: Backends) -> Reachability:
        try:
            counts = await self.record.counts(by_scope(backends).keys())
            stopped = await self.record.stopped()
        except AdOpsError as error:
            return Reachability(ok=False, detail=error.message, next_step=error.next_step)
        if stopped is not None:
            error = stopped.error()
            return Reachability(ok=False, detail=error.message, next_step=error.next_step)
        open_ = ", ".join(f"{counts[state]} {words}" for state, words in _OPEN.items() if state in counts)
        return Reachability(ok=True, detail=f"{sum(counts.values())} writes on record{': ' if open_ else ''}{open_}.")

    async def writes_in_force(self, resource: str, backends: Backends) -> Sequence[RecordedWrite]:
        near = await self.record.near(backends.scope(), resource, states=("succeeded",))
        return [operation.past() for operation in near]

    async def _found(
        self, operation_id: str, backends: Backends, *, only_of: str | None = None
    ) -> tuple[Operation, list[Step], Backends]:
        """The operation and the place that it was made in. Whoever may write may settle a doubt, since it keeps
        everybody from the same write; what was sent is for its caller."""
        found = await self.record.get(operation_id)
        if found is not None and (only_of is None or found[0].caller == only_of):
            place = by_scope(backends).get(found[0].scope)
            if place is not None:
                return *found, place
        raise NotFound(
            f"There is no operation {printable(operation_id, limit=64)} on record here"
            + (", or it is another caller's: those are shown to who has adops:approve." if only_of else "."),
            next_step="Take the id from list_operations.",
        )


def told_lost(stopped: Stopped) -> list[str]:
    """What this machine wrote, and the record does not have, for the operator: an operation a line."""
    lost = {entry.operation: entry for entry in stopped.lost}
    return [
        f"{entry.operation}  {moment(entry.at)}  {printable(f'{entry.tool} {entry.subject}', limit=200)}".rstrip()
        for entry in lost.values()
    ]


def by_scope(backends: Backends) -> dict[str, Backends]:
    """The accounts that can be looked at, by what their writes are recorded under. Of a sandbox that is read anew."""
    return {place.scope(): place for place in backends.each_account}


def summary(operation: Operation, account: str = "") -> dict[str, Any]:
    """The fields of OperationSummary."""
    return {
        "operation_id": operation.id,
        "account": account or None,
        "tool": operation.tool,
        "state": operation.state,
        "does": operation.does,
        "asked_by": operation.principal,
        "asked_at": moment(operation.created_at),
        "ended_at": moment(operation.ended_at) if operation.ended_at else None,
    }


def whole(operation: Operation, steps: Sequence[Step], account: str = "") -> dict[str, Any]:
    """The fields of WholeOperation."""
    took = operation.ended_at - operation.sent_at if operation.ended_at and operation.sent_at else None
    asked, result = asked_of(operation), operation.result
    if asked is not None and result is not None:
        effect, arguments = asked
        result = effect.present(arguments, result)
    return {
        **summary(operation, account),
        "subject": operation.subject,
        "idempotency_key": operation.idempotency_key,
        "plan": operation.plan,
        "arguments": operation.arguments,
        "approved_by": operation.approved_by,
        "sent_at": moment(operation.sent_at) if operation.sent_at else None,
        "took_seconds": round(took, 3) if took is not None else None,
        "requests": [SentRequest(**request) for request in operation.requests],
        "result": result,
        "failure": operation.error,
        "history": [HistoryStep(at=moment(step.at), state=step.state, by=step.actor, note=step.note) for step in steps],
        "next_step": _next_step(operation),
    }


def _next_step(operation: Operation) -> str:
    waits = f"It waits for a person: `{APPROVE} {operation.id}`, or reject. Then make exactly the same call again."
    steps = {
        "awaiting_approval": waits,
        "approved": "Make exactly the same call again: it is sent if what it would do is still what was approved.",
        "rejected": "Nothing was sent. Ask the person what they want instead. Should it be sent after all: "
        f"`{APPROVE} {operation.id}`.",
        "sending": "It is under way: look again in a few seconds.",
        "in_doubt": f"Call reconcile_operation with operation_id {operation.id}.",
        "succeeded": "It was done. What changed since then is not in this.",
        "superseded": "It was done, and a later write ended it.",
        "failed": "Nothing was changed by it. The same call may be made again, if the person still wants it.",
    }
    if operation.state == "failed" and operation.ground == "inference":
        steps["failed"] = (
            "It was concluded, and not proved, that nothing was changed by it. The same call may be made again, if the "
            "person still wants it."
        )
    told = steps[operation.state]
    if (correction := operation.correction) is not None:
        told = f"{correction.what} {correction.next_step} {told}"
    return told

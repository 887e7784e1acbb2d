"""The ledger of one server: which database it is, and its operations as agents see them."""

from __future__ import annotations

import functools
import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.clients import data_directory
from server.clocks import Clocks
from server.configuration.settings import Settings, variable
from server.ledger.entries import HistoryEntry, Operation, OperationFilter
from server.ledger.operations import Ledger
from server.ledger.storage.database import Stopped
from server.writes.outcomes import APPROVE, moment
from server.writes.reconciliation import reconcile, write_of
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
    """This machine's clocks or, where a test gives another time, clocks that all follow it."""
    return Clocks() if timing.now is Timing().now else Clocks.of(timing.clock, timing.now)


def open_ledger(settings: Settings, timing: Timing) -> Ledger:
    """The ledger of this environment. Nothing is opened before its first use."""
    clocks = clocks_of(timing)
    directory = data_directory(settings)
    marks = directory / f"operations-{settings.environment}.marks.json"
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        return Ledger(url, variable("database_url"), clocks, marks=marks)
    path = directory / f"operations-{settings.environment}.sqlite3"
    return Ledger(f"sqlite:///{path}", f"{variable('data_dir')} ({path})", clocks, marks=marks)


_OPEN_STATES: dict[State, str] = {
    "in_doubt": "in doubt",
    "awaiting_approval": "waiting for approval",
    "approved": "approved and not sent yet",
    "sending": "under way",
}


@functools.cache
def user() -> str:
    """The user of this machine, as the ledger names them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown user"


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The ledger as one caller sees it: what the tools of this server itself work with.

    only_of: the caller whose operations alone are shown. may_settle: whether this caller may settle the operations of
    others too. actor: the caller's name for the history.
    """

    ledger: Ledger
    settle_after: float
    only_of: str | None = None
    may_settle: bool = True
    actor: str = READER

    async def list(self, query: OperationQuery, backends: Backends) -> tuple[Sequence[OperationSummary], int]:
        page, per_page = query.page, query.per_page
        accounts = by_scope(backends)
        found, total = await self.ledger.list(
            OperationFilter(
                scopes=accounts.keys(),
                states=(query.state,) if query.state else (),
                text=query.text,
                caller=self.only_of,
                limit=per_page,
                offset=(page - 1) * per_page,
            )
        )
        return [OperationSummary(**summary(operation, accounts[operation.scope].account)) for operation in found], total

    async def get(self, operation_id: str, backends: Backends) -> WholeOperation:
        operation, history, account = await self._found(operation_id, backends, only_of=self.only_of)
        return WholeOperation(**details(operation, history, account.account))

    async def reconcile(self, operation_id: str, backends: Backends) -> Reconciliation:
        only_of = None if self.may_settle else self.only_of
        operation, _, account = await self._found(operation_id, backends, only_of=only_of)
        settled = await reconcile(self.ledger, operation, account, settle_after=self.settle_after, actor=self.actor)
        return Reconciliation(
            operation_id=operation.id,
            account=account.account or None,
            outcome=settled.verdict.outcome,
            state=settled.operation.state,
            found=dict(settled.verdict.found) or None,
            what_happened=settled.verdict.evidence,
            next_step=settled.next_step,
        )

    async def status(self, backends: Backends) -> Reachability:
        try:
            counts = await self.ledger.counts(by_scope(backends).keys())
            stopped = await self.ledger.stopped()
        except AdOpsError as error:
            return Reachability(ok=False, detail=error.message, next_step=error.next_step)
        if stopped is not None:
            error = stopped.error()
            return Reachability(ok=False, detail=error.message, next_step=error.next_step)
        open_ = ", ".join(f"{counts[state]} {words}" for state, words in _OPEN_STATES.items() if state in counts)
        return Reachability(ok=True, detail=f"{sum(counts.values())} writes on record{': ' if open_ else ''}{open_}.")

    async def writes_in_force(self, resource: str, backends: Backends) -> Sequence[RecordedWrite]:
        successes = await self.ledger.on_resource(backends.scope(), resource, states=("succeeded",))
        return [operation.past() for operation in successes]

    async def _found(
        self, operation_id: str, backends: Backends, *, only_of: str | None = None
    ) -> tuple[Operation, list[HistoryEntry], Backends]:
        """The operation, its history, and the clients of the account that it was made in. Raises NotFound.

        Whoever may write may settle a doubt, since the doubt keeps everybody from the same write. What was sent is
        shown to its caller alone.
        """
        found = await self.ledger.get(operation_id)
        if found is not None and (only_of is None or found[0].caller == only_of):
            account = by_scope(backends).get(found[0].scope)
            if account is not None:
                return *found, account
        raise NotFound(
            f"There is no operation {printable(operation_id, limit=64)} on record here"
            + (", or it is another caller's: those are shown to who has adops:approve." if only_of else "."),
            next_step="Take the id from list_operations.",
        )


def lost_operations(stopped: Stopped) -> list[str]:
    """The operations that this machine wrote and the ledger has lost, for the operator, one line each."""
    lost = {entry.operation: entry for entry in stopped.lost}
    return [
        f"{entry.operation}  {moment(entry.at)}  {printable(f'{entry.tool} {entry.subject}', limit=200)}".rstrip()
        for entry in lost.values()
    ]


def by_scope(backends: Backends) -> dict[str, Backends]:
    """The clients of each account, by the scope of its operations. A sandbox has a new scope after each reset."""
    return {account.scope(): account for account in backends.each_account}


def summary(operation: Operation, account: str = "") -> dict[str, Any]:
    """The fields of an OperationSummary."""
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


def details(operation: Operation, history: Sequence[HistoryEntry], account: str = "") -> dict[str, Any]:
    """The fields of a WholeOperation."""
    took = operation.ended_at - operation.sent_at if operation.ended_at and operation.sent_at else None
    write, result = write_of(operation), operation.result
    if write is not None and result is not None:
        effect, arguments = write
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
        "history": [
            HistoryStep(at=moment(entry.at), state=entry.state, by=entry.actor, note=entry.note) for entry in history
        ],
        "next_step": _next_step(operation),
    }


def _next_step(operation: Operation) -> str:
    approval = f"It waits for a person: `{APPROVE} {operation.id}`, or reject. Then make exactly the same call again."
    steps = {
        "awaiting_approval": approval,
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
    step = steps[operation.state]
    if (correction := operation.correction) is not None:
        step = f"{correction.what} {correction.next_step} {step}"
    return step

"""The ledger: every write is recorded before it is sent, and its outcome afterwards.

`server.ledger.state_machine` defines the states and who may move an operation from one to the next. The plan that a
person decides on is stored as it was shown and never changes: another plan is another operation.

Two unique columns guarantee that a write is sent once. `claim` is the identity of the write. It is held for as long as
the same call must not be sent, and whoever inserts it first may send. `busy` names the object that is written to. It
is held while the write is under way, so that what was read before a write is still true when the write is sent.

A write under way has a lease, which its process renews. When a process dies, its lease runs out, and the next process
that reads the operation ends it: as in doubt when a departure was recorded, else as failed. The lease is confirmed in
the transaction that records the departure, so a process that slept past its lease sends nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio.to_thread

from server.clocks import DEPARTS_WITHIN, Clocks, Lease, Stamp, age
from server.ledger.entries import (
    AlreadyRecorded,
    HistoryEntry,
    InDoubtAlready,
    LeaseLost,
    NewOperation,
    Operation,
    OperationFilter,
    OperationOutcome,
    Recorded,
    ResourceBusy,
    Restored,
    Settlement,
    StateCount,
)
from server.ledger.state_machine import SENDER_OUTCOMES
from server.ledger.storage.database import Database, Stopped
from server.ledger.storage.marks import Entry, Marks
from tools.effects import State

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from server.ledger.transaction import LedgerTransaction

T = TypeVar("T")

LEASE = 15.0
"""Seconds without a renewal after which the process that has a write under way is taken for dead."""

RENEWED_EVERY = 5.0

MOST_AT_ONCE = 10
"""Transactions that one process runs at once in PostgreSQL: fewer than its pool of connections holds."""


@dataclass
class Ledger:
    """The ledger of one environment, opened at its first use.

    Every method is one transaction, runs in a thread, and may raise Unrecorded.

    url: as SQLAlchemy writes it. setting: what the operator corrects when the ledger cannot be used. marks: the file
    that remembers what this machine wrote last; None keeps it for this process alone. owner: names this process in its
    leases.
    """

    url: str
    setting: str
    clocks: Clocks = field(default_factory=Clocks)
    lease: float = LEASE
    marks: Path | None = None
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    _database: Database[LedgerTransaction] = field(init=False)
    _under_way: set[str] = field(default_factory=set[str])
    _opening: anyio.Lock = field(default_factory=anyio.Lock)
    _at_once: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        marks = Marks(self.marks, self.url)
        self._database = Database(self.url, self.setting, self.clocks, marks, self._transaction)
        # SQLite has one writer at a time, and one that finds it locked sleeps and retries: here they wait in line
        self._at_once = anyio.CapacityLimiter(1 if self._database.one_machine else MOST_AT_ONCE)

    def _transaction(self, connection: Connection, now: Stamp, stopped: Stopped | None) -> LedgerTransaction:
        from server.ledger.transaction import LedgerTransaction  # noqa: PLC0415 - reads never pay for SQLAlchemy

        return LedgerTransaction(
            connection,
            now,
            self.one_machine,
            self._database.watched,
            stopped=stopped,
            owner=self.owner,
            lease=self.lease,
            under_way=frozenset(self._under_way),
        )

    @property
    def one_machine(self) -> bool:
        """Whether every process that shares the ledger runs on this machine."""
        return self._database.one_machine

    def now(self) -> float:
        """Seconds since the epoch, by the clock that the ledger uses."""
        return self._database.now()

    def is_under_way(self, operation_id: str) -> bool:
        """Whether this process itself has the write under way."""
        return operation_id in self._under_way

    async def claim(self, new: NewOperation) -> Recorded | AlreadyRecorded | ResourceBusy:
        """Record a write that is about to be sent. Only the process that gets `Recorded` may send it."""
        return self._started(await self._record(lambda transaction: transaction.claim(new)))

    async def claim_approved(
        self, operation_id: str, actor: str = "unknown"
    ) -> Recorded | AlreadyRecorded | ResourceBusy:
        """Claim an approved write, to send it."""
        return self._started(await self._record(lambda transaction: transaction.claim_approved(operation_id, actor)))

    def _started(self, claimed: Recorded | AlreadyRecorded | ResourceBusy) -> Recorded | AlreadyRecorded | ResourceBusy:
        if isinstance(claimed, Recorded):
            self._under_way.add(claimed.id)
        return claimed

    async def _record(
        self, work: Callable[[LedgerTransaction], Recorded | AlreadyRecorded | ResourceBusy]
    ) -> Recorded | AlreadyRecorded | ResourceBusy:
        try:
            return await self._run(work)
        except InDoubtAlready as already:
            return AlreadyRecorded(already.doubt)

    async def request_approval(self, new: NewOperation) -> Recorded | AlreadyRecorded | ResourceBusy:
        """Record a write that waits for a person's approval."""
        return await self._record(lambda transaction: transaction.request_approval(new))

    async def replace_waiting(self, operation_id: str, new: NewOperation) -> Recorded | AlreadyRecorded:
        """Replace a waiting write whose plan has changed. AlreadyRecorded when it does not wait any more."""
        return await self._run(lambda transaction: transaction.replace_waiting(operation_id, new))

    async def existing_operation(self, new: NewOperation) -> Operation | None:
        """The operation with the same identity that keeps `new` from being sent."""
        return await self._run(lambda transaction: transaction.existing_operation(new))

    async def newest_rejection(self, new: NewOperation, *, since: float) -> Operation | None:
        """The newest operation with the same identity, if a person rejected it after `since`."""
        return await self._run(lambda transaction: transaction.newest_rejection(new, since))

    async def record_preview(self, operation_id: str, does: str, before: Mapping[str, Any] | None) -> None:
        """Store what the write does, and what the vendor held before it was sent."""
        await self._run(lambda transaction: transaction.record_preview(operation_id, does, before))

    async def record_departure(
        self, operation_id: str, request: Mapping[str, Any], before: Mapping[str, Any] | None = None
    ) -> Lease | None:
        """Record that a request is about to be sent, and what the vendor held before.

        The lease says how long its first byte may still be sent. None: the write is no longer this process's to send.
        """
        lease = Lease.begin(self.clocks, min(self.lease, DEPARTS_WITHIN))
        try:
            await self._run(lambda transaction: transaction.record_departure(operation_id, request, before))
        except LeaseLost:
            return None
        return lease

    async def renew_leases(self) -> None:
        """Renew the leases of this process and, where servers share a database, read what the others have open."""
        under_way = frozenset(self._under_way)
        if under_way or (self._database.is_open and not self._database.one_machine):
            await self._run(lambda transaction: transaction.renew_leases(under_way))

    async def settle(self, operation_id: str, outcome: OperationOutcome) -> Settlement | None:
        """Record the outcome of a write. None when the state table does not allow it in the operation's state."""
        settled = await self._run(lambda transaction: transaction.settle(operation_id, outcome))
        if outcome.event in SENDER_OUTCOMES:
            self._under_way.discard(operation_id)
        return settled

    async def decide(self, operation_id: str, *, approve: bool, actor: str, note: str) -> Operation | None:
        """Approve or reject a write that waits. The operation as it is afterwards; None when there is none."""
        return await self._run(
            lambda transaction: transaction.decide(operation_id, approve=approve, actor=actor, note=note)
        )

    async def get(self, operation_id: str) -> tuple[Operation, list[HistoryEntry]] | None:
        """An operation with its history."""
        return await self._run(lambda transaction: transaction.get(operation_id))

    async def list(self, wanted: OperationFilter) -> tuple[list[Operation], int]:
        """One page of operations, the newest first, and how many match in all."""
        return await self._run(lambda transaction: transaction.list(wanted))

    async def list_with_history(self, wanted: OperationFilter) -> Sequence[tuple[Operation, Sequence[HistoryEntry]]]:
        """One page of operations, the newest first, each with its history."""
        return await self._run(lambda transaction: transaction.list_with_history(wanted))

    async def counts(self, scopes: Collection[str]) -> dict[State, int]:
        """The number of operations in each state."""
        return await self._run(lambda transaction: transaction.counts(scopes))

    async def tally(self) -> Sequence[StateCount]:
        """The number of operations in each scope and state."""
        return await self._run(lambda transaction: transaction.tally())

    async def on_resource(
        self, scope: str, resource: str, *, states: Collection[State] = (), excluding: str = ""
    ) -> Sequence[Operation]:
        """The operations on a resource, the oldest first. states: only these. excluding: the id of one to leave out."""
        return await self._run(lambda transaction: transaction.on_resource(scope, resource, states, excluding))

    async def stopped(self) -> Stopped | None:
        """Why nothing may be written now, although the ledger can be read. None when writes go on."""
        return await self._run(lambda transaction: transaction.stopped)

    async def recover(self, operation_id: str, new: NewOperation, outcome: OperationOutcome) -> Settlement | None:
        """Record a write again that the ledger forgot because it went back in time while the write was under way.

        None when the ledger still has the write, or when nothing was carried out.
        """
        return await self._run(lambda transaction: transaction.recover(operation_id, new, outcome))

    async def resume_writes(self, actor: str, note: str, *, settle_after: float = 0.0) -> Restored:
        """Let writes go on after the ledger went back in time.

        Servers on other machines go on as well, unless they know of more that was lost. Nothing is done when writes
        stopped for another reason, or while a lost write may still be carried out. settle_after: seconds for which it
        may.
        """
        stopped, now = await self.stopped(), self.now()
        lost = stopped.lost if stopped else ()
        ages = [self._least_age(entry) for entry in lost]
        if ages and min(ages) < settle_after:
            return Restored(stopped, until=now + settle_after - min(ages))
        if stopped is not None and not lost:
            return Restored(stopped)
        ended = await self._run(lambda transaction: transaction.resume_writes(actor, note, lost))
        await anyio.to_thread.run_sync(self._database.forget)
        return Restored(stopped, ended=ended)

    def _least_age(self, entry: Entry) -> float:
        """The fewest seconds since an entry was written, by the clocks that can be compared."""
        if (then := Stamp.read(entry.stamp)) is not None:
            return age(then, self._database.stamp(), one_machine=self.one_machine).at_least
        # an earlier version stored no stamp. An entry from much later than now is from a clock that was wrong
        return abs(self.now() - entry.at)

    async def restorations(self) -> Sequence[tuple[float, str, str]]:
        """When writes were let go on after the ledger had gone back in time, by whom and why; the newest first."""
        return await self._run(lambda transaction: transaction.restorations())

    async def durability(self) -> Sequence[str]:
        """The database's own settings that could make it lose a commit, one line each."""
        return await self._run(lambda transaction: transaction.durability())

    async def backup(self, file: Path) -> str:
        """Copy a ledger that is a file to a new file. The reason when that is not possible, else an empty string."""
        return await anyio.to_thread.run_sync(self._database.backup, file)

    async def close(self) -> None:
        if self._database.is_open:
            await anyio.to_thread.run_sync(self._database.close)

    async def _run(self, work: Callable[[LedgerTransaction], T]) -> T:
        if not self._database.is_open:
            async with self._opening:
                await anyio.to_thread.run_sync(self._database.open)
        try:
            return await anyio.to_thread.run_sync(self._database.run, work, limiter=self._at_once)
        finally:
            self._database.marks.save_soon()

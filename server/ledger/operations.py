"""The durable record of writes: each is recorded before it is sent, and what became of it afterwards.

`server.ledger.state_machine` has the states, and who may move an operation from one to another. The plan that a person
decides on is stored as it was shown and never changed: another plan is another operation.

Two unique columns do the work. `claim` is the write's identity, held for as long as the same call must not be sent:
whoever inserts it first may send. `busy` is the thing that is written to, held while the write is under way, so that
what was read before a write is still so when it leaves. A write under way is leased: a process that dies stops
renewing, and whoever looks next finds it in doubt, or, when it had not left, failed. Before a write leaves, its lease
is confirmed in the same transaction that records the departure: a process that was asleep past its lease sends nothing.
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
    Begun,
    Busy,
    Ending,
    InDoubtAlready,
    New,
    NotOurs,
    Operation,
    Restored,
    Settlement,
    Step,
    Taken,
    Tally,
    Wanted,
)
from server.ledger.state_machine import ENDS_SENDING
from server.ledger.storage.database import Database, Stopped
from server.ledger.storage.marks import Entry, Marks
from tools.effects import State

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from server.ledger.rows import Record

T = TypeVar("T")

LEASE = 15.0
"""Seconds after which a write under way that is not renewed is taken for one of a dead process."""

RENEWED_EVERY = 5.0

MOST_AT_ONCE = 10
"""Transactions of one process at once in PostgreSQL: fewer than its pool of connections holds."""


@dataclass
class Operations:
    """The record, opened at its first use. Every method is one transaction, in a thread, and may raise Unrecorded.

    url: SQLAlchemy's. setting: what the operator mends when it cannot be used. marks: the file for what this machine
    wrote last; None for this process alone. owner: this process, as its leases name it.
    """

    url: str
    setting: str
    clocks: Clocks = field(default_factory=Clocks)
    lease: float = LEASE
    marks: Path | None = None
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    _database: Database[Record] = field(init=False)
    _under_way: set[str] = field(default_factory=set[str])
    _opening: anyio.Lock = field(default_factory=anyio.Lock)
    _at_once: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        marks = Marks(self.marks, self.url)
        self._database = Database(self.url, self.setting, self.clocks, marks, self._record)
        # SQLite writes one at a time, and whoever finds it taken sleeps and tries again: here they wait in line instead
        self._at_once = anyio.CapacityLimiter(1 if self._database.one_machine else MOST_AT_ONCE)

    def _record(self, connection: Connection, now: Stamp, stopped: Stopped | None) -> Record:
        from server.ledger.rows import Record  # noqa: PLC0415 - reads never pay for SQLAlchemy

        return Record(
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
        """Whether all who share it are on this machine."""
        return self._database.one_machine

    def now(self) -> float:
        """Seconds since the epoch, by the clock that the record goes by."""
        return self._database.now()

    def is_under_way(self, operation_id: str) -> bool:
        """Whether this very process has it under way."""
        return operation_id in self._under_way

    async def begin(self, new: New, *, awaiting: bool = False) -> Begun | Taken | Busy:
        """Record a write that is about to be sent, or, when `awaiting`, to wait for a person."""
        return await self._claim(lambda record: record.begin(new, awaiting=awaiting), awaiting=awaiting)

    async def start(self, operation_id: str, actor: str = "unknown") -> Begun | Taken | Busy:
        """Take an approved write up to send it."""
        return await self._claim(lambda record: record.start(operation_id, actor))

    async def _claim(
        self, claim: Callable[[Record], Begun | Taken | Busy], *, awaiting: bool = False
    ) -> Begun | Taken | Busy:
        try:
            outcome = await self._run(claim)
        except InDoubtAlready as already:
            return Taken(already.doubt)
        if isinstance(outcome, Begun) and not awaiting:
            self._under_way.add(outcome.id)
        return outcome

    async def standing(self, new: New) -> Operation | None:
        """The write of the same identity that keeps `new` from being sent."""
        return await self._run(lambda record: record.standing(new))

    async def rejected(self, new: New, *, since: float) -> Operation | None:
        """The newest write of the same identity, when a person rejected it after `since`."""
        return await self._run(lambda record: record.rejected(new, since))

    async def replace(self, operation_id: str, new: New) -> Begun | Taken:
        """Put another write that waits in the place of one whose plan is no longer so; Taken when it does not wait."""
        return await self._run(lambda record: record.replace(operation_id, new))

    async def keep_brief(self, operation_id: str, does: str, before: Mapping[str, Any] | None) -> None:
        """Keep what was found before the write is sent."""
        await self._run(lambda record: record.keep_brief(operation_id, does, before))

    async def depart(
        self, operation_id: str, request: Mapping[str, Any], before: Mapping[str, Any] | None = None
    ) -> Lease | None:
        """Record that a request leaves now, and what it was like before. The lease is how long its first byte may still
        leave; None when the write is no longer this process's to send."""
        lease = Lease.begin(self.clocks, min(self.lease, DEPARTS_WITHIN))
        try:
            await self._run(lambda record: record.depart(operation_id, request, before))
        except NotOurs:
            return None
        return lease

    async def renew(self) -> None:
        """Say that this process is alive, and, where servers share a database, see what they wrote."""
        under_way = frozenset(self._under_way)
        if under_way or (self._database.is_open and not self._database.one_machine):
            await self._run(lambda record: record.renew(under_way))

    async def settle(self, operation_id: str, ending: Ending) -> Settlement | None:
        """Record how a write ended. None when it is in no state to end so."""
        settled = await self._run(lambda record: record.settle(operation_id, ending))
        if ending.event in ENDS_SENDING:
            self._under_way.discard(operation_id)
        return settled

    async def decide(self, operation_id: str, *, approve: bool, actor: str, note: str) -> Operation | None:
        """Approve or reject a write that waits; None when there is none of that id, else as it stands then."""
        return await self._run(lambda record: record.decide(operation_id, approve=approve, actor=actor, note=note))

    async def get(self, operation_id: str) -> tuple[Operation, list[Step]] | None:
        """A write with its history."""
        return await self._run(lambda record: record.get(operation_id))

    async def list(self, wanted: Wanted) -> tuple[list[Operation], int]:
        """The newest first, and how many there are."""
        return await self._run(lambda record: record.list(wanted))

    async def whole(self, wanted: Wanted) -> Sequence[tuple[Operation, Sequence[Step]]]:
        """The newest first, each with its history."""
        return await self._run(lambda record: record.whole(wanted))

    async def counts(self, scopes: Collection[str]) -> dict[State, int]:
        """How many writes there are in each state."""
        return await self._run(lambda record: record.counts(scopes))

    async def tally(self) -> Sequence[Tally]:
        """How many writes there are of each scope and state."""
        return await self._run(lambda record: record.tally())

    async def near(
        self, scope: str, resource: str, *, states: Collection[State] = (), but: str = ""
    ) -> Sequence[Operation]:
        """The writes on a resource, the oldest first. states: only these. but: the id of one that is left out."""
        return await self._run(lambda record: record.near(scope, resource, states, but))

    async def stopped(self) -> Stopped | None:
        """Why nothing may be written now, although the record can be read."""
        return await self._run(lambda record: record.stopped)

    async def recover(self, operation_id: str, new: New, ending: Ending) -> Settlement | None:
        """Record how a write ended that the record has forgotten, since it went back in time meanwhile. None when it
        has not, or when nothing was carried out."""
        return await self._run(lambda record: record.recover(operation_id, new, ending))

    async def restored(self, actor: str, note: str, *, settle_after: float = 0.0) -> Restored:
        """Let writes go on after the record went back in time.

        Servers on other machines go on as well, unless they know of more that was lost. Where writes stopped for
        another reason, nothing is done, nor while what was lost may still be carried out. settle_after: seconds for
        which it may."""
        stopped, now = await self.stopped(), self.now()
        lost = stopped.lost if stopped else ()
        ages = [self._least_age(entry) for entry in lost]
        if ages and min(ages) < settle_after:
            return Restored(stopped, until=now + settle_after - min(ages))
        if stopped is not None and not lost:
            return Restored(stopped)
        ended = await self._run(lambda record: record.restored(actor, note, lost))
        await anyio.to_thread.run_sync(self._database.forget)
        return Restored(stopped, ended=ended)

    def _least_age(self, entry: Entry) -> float:
        """How many seconds ago an entry was written at least, by the clocks that can be compared."""
        if (then := Stamp.read(entry.stamp)) is not None:
            return age(then, self._database.stamp(), one_machine=self.one_machine).at_least
        # of an earlier version, or of a clock that was wrong: what is from a future that far says nothing
        return abs(self.now() - entry.at)

    async def restorations(self) -> Sequence[tuple[float, str, str]]:
        """When writes went on after the record had gone back in time, who let them, and why; the newest first."""
        return await self._run(lambda record: record.restorations())

    async def durability(self) -> Sequence[str]:
        """What its database says of itself that could make it forget, a line each."""
        return await self._run(lambda record: record.durability())

    async def backup(self, file: Path) -> str:
        """Copy it, in a file, to another one that is not there yet; why not, when it cannot be."""
        return await anyio.to_thread.run_sync(self._database.backup, file)

    async def close(self) -> None:
        if self._database.is_open:
            await anyio.to_thread.run_sync(self._database.close)

    async def _run(self, work: Callable[[Record], T]) -> T:
        if not self._database.is_open:
            async with self._opening:
                await anyio.to_thread.run_sync(self._database.open)
        try:
            return await anyio.to_thread.run_sync(self._database.run, work, limiter=self._at_once)
        finally:
            self._database.marks.save_soon()

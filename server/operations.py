"""The durable record of writes: each is recorded before it is sent, and what became of it afterwards.

States: `awaiting_approval -> approved | rejected`, `-> sending -> succeeded | failed | in_doubt`, and `superseded`.
What a person decides on is kept as they were shown it and never changed: another plan is another operation.

Two unique columns do the work. `claim` is the write's identity, held for as long as the same call must not be sent:
whoever inserts it first may send. `busy` is the thing that is written to, held while the write is under way, so that
what was read before a write is still so when it leaves. A write under way is leased: a process that dies stops
renewing, and whoever looks next finds it in doubt, or, when it had not left, failed. Before a write leaves, its lease
is confirmed in the same transaction that records the departure: a process that was asleep past its lease sends nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio.to_thread

from server.clocks import Clocks, Lease
from tools.errors import Unavailable
from tools.states import State
from tools.writes import Ends, Past

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from server.operations_rows import Record

T = TypeVar("T")

LEASE = 15.0
"""Seconds after which a write under way that is not renewed is taken for one of a dead process."""

RENEWED_EVERY = 5.0

MOST_AT_ONCE = 10
"""Transactions of one process at once in PostgreSQL: fewer than its pool of connections holds."""

APPROVAL_LASTS = 24 * 60 * 60.0
"""Seconds for which an approval that was not used may be used."""

OPEN_STATES: tuple[State, ...] = ("awaiting_approval", "approved", "sending", "in_doubt")

Keeps = Literal["success", "doubt", "sending"]
"""How long a write keeps others of its identity from being sent: past its success, until it is settled, or only while
it is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One write of the record. Times are seconds since the epoch.

    requests: what was sent, in order: method, path, body and, once answered, status. error: what the agent was told.
    plan: what the person was shown who decided, or is to decide.
    """

    id: str
    scope: str
    tool: str
    subject: str
    resource: str
    idempotency_key: str | None
    identity: str
    keeps: Keeps
    fingerprint: str
    state: State
    principal: str
    does: str
    arguments: dict[str, Any]
    before: dict[str, Any] | None
    requests: list[dict[str, Any]]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    approved_by: str | None
    approved_at: float | None
    created_at: float
    sent_at: float | None
    ended_at: float | None
    lease_until: float | None
    caller: str | None
    plan: dict[str, Any] | None

    def past(self) -> Past:
        """As a tool reads it."""
        return Past(
            id=self.id,
            tool=self.tool,
            state=self.state,
            subject=self.subject,
            idempotency_key=self.idempotency_key,
            arguments=self.arguments,
            before=self.before,
            result=self.result,
            sent_at=self.sent_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of state, as the history keeps it."""

    at: float
    state: State
    actor: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """A write that is about to be recorded. arguments: redacted; fingerprint: of them as they were given. plan: what a
    person is shown who decides. question: names the one that a person said yes to, which counts once. caller:
    names who is let in over HTTP. note: of its first step in the history."""

    scope: str
    tool: str
    subject: str
    resource: str
    idempotency_key: str | None
    keeps: Keeps
    fingerprint: str
    principal: str
    does: str
    arguments: Mapping[str, Any]
    plan: Mapping[str, Any] | None = None
    question: str | None = None
    caller: str | None = None
    note: str = "recorded"

    @property
    def identity(self) -> str:
        """A write whose success does not stand is only the same as one with the same arguments."""
        told = () if self.keeps == "success" else (self.fingerprint,)
        return digest(self.scope, self.tool, self.subject, self.idempotency_key, *told)


@dataclass(frozen=True, slots=True)
class Begun:
    """The write may be sent: it is recorded as `sending`, or as `awaiting_approval` where a person decides first."""

    id: str


@dataclass(frozen=True, slots=True)
class Taken:
    """It may not be sent: the same call stands in the record."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Busy:
    """It may not be sent yet: another write to the same thing is under way."""

    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a write ended. supersedes: what a success ends of others on the same resource."""

    state: State
    actor: str
    note: str
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    requests: Sequence[Mapping[str, Any]] | None = None
    supersedes: Collection[Ends] = ()
    only_from: Collection[State] = ("sending", "in_doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which writes a list holds. scopes: None is all. text: part of what they are about or do, or an id. older_than:
    time and id of one."""

    scopes: Collection[str] | None = None
    states: Collection[str] = ()
    tool: str | None = None
    text: str | None = None
    limit: int = 50
    offset: int = 0
    older_than: tuple[float, str] | None = None
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """oldest: when the first of them was sent or asked for, seconds since the epoch."""

    scope: str
    state: State
    count: int
    oldest: float


def digest(*parts: Any) -> str:
    """One name for several parts, of a length that an index takes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode(errors="replace")).hexdigest()


class Unrecorded(Unavailable):
    """The record of writes cannot be read or written; nothing was sent on account of it."""


@dataclass
class Operations:
    """The record, opened at its first use. Every method is one transaction, in a thread, and may raise Unrecorded.

    url: SQLAlchemy's. setting: what the operator mends when it cannot be used. now: seconds since the epoch.
    owner: this process, as its leases name it.
    """

    url: str
    setting: str
    now: Callable[[], float]
    lease: float = LEASE
    clocks: Clocks = field(default_factory=Clocks)
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    _engine: Engine | None = None
    _file: tuple[int, int] | None = None
    _opening: anyio.Lock = field(default_factory=anyio.Lock)
    _at_once: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        # SQLite writes one at a time, and whoever finds it taken sleeps and tries again: here they wait in line instead
        self._at_once = anyio.CapacityLimiter(1 if self.url.startswith("sqlite") else MOST_AT_ONCE)

    async def begin(self, new: New, *, awaiting: bool = False) -> Begun | Taken | Busy:
        """Record a write that is about to be sent, or, when `awaiting`, to wait for a person."""
        return await self._run(lambda record: record.begin(new, awaiting=awaiting))

    async def start(self, operation_id: str, actor: str = "unknown") -> Begun | Taken | Busy:
        """Take an approved write up to send it."""
        return await self._run(lambda record: record.start(operation_id, actor))

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
        lease = Lease.begin(self.clocks, self.lease)
        departed = await self._run(lambda record: record.depart(operation_id, request, before))
        return lease if departed else None

    async def renew(self) -> None:
        """Say that this process is alive."""
        await self._run(lambda record: record.renew())

    async def settle(self, operation_id: str, ending: Ending) -> bool:
        """Record how a write ended. False when it is in no state to end so."""
        return await self._run(lambda record: record.settle(operation_id, ending))

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

    async def close(self) -> None:
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await anyio.to_thread.run_sync(engine.dispose)

    async def _run(self, work: Callable[[Record], T]) -> T:
        engine = self._engine or await self._opened()
        return await anyio.to_thread.run_sync(
            self._guarded, lambda: self._transaction(engine, work), limiter=self._at_once
        )

    async def _opened(self) -> Engine:
        async with self._opening:
            if self._engine is None:
                self._engine = await anyio.to_thread.run_sync(self._guarded, self._open)
        return self._engine

    def _transaction(self, engine: Engine, work: Callable[[Record], T]) -> T:
        """Of two that insert the same unique value at once the second fails, and then finds the first one's row."""
        from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - see _open

        from server.operations_rows import Record  # noqa: PLC0415 - see _open

        if self._file != _identity_of(engine):
            raise self._unrecorded(
                "its file was moved, deleted or replaced while this server ran",
                "puts it back and starts the server anew: what it held must not be forgotten",
            )
        for tries_left in (2, 1, 0):
            try:
                with engine.begin() as connection:
                    return work(Record(connection, self.now(), self.owner, self.lease))
            except IntegrityError:
                if not tries_left:
                    raise
        raise AssertionError

    def _open(self) -> Engine:
        from server.operations_tables import open_engine  # noqa: PLC0415 - reads never pay for SQLAlchemy

        engine = open_engine(self.url)
        self._file = _identity_of(engine)
        return engine

    def _guarded(self, work: Callable[[], T]) -> T:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - see _open

        try:
            return work()
        except ImportError as error:
            raise self._unrecorded(
                "its driver is not installed: pip install 'adops-mcp[postgresql]'", f"checks {self.setting}"
            ) from error
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            if any(word in str(error) for word in ("not a database", "malformed")):
                keeps = f"keeps its file aside, since it tells what was sent, and restores it: {self.setting}"
                raise self._unrecorded("it is damaged", keeps) from error
            raise self._unrecorded("it cannot be opened, read or written", f"checks {self.setting}") from error
        except Exception as error:
            if type(error).__name__ != "CommandError":
                raise
            raise self._unrecorded("a newer adops-mcp made it", "updates adops-mcp") from error

    def _unrecorded(self, why: str, does: str) -> Unrecorded:
        return Unrecorded(
            f"The record of writes cannot be used: {why}. Without it no write is sent.",
            next_step=f"The operator {does}; then make the same call again.",
        )


def _identity_of(engine: Engine) -> tuple[int, int] | None:
    """Which file a database is in, so that another one in its place is noticed; None where it is in none."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    if not path or path == ":memory:":
        return None
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino

"""The entries of the record of writes: one write, what it is made from, how it ends, and what a list of them holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.clocks import proved
from server.ledger.corrections import Cause, Correction, correction
from server.ledger.state_machine import Event, Ground, Keeps, ordinary
from server.ledger.storage.database import Stopped
from tools.effects import Age, RecordedWrite, State, Superseded

APPROVAL_LASTS = 24 * 60 * 60.0
"""Seconds for which an approval that was not used may be used."""

OPEN_STATES: tuple[State, ...] = ("awaiting_approval", "approved", "sending", "in_doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One write of the record. Times are seconds since the epoch.

    requests: what was sent, in order: method, path, body and, once answered, status. error: what the agent was told.
    plan: what the person was shown who decided, or is to decide. ground: what its outcome rests on. departure: the
    number of its departure in the history. corrected: which outcome had been concluded before this one was proved,
    when, and which others may have done the same since. age, clocks: how long ago it departed, and by each clock.
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
    ground: Ground | None = None
    departure: int | None = None
    corrected: dict[str, Any] | None = None
    age: Age | None = None
    clocks: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def correction(self) -> Correction | None:
        if not self.corrected or "was" not in self.corrected:
            return None
        told = self.corrected
        return correction(told["was"], self.state, told.get("others", ()), told.get("event", ""))

    def age_for(self, *, by_person: bool) -> Age | None:
        """How long ago it departed. by_person: for a person's word, which also counts where a clock that was set says
        otherwise than those that nobody sets."""
        sure = proved(self.clocks) if by_person else None
        return self.age if self.age is None or sure is None else Age(max(self.age.at_least, sure), self.age.at_most)

    def past(self) -> RecordedWrite:
        """As a tool reads it."""
        return RecordedWrite(
            id=self.id,
            tool=self.tool,
            state=self.state,
            subject=self.subject,
            idempotency_key=self.idempotency_key,
            arguments=self.arguments,
            baseline=self.before,
            result=self.result,
            sent_at=self.sent_at,
            age=self.age,
            sequence=self.departure or 0,
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
    """How a write ended. supersedes: what a success ends of others on the same resource. settle_after: seconds that
    have to have passed for certain before it is concluded that it was not sent. looked_at: how many entries its history
    had when the look began on which this rests; with more of them, it is not what was looked at, and does not end so.
    """

    event: Event
    actor: str
    note: str
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    requests: Sequence[Mapping[str, Any]] | None = None
    supersedes: Collection[Superseded] = ()
    settle_after: float = 0.0
    looked_at: int | None = None

    @property
    def state(self) -> State:
        """The state that it leads to where it corrects nothing."""
        return ordinary(self.event)[1]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was recorded. replaced: the outcome that had been concluded before, where there was one. others: ids of the
    operations that may have done the same since. event: what replaced it."""

    state: State
    replaced: State | None = None
    others: tuple[str, ...] = ()
    event: Cause = ""

    @property
    def correction(self) -> Correction | None:
        return None if self.replaced is None else correction(self.replaced, self.state, self.others, self.event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which writes a list holds. scopes: None is all. text: part of what they are about or do, or an id. older_than:
    time and id of one. corrected: only those of which something else had been concluded before."""

    scopes: Collection[str] | None = None
    states: Collection[str] = ()
    tool: str | None = None
    text: str | None = None
    limit: int = 50
    offset: int = 0
    older_than: tuple[float, str] | None = None
    caller: str | None = None
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of letting writes go on. stopped: why they had stopped, as far as this process knows. until: what was
    lost may be carried out until then, so that nothing was done. ended: ids of the approvals that ended."""

    stopped: Stopped | None
    until: float | None = None
    ended: tuple[str, ...] = ()


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


class InDoubtAlready(Exception):
    """The same write is in doubt, so this one may not be claimed; its transaction is rolled back."""

    def __init__(self, doubt: Operation) -> None:
        super().__init__(doubt.id)
        self.doubt = doubt


class NotOurs(Exception):
    """The operation is no longer this process's to send; its transaction is rolled back."""

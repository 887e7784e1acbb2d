"""The data of the ledger: an operation, a new one, its outcome, and what a list of operations is filtered by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.clocks import proved
from server.ledger.corrections import Cause, Correction, correction
from server.ledger.state_machine import ClaimLifetime, Event, Ground, ordinary_transition
from server.ledger.storage.database import Stopped
from tools.effects import Age, RecordedWrite, State, Superseded

APPROVAL_LASTS = 24 * 60 * 60.0
"""Seconds after which an approval that was not used is over."""

OPEN_STATES: tuple[State, ...] = ("awaiting_approval", "approved", "sending", "in_doubt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One write in the ledger. Times are seconds since the epoch.

    requests: what was sent, in order: method, path, body and, once answered, status. error: what the agent read instead
    of a result. plan: what the person who decides is shown. keeps: how long it holds its claim. ground: what its
    outcome rests on. departure: the number of its departure in the history. corrected: the outcome that this one
    replaced, when, and the operations that may have done the same since. age, clocks: how long ago it departed, and by
    each clock.
    """

    id: str
    scope: str
    tool: str
    subject: str
    resource: str
    idempotency_key: str | None
    identity: str
    keeps: ClaimLifetime
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
        corrected = self.corrected
        return correction(corrected["was"], self.state, corrected.get("others", ()), corrected.get("event", ""))

    def age_for(self, *, by_person: bool) -> Age | None:
        """How long ago it departed. by_person: for what a person states, where the two clocks that nobody sets decide
        when they agree, although another clock was set meanwhile."""
        certain = proved(self.clocks) if by_person else None
        if self.age is None or certain is None:
            return self.age
        return Age(max(self.age.at_least, certain), self.age.at_most)

    def past(self) -> RecordedWrite:
        """The operation as a tool reads it."""
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
class HistoryEntry:
    """One entry of an operation's history."""

    at: float
    state: State
    actor: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """A write that is about to be recorded.

    arguments: redacted. fingerprint: of the arguments as they were given. keeps: how long it holds its claim. plan:
    what the person who decides is shown. question: names the question that a person agreed to, whose answer counts
    once. caller: names the caller over HTTP. note: of its first entry in the history.
    """

    scope: str
    tool: str
    subject: str
    resource: str
    idempotency_key: str | None
    keeps: ClaimLifetime
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
        """Names what the write is about. Where a success does not hold the claim, other arguments make another
        write."""
        arguments = () if self.keeps == "success" else (self.fingerprint,)
        return digest(self.scope, self.tool, self.subject, self.idempotency_key, *arguments)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The write is recorded: as `sending`, so that it may be sent now, or as `awaiting_approval`."""

    id: str


@dataclass(frozen=True, slots=True)
class AlreadyRecorded:
    """The write may not be sent: the ledger already has an operation for it."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class ResourceBusy:
    """The write may not be sent yet: another write to the same resource is under way."""

    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationOutcome:
    """How a write ended.

    supersedes: the operations on the same resource that a success ends. settle_after: seconds that must have passed for
    certain before it may be concluded that nothing was sent. history_length: the number of entries in its history when
    the look at the vendor began; when there are more by now, the outcome is not recorded.
    """

    event: Event
    actor: str
    note: str
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    requests: Sequence[Mapping[str, Any]] | None = None
    supersedes: Collection[Superseded] = ()
    settle_after: float = 0.0
    history_length: int | None = None

    @property
    def state(self) -> State:
        """The next state, where it corrects no outcome."""
        return ordinary_transition(self.event)[1]


@dataclass(frozen=True, slots=True)
class Settlement:
    """An outcome that was recorded.

    replaced: the outcome that had been concluded before, where there was one. others: the ids of the operations that
    may have done the same since. event: what replaced it.
    """

    state: State
    replaced: State | None = None
    others: tuple[str, ...] = ()
    event: Cause = ""

    @property
    def correction(self) -> Correction | None:
        return None if self.replaced is None else correction(self.replaced, self.state, self.others, self.event)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFilter:
    """Which operations a list holds.

    scopes: None is all of them. text: a part of the subject or of what it does, or an id. older_than: the time and id
    of an operation. corrected: only those whose outcome replaced another one.
    """

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
    """The result of letting writes go on after the ledger went back in time.

    stopped: why they had stopped, as far as this process knows. until: set when nothing was done, since what was lost
    may still be carried out until then. ended: the ids of the approvals that ended.
    """

    stopped: Stopped | None
    until: float | None = None
    ended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateCount:
    """The number of operations in one scope and state. oldest: when the first of them was sent or requested."""

    scope: str
    state: State
    count: int
    oldest: float


def digest(*parts: Any) -> str:
    """One name for several parts, short enough for an index."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode(errors="replace")).hexdigest()


class InDoubtAlready(Exception):
    """The same write is in doubt, so this one may not be claimed. The transaction is rolled back."""

    def __init__(self, doubt: Operation) -> None:
        super().__init__(doubt.id)
        self.doubt = doubt


class LeaseLost(Exception):
    """This process lost the lease of the operation, so it must not send it. The transaction is rolled back."""

"""What a write says about itself: what it would do, what it is about, and how to find out whether it was done.

The server's ledger and its write pipeline know nothing of ad operations beyond what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

State = Literal["awaiting_approval", "approved", "rejected", "sending", "succeeded", "failed", "in_doubt", "superseded"]
"""The states of a write in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a write would do, as far as reading shows.

    does: one sentence for the person who decides, with the money and the inventory.
    changes: what would be different afterwards, a line each. An approval is for these, `does` and `problems`.
    current_state: further facts, which may change without a new approval.
    problems: why the vendor would refuse the write, or why it would not do what was meant.
    not_checked: what could not be looked up.
    baseline: numbers and ids that a reconciliation compares with.
    """

    does: str
    changes: Sequence[str] = ()
    current_state: Sequence[str] = ()
    problems: Sequence[str] = ()
    not_checked: Sequence[str] = ()
    baseline: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """How many seconds ago something was sent, at least and at most: clocks cannot always be compared exactly."""

    at_least: float
    at_most: float


def is_settled(age: Age | None, settle_after: float) -> bool:
    """Whether a write of this age shows at the vendor by now, if it was carried out. False for an unknown age."""
    return age is not None and age.at_least >= settle_after


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedWrite:
    """One write in the ledger, as a reconciliation reads it.

    id: its operation id.
    baseline: the baseline that was recorded before it was sent.
    result: the result that the agent got.
    sent_at: seconds since the epoch, to be shown to people; None when it was not sent.
    age: how long ago it was sent; None when it was not sent, or when that is not known.
    sequence: its place in the order in which all writes were sent, which depends on no clock; 0 when it was not sent.
    """

    id: str
    tool: str
    state: State
    subject: str
    idempotency_key: str | None
    arguments: Mapping[str, Any]
    baseline: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    sent_at: float | None
    age: Age | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A write in doubt, with what its reconciliation needs.

    settle_after: the seconds after which a write shows at the vendor, if it was carried out.
    siblings: the other writes in the ledger on the same resource, the oldest first.
    """

    write: RecordedWrite
    settle_after: float
    siblings: Sequence[RecordedWrite] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """The writes on the same resource that a successful write supersedes.

    tool: the tool of those writes.
    select: returns the ids of those that are superseded, given all of that tool that are in force, the oldest first.
    """

    tool: str
    select: Callable[[Sequence[RecordedWrite]], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingWrite:
    """A write in the ledger that keeps another one on the same resource from being sent.

    may_be_same: whether the two may be the same write, with other arguments. If not, the first one is in doubt, and
    later nothing could show which of the two was carried out.
    """

    id: str
    may_be_same: bool


LONGEST_REQUEST = 30.0
"""The longest time in seconds from the first byte of a write's request to the last byte of its answer. Time in which
this process stands still does not count (see `tools.vendor_http.timing`)."""

Outcome = Literal["succeeded", "not_sent", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of a write in doubt, as far as reading at the vendor shows.

    evidence: what was read, in a sentence.
    found: ids and states of what was found.
    check: what a person looks at, and where, when the outcome is unknown.
    """

    outcome: Outcome
    evidence: str
    found: Mapping[str, Any] = field(default_factory=dict[str, Any])
    check: str = ""


def created_ids(writes: Sequence[RecordedWrite], result_key: str, found_key: str) -> set[Any]:
    """The ids of the objects that these writes created, or were found to have created.

    result_key: the part of a tool's result that holds the object.
    found_key: the part of what a reconciliation found that holds the ids.
    """
    results = [write.result or {} for write in writes]
    made = {result[result_key]["id"] for result in results if result_key in result}
    return made.union(*(result.get("found", {}).get(found_key, ()) for result in results))


class Departure(Protocol):
    """Is told about each write on its way to the vendor, and may raise to stop it.

    remember: the baseline to record with the write.
    requested: the request is built, and no connection is open.
    leaving: a connection is open, and nothing was sent on it.
    check: the first byte is sent when this returns.
    not_sent: nothing was sent of the request that `leaving` was called for last.
    answered: the vendor answered with this HTTP status.
    """

    def remember(self, before: Mapping[str, Any]) -> None: ...

    def requested(self, method: str, path: str, body: Any) -> None: ...

    async def leaving(self, method: str, path: str, body: Any) -> None: ...

    def check(self) -> None: ...

    def not_sent(self) -> None: ...

    def answered(self, status: int) -> None: ...


DEPARTURE: ContextVar[Departure | None] = ContextVar("DEPARTURE", default=None)
"""Who is told about the writes of the current call."""


@contextmanager
def recording_departures(departure: Departure) -> Generator[None]:
    """Have `departure` told about the writes made inside this context."""
    before = DEPARTURE.set(departure)
    try:
        yield
    finally:
        DEPARTURE.reset(before)


def record_baseline(baseline: Mapping[str, Any]) -> None:
    """Record with the next write what a reconciliation will compare with."""
    if (departure := DEPARTURE.get()) is not None:
        departure.remember(baseline)


Progress = Callable[[float, float | None, str], Any]
PROGRESS: ContextVar[Progress | None] = ContextVar("PROGRESS", default=None)
"""Who is told how far the current call has come."""


async def report_progress(done: float, total: float | None, activity: str) -> None:
    """Report that `done` of `total` parts of the work are done (None: the total is not known), and what the work is."""
    if (progress := PROGRESS.get()) is not None:
        await progress(done, total, activity)

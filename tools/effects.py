"""What a write tells about itself: what it would do, what it is about, and how to find out whether it was done.

The server keeps the record of writes; what is asked here and answered by the tools is all that it knows of ad
operations (see the house plan, "At most once").
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tools.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a write would do, as far as reading tells.

    does: one sentence for the person who decides, with the money and the inventory in it.
    changes: what would be otherwise afterwards, a line each. A person's word is for these, with `does` and `problems`.
    now: what it is like beside that, which may move without another word.
    problems: why the vendor would refuse it, or why it would not be what was meant.
    not_checked: what could not be looked up.
    before: numbers and ids that a later look is compared with.
    """

    does: str
    changes: Sequence[str] = ()
    now: Sequence[str] = ()
    problems: Sequence[str] = ()
    not_checked: Sequence[str] = ()
    before: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago something was sent, in seconds: at least, and at most. Clocks that disagree make the two differ."""

    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One write of the record, as a reconciliation reads it.

    before: what its brief held. sent_at: seconds since the epoch, for people; None when it never left. age: how long
    ago it was sent; None when it never left, or when that is not known. sequence: the place of its departure among all
    of the record, which no clock moves; 0 when it never left. result: what the agent was told. id: of its record.
    """

    id: str
    tool: str
    state: State
    subject: str
    idempotency_key: str | None
    arguments: Mapping[str, Any]
    before: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    sent_at: float | None
    age: Age | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A write whose outcome is looked for.

    settle_after: seconds after which a write shows at the vendor, or was not carried out.
    siblings: the other writes of the record on the same resource, the oldest first.
    """

    write: Past
    settle_after: float
    siblings: Sequence[Past] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What a success ends of other writes on the same resource.

    tool: whose successes. which: the ids of those that it ends, of all that stand, the oldest first.
    """

    tool: str
    which: Callable[[Sequence[Past]], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A write on record that keeps another one on the same resource from being sent.

    same: it may be the same write, told otherwise; else it is in doubt, and could not be told from the other one later.
    """

    id: str
    same: bool


LONGEST_REQUEST = 30.0
"""Seconds that a request of a write may live, from its first byte to the last one of its answer. Those in which this
process stands still do not count: see `tools.vendor_http.timing`."""

Outcome = Literal["succeeded", "not_sent", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look at the vendor found.

    evidence: what was seen, in a sentence. found: ids and states of what was found. check: for an unknown outcome, what
    a person looks at, and where.
    """

    outcome: Outcome
    evidence: str
    found: Mapping[str, Any] = field(default_factory=dict[str, Any])
    check: str = ""


def made_by(writes: Sequence[Past], shown_as: str, found_as: str) -> set[Any]:
    """The ids of what other calls made, or were found to have made.

    shown_as: the part of a result that holds the object. found_as: the ids among what a reconciliation found.
    """
    results = [write.result or {} for write in writes]
    made = {result[shown_as]["id"] for result in results if shown_as in result}
    return made.union(*(result.get("found", {}).get(found_as, ()) for result in results))


class Departure(Protocol):
    """Told of each write on its way out; it may raise to keep it from leaving.

    requested: it is put together, and no connection is open. leaving: one is open, and nothing was sent on it. check:
    the first byte leaves when this returns. not_sent: nothing left of the request of which `leaving` was told last.
    """

    def remember(self, before: Mapping[str, Any]) -> None: ...

    def requested(self, method: str, path: str, body: Any) -> None: ...

    async def leaving(self, method: str, path: str, body: Any) -> None: ...

    def check(self) -> None: ...

    def not_sent(self) -> None: ...

    def answered(self, status: int) -> None: ...


DEPARTURE: ContextVar[Departure | None] = ContextVar("DEPARTURE", default=None)
"""Who is told of the writes of the present call."""


@contextmanager
def departing(departure: Departure) -> Generator[None]:
    """Tell `departure` of the writes inside."""
    before = DEPARTURE.set(departure)
    try:
        yield
    finally:
        DEPARTURE.reset(before)


def remember(before: Mapping[str, Any]) -> None:
    """Keep with the write that leaves next what it was like before, for a reconciliation to compare with."""
    if (departure := DEPARTURE.get()) is not None:
        departure.remember(before)


Progress = Callable[[float, float | None, str], Any]
PROGRESS: ContextVar[Progress | None] = ContextVar("PROGRESS", default=None)
"""Who is told how far the present call has come."""


async def report(done: float, total: float | None, what: str) -> None:
    """Say how far long work has come: `done` of `total` (None when not known), and with what."""
    if (told := PROGRESS.get()) is not None:
        await told(done, total, what)

"""The rules that the model explores: the ones of before issue 15, and the ones of the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tools.states import State


class Ages(NamedTuple):
    """How long ago something went on record, in seconds, by each clock that a server may ask.

    wall: its own wall clock. awake: the monotonic clock, of the same machine. database: the clock of the database.
    """

    wall: float
    awake: float
    database: float


class Rules(Protocol):
    """What decides between two steps. lease and settle_after: seconds."""

    measures_first: bool
    """Whether the age of a write is taken before the vendor is looked at, and not after."""

    def may_leave(self, lease: Ages) -> bool:
        """Whether the first byte may leave. lease: its age at the process that holds it."""
        ...

    def is_left_behind(self, lease: Ages, *, mine: bool) -> bool:
        """Whether a write under way is taken for a dead process's."""
        ...

    def is_quiet(self, left: Ages) -> bool:
        """Whether what does not show was not carried out."""
        ...

    def claims(self, state: State) -> bool:
        """Whether a write in this state keeps the same call from being sent."""
        ...

    def doubt_refuses_another_key(self) -> bool:
        """Whether a write in doubt keeps the same one under another idempotency key from being sent."""
        ...

    def takes_the_answer(self, state: State, into: State) -> bool:
        """Whether the vendor's own answer moves a write from one state into another."""
        ...


@dataclass(frozen=True, slots=True)
class Before:
    """The rules of before issue 15."""

    lease: float
    settle_after: float
    measures_first: bool = False

    def may_leave(self, lease: Ages) -> bool:  # noqa: ARG002 - nobody looked at it
        return True

    def is_left_behind(self, lease: Ages, *, mine: bool) -> bool:  # noqa: ARG002 - whose it is did not count
        return lease.wall >= self.lease

    def is_quiet(self, left: Ages) -> bool:
        return left.wall >= self.settle_after

    def claims(self, state: State) -> bool:
        return state in ("awaiting_approval", "approved", "sending", "in_doubt", "succeeded")

    def doubt_refuses_another_key(self) -> bool:
        return False

    def takes_the_answer(self, state: State, into: State) -> bool:  # noqa: ARG002 - nothing was special about it
        return state in ("sending", "in_doubt")


@dataclass(frozen=True, slots=True)
class Draft:
    lease: float
    settle_after: float
    one_machine: bool = False
    measures_first: bool = True

    def may_leave(self, lease: Ages) -> bool:
        return max(lease.wall, lease.awake) < self.lease

    def is_left_behind(self, lease: Ages, *, mine: bool) -> bool:
        if mine:
            return False
        if self.one_machine:
            return min(lease.wall, lease.awake) >= self.lease
        return lease.database >= self.lease

    def is_quiet(self, left: Ages) -> bool:
        if self.one_machine:
            return min(left.wall, left.awake) >= self.settle_after
        return left.database >= self.settle_after

    def claims(self, state: State) -> bool:
        return state in ("awaiting_approval", "approved", "sending", "in_doubt", "succeeded")

    def doubt_refuses_another_key(self) -> bool:
        return True

    def takes_the_answer(self, state: State, into: State) -> bool:
        return state in ("sending", "in_doubt") or (state == "failed" and into == "succeeded")

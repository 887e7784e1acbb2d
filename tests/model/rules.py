"""What decides between two steps of the model: the rules as they were before issue 15, and the ones of the code."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from server import clocks
from server.ledger import state_machine
from server.ledger.state_machine import Event, Ground
from tests.model.world import LEASE
from tools.effects import State

TICK = 10.0
"""Seconds of a tick, for rules that take seconds."""

_NOW = 1_000_000.0
"""Any moment."""


class Ages(NamedTuple):
    """How long ago something was, in ticks, by each clock that can be asked.

    wall: the wall clocks of the two servers. true: the database's, and the uptime. awake: the monotonic clock.
    together: whether both servers are on one machine, so that the last two can be compared there.
    """

    wall: int
    true: int
    awake: int
    together: bool


class Rules(Protocol):
    """Everything that depends on a rule."""

    @property
    def connects_first(self) -> bool:
        """Whether the connection is open before the departure is on record."""
        ...

    @property
    def measures_first(self) -> bool:
        """Whether the age of a write is taken before the vendor is looked at, and not after."""
        ...

    @property
    def settles_unchanged(self) -> bool:
        """Whether a look settles a write only as it was recorded when the look began."""
        ...

    @property
    def tells_two_apart(self) -> bool:
        """Whether what is seen counts as none of two writes that are open, and may both have made it."""
        ...

    @property
    def reads_wall_clocks(self) -> bool:
        """Whether the wall clock of one server is ever compared with the one of another."""
        ...

    @property
    def refuses_another_key(self) -> bool:
        """Whether a write in doubt keeps the same one under another idempotency key from being sent."""
        ...

    def lease_is_over_here(self, wall: int, awake: int, up: int) -> bool:
        """Whether the process that holds the lease gives up. Ages of the lease by the three clocks of its machine."""
        ...

    def end_of_lease(self, lease: Ages, state: State, *, is_own: bool, departed: bool) -> Event | None:
        """What a server that looks makes of a write under way."""
        ...

    def may_settle_unsent(self, left: Ages, *, is_under_way_here: bool) -> bool:
        """Whether what does not show was not carried out."""
        ...

    def holds_claim(self, state: State) -> bool:
        """Whether a write in this state keeps the same call from being sent."""
        ...

    def may_depart(self, state: State, *, is_own: bool) -> bool: ...

    def next(self, state: State, event: Event, ground: Ground | None) -> tuple[State, Ground | None] | None:
        """State and ground after an event; None when it changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Before:
    """The rules of before issue 15. one_machine, uptime, settle_after: see `Bounds`. measures_first: False as it was;
    True leaves that fault out, to see the others."""

    one_machine: bool
    uptime: bool
    settle_after: int
    connects_first: bool = False
    measures_first: bool = False
    settles_unchanged: bool = False
    tells_two_apart: bool = False
    refuses_another_key: bool = False
    reads_wall_clocks: bool = True

    def lease_is_over_here(self, wall: int, awake: int, up: int) -> bool:  # noqa: ARG002 - nobody looked
        return False

    def end_of_lease(self, lease: Ages, state: State, *, is_own: bool, departed: bool) -> Event | None:  # noqa: ARG002
        if state != "sending" or lease.wall < LEASE:
            return None
        return "lease_ended_sent" if departed else "lease_ended_unsent"

    def may_settle_unsent(self, left: Ages, *, is_under_way_here: bool) -> bool:  # noqa: ARG002
        return left.wall >= self.settle_after

    def holds_claim(self, state: State) -> bool:
        return state in ("awaiting_approval", "approved", "sending", "in_doubt", "succeeded")

    def may_depart(self, state: State, *, is_own: bool) -> bool:
        return is_own and state == "sending"

    def next(self, state: State, event: Event, ground: Ground | None) -> tuple[State, Ground | None] | None:  # noqa: ARG002
        from_: tuple[State, ...] = ("in_doubt",) if event.startswith("found") else ("sending", "in_doubt")
        if state not in from_:
            return None
        if event in ("confirmed", "found_done"):
            return "succeeded", None
        lost = event in ("answer_lost", "answer_unread", "found_nothing", "lease_ended_sent")
        return ("in_doubt" if lost else "failed"), None


@dataclass(frozen=True, slots=True)
class Code:
    """The rules of the code: the table and the functions that it uses itself.

    measures_first: `reconcile` takes the age from the operation that it was given, which was read before the look.
    settles_unchanged: `Ending.looked_at`.
    """

    one_machine: bool
    uptime: bool
    settle_after: int
    connects_first: bool = True
    measures_first: bool = True
    settles_unchanged: bool = True
    tells_two_apart: bool = True
    refuses_another_key: bool = True

    @property
    def reads_wall_clocks(self) -> bool:
        return self.one_machine

    def lease_is_over_here(self, wall: int, awake: int, up: int) -> bool:
        return _lease_is_over_here(wall, awake, up if self.uptime else None)

    def end_of_lease(self, lease: Ages, state: State, *, is_own: bool, departed: bool) -> Event | None:
        is_over = _lease_is_over(lease, one_machine=self.one_machine, uptime=self.uptime)
        return state_machine.event_at_lease_end(state, is_own=is_own, departed=departed, lease_is_over=is_over)

    def may_settle_unsent(self, left: Ages, *, is_under_way_here: bool) -> bool:
        then, now = _stamps(left, one_machine=self.one_machine, uptime=self.uptime)
        age = clocks.age(then, now, one_machine=self.one_machine)
        return state_machine.may_settle_unsent(age, self.settle_after * TICK, is_under_way_here=is_under_way_here)

    def holds_claim(self, state: State) -> bool:
        return state_machine.holds_claim("success", state)

    def may_depart(self, state: State, *, is_own: bool) -> bool:
        return state_machine.may_depart(state, is_own=is_own)

    def next(self, state: State, event: Event, ground: Ground | None) -> tuple[State, Ground | None] | None:
        after = state_machine.next_state(state, event, ground)
        return None if after is None else (after, state_machine.next_ground(state, event, ground))


@functools.cache
def _lease_is_over_here(wall: int, awake: int, up: int | None) -> bool:
    now = clocks.Clocks(lambda: _NOW, lambda: _NOW, lambda: None if up is None else _NOW)
    began = (_NOW - wall * TICK, _NOW - awake * TICK, None if up is None else _NOW - up * TICK)
    return clocks.Lease(now, LEASE * TICK, *began).is_over


@functools.cache
def _lease_is_over(lease: Ages, *, one_machine: bool, uptime: bool) -> bool:
    then, now = _stamps(lease, one_machine=one_machine, uptime=uptime)
    return clocks.lease_is_over(then, now, LEASE * TICK, one_machine=one_machine)


@functools.cache
def _stamps(ages: Ages, *, one_machine: bool, uptime: bool) -> tuple[clocks.Stamp, clocks.Stamp]:
    """As the record has it, and now."""
    up, shared = (_NOW if uptime else None), (ages.wall if one_machine else ages.true)
    now = clocks.Stamp(_NOW, "this machine", _NOW, up)
    began_up = None if up is None else up - ages.true * TICK
    boot = now.boot if ages.together else "another machine"
    return clocks.Stamp(_NOW - shared * TICK, boot, _NOW - ages.awake * TICK, began_up), now

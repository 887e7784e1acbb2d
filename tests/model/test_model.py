"""The protocol between agents, servers, record and vendor, in all its interleavings: see `tests.model`."""

from __future__ import annotations

import pytest

from server.ledger.state_machine import Event, Ground
from tests.model.cases import CASES, LATE, REMAIN, STEPS, STOPS, UNREADABLE, Case
from tests.model.explorer import BREAKS, explore
from tests.model.rules import Ages, Code
from tests.model.world import Bounds
from tools.effects import State


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rules_of_before_break_what_the_issue_says_and_the_trace_tells_how(case: Case) -> None:
    found = explore(case.bounds, case.rules_before, (case.before,) if case.before else BREAKS)
    assert found.broken == case.before
    if case.before:
        assert found.told().endswith(case.before)
        assert "claims write 1" in found.trace[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rules_of_the_code_break_nothing(case: Case) -> None:
    found = explore(case.bounds, case.rules)
    assert not found.broken, found.told()
    assert found.states > 5_000


@pytest.mark.parametrize(("case", "broken"), REMAIN, ids=lambda given: getattr(given, "name", ""))
def test_what_the_rules_leave_open_is_found_too(case: Case, broken: str) -> None:
    assert explore(case.bounds, case.rules).broken == broken


class AnswersAfterASettlementAreDropped(Code):
    def next(self, state: State, event: Event, ground: Ground | None) -> tuple[State, Ground | None] | None:
        return None if (state, event) == ("failed", "confirmed") else super().next(state, event, ground)


class ALookSettlesWhatWentOnRecordSince(Code):
    def __init__(self, one_machine: bool, uptime: bool, settle_after: int) -> None:
        super().__init__(one_machine, uptime, settle_after, settles_unchanged=False)


class WhatTwoMayHaveMadeCountsForEither(Code):
    def __init__(self, one_machine: bool, uptime: bool, settle_after: int) -> None:
        super().__init__(one_machine, uptime, settle_after, tells_two_apart=False)


class UnreadableAnswersAfterASettlementAreDropped(Code):
    def next(self, state: State, event: Event, ground: Ground | None) -> tuple[State, Ground | None] | None:
        return None if (state, event) == ("failed", "answer_unread") else super().next(state, event, ground)


class NobodyLooksAtTheLease(Code):
    def lease_is_over_here(self, wall: int, awake: int, up: int) -> bool:  # noqa: ARG002
        return False


class OnlyTheWallClockEndsALease(Code):
    def lease_is_over_here(self, wall: int, awake: int, up: int) -> bool:  # noqa: ARG002
        return super().lease_is_over_here(wall, 0, 0)


class OnlyTheMonotonicClockEndsALease(Code):
    def lease_is_over_here(self, wall: int, awake: int, up: int) -> bool:  # noqa: ARG002
        return super().lease_is_over_here(0, awake, 0)


class NothingIsWaitedFor(Code):
    def may_settle_unsent(self, left: Ages, *, is_under_way_here: bool) -> bool:  # noqa: ARG002
        return True


class OneClockIsEnough(Code):
    """Of the clocks that can be compared, the one that says most."""

    def may_settle_unsent(self, left: Ages, *, is_under_way_here: bool) -> bool:
        most = max(left.wall, left.awake)
        return super().may_settle_unsent(
            left._replace(wall=most, true=most, awake=most), is_under_way_here=is_under_way_here
        )


class ADoubtHoldsNoClaim(Code):
    def holds_claim(self, state: State) -> bool:
        return state != "in_doubt" and super().holds_claim(state)


class WhoeverClaimedMayDepart(Code):
    def may_depart(self, state: State, *, is_own: bool) -> bool:  # noqa: ARG002
        return True


class TheAgeIsMeasuredAfterTheLook(Code):
    def __init__(self, one_machine: bool, uptime: bool, settle_after: int) -> None:
        super().__init__(one_machine, uptime, settle_after, measures_first=False)


class AnotherKeyPassesADoubt(Code):
    def __init__(self, one_machine: bool, uptime: bool, settle_after: int) -> None:
        super().__init__(one_machine, uptime, settle_after, refuses_another_key=False)


MUTATIONS: tuple[tuple[type[Code], Bounds], ...] = (
    (AnswersAfterASettlementAreDropped, LATE),
    (UnreadableAnswersAfterASettlementAreDropped, UNREADABLE),
    (ALookSettlesWhatWentOnRecordSince, UNREADABLE),
    (WhatTwoMayHaveMadeCountsForEither, STOPS),
    (NobodyLooksAtTheLease, STOPS),
    (OnlyTheWallClockEndsALease, STEPS),
    (OnlyTheMonotonicClockEndsALease, Bounds(stops=True, sleeps=True)),
    (NothingIsWaitedFor, STOPS),
    (OneClockIsEnough, Bounds(stops=True, clocks="step", one_machine=True)),
    (ADoubtHoldsNoClaim, Bounds(stops=True)),
    (WhoeverClaimedMayDepart, STOPS),
    (TheAgeIsMeasuredAfterTheLook, STOPS),
    (AnotherKeyPassesADoubt, Bounds(intents=2)),
)


@pytest.mark.parametrize(("rules", "bounds"), MUTATIONS, ids=lambda given: getattr(given, "__name__", ""))
def test_each_rule_that_is_broken_is_noticed(rules: type[Code], bounds: Bounds) -> None:
    assert explore(bounds, rules(bounds.one_machine, bounds.uptime, bounds.settle_after)).broken

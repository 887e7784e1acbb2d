"""How long ago something was, by clocks that step, stand still and begin anew; and when a lease is over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import pytest

from server.clocks import Clocks, Lease, Stamp, age, boot_id, disagreement, lease_is_over, readings, uptime
from server.writes.records import clocks_of
from tests.support import FakeTime
from tools.effects import Age
from tools.vendor_http.transport import Timing

SENT = Stamp(clock=1000.0, boot="one", monotonic=500.0, uptime=500.0)


def later(wall: float, monotonic: float, up: float | None, boot: str = "one") -> Stamp:
    return Stamp(SENT.clock + wall, boot, SENT.monotonic + monotonic, None if up is None else 500.0 + up)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (later(10, 10, 10), Age(10, 10)),
        (later(110, 10, 10), Age(10, 110)),
        (later(-3590, 10, 10), Age(0, 10)),
        (later(3600, 5, 3600), Age(5, 3600)),
        (later(10, 10, None), Age(10, 10)),
        (Stamp(1200.0, "two", 20.0, 25.0), Age(20, inf)),
        (Stamp(1010.0, "two", 9999.0, 9999.0), Age(10, inf)),
        (Stamp(1200.0, "", 700.0, 700.0), Age(200, inf)),
        (Stamp(1200.0, "", 20.0, 20.0), Age(20, inf)),
    ],
    ids=[
        "all agree",
        "the wall clock stepped ahead",
        "it stepped back",
        "the machine was suspended",
        "no uptime",
        "a reboot",
        "a reboot and a wall clock behind",
        "no name for the start",
        "no name for the start, and a clock that began anew",
    ],
)
def test_an_age_is_at_least_what_every_clock_says_and_at_most_what_any_says(now: Stamp, expected: Age) -> None:
    assert age(SENT, now, one_machine=True) == expected


def test_between_machines_the_database_has_the_clock_and_the_others_count_on_the_same_machine_only() -> None:
    assert age(SENT, later(70, 1, 1), one_machine=False) == Age(1, 70)
    assert age(SENT, Stamp(1070.0, "elsewhere", 3.0, 3.0), one_machine=False) == Age(70, 70)


def test_of_what_is_only_known_to_be_no_later_the_most_is_not_known() -> None:
    assert age(replace(SENT, exact=False), later(100, 100, 100), one_machine=True) == Age(100, inf)


@pytest.mark.parametrize(
    ("now", "one_machine", "over"),
    [
        (later(70, 1, 1), True, False),
        (later(1, 15, 15), True, True),
        (later(-3600, 15, 15), True, True),
        (later(3600, 1, 3600), True, False),
        (Stamp(1005.0, "two", 16.0, 16.0), True, True),
        (Stamp(5000.0, "two", 3.0, 3.0), True, False),
        (later(70, 1, 1), False, False),
        (Stamp(1016.0, "elsewhere", 3.0, 3.0), False, True),
        (Stamp(1014.0, "elsewhere", 9999.0, 9999.0), False, False),
    ],
)
def test_a_lease_of_another_process_is_over_when_the_clocks_that_cannot_step_say_so(
    now: Stamp, one_machine: bool, over: bool
) -> None:
    assert lease_is_over(SENT, now, 15.0, one_machine=one_machine) is over


@dataclass
class Moved:
    """Three clocks, each moved by hand."""

    wall: float = 1000.0
    monotonic: float = 10.0
    up: float = 10.0

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall, lambda: self.monotonic, lambda: self.up, lambda: "one")


@pytest.mark.parametrize("clock", ["wall", "monotonic", "up"])
def test_a_lease_of_this_process_is_over_as_soon_as_one_clock_says_so(clock: str) -> None:
    moved = Moved()
    lease = Lease.begin(moved.clocks(), 15.0)
    assert not lease.is_over
    setattr(moved, clock, getattr(moved, clock) + 14.9)
    assert not lease.is_over
    setattr(moved, clock, getattr(moved, clock) + 0.1)
    assert lease.is_over


def test_clocks_that_differ_are_said_and_those_that_agree_are_not() -> None:
    assert disagreement(readings(SENT, later(11, 10, 10), one_machine=True)) == ""
    assert disagreement(readings(SENT, later(110, 10, 10), one_machine=True)) == (
        "wall clock 110 s, monotonic clock 10 s, uptime 10 s"
    )


def test_a_moment_is_read_as_it_was_stored_and_a_damaged_one_is_none() -> None:
    assert Stamp.read(SENT.text()) == SENT
    assert Stamp.read(later(1, 1, None).text()) == later(1, 1, None)
    assert [Stamp.read(text) for text in (None, "{", "[]", '{"clock": 1}')] == [None] * 4


def test_this_machine_has_a_name_for_its_start_and_its_clocks_agree_with_themselves() -> None:
    one, other = Clocks().stamp(), Clocks().stamp()
    assert one.boot == other.boot == boot_id()
    assert 0 <= age(one, other, one_machine=True).at_least < 60
    assert (uptime() is None) == (one.uptime is None)


def test_pauses_that_a_test_shortens_are_no_reason_to_leave_the_clocks_of_this_machine() -> None:
    assert clocks_of(Timing(clock=lambda: 0.0)) == Clocks()
    assert clocks_of(FakeTime().timing).boot() == "test"


def test_a_test_that_hands_in_its_clocks_moves_all_of_them() -> None:
    moment = [100.0]
    clocks = Clocks.of(lambda: moment[0], lambda: moment[0])
    then = clocks.stamp(7.0)
    moment[0] += 30
    assert age(then, clocks.stamp(8.0), one_machine=False) == Age(30, 30)

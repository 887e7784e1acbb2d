"""What is explored: each kind of fault, what the rules of before issue 15 break there, and what no rule closes."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.explorer import BYPASSED, DROPPED, TWICE, UNTRUE
from tests.model.rules import Before, Code
from tests.model.world import LEASE, Bounds


@dataclass(frozen=True, slots=True)
class Case:
    """before: what the rules of before issue 15 break here. measures_first: one fault less of theirs, so that another
    one shows."""

    name: str
    bounds: Bounds
    before: str = ""
    measures_first: bool = True

    @property
    def rules_before(self) -> Before:
        bounds = self.bounds
        return Before(bounds.one_machine, bounds.uptime, bounds.settle_after, measures_first=self.measures_first)

    @property
    def rules(self) -> Code:
        return Code(self.bounds.one_machine, self.bounds.uptime, self.bounds.settle_after)


LATE = Bounds(stops=True, late=True)
STOPS = Bounds(stops=True, deaths=True)
STEPS = Bounds(stops=True, clocks="step")
KEYS = Bounds(intents=2, stops=True)
UNREADABLE = Bounds(stops=True, late=True, unreadable=True)

CASES = (
    Case("A6: the vendor's answer comes after it was settled", LATE, DROPPED),
    Case("A7: another key beside a doubt", KEYS, BYPASSED),
    Case("B8: a process stands still after its departure", STOPS, TWICE),
    Case("processes die, and nothing stands still", Bounds(deaths=True)),
    Case("B9: a server's clock is ahead", Bounds(deaths=True, clocks="offset"), TWICE),
    Case("B9: the clock of one server steps", Bounds(servers=(0, 0), deaths=True, clocks="step"), TWICE),
    Case("B9: clocks step while processes stand still", STEPS, TWICE),
    Case("B9: clocks step on the one machine of SQLite", Bounds(stops=True, clocks="step", one_machine=True), TWICE),
    Case("B9: machines are suspended", Bounds(stops=True, sleeps=True), TWICE),
    Case("B9: the one machine of SQLite is suspended", Bounds(stops=True, sleeps=True, one_machine=True), TWICE),
    Case("clocks step, processes stand still and die", Bounds(stops=True, deaths=True, clocks="step"), TWICE),
    Case("a process stands still between its look and its verdict", STOPS, TWICE, measures_first=False),
    Case("the vendor is late, and its 2xx cannot be read while another server looks", UNREADABLE, DROPPED),
)
"""The rules of the code break nothing in any of them."""

REMAIN = (
    (Case("a process stands still between its last look and the first byte", Bounds(stops=True, gap=True)), UNTRUE),
    (Case("a hypervisor stops a machine together with all of its clocks", Bounds(stops=True, pauses=True)), UNTRUE),
    (
        Case(
            "a machine without a clock that counts suspension is suspended while its wall clock is set back",
            Bounds(stops=True, sleeps=True, clocks="step", uptime=False),
        ),
        UNTRUE,
    ),
    (Case("ADOPS_SETTLE_AFTER is shorter than a request may live", Bounds(stops=True, settle_after=LEASE)), UNTRUE),
)
"""What the rules of the code leave open, and what it breaks. The first is as long as some instructions of one process
take; the last needs a setting that staging and live refuse."""

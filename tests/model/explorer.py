"""All states that can be reached, in the order of their distance, until one of them breaks what has to hold."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from itertools import product

from tests.model.protocol import IDLE, steps
from tests.model.rules import Rules
from tests.model.world import STEP, Bounds, Row, World

MOST_STATES = 1_000_000

TWICE = "the vendor carries it out twice"
DROPPED = "the vendor's own answer is dropped: the record says that it was not carried out"
UNTRUE = "the record says that it was not carried out, and it was"
DONE_AND_NOT_THERE = "the record says that it was carried out, and it was not"
BYPASSED = "it is sent while the same one under another key is in doubt"
BREAKS = (TWICE, DROPPED, UNTRUE, DONE_AND_NOT_THERE, BYPASSED)


class TooMany(Exception):
    """More states than a run may take."""


@dataclass(frozen=True, slots=True)
class Explored:
    """states: how many there are. broken: what does not hold in the last state of the trace; empty when all holds."""

    states: int
    broken: str
    trace: tuple[str, ...]

    def told(self) -> str:
        """The shortest way to what is broken, a step a line."""
        lines = [f"{number:3}. {step}" for number, step in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"     => {self.broken}"])


def explore(bounds: Bounds, rules: Rules, until: Collection[str] = BREAKS) -> Explored:
    """The first state that breaks something, or none after all of them. until: what is looked for. Raises TooMany."""
    found: dict[World, World | None] = {}
    waiting: deque[World] = deque()
    for first in _first(bounds):
        if first not in found:
            found[first] = None
            waiting.append(first)
    while waiting:
        world = waiting.popleft()
        for _, after in steps(world, bounds, rules):
            same = _ordered(after, bounds)
            if same in found:
                continue
            found[same] = world
            broken = what_is_broken(same, bounds)
            if broken in until:
                return Explored(len(found), broken, _trace(found, same, bounds, rules))
            if len(found) > MOST_STATES:
                raise TooMany(bounds)
            if not broken:
                waiting.append(same)
    return Explored(len(found), "", ())


def _first(bounds: Bounds) -> list[World]:
    servers = max(bounds.servers) + 1
    tasks = (IDLE,) * len(bounds.servers)
    if not bounds.clocks:
        return [World((), tasks, (0,) * servers)]
    if bounds.one_machine:
        return [World((), tasks, (ahead,) * servers) for ahead in (0, STEP)]
    return [World((), tasks, aheads) for aheads in product((0, STEP), repeat=servers)]


def what_is_broken(world: World, bounds: Bounds) -> str:
    """What does not hold, or nothing.

    Where the vendor may be later than it says, no rule keeps a write from being carried out after it was settled; what
    is asked then is that the vendor's own answer is believed, and that a person is told.
    """
    if world.bypassed:
        return BYPASSED
    for row in world.rows:
        if row.request.fate == "done" and row.state == "failed" and row.request.answer in ("read", "unreadable"):
            return DROPPED
    for intent in range(bounds.intents):
        rows = [row for row in world.rows if row.intent == intent]
        done = [row for row in rows if row.request.fate == "done"]
        read = all(row.request.answer == "read" for row in done)
        if len(done) > 1 and not (bounds.late and (not read or any(row.loud for row in rows))):
            return TWICE
    for row in () if bounds.late else world.rows:
        if row.state == "failed" and row.request.fate == "done":
            return UNTRUE
        if row.state == "succeeded" and row.request.fate != "done":
            return DONE_AND_NOT_THERE
    return ""


@functools.lru_cache(maxsize=100_000)
def _mirrored(row: Row) -> Row:
    leased, left = (stamp._replace(by=_OTHER[stamp.by]) for stamp in (row.leased, row.left))
    return row._replace(owner=_OTHER[row.owner], leased=leased, left=left)


_OTHER = {0: 1, 1: 0, -1: -1}


def _ordered(world: World, bounds: Bounds) -> World:
    """Which server is called the first one makes no difference: of the two states that differ in that, one."""
    if bounds.servers == (0, 0):
        return world._replace(tasks=tuple(sorted(world.tasks)))
    rows = tuple(map(_mirrored, world.rows))
    return min(world, world._replace(rows=rows, tasks=world.tasks[::-1], ahead=world.ahead[::-1]))


def _trace(found: dict[World, World | None], last: World, bounds: Bounds, rules: Rules) -> tuple[str, ...]:
    """The steps to a state, told with one name for each server from first to last."""
    way = [last]
    while (before := found[way[-1]]) is not None:
        way.append(before)
    world = way.pop()
    told: list[str] = []
    while way:
        wanted = way.pop()
        happened, world = next(
            (happened, after) for happened, after in steps(world, bounds, rules) if _ordered(after, bounds) == wanted
        )
        told.append(happened.told(world))
    return tuple(told)

"""All states that can be reached, in the order of their distance, until one of them breaks what has to hold."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import product

from tests.model.protocol import IDLE, Happened, steps
from tests.model.rules import Rules
from tests.model.world import STEP, Bounds, World

MOST_STATES = 3_000_000


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


def explore(bounds: Bounds, rules: Rules) -> Explored:
    """The first state that breaks something, or none after all of them. Raises TooMany."""
    found: dict[World, tuple[World, Happened] | None] = {}
    waiting: deque[World] = deque()
    for first in _first(bounds):
        if first not in found:
            found[first] = None
            waiting.append(first)
    while waiting:
        world = waiting.popleft()
        for happened, after in steps(world, bounds, rules):
            same = _ordered(after, bounds)
            if same in found:
                continue
            found[same] = world, happened
            if broken := what_is_broken(same, bounds):
                return Explored(len(found), broken, _trace(found, same))
            if len(found) > MOST_STATES:
                raise TooMany(bounds)
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

    Where the vendor may be later than it says, or a process may stand still between its last look and the first byte,
    no rule keeps a write from being carried out late; what is asked then is that the vendor's own answer is believed.
    """
    if world.bypassed:
        return "a write is sent while the same one under another key is in doubt"
    for row in world.rows:
        read = row.request.answer == "read"
        if read and row.request.fate == "done" and row.state != "succeeded":
            return "the vendor's own answer is dropped: the record says that it was not carried out"
    for intent in range(bounds.intents):
        rows = [row for row in world.rows if row.intent == intent]
        done = [row for row in rows if row.request.fate == "done"]
        if len(done) > 1 and not bounds.late:
            return "the vendor carries it out twice"
        if len(done) > 1 and all(row.request.answer == "read" for row in done) and not any(row.loud for row in rows):
            return "the vendor carried it out twice, said so each time, and no person is told"
    if bounds.late:
        return ""
    for row in world.rows:
        if row.state == "failed" and row.request.fate == "done":
            return "the record says that it was not carried out, and it was"
        if row.state == "succeeded" and row.request.fate != "done":
            return "the record says that it was carried out, and it was not"
    return ""


def _ordered(world: World, bounds: Bounds) -> World:
    """Which server is called the first one makes no difference: of the two states that differ in that, one."""
    if bounds.servers == (0, 0):
        return world._replace(tasks=tuple(sorted(world.tasks)))
    other = {0: 1, 1: 0, -1: -1}
    rows = tuple(row._replace(owner=other[row.owner]) for row in world.rows)
    return min(world, world._replace(rows=rows, tasks=world.tasks[::-1], ahead=world.ahead[::-1]))


def _trace(found: dict[World, tuple[World, Happened] | None], last: World) -> tuple[str, ...]:
    told: list[str] = []
    world = last
    while (before := found[world]) is not None:
        earlier, happened = before
        told.append(happened.told(world))
        world = earlier
    return tuple(reversed(told))

"""The states of the model: two tasks that write, the record that they share, and one vendor.

Time is counted in ticks. A state holds no moments but ages, which stop growing where no rule can tell them apart any
more; so the states are finite although time has no end. The length of a tick does not matter, only the order of the
lengths below does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from tools.states import State

LEASE = 1
"""Ticks for which a write may leave after its departure is on record."""

LIFE = 1
"""Ticks after its bytes left within which a request is carried out, or never is."""

SETTLE_AFTER = LEASE + LIFE
"""Ticks after the departure when a write shows at the vendor, or was not carried out."""

STEP = SETTLE_AFTER
"""Ticks by which a clock is ahead, or steps: enough for any lease to end."""

TICK = 10.0
"""Seconds of a tick, for rules that take seconds."""

OLDEST = SETTLE_AFTER + STEP
"""The age at which everything has been over for long, whatever a clock says."""


class Stamp(NamedTuple):
    """When something went on record.

    age: ticks of true time since. awake: ticks of them during which the machine did not sleep. ahead: by how much the
    clock was ahead that it was read from.
    """

    age: int
    awake: int
    ahead: int


NEVER = Stamp(-1, 0, 0)


class Request(NamedTuple):
    """A request at the vendor. fate: "" as long as nothing left, then flying, done, refused, never. age: ticks of the
    flight. answer: "" or on its way, lost, read."""

    fate: str = ""
    age: int = 0
    answer: str = ""


class Row(NamedTuple):
    """One write of the record, and its request.

    intent: which of the intended writes. owner: the server that sends it, -1 when that one is dead. leased: the lease.
    left: the departure. before: a bit for each request that had been carried out when it looked before sending.
    proof: what its end rests on: the answer, a look, or that it never left. loud: a person was told of a correction.
    """

    intent: int
    state: State
    owner: int
    leased: Stamp
    left: Stamp = NEVER
    before: int = 0
    proof: str = ""
    loud: bool = False
    request: Request = Request()


class Task(NamedTuple):
    """What one call of a server is about.

    at: idle, claimed, ready (looked at the vendor, connection open), departed, looked, waiting, read. row: index.
    wall, awake: the age of its lease by the two clocks of its machine. seen: what the vendor showed. quiet: whether the
    time for that was over, as measured before.
    """

    at: str = "idle"
    row: int = -1
    wall: int = 0
    awake: int = 0
    seen: int = 0
    quiet: bool = False


class World(NamedTuple):
    """ahead: of each server's wall clock."""

    rows: tuple[Row, ...]
    tasks: tuple[Task, ...]
    ahead: tuple[int, ...]
    bypassed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may happen in one exploration.

    servers: the server of each task. intents: how many writes are meant; the second is the same call under another
    idempotency key. stops: processes stand still for any time between any two steps. deaths: processes die.
    clocks: wall clocks are ahead from the start ("offset"), or whenever they like ("step"). sleeps: machines sleep, and their monotonic clocks with them.
    late: the vendor carries out later than it may. gap: a process stands still between the last look at its lease and
    the first byte. one_machine: all servers share a machine's clocks, as with SQLite. most: rows of the record.
    """

    servers: tuple[int, ...] = (0, 1)
    intents: int = 1
    stops: bool = False
    deaths: bool = False
    clocks: Literal["", "offset", "step"] = ""
    sleeps: bool = False
    late: bool = False
    gap: bool = False
    one_machine: bool = False
    most: int = 2

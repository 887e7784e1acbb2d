"""The states of the model: two tasks that write, the record that they share, and one vendor.

Time is counted in ticks. A state holds no moments but ages, which stop growing where no rule can tell them apart any
more; so the states are finite although time has no end. How long a tick is does not matter, only how many ticks each of
the lengths below has: a departure is good for `LEASE`, a request that left is carried out within `LIFE` or never, and
`SETTLE_AFTER` is as long as both. A setting of less is refused in staging and live (see `Bounds.settle_after`); in the
code a departure is good for less than a lease, and the least setting as much shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from server.ledger.state_machine import Ground
from tools.effects import State

LEASE = 1
LIFE = 1
SETTLE_AFTER = LEASE + LIFE

STEP = SETTLE_AFTER
"""Ticks by which a clock is ahead, or steps: enough for any lease to end."""

OLDEST = SETTLE_AFTER + STEP
"""The age at which everything has been over for long, whatever a clock says."""


class Stamp(NamedTuple):
    """When something went on record.

    by: the server. age: ticks of true time since. awake: those of them during which its machine did not sleep. ahead:
    by how much its wall clock was ahead then.
    """

    by: int
    age: int = 0
    awake: int = 0
    ahead: int = 0


NEVER = Stamp(-1)


class Request(NamedTuple):
    """A request at the vendor. fate: empty as long as nothing left, then flying, done, refused or never. age: ticks of
    the flight. answer: empty, or on its way, lost, read, unreadable."""

    fate: str = ""
    age: int = 0
    answer: str = ""


class Row(NamedTuple):
    """One write of the record, and its request.

    intent: which of the intended writes. owner: the server that sends it, -1 when that one is dead. leased: when its
    lease was renewed. left: its departure. before: a bit for each request that had been carried out when the vendor
    was looked at before sending. ground: what its outcome rests on. loud: a person was told that it was corrected.
    """

    intent: int
    state: State
    owner: int
    leased: Stamp
    left: Stamp = NEVER
    before: int = 0
    ground: Ground | None = None
    loud: bool = False
    request: Request = Request()


class Task(NamedTuple):
    """What one call of a server is about.

    at: idle, claimed, ready (the vendor was looked at and the connection is open), departed, looked, waiting, read.
    row: its index. wall, awake, up: the age of its lease by the three clocks of its machine. seen: a bit for each
    request that the vendor showed as carried out. quiet: whether the time for that was over, as measured before.
    """

    at: str = "idle"
    row: int = -1
    wall: int = 0
    awake: int = 0
    up: int = 0
    seen: int = 0
    quiet: bool = False


class World(NamedTuple):
    """ahead: of each server's wall clock. bypassed: something left while the same was in doubt."""

    rows: tuple[Row, ...]
    tasks: tuple[Task, ...]
    ahead: tuple[int, ...]
    bypassed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may happen in one exploration.

    servers: the server of each task. intents: how many writes are meant; the second is the same call under another
    idempotency key. stops: processes stand still for any time between any two steps; without it no time passes
    between steps that belong together. deaths: processes die. clocks: wall clocks are ahead from the start, or
    whenever they like. sleeps: machines are suspended, and their monotonic clocks with them. pauses: a hypervisor
    stops a machine with all of its clocks. uptime: machines have a clock that counts suspension. late: the vendor
    carries out later than it may. unreadable: a 2xx comes that cannot be read. gap: a process stands still between
    its last look at the lease and the first byte. one_machine: all servers share a machine, as with SQLite; else
    they share a database. settle_after: ticks. most: rows of the record.
    """

    servers: tuple[int, ...] = (0, 1)
    intents: int = 1
    stops: bool = False
    deaths: bool = False
    clocks: Literal["", "offset", "step"] = ""
    sleeps: bool = False
    pauses: bool = False
    uptime: bool = True
    late: bool = False
    unreadable: bool = False
    gap: bool = False
    one_machine: bool = False
    settle_after: int = SETTLE_AFTER
    most: int = 2

"""The clocks of this machine, how long ago something was by all of them, and when a lease is over.

No single clock can be trusted with a write: wall time steps, monotonic time stands still while a machine sleeps, and
all of them begin anew with the machine. So a moment is kept as each clock has it (`Stamp`), and what is concluded from
it has to be so by every clock that can be compared. Whoever holds a lease gives it up as soon as one clock says that it
is over; everybody else takes it for over only when all clocks that cannot step say so.
"""

from __future__ import annotations

import ctypes
import functools
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

from tools.effects import Age

AGREE = 2.0
"""Seconds by which two clocks may differ over the same time without being said to disagree."""

DEPARTS_WITHIN = 5.0
"""Seconds after its departure went on record within which the first byte of a write leaves, or never: less than the
lease, so that the time after which it shows at the vendor, or was not carried out, is short."""

WATCHED = "since this process first saw it"
"""What stands for a clock of one's own where none can be compared with the one of another machine."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UPTIME = Path("/proc/uptime")


@functools.cache
def boot_id() -> str:
    """Names this start of the machine, for all processes on it; empty where the system has no such name."""
    if sys.platform == "darwin":
        told, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        asked = ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", told, ctypes.byref(size), None, 0)
        return told.value.decode("ascii", "replace") if asked == 0 else ""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def uptime() -> float | None:
    """Seconds since this machine started, with those for which it was suspended; None where that cannot be read.

    On Linux it is a file, since what fakes the time of a process fakes the calls for it.
    """
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    try:
        return float(_UPTIME.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment, as each clock has it.

    clock: seconds since the epoch, by the wall clock of this machine or, where servers share a database, by that one's.
    boot: the start of the machine that the other two belong to; empty when not known. monotonic: seconds that no
    setting of the time moves. uptime: the same with the time of suspension in it; None where there is none. exact:
    False of something that is only known to have been no later than this.
    """

    clock: float
    boot: str
    monotonic: float
    uptime: float | None
    exact: bool = True

    def text(self) -> str:
        """As the ledger stores it."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str | None) -> Stamp | None:
        """From the ledger; None when there is none, or it is damaged."""
        try:
            told = json.loads(text or "null")
            up, exact = told["uptime"], bool(told["exact"])
            return cls(
                float(told["clock"]),
                str(told["boot"]),
                float(told["monotonic"]),
                None if up is None else float(up),
                exact,
            )
        except (TypeError, ValueError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Clocks:
    """wall: seconds since the epoch. monotonic, uptime, boot: see `Stamp`. database: the ledger's own clock, given what
    the database says; tests hand in their own."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    uptime: Callable[[], float | None] = uptime
    boot: Callable[[], str] = boot_id
    database: Callable[[float], float] = float

    @classmethod
    def of(cls, clock: Callable[[], float], now: Callable[[], float]) -> Clocks:
        """All of them moved by a test's two. clock: monotonic. now: wall."""
        return cls(wall=now, monotonic=clock, uptime=clock, boot=lambda: "test", database=lambda _: now())

    def stamp(self, database: float | None = None) -> Stamp:
        """Now. database: what the database says, where that is the clock that all servers share."""
        clock = self.wall() if database is None else self.database(database)
        return Stamp(clock, self.boot(), self.monotonic(), self.uptime())


def _steady(then: Stamp, now: Stamp, *, one_machine: bool, watched: float | None = None) -> dict[str, float]:
    """How long ago it was at least, by the clocks that cannot step; empty when none of them can be compared."""
    if then.boot and then.boot == now.boot:
        told = {"monotonic clock": now.monotonic - then.monotonic}
        if now.uptime is not None and then.uptime is not None:
            told["uptime"] = now.uptime - then.uptime
        return told
    if not one_machine:
        return {} if watched is None else {WATCHED: watched}
    if then.boot and now.boot:
        # it was before this start of the machine, so all of this start's time has passed since
        told = {"monotonic clock": now.monotonic}
        return told if now.uptime is None else {**told, "uptime": now.uptime}
    # one start or two: in either case no more than this has passed for certain
    since = now.monotonic - then.monotonic
    return {"monotonic clock": since if since >= 0 else now.monotonic}


def readings(then: Stamp, now: Stamp, *, one_machine: bool, watched: float | None = None) -> dict[str, float]:
    """How long ago it was by each clock that can be compared, in seconds, by its name.

    one_machine: whether whoever shares the ledger is on this machine, as with SQLite; else `clock` is the database's.
    watched: how long this process has seen it, by its monotonic clock: the database's, which can step, is never
    believed alone.
    """
    shared = "wall clock" if one_machine else "database's clock"
    return {shared: now.clock - then.clock, **_steady(then, now, one_machine=one_machine, watched=watched)}


def age(then: Stamp, now: Stamp, *, one_machine: bool, watched: float | None = None) -> Age:
    """How long ago it was."""
    told = readings(then, now, one_machine=one_machine, watched=watched)
    reaches_back = not one_machine or (bool(then.boot) and then.boot == now.boot)
    return Age(max(0.0, min(told.values())), max(told.values()) if then.exact and reaches_back else inf)


def lease_is_over(then: Stamp, now: Stamp, seconds: float, *, one_machine: bool, watched: float | None = None) -> bool:
    """Whether another process's lease, last renewed then, is over: by all clocks that cannot step, and by the
    database's where there is one. This machine's wall clock is not asked. watched: see `readings`."""
    steady = _steady(then, now, one_machine=one_machine, watched=watched)
    told = steady if one_machine else {"database's clock": now.clock - then.clock, **steady}
    return min(told.values()) >= seconds


def proved(told: Mapping[str, float]) -> float | None:
    """How long ago it was at least by the two clocks of this machine that nobody sets, where they agree; None where
    they do not, or cannot be compared."""
    steady = [told[name] for name in ("monotonic clock", "uptime") if name in told]
    return min(steady) if len(steady) == 2 and max(steady) - min(steady) <= AGREE else None


def disagreement(told: Mapping[str, float]) -> str:
    """What each clock says, where they differ; empty where they agree."""
    told = {name: seconds for name, seconds in told.items() if name != WATCHED}
    if not told or max(told.values()) - min(told.values()) <= AGREE:
        return ""
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in told.items())


@dataclass(frozen=True, slots=True)
class Lease:
    """The time within which the first byte of a write may leave.

    It begins before its transaction does, so that it ends here before it ends for other servers.
    """

    clocks: Clocks
    seconds: float
    began_wall: float
    began_monotonic: float
    began_uptime: float | None = None

    @classmethod
    def begin(cls, clocks: Clocks, seconds: float) -> Lease:
        return cls(clocks, seconds, clocks.wall(), clocks.monotonic(), clocks.uptime())

    @property
    def is_over(self) -> bool:
        """By any one of the clocks."""
        passed = [self.clocks.wall() - self.began_wall, self.clocks.monotonic() - self.began_monotonic]
        up = self.clocks.uptime() if self.began_uptime is not None else None
        if up is not None and self.began_uptime is not None:
            passed.append(up - self.began_uptime)
        return max(passed) >= self.seconds

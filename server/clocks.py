"""The clocks of this machine, the age of an event by all of them, and the end of a lease.

No single clock can be trusted with a write. Wall time can step, monotonic time stands still while a machine sleeps, and
every clock but the wall clock begins anew when the machine starts. So a moment is stored as each clock shows it
(`Stamp`), and a conclusion must hold by every clock that can be compared. The holder of a lease gives it up as soon as
one clock says that it is over. Others take it for over only when every clock that cannot step says so.
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
"""Seconds by which two clocks may differ over the same time and still agree."""

DEPARTS_WITHIN = 5.0
"""Seconds after its recorded departure within which the first byte of a write is sent, or never. It is less than the
lease, so that the time after which a write shows at the vendor is short."""

WATCHED = "since this process first saw it"
"""The name of the reading that replaces this machine's clocks where they cannot be compared with another machine's."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UPTIME = Path("/proc/uptime")


@functools.cache
def boot_id() -> str:
    """Names this start of the machine for all its processes. Empty where the system has no such name."""
    if sys.platform == "darwin":
        name, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        failed = ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", name, ctypes.byref(size), None, 0)
        return "" if failed else name.value.decode("ascii", "replace")
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def uptime() -> float | None:
    """Seconds since this machine started, including those for which it was suspended. None where that cannot be read.

    On Linux it is read from a file, since tools that fake a process's time fake the system calls for it.
    """
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    try:
        return float(_UPTIME.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment, as each clock shows it.

    clock: seconds since the epoch, by this machine's wall clock or, where servers share a database, by the database's.
    boot: names the start of the machine that the next two belong to; empty when not known. monotonic: seconds, which
    setting the time does not change. uptime: the same, including time in suspension; None where that cannot be read.
    exact: False when the event is only known to have been no later than this.
    """

    clock: float
    boot: str
    monotonic: float
    uptime: float | None
    exact: bool = True

    def text(self) -> str:
        """The stamp as the ledger stores it."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str | None) -> Stamp | None:
        """A stamp from the ledger. None when there is none, or it is damaged."""
        try:
            stored = json.loads(text or "null")
            up, exact = stored["uptime"], bool(stored["exact"])
            return cls(
                float(stored["clock"]),
                str(stored["boot"]),
                float(stored["monotonic"]),
                None if up is None else float(up),
                exact,
            )
        except (TypeError, ValueError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks of this machine. Tests give others.

    wall: seconds since the epoch. monotonic, uptime, boot: see `Stamp`. database: returns the time of the ledger's
    database, given what the database says.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    uptime: Callable[[], float | None] = uptime
    boot: Callable[[], str] = boot_id
    database: Callable[[float], float] = float

    @classmethod
    def of(cls, clock: Callable[[], float], now: Callable[[], float]) -> Clocks:
        """Clocks that all follow a test's two. clock: monotonic. now: wall."""
        return cls(wall=now, monotonic=clock, uptime=clock, boot=lambda: "test", database=lambda _: now())

    def stamp(self, database: float | None = None) -> Stamp:
        """The present moment. database: the database's time, where servers share a database."""
        clock = self.wall() if database is None else self.database(database)
        return Stamp(clock, self.boot(), self.monotonic(), self.uptime())


def _steady(then: Stamp, now: Stamp, *, one_machine: bool, watched: float | None = None) -> dict[str, float]:
    """The least age by each clock that cannot step. Empty when none of them can be compared."""
    if then.boot and then.boot == now.boot:
        ages = {"monotonic clock": now.monotonic - then.monotonic}
        if now.uptime is not None and then.uptime is not None:
            ages["uptime"] = now.uptime - then.uptime
        return ages
    if not one_machine:
        return {} if watched is None else {WATCHED: watched}
    if then.boot and now.boot:
        # the event was before this start of the machine, so all the time since the start has passed
        ages = {"monotonic clock": now.monotonic}
        return ages if now.uptime is None else {**ages, "uptime": now.uptime}
    # the same start or another one: no more than this has passed for certain
    since = now.monotonic - then.monotonic
    return {"monotonic clock": since if since >= 0 else now.monotonic}


def readings(then: Stamp, now: Stamp, *, one_machine: bool, watched: float | None = None) -> dict[str, float]:
    """The age in seconds by each clock that can be compared, by the clock's name.

    one_machine: whether every process that shares the ledger runs on this machine, as with SQLite; else `clock` is the
    database's. watched: for how long this process has seen the event, by its monotonic clock, since the database's
    clock, which can step, is never believed alone.
    """
    shared = "wall clock" if one_machine else "database's clock"
    return {shared: now.clock - then.clock, **_steady(then, now, one_machine=one_machine, watched=watched)}


def age(then: Stamp, now: Stamp, *, one_machine: bool, watched: float | None = None) -> Age:
    """The age of an event."""
    ages = readings(then, now, one_machine=one_machine, watched=watched)
    reaches_back = not one_machine or (bool(then.boot) and then.boot == now.boot)
    return Age(max(0.0, min(ages.values())), max(ages.values()) if then.exact and reaches_back else inf)


def lease_is_over(then: Stamp, now: Stamp, seconds: float, *, one_machine: bool, watched: float | None = None) -> bool:
    """Whether another process's lease, last renewed then, is over by every clock that cannot step, and by the
    database's clock where there is one. This machine's wall clock does not count. watched: see `readings`."""
    steady = _steady(then, now, one_machine=one_machine, watched=watched)
    ages = steady if one_machine else {"database's clock": now.clock - then.clock, **steady}
    return min(ages.values()) >= seconds


def proved(ages: Mapping[str, float]) -> float | None:
    """The least age by the two clocks of this machine that nobody sets. None where they disagree, or cannot be
    compared. ages: see `readings`."""
    steady = [ages[name] for name in ("monotonic clock", "uptime") if name in ages]
    return min(steady) if len(steady) == 2 and max(steady) - min(steady) <= AGREE else None


def disagreement(ages: Mapping[str, float]) -> str:
    """What each clock says, where they disagree. Empty where they agree. ages: see `readings`."""
    ages = {name: seconds for name, seconds in ages.items() if name != WATCHED}
    if not ages or max(ages.values()) - min(ages.values()) <= AGREE:
        return ""
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in ages.items())


@dataclass(frozen=True, slots=True)
class Lease:
    """The time within which the first byte of a write may be sent.

    It begins before its transaction does, so that it ends in this process before it ends for others.
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
        """Whether it is over by any one clock."""
        passed = [self.clocks.wall() - self.began_wall, self.clocks.monotonic() - self.began_monotonic]
        up = self.clocks.uptime() if self.began_uptime is not None else None
        if up is not None and self.began_uptime is not None:
            passed.append(up - self.began_uptime)
        return max(passed) >= self.seconds

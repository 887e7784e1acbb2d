"""The clocks of this machine, and the lease of a write as the process that holds it sees it.

No single clock can be trusted with a write: wall time steps, monotonic time stands still while a machine sleeps, and a
process that is stopped sees neither. So a lease is over as soon as one of them says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clocks:
    """wall: seconds since the epoch. monotonic: seconds that no setting of the time moves."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Lease:
    """The time within which the first byte of a write may leave.

    It begins before its transaction does, so that it ends here before it ends for other servers.
    """

    clocks: Clocks
    seconds: float
    began_wall: float
    began_monotonic: float

    @classmethod
    def begin(cls, clocks: Clocks, seconds: float) -> Lease:
        return cls(clocks, seconds, clocks.wall(), clocks.monotonic())

    @property
    def is_over(self) -> bool:
        passed = (self.clocks.wall() - self.began_wall, self.clocks.monotonic() - self.began_monotonic)
        return max(passed) >= self.seconds

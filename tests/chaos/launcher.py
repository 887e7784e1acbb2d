"""`python -m tests.chaos.launcher NAME [arguments]`: the server's command line on a machine whose clocks are wrong.

How wrong they are stands in a file that whoever started it changes while it runs (`ClockFile`), named by CHAOS_CLOCK.
Only the process's own clocks are moved, before anything of the server is imported; uptime is left as it is, as it is
read from the system. NAME is for whoever looks for the process.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SETTING = "CHAOS_CLOCK"
_LAYOUT = struct.Struct("<dd")


@dataclass(frozen=True, slots=True)
class ClockFile:
    """ahead: seconds by which the wall clock is ahead. rate: seconds of both clocks in a true second."""

    path: Path

    def write(self, ahead: float, rate: float = 1.0) -> None:
        """In place, since a running process has the file mapped."""
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.write(_LAYOUT.pack(ahead, rate))

    def read(self) -> tuple[float, float]:
        ahead, rate = _LAYOUT.unpack(self.path.read_bytes())
        return ahead, rate


def move_clocks(path: Path) -> None:
    """Move `time.time` and `time.monotonic` of this process for good. The rate counts as it is now."""
    with path.open("rb") as file:
        told = mmap.mmap(file.fileno(), _LAYOUT.size, access=mmap.ACCESS_READ)
    _, rate = _LAYOUT.unpack_from(told)
    true_monotonic = time.monotonic
    began, began_wall = true_monotonic(), time.time()

    def monotonic() -> float:
        return began + (true_monotonic() - began) * rate

    def wall() -> float:
        ahead, _ = _LAYOUT.unpack_from(told)
        return began_wall + (true_monotonic() - began) * rate + ahead

    time.monotonic, time.time = monotonic, wall


def main() -> int:
    if SETTING in os.environ:
        move_clocks(Path(os.environ[SETTING]))
    from server.configuration import settings  # noqa: PLC0415 - the clocks are moved first

    # the vendors of a run carry out at once, and a run is not to wait for a minute at each doubt
    settings.SHORTEST_SETTLING = 1.0
    from server.cli import main as command_line  # noqa: PLC0415 - see above

    return command_line(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())

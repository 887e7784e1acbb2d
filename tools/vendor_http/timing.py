"""The clocks and dice of everything on the wire, and a deadline that does not pass while this process stands still."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

TICK = 1.0
"""Seconds, at most, of which a deadline that is counted consists."""

ON_TIME = 1.5
"""How many times its length a tick may take and still be one in which this process ran."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Tests hand in their own.

    clock: seconds, monotonic. now: seconds since the epoch. tick: a sleep while something else is waited for. jitter: a
    number from 0 to 1.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    tick: Callable[[float], Awaitable[None]] = anyio.sleep
    jitter: Callable[[], float] = random.random

    @contextmanager
    def counting(self, seconds: float, scope: anyio.CancelScope) -> Generator[None]:
        """Cancel `scope` once this process ran for `seconds` in here."""

        async def cancel() -> None:
            await self._run_for(seconds)
            scope.cancel()

        counted = asyncio.create_task(cancel())
        try:
            yield
        finally:
            counted.cancel()

    async def _run_for(self, seconds: float) -> None:
        """Return once this process ran for `seconds`.

        A process that was stopped finds that its timers are due before it has read what came meanwhile. So a tick
        counts once, however late it is, and the last one has to be on time; after twice as many, whatever it was.
        """
        count = math.ceil(seconds / TICK)
        for number in range(1, 2 * count + 1):
            began = self.clock()
            await self.tick(seconds / count)
            if number >= count and self.clock() - began <= seconds / count * ON_TIME:
                return

"""Clocks, sleeps and random numbers for requests, and a deadline that does not pass while this process stands still."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

LONGEST_TICK = 1.0
"""Seconds: a deadline is counted in ticks of at most this length."""

ON_TIME = 1.5
"""A tick that took up to this many times its length is one in which this process ran."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The sources of time and chance. Tests hand in their own.

    clock: seconds, monotonic. now: seconds since the epoch. sleep: a pause before a request. tick: a step of a
    deadline. jitter: a random number from 0 to 1.
    """

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    tick: Callable[[float], Awaitable[None]] = anyio.sleep
    jitter: Callable[[], float] = random.random

    @contextmanager
    def deadline(self, seconds: float, scope: anyio.CancelScope) -> Generator[None]:
        """Cancel `scope` once this process has run for `seconds` inside the block."""

        async def cancel() -> None:
            await self._run_for(seconds)
            scope.cancel()

        task = asyncio.create_task(cancel())
        try:
            yield
        finally:
            task.cancel()

    async def _run_for(self, seconds: float) -> None:
        """Return once this process has run for `seconds`.

        When a stopped process wakes up, its timers are due before it has read what came meanwhile. So each tick counts
        once, however late it is, and the last one has to be on time. After twice as many ticks it returns in any case.
        """
        count = math.ceil(seconds / LONGEST_TICK)
        for number in range(1, 2 * count + 1):
            began = self.clock()
            await self.tick(seconds / count)
            if number >= count and self.clock() - began <= seconds / count * ON_TIME:
                return

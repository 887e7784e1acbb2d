"""The vendors' rate limits, kept on our side: at most so many requests in any window of so many seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from tools.errors import RateLimited


class SlidingWindow:
    """At most `requests` in any window of `seconds`. Callers get their turn in the order in which they came.

    Vendors state their limits as "N per window". A leaky bucket of that size lets almost 2N through one window: a full
    burst and then the steady rate. So this stores the times of the last N requests instead.
    """

    def __init__(
        self,
        requests: int,
        seconds: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        longest_wait: float = 20.0,
    ) -> None:
        self.description = f"{requests} requests in {seconds:g} s"
        self._seconds = seconds
        self._slots: deque[float] = deque(maxlen=requests)
        self._clock = clock
        self._sleep = sleep
        self._longest_wait = longest_wait

    async def acquire(self, vendor: str) -> None:
        """Wait until one more request is allowed.

        Raises RateLimited at once when that would take longer than `longest_wait` seconds.
        """
        now = self._clock()
        is_full = len(self._slots) == self._slots.maxlen
        slot = max(now, self._slots[0] + self._seconds) if is_full else now
        wait = slot - now
        if wait > self._longest_wait:
            raise RateLimited(
                f"More calls to {vendor} are waiting than its limit of {self.description} lets through in "
                f"{self._longest_wait:g} s. Nothing was sent.",
                next_step=f"Wait {wait:.0f} s, then make the call again; make fewer calls at once.",
            )
        self._slots.append(slot)
        if wait > 0:
            await self._sleep(wait)

"""The rate limit of a caller over HTTP, so that an agent in a loop does not block the others."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

MINUTE = 60.0


class RateLimitExceeded(Exception):
    """The caller is over its limit.

    excess: what the caller did, such as "more than 2 requests at once". retry_after: seconds to wait before a new try.
    """

    def __init__(self, excess: str, retry_after: float) -> None:
        super().__init__(excess)
        self.excess = excess
        self.retry_after = retry_after


@dataclass
class RateLimiter:
    """Limits the requests of each caller.

    rate: requests a minute, which may come in one burst after a quiet minute. concurrent: requests at the same time.
    clock: monotonic, in seconds. It stores one number for each caller of the last minute.
    """

    rate: int
    concurrent: int
    clock: Callable[[], float]
    _ready_at: dict[str, float] = field(default_factory=dict[str, float])
    _in_flight: dict[str, int] = field(default_factory=dict[str, int])

    @contextmanager
    def admitted(self, caller: str) -> Generator[None]:
        """Count a request while the context is open. Raises RateLimitExceeded, and then does not count it."""
        in_flight = self._in_flight.get(caller, 0)
        if in_flight >= self.concurrent:
            raise RateLimitExceeded(f"more than {self.concurrent} requests at once", 1.0)
        self._count(caller)
        self._in_flight[caller] = in_flight + 1
        try:
            yield
        finally:
            left = self._in_flight.pop(caller) - 1
            if left:
                self._in_flight[caller] = left

    def _count(self, caller: str) -> None:
        """The generic cell rate algorithm: a request costs `interval`, and a caller may be up to a minute ahead."""
        now, interval = self.clock(), MINUTE / self.rate
        ready_at = max(self._ready_at.get(caller, now), now)
        ahead = ready_at + interval - now
        if ahead > MINUTE:
            raise RateLimitExceeded(f"more than {self.rate} requests a minute", ahead - MINUTE)
        if len(self._ready_at) > 10_000:
            self._ready_at = {name: moment for name, moment in self._ready_at.items() if moment > now}
        self._ready_at[caller] = ready_at + interval

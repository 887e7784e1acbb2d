"""How much one caller may ask over HTTP: so that an agent that runs in circles does not hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

MINUTE = 60.0


class TooMany(Exception):
    """Refused for now. after: seconds, after which the same request is taken, as far as is known."""

    def __init__(self, what: str, after: float) -> None:
        super().__init__(what)
        self.what = what
        self.after = after


@dataclass
class Quotas:
    """rate: requests a minute, which may come at once after a quiet minute. at_once: requests in flight.

    clock: seconds, monotonic. Kept is one number for each caller of the last minute.
    """

    rate: int
    at_once: int
    clock: Callable[[], float]
    _ready_at: dict[str, float] = field(default_factory=dict[str, float])
    _in_flight: dict[str, int] = field(default_factory=dict[str, int])

    @contextmanager
    def taken(self, caller: str) -> Generator[None]:
        """Count a request for as long as it takes. Raises TooMany, and counts nothing."""
        under_way = self._in_flight.get(caller, 0)
        if under_way >= self.at_once:
            raise TooMany(f"more than {self.at_once} requests at once", 1.0)
        self._spend(caller)
        self._in_flight[caller] = under_way + 1
        try:
            yield
        finally:
            left = self._in_flight.pop(caller) - 1
            if left:
                self._in_flight[caller] = left

    def _spend(self, caller: str) -> None:
        """The generic cell rate algorithm: a caller is ready again `each` later, and may run up to a minute ahead."""
        now, each = self.clock(), MINUTE / self.rate
        ready_at = max(self._ready_at.get(caller, now), now)
        ahead = ready_at + each - now
        if ahead > MINUTE:
            raise TooMany(f"more than {self.rate} requests a minute", ahead - MINUTE)
        if len(self._ready_at) > 10_000:
            self._ready_at = {name: moment for name, moment in self._ready_at.items() if moment > now}
        self._ready_at[caller] = ready_at + each

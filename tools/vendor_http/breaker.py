"""A circuit breaker: while a vendor is down, calls fail at once instead of each waiting for an answer in vain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from tools.errors import Unavailable

logger = logging.getLogger(__name__)

FAILURES = 5
"""How many tries have to fail in a row before the breaker opens: two reads with their retries. A try fails when no
answer comes, or one of `DOWN`."""

DOWN = (502, 503, 504)
"""Statuses that say that nobody is there. A 500 is an answer and may concern one object alone: it neither counts as a
failure nor ends the count."""

FIRST_PAUSE = 10.0
"""Seconds for which the breaker is open at first; twice as long each time that the next try fails, too."""

LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class Try:
    """One try. failed: whether the vendor was down, or None while that is not known."""

    failed: bool | None = None


class CircuitBreaker:
    """The circuit breaker of one account at one vendor.

    clock: seconds, monotonic.
    """

    def __init__(self, vendor: str, clock: Callable[[], float]) -> None:
        self._vendor = vendor
        self._clock = clock
        self._failures = 0
        self._failed_at = 0.0
        self._open_until = 0.0
        self._pause = FIRST_PAUSE
        self._is_probing = False

    def check(self) -> None:
        """Raises Unavailable, which says how long to wait, while the breaker is open."""
        if self._failures < FAILURES:
            return
        now = self._clock()
        wait = self._open_until - now
        if wait <= 0 and not self._is_probing:
            return
        raise Unavailable(
            f"{self._vendor} did not answer, or failed, {self._failures} times in a row, the last time "
            f"{now - self._failed_at:.0f} s ago. It is left alone for a moment, and nothing was sent.",
            next_step=f"Wait {max(wait, 5.0):.0f} s, then make the same call again. If it stays so, tell the person "
            "that the vendor is down.",
        )

    @contextmanager
    def begin(self) -> Generator[Try]:
        """One try. Raises Unavailable as `check` does. After a pause, one try goes alone; the others are refused."""
        self.check()
        is_probe = self._failures >= FAILURES
        self._is_probing = self._is_probing or is_probe
        made = Try()
        try:
            yield made
        finally:
            if is_probe:
                self._is_probing = False
            if made.failed is True:
                self._count_failure(is_probe=is_probe)
            elif made.failed is False:
                self._failures = 0

    def _count_failure(self, *, is_probe: bool) -> None:
        """Count a failure. Tries that were under way when the breaker opened do not make the pause longer."""
        self._failures += 1
        self._failed_at = self._clock()
        if self._failures == FAILURES:
            self._pause = FIRST_PAUSE
        elif is_probe:
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
        else:
            return
        self._open_until = self._failed_at + self._pause
        logger.warning("%s is left alone for %.0f s: it failed %d times", self._vendor, self._pause, self._failures)

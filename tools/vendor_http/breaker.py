"""A vendor that is down is not asked for a while: calls fail at once, instead of each waiting for nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Self

from tools.errors import Unavailable

logger = logging.getLogger(__name__)

FAILURES = 5
"""Tries in a row, without an answer or with one that says that nobody is there (`DOWN`): two reads, repeated."""

DOWN = (502, 503, 504)
"""A 500 is an answer, which may be about one object; it neither counts nor ends the counting."""

FIRST = 10.0
"""Seconds for which nothing is sent after that; twice as long each time that the next try fails, too."""

LONGEST = 60.0


class Breaker:
    """Counts tries of one account at one vendor. The libraries for this know neither asyncio nor a clock of ours.

    clock: seconds, monotonic.
    """

    def __init__(self, vendor: str, clock: Callable[[], float]) -> None:
        self._vendor = vendor
        self._clock = clock
        self._failed = 0
        self._last = 0.0
        self._closed_until = 0.0
        self._pause = FIRST
        self._trying = False

    def check(self) -> None:
        """Raises Unavailable, with how long to wait, while nothing is sent."""
        if self._failed < FAILURES:
            return
        now = self._clock()
        wait = self._closed_until - now
        if wait <= 0 and not self._trying:
            return
        raise Unavailable(
            f"{self._vendor} did not answer, or failed, {self._failed} times in a row, the last time "
            f"{now - self._last:.0f} s ago. It is left alone for a moment, and nothing was sent.",
            next_step=f"Wait {max(wait, 5.0):.0f} s, then make the same call again. If it stays so, tell the person "
            "that the vendor is down.",
        )

    def passing(self) -> Try:
        """One try, which tells how it ended. Raises Unavailable as `check` does; after a pause, one try goes first."""
        self.check()
        first = self._failed >= FAILURES
        self._trying = self._trying or first
        return Try(self, first=first)

    def ended(self, made: Try) -> None:
        if made.first:
            self._trying = False
        if made.failed is not None:
            self._count(failed=made.failed, first=made.first)

    def _count(self, *, failed: bool, first: bool) -> None:
        """Of many that were under way when it closed, none makes the pause longer."""
        if not failed:
            self._failed = 0
            return
        self._failed += 1
        self._last = self._clock()
        if self._failed == FAILURES:
            self._pause = FIRST
        elif first:
            self._pause = min(LONGEST, self._pause * 2)
        else:
            return
        self._closed_until = self._last + self._pause
        logger.warning("%s is left alone for %.0f s: it failed %d times", self._vendor, self._pause, self._failed)


class Try:
    """failed: whether nobody was there; None as long as that is not known."""

    __slots__ = ("_breaker", "failed", "first")

    def __init__(self, breaker: Breaker, *, first: bool) -> None:
        self._breaker = breaker
        self.first = first
        self.failed: bool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._breaker.ended(self)

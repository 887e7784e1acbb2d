"""One attempt to send a request: what has to happen before its first byte leaves, and what is known afterwards.

Whoever sends a request calls `depart` once a connection is open, which records the departure, and `start` right before
the first byte. Nothing may be awaited between `start` and the first byte: the process might stand still there, and the
time within which the request may leave would pass unnoticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx


class AnsweredEarly(Exception):
    """The other side answered before anything was sent to it. Nothing is sent to it then."""


class SentTwice(RuntimeError):
    """A fault of ours: one attempt was about to send a second time. Nothing of the second time was sent."""


async def _record_nothing() -> None:
    """Recording the departure of a request that changes nothing: there is no record."""


def _never_late() -> None:
    """The last check of a request that changes nothing: it may leave at any time."""


async def _read_nothing() -> None:
    """Reading on after an answer that came without a connection: nothing can follow."""


class Attempt:
    """One attempt to send a request.

    depart: records the departure. check: the last check before the first byte. Both raise to keep the request from
    being sent.

    is_departed: whether a departure is recorded. is_sent: whether anything of the request may have left.
    has_several_answers: whether more than one answer came, so that nobody can say which one is the answer.
    look_for_more: reads what has followed the answer already. read_to_the_end: reads what follows it, until the other
    side closes the connection.
    """

    def __init__(
        self, depart: Callable[[], Awaitable[None]] = _record_nothing, check: Callable[[], None] = _never_late
    ) -> None:
        self._depart = depart
        self._check = check
        self._is_departing = False
        self.is_departed = False
        self.is_sent = False
        self.has_several_answers = False
        self.look_for_more: Callable[[], Awaitable[None]] = _read_nothing
        self.read_to_the_end: Callable[[], Awaitable[None]] = _read_nothing

    async def depart(self) -> None:
        """Record the departure. The connection is open by now."""
        if self._is_departing:
            raise SentTwice
        self._is_departing = True
        await self._depart()
        self.is_departed = True

    def start(self) -> None:
        """Check for the last time whether the request may be sent. The first byte leaves when this returns."""
        if self.is_sent or not self.is_departed:
            raise SentTwice
        self._check()
        self.is_sent = True


def attempt_of(request: httpx.Request) -> Attempt:
    """The attempt among a request's extensions, or a new one for a request that nobody follows."""
    return request.extensions.get("attempt") or Attempt()

"""One attempt to send a request: what has to happen before its first byte leaves, and what is known of it afterwards.

Whoever sends a request asks its attempt twice: `depart` once a connection is open, which puts a departure on record,
and `start` at the first byte. Between the latter and the bytes nothing may be awaited: the process may stand still
there, and the time within which the request may leave would pass unseen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Unsolicited(Exception):
    """The other side answered before anything was sent to it; nothing was."""


class SentTwice(RuntimeError):
    """A fault of ours: one attempt was about to send a second time. Nothing of the second time was sent."""


async def _no_departure() -> None:
    """A request that changes nothing needs no departure on record."""


def _never_late() -> None:
    """A request that changes nothing is not late."""


async def _nothing_more() -> None:
    """What is no connection is not listened to."""


class Attempt:
    """depart: puts the departure on record. check: the last look before the first byte. Both raise to keep the request
    from being sent.

    is_departed: whether a departure is on record. is_sent: whether anything of the request may have left.
    is_followed: whether more than one answer came, so that none of them can be told to be the answer. hear_out: reads
    what follows the answer until the other side closes.
    """

    def __init__(
        self, depart: Callable[[], Awaitable[None]] = _no_departure, check: Callable[[], None] = _never_late
    ) -> None:
        self._depart = depart
        self._check = check
        self._is_asked = False
        self.is_departed = False
        self.is_sent = False
        self.is_followed = False
        self.hear_out: Callable[[], Awaitable[None]] = _nothing_more

    async def depart(self) -> None:
        """Put the departure on record: the connection is open."""
        if self._is_asked:
            raise SentTwice
        self._is_asked = True
        await self._depart()
        self.is_departed = True

    def start(self) -> None:
        """The first byte leaves when this returns."""
        if self.is_sent or not self.is_departed:
            raise SentTwice
        self._check()
        self.is_sent = True

"""A bearer token that all calls of the process share: minted once for all that wait, kept nearly to its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import anyio

EARLY = 60.0
"""Seconds before its end that a token is replaced, so that none ends on the way."""


class SharedToken(ABC):
    """An `Auth` of the transport.

    now: seconds since the epoch.
    """

    setting: str

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._minting = anyio.Lock()
        self._token: str | None = None
        self._ends = 0.0

    async def token(self) -> str:
        """The current token, minted when there is none or it is about to end. Raises what `mint` raises."""
        async with self._minting:
            if self._token is None or self._now() >= self._ends:
                return await self._replace()
            return self._token

    async def renew(self, refused: str) -> str | None:
        """A token other than the refused one: the one another call has minted since, or a new one."""
        async with self._minting:
            if self._token is None or self._token == refused:
                return await self._replace()
            return self._token

    async def _replace(self) -> str:
        self._token = None
        asked_at = self._now()
        self._token, lifetime = await self.mint()
        self._ends = asked_at + max(lifetime - EARLY, lifetime / 2)
        return self._token

    @abstractmethod
    async def mint(self) -> tuple[str, float]:
        """A new token and how long it lasts, in seconds. Called by one caller at a time."""

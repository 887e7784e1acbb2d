"""A bearer token that all calls of the process share: minted once for all that wait, kept nearly to its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import anyio

from tools.errors import AdOpsError

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
        self._mints = 0
        self._failure: AdOpsError | None = None

    async def token(self) -> str:
        """The current token, minted when there is none or it is about to end. Raises what `mint` raises."""
        # a lock takes a turn of the loop even when nobody holds it
        if not self._minting.locked() and (token := self._current()) is not None:
            return token
        seen = self._mints
        async with self._minting:
            return self._current() or await self._replace(seen)

    def _current(self) -> str | None:
        return self._token if self._now() < self._ends else None

    async def renew(self, refused: str) -> str | None:
        """A token other than the refused one: the one another call has minted since, or a new one."""
        seen = self._mints
        async with self._minting:
            if self._token is None or self._token == refused:
                return await self._replace(seen)
            return self._token

    async def _replace(self, seen: int) -> str:
        """Mint, unless another caller did in vain since this one began to wait: then its failure is this one's too."""
        if self._failure is not None and self._mints > seen:
            raise self._failure.with_traceback(None)
        self._token = None
        self._failure = None
        asked_at = self._now()
        try:
            self._token, lifetime = await self.mint()
        except AdOpsError as error:
            self._failure = error
            raise
        finally:
            self._mints += 1
        self._ends = asked_at + max(lifetime - EARLY, lifetime / 2)
        return self._token

    @abstractmethod
    async def mint(self) -> tuple[str, float]:
        """A new token and how long it lasts, in seconds. Called by one caller at a time."""

"""The bearer tokens that requests carry: a ready-made one, or one that is minted and shared by all calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import anyio

from tools.errors import AdOpsError

RENEW_BEFORE_END = 60.0
"""Seconds before its end at which a token is replaced, so that none ends on the way to the vendor."""


class Auth(Protocol):
    """Where the bearer token of a vendor comes from."""

    setting: str
    """The settings to correct when the vendor does not accept the token."""

    async def token(self) -> str: ...

    async def renew(self, refused: str) -> str | None:
        """Another token after the vendor refused this one, or None when there is no other."""
        ...


class StaticToken:
    """A ready-made bearer token."""

    def __init__(self, token: str, *, setting: str) -> None:
        self._token = token
        self.setting = setting

    async def token(self) -> str:
        return self._token

    async def renew(self, refused: str) -> str | None:  # noqa: ARG002 - the protocol's signature
        return None


class SharedToken(ABC):
    """A token that all calls of the process share: minted once for all that wait, and used until shortly before its
    end.

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
        """The current token, minted when there is none or it ends soon. Raises what `mint` raises."""
        # a lock costs a turn of the event loop even when nobody holds it
        if not self._minting.locked() and (token := self._current()) is not None:
            return token
        mints_before = self._mints
        async with self._minting:
            return self._current() or await self._replace(mints_before)

    def _current(self) -> str | None:
        return self._token if self._now() < self._ends else None

    async def renew(self, refused: str) -> str | None:
        """A token other than the refused one: the one that another call has minted since, or a new one."""
        mints_before = self._mints
        async with self._minting:
            if self._token is None or self._token == refused:
                return await self._replace(mints_before)
            return self._token

    async def _replace(self, mints_before: int) -> str:
        """Mint a token. If another caller failed to mint one while this one waited, fail as it did."""
        if self._failure is not None and self._mints > mints_before:
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
        self._ends = asked_at + max(lifetime - RENEW_BEFORE_END, lifetime / 2)
        return self._token

    @abstractmethod
    async def mint(self) -> tuple[str, float]:
        """A new token, and for how many seconds it is valid. Called by one caller at a time."""

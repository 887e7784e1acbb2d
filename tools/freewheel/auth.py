"""FreeWheel's bearer tokens: minted once for all waiting calls, kept to their end, minted again after a 401.

Source: FreeWheel publisher API, authentication (password grant: 604,800 s, no refresh token, 3 requests/s per
address on the token endpoint) and API access by client credentials (HTTP Basic, about an hour).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote_plus

import anyio
from pydantic import BaseModel, Field, SecretStr

from tools.errors import Unauthorized
from tools.replies import Answer, Kind
from tools.transport import Timing, Transport

EARLY = 60.0
"""Seconds before its end that a token is replaced, so that none ends on the way."""

QUIET = 60.0
"""Seconds for which refused credentials are not tried again."""

_REFUSALS = (400, 401, 403)


@dataclass(frozen=True, slots=True)
class PasswordGrant:
    username: str
    password: SecretStr

    setting = "ADOPS_FREEWHEEL_USERNAME and ADOPS_FREEWHEEL_PASSWORD"

    def form(self) -> dict[str, str]:
        return {
            "grant_type": "password",
            "username": self.username,
            "password": self.password.get_secret_value(),
        }

    def headers(self) -> dict[str, str]:
        return {}

    def secrets(self) -> list[str]:
        return _spellings(self.password)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    client_id: str
    client_secret: SecretStr

    setting = "ADOPS_FREEWHEEL_CLIENT_ID and ADOPS_FREEWHEEL_CLIENT_SECRET"

    def form(self) -> dict[str, str]:
        return {"grant_type": "client_credentials"}

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Basic {self._pair()}"}

    def secrets(self) -> list[str]:
        return [self._pair(), *_spellings(self.client_secret)]

    def _pair(self) -> str:
        pair = f"{self.client_id}:{self.client_secret.get_secret_value()}"
        return base64.b64encode(pair.encode()).decode()


def _spellings(secret: SecretStr) -> list[str]:
    """A secret as it is, and as a form spells it."""
    value = secret.get_secret_value()
    return [value, quote_plus(value)]


class _Minted(BaseModel):
    access_token: Annotated[SecretStr, Field(min_length=1)]
    expires_in: Annotated[float, Field(gt=0)] = 3600.0


class MintedToken:
    """A token from FreeWheel's token endpoint, shared by every call of the process."""

    def __init__(
        self, grant: PasswordGrant | ClientCredentials, transport: Transport, *, url: str, timing: Timing
    ) -> None:
        self._grant = grant
        self._transport = transport
        self._url = url
        self._now = timing.now
        self._minting = anyio.Lock()
        self._token: str | None = None
        self._ends = 0.0
        self._refused: Answer | None = None
        self._refused_until = 0.0
        self.setting = grant.setting

    async def token(self) -> str:
        """The current token, minted when there is none or it is about to end.

        Raises Unauthorized when FreeWheel does not accept the credentials. It is then not asked again for a
        minute, so that an agent that goes on calling does not lock the user out.
        """
        async with self._minting:
            if self._token is None or self._now() >= self._ends:
                self._token = await self._mint()
            return self._token

    async def renew(self, refused: str) -> str | None:
        """A token other than the refused one: the one another call has minted since, or a new one."""
        async with self._minting:
            if self._token is None or self._token == refused:
                self._token = None
                self._token = await self._mint()
            return self._token

    async def _mint(self) -> str:
        asked_at = self._now()
        if self._refused is not None and asked_at < self._refused_until:
            raise self._not_accepted(self._refused)
        answer = await self._transport.request(
            Kind.READ,
            "POST",
            self._url,
            form=self._grant.form(),
            headers={"Accept": "application/json", **self._grant.headers()},
            secrets=self._grant.secrets(),
            answers=_REFUSALS,
        )
        if not answer.is_success:
            self._refused, self._refused_until = answer, asked_at + QUIET
            raise self._not_accepted(answer)
        minted = answer.parse(_Minted, answer.json())
        self._ends = asked_at + max(minted.expires_in - EARLY, minted.expires_in / 2)
        return minted.access_token.get_secret_value()

    def _not_accepted(self, answer: Answer) -> Unauthorized:
        return Unauthorized(
            f"FreeWheel gave no token for the configured credentials ({answer.status}).",
            next_step=f"The operator corrects {self.setting}, and checks that they belong to this environment "
            "(production and staging have separate ones), then runs `adops-mcp doctor`.",
            upstream_status=answer.status,
            request_id=answer.reply.request_id,
        )

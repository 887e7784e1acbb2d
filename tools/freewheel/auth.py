"""FreeWheel's bearer tokens: minted once for all waiting calls, kept to their end, minted again after a 401.

Source: FreeWheel publisher API, authentication (password grant: 604,800 s, no refresh token, 3 requests/s per
address on the token endpoint) and API access by client credentials (HTTP Basic, about an hour).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import anyio
from pydantic import BaseModel, SecretStr

from tools.errors import AdOpsError, Unauthorized
from tools.transport import Kind, Timing, Transport

EARLY = 60.0
"""Seconds before its end that a token is replaced, so that none ends on the way."""


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


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    client_id: str
    client_secret: SecretStr

    setting = "ADOPS_FREEWHEEL_CLIENT_ID and ADOPS_FREEWHEEL_CLIENT_SECRET"

    def form(self) -> dict[str, str]:
        return {"grant_type": "client_credentials"}

    def headers(self) -> dict[str, str]:
        pair = f"{self.client_id}:{self.client_secret.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


class _Minted(BaseModel):
    access_token: SecretStr
    expires_in: float = 3600.0


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
        self.setting = grant.setting

    async def token(self) -> str:
        """The current token, minted when there is none or it is about to end.

        Raises Unauthorized when FreeWheel does not accept the credentials.
        """
        async with self._minting:
            if self._token is None or self._now() >= self._ends:
                await self._mint()
            return self._token or ""

    async def renew(self, refused: str) -> str | None:
        """A token other than the refused one: the one another call has minted since, or a new one."""
        async with self._minting:
            if self._token is None or self._token == refused:
                await self._mint()
            return self._token

    async def _mint(self) -> None:
        self._token = None
        asked_at = self._now()
        try:
            reply = await self._transport.request(
                Kind.READ,
                "POST",
                self._url,
                form=self._grant.form(),
                headers={"Accept": "application/json", **self._grant.headers()},
            )
        except AdOpsError as error:
            if error.upstream_status not in (400, 401, 403):
                raise
            raise Unauthorized(
                f"FreeWheel gave no token for the configured credentials ({error.upstream_status}).",
                next_step=self._correct,
                upstream_status=error.upstream_status,
                request_id=error.request_id,
            ) from None
        minted = self._transport.parse(_Minted, self._transport.read_json(reply))
        self._token = minted.access_token.get_secret_value()
        self._ends = asked_at + max(minted.expires_in - EARLY, minted.expires_in / 2)

    @property
    def _correct(self) -> str:
        return (
            f"The operator corrects {self.setting}, and checks that they belong to this environment "
            "(production and staging have separate ones), then runs `adops-mcp doctor`."
        )

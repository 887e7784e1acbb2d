"""FreeWheel's access tokens: fetched once for all waiting calls, used until they expire, and fetched again after a 401.

Source: FreeWheel publisher API, authentication (password grant: 604,800 s, no refresh token, 3 requests/s per address
on the token endpoint) and API access by client credentials (HTTP Basic, about an hour).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote_plus

from pydantic import BaseModel, Field, SecretStr

from tools.errors import Unauthorized
from tools.vendor_http.auth import SharedToken
from tools.vendor_http.replies import Answer, Kind
from tools.vendor_http.transport import Timing, Transport

RETRY_REFUSED_AFTER = 60.0
"""Seconds for which refused credentials are not tried again."""

_REFUSAL_STATUSES = (400, 401, 403)


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
        return _encodings(self.password)


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
        return [self._pair(), *_encodings(self.client_secret)]

    def _pair(self) -> str:
        pair = f"{self.client_id}:{self.client_secret.get_secret_value()}"
        return base64.b64encode(pair.encode()).decode()


def _encodings(secret: SecretStr) -> list[str]:
    """A secret as it is, and as it is encoded in a form."""
    value = secret.get_secret_value()
    return [value, quote_plus(value)]


class _TokenAnswer(BaseModel, defer_build=True):
    access_token: Annotated[SecretStr, Field(min_length=1)]
    expires_in: Annotated[float, Field(gt=0)] = 3600.0


class MintedToken(SharedToken):
    """A token from FreeWheel's token endpoint.

    Refused credentials are not tried again for a minute, so that an agent that keeps calling does not lock the user
    out.
    """

    def __init__(
        self, grant: PasswordGrant | ClientCredentials, transport: Transport, *, url: str, timing: Timing
    ) -> None:
        super().__init__(timing.now)
        self._grant = grant
        self._transport = transport
        self._url = url
        self._refused: Answer | None = None
        self._refused_until = 0.0
        self.setting = grant.setting

    async def mint(self) -> tuple[str, float]:
        """Fetch a token. Raises Unauthorized when FreeWheel does not accept the credentials."""
        if self._refused is not None and self._now() < self._refused_until:
            raise self._not_accepted(self._refused)
        answer = await self._transport.request(
            Kind.READ,
            "POST",
            self._url,
            form=self._grant.form(),
            headers={"Accept": "application/json", **self._grant.headers()},
            secrets=self._grant.secrets(),
            answers=_REFUSAL_STATUSES,
        )
        if not answer.is_success:
            self._refused, self._refused_until = answer, self._now() + RETRY_REFUSED_AFTER
            raise self._not_accepted(answer)
        minted = answer.parse(_TokenAnswer, answer.json())
        return minted.access_token.get_secret_value(), minted.expires_in

    def _not_accepted(self, answer: Answer) -> Unauthorized:
        return Unauthorized(
            f"FreeWheel gave no token for the configured credentials ({answer.status}).",
            next_step=f"The operator corrects {self.setting}, and checks that they belong to this environment "
            "(production and staging have separate ones), then runs `adops-mcp doctor`. This answer is kept for a "
            "minute; if it was a temporary fault, the same call works after that.",
            upstream_status=answer.status,
            request_id=answer.reply.request_id,
        )

"""The service account's access token, by google-auth over our own httpx client.

google-auth is blocking, so its refresh runs in a worker thread and comes back to the event loop for the request.
It is imported on first use: one tool needs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.from_thread
import anyio.to_thread
from pydantic import SecretStr

from tools.errors import NotConfigured, Unauthorized
from tools.transport import Kind, Timing, Transport

if TYPE_CHECKING:
    from google.oauth2.service_account import Credentials

SCOPE = "https://www.googleapis.com/auth/admanager.readonly"
SETTING = "ADOPS_GAM_SERVICE_ACCOUNT_FILE"


class UnusableKey(NotConfigured):
    """The service-account key cannot be read or is not one."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The Google service-account key {why}.",
            next_step=f"The operator points {SETTING} at the JSON key file of a service account.",
        )


class ServiceAccountToken:
    """key: gives the text of the JSON key file; asked once, in a worker thread, when the first token is needed."""

    setting = SETTING

    def __init__(self, key: Callable[[], SecretStr], transport: Transport, *, timing: Timing) -> None:
        self._key = key
        self._transport = transport
        self._now = timing.now
        self._minting = anyio.Lock()
        self._credentials: Credentials | None = None
        self._token: str | None = None
        self._ends = 0.0

    async def email(self) -> str:
        """The account that a person grants in Ad Manager. Raises UnusableKey."""
        async with self._minting:
            return str(cast("Any", await self._account()).service_account_email)

    async def token(self) -> str:
        """Raises UnusableKey, Unauthorized (Google refuses the account), or what the transport raises."""
        async with self._minting:
            if self._token is None or self._now() >= self._ends:
                await self._mint()
            return self._token or ""

    async def renew(self, refused: str) -> str | None:
        async with self._minting:
            if self._token is None or self._token == refused:
                await self._mint()
            return self._token

    async def _account(self) -> Credentials:
        if self._credentials is None:
            self._credentials = await anyio.to_thread.run_sync(_read_key, self._key)
        return self._credentials

    async def _mint(self) -> None:
        from google.auth.exceptions import RefreshError  # noqa: PLC0415 - paid for by the one tool that needs it

        account: Any = await self._account()
        self._token = None
        try:
            await anyio.to_thread.run_sync(account.refresh, self._request)
        except RefreshError:
            raise Unauthorized(
                "Google gives no token for this service account: the key was deleted, disabled or belongs to a "
                "deleted account.",
                next_step=f"A person makes a new key for the service account in Google Cloud; the operator points "
                f"{SETTING} at it.",
            ) from None
        self._token = str(account.token)
        self._ends = account.expiry.replace(tzinfo=UTC).timestamp() - 60

    def _request(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        **_: Any,
    ) -> _Answer:
        """google-auth's `transport.Request`: called in its thread, sent from the event loop."""

        async def send() -> _Answer:
            reply = await self._transport.request(
                Kind.READ, method, url, content=body, headers=headers, timeout=timeout, answers=range(400, 408)
            )
            return _Answer(reply.status, dict(reply.headers), reply.body)

        return anyio.from_thread.run(send)


class _Answer:
    """google-auth's `transport.Response`."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


def _read_key(key: Callable[[], SecretStr]) -> Credentials:
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415 - paid for by the one tool that needs it
    from google.oauth2.service_account import Credentials  # noqa: PLC0415

    try:
        text = key().get_secret_value()
    except (OSError, UnicodeDecodeError):
        raise UnusableKey("file cannot be read") from None
    try:
        info = json.loads(text)
    except ValueError:
        raise UnusableKey("is not JSON") from None
    if not isinstance(info, dict) or cast("dict[str, Any]", info).get("type") != "service_account":
        raise UnusableKey('is not of type "service_account"')
    try:
        return cast("Any", Credentials).from_service_account_info(info, scopes=[SCOPE])
    except (ValueError, GoogleAuthError):
        raise UnusableKey("lacks a field or holds a damaged private key") from None

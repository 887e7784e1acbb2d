"""The service account's access token, by Google's JWT bearer grant.

google-auth signs the assertion. The request goes through our own transport, with its clock, retries and errors:
google-auth's own `refresh` blocks, sleeps between its own tries and uses the machine's clock. It is imported when it is
first used, because only one tool needs it.

Source: Google, "Using OAuth 2.0 for Server to Server Applications".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import anyio.to_thread
from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError

from tools.errors import AdOpsError, NotConfigured, Unauthorized, Unavailable
from tools.vendor_http.auth import SharedToken
from tools.vendor_http.network.client import is_safe
from tools.vendor_http.replies import Answer, Kind
from tools.vendor_http.transport import Timing, Transport

if TYPE_CHECKING:
    from google.auth.crypt import RSASigner

SCOPE = "https://www.googleapis.com/auth/admanager.readonly"
SETTING = "ADOPS_GAM_SERVICE_ACCOUNT_FILE"

_AUDIENCE = "https://oauth2.googleapis.com/token"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
_TRANSIENT_ERRORS = ("server_error", "temporarily_unavailable", "internal_failure")


class UnusableKey(NotConfigured):
    """The service-account key cannot be read, or is not one."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The Google service-account key {why}.",
            next_step=f"The operator points {SETTING} at the JSON key file of a service account.",
        )


def _safe(url: str) -> str:
    if not is_safe(url):
        raise ValueError("not https")
    return url


class _KeyFile(BaseModel, defer_build=True):
    """The fields of a key file that are used here (Google Cloud, "Service account keys")."""

    type: Literal["service_account"]
    client_email: str
    private_key: SecretStr
    private_key_id: str | None = None
    token_uri: Annotated[str, AfterValidator(_safe)]


class _TokenAnswer(BaseModel, defer_build=True):
    access_token: Annotated[SecretStr, Field(min_length=1)]
    expires_in: Annotated[float, Field(gt=0)] = float(_LIFETIME)


@dataclass(frozen=True, slots=True)
class _Account:
    email: str
    token_uri: str
    signer: RSASigner


class ServiceAccountToken(SharedToken):
    """key: returns the text of the JSON key file. It is called once, in a worker thread, when it is needed."""

    setting = SETTING

    def __init__(self, key: Callable[[], SecretStr], transport: Transport, *, timing: Timing) -> None:
        super().__init__(timing.now)
        self._key = key
        self._transport = transport
        self._read: _Account | None = None

    async def email(self) -> str:
        """The account that a person must grant in Ad Manager. Raises UnusableKey."""
        return (await self._account()).email

    async def mint(self) -> tuple[str, float]:
        """Fetch a token. Raises UnusableKey, or Unauthorized when Google refuses the account."""
        account = await self._account()
        assertion = _assertion(account, int(self._now()))
        answer = await self._transport.request(
            Kind.READ,
            "POST",
            account.token_uri,
            form={"grant_type": _GRANT, "assertion": assertion},
            secrets=[assertion],
            answers=(400, 401),
        )
        if not answer.is_success:
            raise _refusal(answer)
        granted = answer.parse(_TokenAnswer, answer.json())
        return granted.access_token.get_secret_value(), granted.expires_in

    async def _account(self) -> _Account:
        if self._read is None:
            self._read = await anyio.to_thread.run_sync(_read_key, self._key)
        return self._read


def _assertion(account: _Account, now: int) -> str:
    from google.auth import jwt  # noqa: PLC0415 - paid for by the one tool that needs it

    claims = {"iss": account.email, "scope": SCOPE, "aud": _AUDIENCE, "iat": now, "exp": now + _LIFETIME}
    return cast("Any", jwt).encode(account.signer, claims).decode()


def _refusal(answer: Answer) -> AdOpsError:
    """The error for a refused grant. An answer that has not Google's shape of an error is not Google's refusal."""
    body: Any = answer.json()
    error = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    if not isinstance(error, str):
        answer.unreadable("a refusal that is not Google's")
    if error in _TRANSIENT_ERRORS:
        return Unavailable(
            "Google gives no token at the moment. Nothing was changed.",
            next_step="Make the same call again in a minute.",
            upstream_status=answer.status,
            upstream_code=error,
        )
    return Unauthorized(
        "Google gives no token for this service account: the key or the account was deleted or disabled, or this "
        "machine's clock is wrong.",
        next_step=f"A person checks the account and its key in Google Cloud, and makes a new key if need be; the "
        f"operator points {SETTING} at it.",
        upstream_status=answer.status,
        upstream_code=answer.clean(error),
    )


def _read_key(key: Callable[[], SecretStr]) -> _Account:
    from google.auth.crypt import RSASigner  # noqa: PLC0415 - paid for by the one tool that needs it

    try:
        text = key().get_secret_value()
    except (OSError, UnicodeDecodeError):
        raise UnusableKey("file cannot be read") from None
    try:
        info: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise UnusableKey("is not JSON") from None
    if not isinstance(info, dict) or cast("dict[str, Any]", info).get("type") != "service_account":
        raise UnusableKey('is not of type "service_account"')
    try:
        file = _KeyFile.model_validate(info)
        private_key = file.private_key.get_secret_value()
        signer = cast("Any", RSASigner).from_string(private_key, file.private_key_id)
        signer.sign(b"a key of another kind fails here, and not in the middle of a call")
    except ValidationError:
        raise UnusableKey("lacks a field, or holds one that is no text or no https URL") from None
    except Exception:  # noqa: BLE001 - cryptography's errors over keys have no common base
        raise UnusableKey("holds a private key that is damaged, locked or not RSA") from None
    return _Account(file.client_email, file.token_uri, signer)

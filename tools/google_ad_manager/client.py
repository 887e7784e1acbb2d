"""The parts of Google Ad Manager's REST API v1 that testing a connection needs.

Source: Google Ad Manager API (`networks.get`, `networks.list`, google.rpc errors). It is not documented what Google
answers for a wrong network or disabled API access. So a reason is looked for in every detail of an error, and without
one the status decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from tools.errors import AdOpsError, RateLimited, Unauthorized, Unavailable
from tools.google_ad_manager.auth import ServiceAccountToken, UnusableKey
from tools.vendor_http.replies import Answer, Kind, NotJson, Reply
from tools.vendor_http.transport import Hints, Transport


class Network(BaseModel):
    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True
    )

    network_code: str
    display_name: str | None = None
    time_zone: str | None = None
    currency_code: str | None = None
    test_network: bool = False


class _Networks(BaseModel):
    networks: list[Network] = []


class Finding(Enum):
    """The result of a connection test, as finely as results can be distinguished."""

    OK = "ok"
    NETWORK_NOT_FOUND = "network_not_found"
    PERMISSION_DENIED = "permission_denied"
    API_ACCESS_OFF = "api_access_off"
    SERVICE_DISABLED = "service_disabled"
    SCOPE_INSUFFICIENT = "scope_insufficient"
    CREDENTIALS = "credentials"
    KEY = "key"
    CONFIG = "config"
    RATE_LIMITED = "rate_limited"
    CONNECTION = "connection"
    NOT_GOOGLE = "not_google"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of a connection test and what else became known; None for what did not.

    account: the service account's e-mail.
    visible: the networks that the account sees.
    words: the message of Google, or of whoever answered in its place.
    """

    finding: Finding
    account: str | None = None
    network: Network | None = None
    visible: list[Network] | None = None
    words: str | None = None
    request_id: str | None = None


_REASONS: tuple[tuple[str, Finding], ...] = (
    ("NETWORK_NOT_FOUND", Finding.NETWORK_NOT_FOUND),
    ("NETWORK_API_ACCESS_DISABLED", Finding.API_ACCESS_OFF),
    ("SERVICE_DISABLED", Finding.SERVICE_DISABLED),
    ("SCOPE_INSUFFICIENT", Finding.SCOPE_INSUFFICIENT),
    ("AUTHENTICATION_FAILED", Finding.CREDENTIALS),
    ("UNAUTHENTICATED", Finding.CREDENTIALS),
    ("NO_NETWORKS", Finding.PERMISSION_DENIED),
    ("NOT_ALLOWED", Finding.PERMISSION_DENIED),
    ("PERMISSION", Finding.PERMISSION_DENIED),
)
_ENABLE_API = (
    "A person enables the Ad Manager API in the Google Cloud project of the service account (APIs & Services > Library "
    "> Ad Manager API) and waits a few minutes; the key has to be a service account's."
)
"""Listing networks needs no grant of a network."""
_STATUSES = {
    400: Finding.CONFIG,
    401: Finding.CREDENTIALS,
    403: Finding.PERMISSION_DENIED,
    404: Finding.NETWORK_NOT_FOUND,
}


class GoogleAdManagerClient:
    def __init__(self, transport: Transport, account: ServiceAccountToken) -> None:
        self._transport = transport
        self._account = account

    async def probe(self, network_code: str) -> Probe:
        """Test whether the service account can use a network, and if not, why.

        Denials, bad credentials and outages are results here and not errors. Raises UnexpectedAnswer when Google's
        answer cannot be understood.
        """
        email: str | None = None
        try:
            email = await self._account.email()
            answer = await self._transport.request(Kind.READ, "GET", f"/v1/networks/{network_code}", answers=_STATUSES)
            if answer.is_success:
                return Probe(Finding.OK, email, network=_network(answer, network_code))
            finding = _classify(answer.reply)
            visible = await self._visible() if finding in _DENIALS else None
        except UnusableKey:
            return Probe(Finding.KEY)
        except Unauthorized:
            return Probe(Finding.CREDENTIALS, email)
        except RateLimited:
            return Probe(Finding.RATE_LIMITED, email)
        except Unavailable as error:
            return Probe(Finding.CONNECTION, email, request_id=error.request_id)
        _, words = answer.words()
        return Probe(finding, email, visible=visible, words=words, request_id=answer.reply.request_id)

    async def visible_networks(self) -> list[Network]:
        """The networks that the service account sees: the cheapest read that needs its token."""
        hints = Hints(by_code={"PERMISSION_DENIED": _ENABLE_API})
        answer = await self._transport.request(Kind.READ, "GET", "/v1/networks", params={"pageSize": 1000}, hints=hints)
        return answer.parse(_Networks, answer.json()).networks

    async def _visible(self) -> list[Network] | None:
        """The visible networks, or None when they cannot be read: the result of the test does not depend on them."""
        try:
            return await self.visible_networks()
        except AdOpsError:
            return None


def _network(answer: Answer, network_code: str) -> Network:
    network = answer.parse(Network, answer.json())
    if network.network_code != network_code:
        answer.unreadable("another network than the one asked for")
    return network


_DENIALS = {Finding.NETWORK_NOT_FOUND, Finding.PERMISSION_DENIED, Finding.API_ACCESS_OFF}


def _classify(reply: Reply) -> Finding:
    """What Google's error means. An answer without one, such as a proxy's page, says nothing about the network."""
    try:
        payload: Any = reply.json()
    except NotJson:
        return Finding.NOT_GOOGLE
    error = cast("dict[str, Any]", payload).get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return Finding.NOT_GOOGLE
    words = " ".join(_reasons(cast("dict[str, Any]", error))).upper()
    known = next((finding for reason, finding in _REASONS if reason in words), None)
    return known or _STATUSES.get(reply.status, Finding.UNKNOWN)


def _reasons(payload: Any) -> Iterator[str]:
    """Every `reason` and `status` at any depth of the error: the shape of its details is not documented."""
    if isinstance(payload, dict):
        body = cast("dict[str, Any]", payload)
        for key, value in body.items():
            if key in ("reason", "status") and isinstance(value, str):
                yield value
            else:
                yield from _reasons(value)
    elif isinstance(payload, list):
        for item in cast("list[Any]", payload):
            yield from _reasons(item)

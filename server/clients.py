"""The vendors' clients of one running server: opened with it, closed with it."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from server import __version__
from server.configuration.accounts import Account, scope_of, spelt, state_suffix
from server.configuration.settings import (
    NoAccess,
    Settings,
    SettingsError,
    freewheel_access,
    google_ad_manager_access,
    interchange_access,
)
from server.sandbox.faults import FaultRates, FaultyTransport
from tools.backends import Backends
from tools.freewheel.auth import ClientCredentials, MintedToken, PasswordGrant
from tools.freewheel.client import FreeWheelClient
from tools.google_ad_manager.auth import ServiceAccountToken
from tools.google_ad_manager.client import GoogleAdManagerClient
from tools.interchange.client import InterchangeClient
from tools.vendor_http.auth import Auth, StaticToken
from tools.vendor_http.network.client import UnusableProxy, http_client, proxies
from tools.vendor_http.rate_limit import SlidingWindow
from tools.vendor_http.telemetry import Observed, unobserved
from tools.vendor_http.transport import Retries, Timing, Transport
from tools.vendors import TITLES, VendorName

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from server.sandbox import Sandbox

_INTERCHANGE = {
    "live": "https://api.interchange.io/api/v2/storefront",
    "staging": "https://api.staging.interchange.io/api/v2/storefront",
    "sandbox": "https://interchange.sandbox/api/v2/storefront",
}
_FREEWHEEL = {
    "live": "https://api.freewheel.tv",
    "staging": "https://api.stg.freewheel.tv",
    "sandbox": "https://freewheel.sandbox",
}
_FREEWHEEL_CLIENT_CREDENTIALS = "https://token.apiaccess.freewheel.tv/oauth2/token"
_GOOGLE_AD_MANAGER = "https://admanager.googleapis.com"
_GOOGLE_AD_MANAGER_SANDBOX = "https://google-ad-manager.sandbox"

_ELSEWHERE = ("interchange_base_url", "freewheel_base_url", "freewheel_token_url", "gam_base_url")
"""Settings that lead to other hosts: the sandbox has none of them, so that it never mixes with anything real."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What the clients stand on: the network and the clocks. Tests hand in their own.

    transports: an httpx transport for a vendor, instead of the network. observed: who counts what is sent.
    """

    transports: Mapping[VendorName, httpx.AsyncBaseTransport] = field(
        default_factory=dict["VendorName", httpx.AsyncBaseTransport]
    )
    timing: Timing = field(default_factory=Timing)
    observed: Observed = unobserved


@dataclass(frozen=True, slots=True)
class Access:
    """The way into each vendor, or why there is none."""

    interchange: SecretStr | NoAccess
    freewheel: SecretStr | PasswordGrant | ClientCredentials | NoAccess
    google_ad_manager: Callable[[], SecretStr] | NoAccess

    @property
    def missing(self) -> dict[VendorName, NoAccess]:
        ways: dict[VendorName, object] = {
            "interchange": self.interchange,
            "freewheel": self.freewheel,
            "google_ad_manager": self.google_ad_manager,
        }
        return {vendor: way for vendor, way in ways.items() if isinstance(way, NoAccess)}


def configured_access(settings: Settings) -> Access:
    """What the settings say, for staging and live."""
    key = google_ad_manager_access(settings)
    return Access(
        interchange_access(settings),
        freewheel_access(settings),
        key if isinstance(key, NoAccess) else lambda: SecretStr(key.read_text(encoding="utf-8")),
    )


def missing_vendors(settings: Settings) -> dict[VendorName, NoAccess]:
    """The vendors that these settings give no way into; none in the sandbox."""
    return {} if settings.environment == "sandbox" else configured_access(settings).missing


def missing_of(account: Account) -> dict[VendorName, NoAccess]:
    """The vendors that an account gives no way into, with its settings as they are spelt."""
    missing = missing_vendors(account.settings)
    return {vendor: replace(way, fix=spelt(way.fix, account.name)) for vendor, way in missing.items()}


def data_directory(settings: Settings) -> Path:
    if settings.data_dir is not None:
        return settings.data_dir
    import platformdirs  # noqa: PLC0415

    return Path(platformdirs.user_data_dir("adops-mcp", appauthor=False))


def sandbox_path(settings: Settings, account: str = "") -> Path:
    """Where an account's sandbox keeps its state: one file, apart from anything of staging and live."""
    from server.sandbox import FILE_NAME  # noqa: PLC0415 - staging and live do without the sandbox

    file = data_directory(settings) / FILE_NAME
    return file.with_stem(f"{file.stem}-{state_suffix(account)}") if state_suffix(account) else file


def open_sandbox(settings: Settings, clock: Callable[[], datetime] | None = None, *, account: str = "") -> Sandbox:
    """The sandbox over its file, made when absent. Raises SettingsError when the file cannot be used."""
    from server.sandbox import Sandbox  # noqa: PLC0415 - staging and live do without the sandbox

    path = sandbox_path(settings, account)
    try:
        return Sandbox(path, clock or (lambda: datetime.now(UTC)))
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(
            f"ADOPS_DATA_DIR: the sandbox's state in {path} cannot be opened and written; choose another directory, "
            "or run `adops-mcp sandbox reset`."
        ) from error


@dataclass(frozen=True, slots=True)
class Shared:
    """What the accounts of one process have in common. windows: Interchange counts by address, and FreeWheel does not
    say by what. sent_tokens: no answer of one account repeats a token of another."""

    windows: dict[str, SlidingWindow] = field(default_factory=dict[str, SlidingWindow])
    sent_tokens: set[str] = field(default_factory=set[str])


@asynccontextmanager
async def open_backends(
    settings: Settings, wire: Wire | None = None, *, account: str = "", shared: Shared | None = None
) -> AsyncGenerator[Backends]:
    """The clients of every vendor that can be used in this environment. account: whose, where there are several."""
    wire = wire or Wire()
    async with AsyncExitStack() as stack:
        place = scope_of(settings.environment, account)

        def scope() -> str:
            return place

        if settings.environment == "sandbox":
            sandbox = _opened(settings, wire, stack, account)
            access, wire = _sandbox(settings, wire, sandbox)
            settings = settings.model_copy(update=dict.fromkeys(_ELSEWHERE))

            def scope() -> str:
                return f"{place}/{sandbox.generation()}"

        else:
            access = configured_access(settings)
        opening = _Opening(settings, wire, stack, shared or Shared(), account)
        yield Backends(
            interchange_client=opening.interchange(access.interchange),
            freewheel_client=opening.freewheel(access.freewheel),
            google_ad_manager_client=opening.google_ad_manager(access.google_ad_manager),
            missing={vendor: spelt(way.fix, account) for vendor, way in access.missing.items()},
            limits=opening.limits,
            sent_tokens=opening.shared.sent_tokens,
            scope=scope,
            account=account,
            spelt=functools.partial(spelt, account=account),
        )


def _opened(settings: Settings, wire: Wire, stack: AsyncExitStack, account: str) -> Sandbox:
    now = wire.timing.now
    sandbox = open_sandbox(settings, lambda: datetime.fromtimestamp(now(), UTC), account=account)
    stack.callback(sandbox.close)
    return sandbox


def _sandbox(settings: Settings, wire: Wire, sandbox: Sandbox) -> tuple[Access, Wire]:
    """The credentials of the embedded vendors and the way to them; transports that were handed in still win."""
    from server.sandbox.freewheel.tokens import PASSWORD, USERNAME  # noqa: PLC0415 - staging and live do without the sandbox
    from server.sandbox.interchange.wire import API_KEY  # noqa: PLC0415

    apps: dict[VendorName, httpx.AsyncBaseTransport] = {
        "interchange": _made_when_asked(sandbox.interchange),
        "freewheel": _made_when_asked(sandbox.freewheel),
        "google_ad_manager": _made_when_asked(sandbox.google_ad_manager),
    }
    access = Access(
        SecretStr(API_KEY),
        PasswordGrant(USERNAME, SecretStr(PASSWORD)),
        lambda: _key_of(sandbox),
    )
    ways: dict[VendorName, httpx.AsyncBaseTransport] = {**apps, **wire.transports}
    if settings.sandbox_faults is not None:
        rates = FaultRates.parse(settings.sandbox_faults)
        ways = {
            vendor: FaultyTransport(way, rates, wire.timing.sleep, clock=wire.timing.clock)
            for vendor, way in ways.items()
        }
    return access, replace(wire, transports=ways)


def _made_when_asked(make: Callable[[], ASGIApp]) -> httpx.ASGITransport:
    made = functools.cache(make)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await made()(scope, receive, send)

    return httpx.ASGITransport(app, raise_app_exceptions=False)


def _key_of(sandbox: Sandbox) -> SecretStr:
    """Raises OSError when the sandbox's state, where it is kept, cannot be read or written."""
    try:
        return SecretStr(sandbox.service_account_key(f"{_GOOGLE_AD_MANAGER_SANDBOX}/token"))
    except sqlite3.Error as error:
        raise OSError("the sandbox's state cannot be read or written") from error


def check_proxies(settings: Settings) -> None:
    """Raises SettingsError when this machine is set up for a proxy that cannot be used; the sandbox needs none."""
    if settings.environment != "sandbox":
        with _as_a_setting():
            proxies()


@contextmanager
def _as_a_setting() -> Generator[None]:
    try:
        yield
    except UnusableProxy as error:
        raise SettingsError(str(error)) from None


class _Opening:
    def __init__(self, settings: Settings, wire: Wire, stack: AsyncExitStack, shared: Shared, account: str) -> None:
        self._settings = settings
        self._wire = wire
        self._stack = stack
        self._account = account
        self.shared = shared
        self.limits: dict[VendorName, str] = {}

    def interchange(self, key: SecretStr | NoAccess) -> InterchangeClient | None:
        if isinstance(key, NoAccess):
            return None
        auth = StaticToken(key.get_secret_value(), setting="ADOPS_INTERCHANGE_API_KEY")
        transport = self._vendor("interchange", self._http("interchange"), auth, requests=100, seconds=60)
        base_url = self._settings.interchange_base_url or _INTERCHANGE[self._settings.environment]
        return InterchangeClient(transport, base_url=base_url)

    def freewheel(self, way: SecretStr | PasswordGrant | ClientCredentials | NoAccess) -> FreeWheelClient | None:
        if isinstance(way, NoAccess):
            return None
        base_url = self._settings.freewheel_base_url or _FREEWHEEL[self._settings.environment]
        http = self._http("freewheel", base_url)
        if isinstance(way, SecretStr):
            auth: Auth = StaticToken(way.get_secret_value(), setting="ADOPS_FREEWHEEL_TOKEN")
        else:
            issuer = self._issuer("FreeWheel's token endpoint", http, requests=3)
            password = isinstance(way, PasswordGrant)
            endpoint = f"{base_url}/auth/token" if password else _FREEWHEEL_CLIENT_CREDENTIALS
            url = self._settings.freewheel_token_url or endpoint
            auth = MintedToken(way, issuer, url=url, timing=self._wire.timing)
        return FreeWheelClient(self._vendor("freewheel", http, auth, requests=20, seconds=1), timing=self._wire.timing)

    def google_ad_manager(self, key: Callable[[], SecretStr] | NoAccess) -> GoogleAdManagerClient | None:
        if isinstance(key, NoAccess):
            return None
        sandbox = self._settings.environment == "sandbox"
        base_url = self._settings.gam_base_url or (_GOOGLE_AD_MANAGER_SANDBOX if sandbox else _GOOGLE_AD_MANAGER)
        http = self._http("google_ad_manager", base_url)
        issuer = self._issuer("Google's token endpoint", http, requests=2)
        account = ServiceAccountToken(key, issuer, timing=self._wire.timing)
        retries = Retries(after_429=5.0)
        return GoogleAdManagerClient(
            self._vendor("google_ad_manager", http, account, requests=2, seconds=1, retries=retries), account
        )

    def _http(self, vendor: VendorName, base_url: str = "") -> httpx.AsyncClient:
        headers = {"User-Agent": f"adops-mcp/{__version__}", "Accept": "application/json"}
        with _as_a_setting():
            http = http_client(
                base_url=base_url,
                headers=headers,
                transport=self._wire.transports.get(vendor),
                trust_env=self._settings.environment != "sandbox",
            )
        self._stack.push_async_callback(http.aclose)
        return http

    def _vendor(
        self,
        vendor: VendorName,
        http: httpx.AsyncClient,
        auth: Auth,
        *,
        requests: int,
        seconds: float,
        retries: Retries | None = None,
    ) -> Transport:
        """The transport of the vendor itself, whose limit is told in the status."""
        limit = self._window(TITLES[vendor], requests, seconds)
        self.limits[vendor] = limit.description
        return self._transport(TITLES[vendor], http, auth, limit, retries)

    def _issuer(self, name: str, http: httpx.AsyncClient, *, requests: int) -> Transport:
        """The transport of a token endpoint."""
        return self._transport(name, http, None, self._window(name, requests, 1), None)

    def _window(self, name: str, requests: int, seconds: float) -> SlidingWindow:
        timing = self._wire.timing
        made = SlidingWindow(requests, seconds, clock=timing.clock, sleep=timing.sleep)
        return self.shared.windows.setdefault(name, made)

    def _transport(
        self, name: str, http: httpx.AsyncClient, auth: Auth | None, limit: SlidingWindow, retries: Retries | None
    ) -> Transport:
        return Transport(
            name,
            http,
            limit=limit,
            auth=auth,
            timing=self._wire.timing,
            retries=retries,
            sent_tokens=self.shared.sent_tokens,
            account=self._account,
            observed=self._wire.observed,
        )

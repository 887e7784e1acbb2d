"""The vendors' clients that one running server has, handed to every tool's handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from tools.errors import NotConfigured
from tools.vendors import TITLES, VendorName

if TYPE_CHECKING:
    from tools.effects import Past
    from tools.freewheel.client import FreeWheelClient
    from tools.google_ad_manager.client import GoogleAdManagerClient
    from tools.interchange.client import InterchangeClient
    from tools.operations.record import ListedOperations, OperationSummary, Reached, Reconciliation, WholeOperation


def _as_they_are(text: str) -> str:
    return text


class WritesRecord(Protocol):
    """Who keeps the record. `get` and `reconcile` raise NotFound for an id that is not there."""

    async def list(self, wanted: ListedOperations, backends: Backends) -> tuple[Sequence[OperationSummary], int]:
        """One page, the newest first, and how many there are of all."""
        ...

    async def get(self, operation_id: str, backends: Backends) -> WholeOperation: ...

    async def look(self, backends: Backends) -> Reached:
        """Whether it can be used, and how much of it is open."""
        ...

    async def standing(self, resource: str, backends: Backends) -> Sequence[Past]:
        """The writes on that resource which succeeded and still stand, the oldest first."""
        ...

    async def reconcile(self, operation_id: str, backends: Backends) -> Reconciliation: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The clients of the vendors that are configured.

    missing: for each vendor without a client, what the operator sets to get it.
    limits: for each vendor with one, how many requests are sent to it at most.
    left_out: for each tool that this server does not offer, why.
    sent_tokens: the tokens that were sent to vendors, which no answer may repeat.
    scope: names the place that is written to: the environment and, of a sandbox, which one.
    record: of writes.
    account: whose clients these are, where the server has several accounts.
    name_settings: returns a text with each setting named as the account's own file names it.
    accounts: for a tool of no vendor, those of each account that its caller may use, where there are several.
    Reading the client of a vendor that is not configured raises NotConfigured.
    """

    interchange_client: InterchangeClient | None = None
    freewheel_client: FreeWheelClient | None = None
    google_ad_manager_client: GoogleAdManagerClient | None = None
    missing: dict[VendorName, str] = field(default_factory=dict["VendorName", str])
    limits: dict[VendorName, str] = field(default_factory=dict["VendorName", str])
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    sent_tokens: set[str] = field(default_factory=set[str])
    scope: Callable[[], str] = field(default=lambda: "")
    record: WritesRecord | None = None
    account: str = ""
    name_settings: Callable[[str], str] = field(default=_as_they_are)
    accounts: tuple[Backends, ...] = ()

    @property
    def interchange(self) -> InterchangeClient:
        return self.interchange_client or self._not_configured("interchange")

    @property
    def freewheel(self) -> FreeWheelClient:
        return self.freewheel_client or self._not_configured("freewheel")

    @property
    def google_ad_manager(self) -> GoogleAdManagerClient:
        return self.google_ad_manager_client or self._not_configured("google_ad_manager")

    def has(self, vendor: VendorName) -> bool:
        clients = {
            "interchange": self.interchange_client,
            "freewheel": self.freewheel_client,
            "google_ad_manager": self.google_ad_manager_client,
        }
        return clients[vendor] is not None

    @property
    def places(self) -> tuple[Backends, ...]:
        """Each account that can be looked at from here."""
        return self.accounts or (self,)

    @property
    def writes_record(self) -> WritesRecord:
        if self.record is None:
            raise NotConfigured(
                "This server keeps no record of writes.", next_step="The operator serves it with `adops-mcp serve`."
            )
        return self.record

    def _not_configured(self, vendor: VendorName) -> NoReturn:
        raise NotConfigured(
            f"{TITLES[vendor]} is not configured on this server, so nothing was sent.",
            next_step=f"The operator does this: {self.missing.get(vendor, 'run `adops-mcp doctor`')}",
        )

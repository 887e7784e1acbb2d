"""The vendors' clients of a running server, as every tool's handler receives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from tools.errors import NotConfigured
from tools.vendors import TITLES, VendorName

if TYPE_CHECKING:
    from tools.effects import RecordedWrite
    from tools.freewheel.client import FreeWheelClient
    from tools.google_ad_manager.client import GoogleAdManagerClient
    from tools.interchange.client import InterchangeClient
    from tools.operations.models import OperationQuery, OperationSummary, Reachability, Reconciliation, WholeOperation


def _unchanged(text: str) -> str:
    """The default of `Backends.name_settings`."""
    return text


class Ledger(Protocol):
    """The ledger of writes, as the tools use it. `get` and `reconcile` raise NotFound for an unknown id."""

    async def list(self, query: OperationQuery, backends: Backends) -> tuple[Sequence[OperationSummary], int]:
        """One page of operations, the newest first, and the number of all that match."""
        ...

    async def get(self, operation_id: str, backends: Backends) -> WholeOperation: ...

    async def status(self, backends: Backends) -> Reachability:
        """Whether the ledger can be used, and how many of its operations are open."""
        ...

    async def writes_in_force(self, resource: str, backends: Backends) -> Sequence[RecordedWrite]:
        """The writes on a resource that succeeded and were not superseded, the oldest first."""
        ...

    async def reconcile(self, operation_id: str, backends: Backends) -> Reconciliation: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The clients of the configured vendors, and what else a handler may need to know of the server.

    missing: for each vendor without a client, what the operator sets to configure it.
    limits: for each vendor with a rate limit, how many requests are sent to it at most.
    left_out: for each tool that this server does not offer, the reason.
    sent_tokens: the tokens that were sent to vendors. No answer may repeat one.
    scope: returns the name of what is written to: the environment and, for a sandbox, which sandbox.
    ledger: the ledger of writes.
    account: the name of the account that the clients belong to, where the server has several.
    name_settings: returns a text with each setting named as the account's own file names it.
    accounts: for a tool without a vendor, the backends of each account that the caller may use, where there are
    several.

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
    ledger: Ledger | None = None
    account: str = ""
    name_settings: Callable[[str], str] = field(default=_unchanged)
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
    def each_account(self) -> tuple[Backends, ...]:
        """The backends of each account that the caller may use: these, where the server has one account."""
        return self.accounts or (self,)

    @property
    def required_ledger(self) -> Ledger:
        """The ledger. Raises NotConfigured when this server has none."""
        if self.ledger is None:
            raise NotConfigured(
                "This server keeps no record of writes.", next_step="The operator serves it with `adops-mcp serve`."
            )
        return self.ledger

    def _not_configured(self, vendor: VendorName) -> NoReturn:
        raise NotConfigured(
            f"{TITLES[vendor]} is not configured on this server, so nothing was sent.",
            next_step=f"The operator does this: {self.missing.get(vendor, 'run `adops-mcp doctor`')}",
        )

"""Reaching each vendor once, by its cheapest authenticated read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from tools.backends import Backends
from tools.errors import AdOpsError, Forbidden
from tools.operations.record import Reached
from tools.vendors import TITLES, VendorName

LONGEST = 15.0
"""Seconds for one vendor; its own tries may take longer, and a status that has to be waited for is none."""


async def reach(vendor: VendorName, backends: Backends) -> Reached:
    """Whether the vendor answers with the configured credentials. A failure is a finding here, not an error."""
    try:
        with anyio.fail_after(LONGEST):
            return await _READS[vendor](backends)
    except AdOpsError as error:
        return Reached(
            ok=False, said=backends.name_settings(error.message), next_step=backends.name_settings(error.next_step)
        )
    except TimeoutError:
        return Reached(
            ok=False,
            said=f"{TITLES[vendor]} did not answer within {LONGEST:.0f} s.",
            next_step="Try again in a minute.",
        )


async def _interchange(backends: Backends) -> Reached:
    account = await backends.interchange.current_account()
    return _reads(f"Reads the account of {account.company or account.name or account.id}.")


async def _freewheel(backends: Backends) -> Reached:
    """Packages and proposed insertion orders are of two network functions, of which one may do."""
    query: dict[str, str | int] = {"page": 1, "per_page": 5}
    try:
        page = await backends.freewheel.list_inventory_packages(query)
    except Forbidden as refused:
        try:
            orders = await backends.freewheel.list_proposed_insertion_orders(query)
        except AdOpsError:
            raise refused from None
        return Reached(
            ok=True,
            said=f"Reads {_count(orders.total)} proposed insertion orders, but may not read inventory packages.",
            next_step=backends.name_settings(refused.next_step),
        )
    return _reads(f"Reads {_count(page.total)} inventory packages.")


def _reads(said: str) -> Reached:
    return Reached(ok=True, said=said)


def _count(total: int | None) -> str:
    return "its" if total is None else str(total)


async def _google_ad_manager(backends: Backends) -> Reached:
    networks = await backends.google_ad_manager.visible_networks()
    names = ", ".join(f"{network.network_code} {network.display_name or ''}".strip() for network in networks[:5])
    if not networks:
        return _reads("The service account works, but sees no network yet: nobody has granted it access.")
    return _reads(f"The service account sees {len(networks)} network{'s' if len(networks) > 1 else ''}: {names}.")


_READS: dict[VendorName, Callable[[Backends], Awaitable[Reached]]] = {
    "interchange": _interchange,
    "freewheel": _freewheel,
    "google_ad_manager": _google_ad_manager,
}

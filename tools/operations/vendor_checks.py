"""Checks that a vendor answers, by its cheapest read that needs the credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from tools.backends import Backends
from tools.errors import AdOpsError, Forbidden
from tools.operations.models import Reachability
from tools.vendors import TITLES, VendorName

CHECK_TIMEOUT = 15.0
"""Seconds for one vendor. Its own retries may take longer, but a status should come soon."""


async def check_vendor(vendor: VendorName, backends: Backends) -> Reachability:
    """Whether the vendor answers with the configured credentials. A failure is a result here and not an error."""
    try:
        with anyio.fail_after(CHECK_TIMEOUT):
            return await _READS[vendor](backends)
    except AdOpsError as error:
        return Reachability(
            ok=False, detail=backends.name_settings(error.message), next_step=backends.name_settings(error.next_step)
        )
    except TimeoutError:
        return Reachability(
            ok=False,
            detail=f"{TITLES[vendor]} did not answer within {CHECK_TIMEOUT:.0f} s.",
            next_step="Try again in a minute.",
        )


async def _interchange(backends: Backends) -> Reachability:
    account = await backends.interchange.current_account()
    return _reachable(f"Reads the account of {account.company or account.name or account.id}.")


async def _freewheel(backends: Backends) -> Reachability:
    """FreeWheel enables packages and proposed insertion orders separately; being able to read one of them is enough."""
    query: dict[str, str | int] = {"page": 1, "per_page": 5}
    try:
        page = await backends.freewheel.list_inventory_packages(query)
    except Forbidden as refused:
        try:
            orders = await backends.freewheel.list_proposed_insertion_orders(query)
        except AdOpsError:
            raise refused from None
        return Reachability(
            ok=True,
            detail=f"Reads {_count(orders.total)} proposed insertion orders, but may not read inventory packages.",
            next_step=backends.name_settings(refused.next_step),
        )
    return _reachable(f"Reads {_count(page.total)} inventory packages.")


def _reachable(detail: str) -> Reachability:
    return Reachability(ok=True, detail=detail)


def _count(total: int | None) -> str:
    return "its" if total is None else str(total)


async def _google_ad_manager(backends: Backends) -> Reachability:
    networks = await backends.google_ad_manager.visible_networks()
    names = ", ".join(f"{network.network_code} {network.display_name or ''}".strip() for network in networks[:5])
    if not networks:
        return _reachable("The service account works, but sees no network yet: nobody has granted it access.")
    return _reachable(f"The service account sees {len(networks)} network{'s' if len(networks) > 1 else ''}: {names}.")


_READS: dict[VendorName, Callable[[Backends], Awaitable[Reachability]]] = {
    "interchange": _interchange,
    "freewheel": _freewheel,
    "google_ad_manager": _google_ad_manager,
}

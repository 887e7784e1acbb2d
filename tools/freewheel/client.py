"""FreeWheel's publisher API v4, as far as the tools use it.

Sources: Inventory Package API v4, Proposed Insertion Order API v4 (a preview: paths and envelopes may change).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tools.freewheel.models import InventoryPackagePage, ProposedInsertionOrder
from tools.replies import Answer, Kind
from tools.transport import Hints, Transport

PACKAGES = "/services/v4/inventory_packages"
PROPOSED_IOS = "/services/v4/proposed_insertion_orders"

_JSON = {"Accept": "application/json", "Content-Type": "application/json"}
_ACCOUNT_TEAM = "calling again does not help. If the token is new, FreeWheel may not have activated the user yet."


class FreeWheelClient:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list_inventory_packages(self, query: Mapping[str, str | int]) -> InventoryPackagePage:
        """One page of the network's inventory packages; `query` in FreeWheel's spelling ("Query Parameters")."""
        answer = await self._transport.request(
            Kind.READ,
            "GET",
            PACKAGES,
            params=query,
            headers=_JSON,
            hints=Hints(
                by_status={
                    403: "A person asks the FreeWheel account team to enable Marketplace for this network and user; "
                    + _ACCOUNT_TEAM
                }
            ),
        )
        return answer.parse(InventoryPackagePage, _listed(answer, "inventory_packages"))

    async def create_proposed_insertion_order(
        self, body: Mapping[str, Any], *, campaign_id: int | None, look: str
    ) -> ProposedInsertionOrder:
        """Create a proposed insertion order, under a campaign when one is given.

        look: how to find out whether it was created, when the answer is lost.
        """
        path = (
            PROPOSED_IOS if campaign_id is None else f"/services/v4/campaigns/{campaign_id}/proposed_insertion_orders"
        )
        not_there = (
            "This network may only take proposed IOs under a campaign: ask the person for the FreeWheel campaign id "
            "and call again with campaign_id."
            if campaign_id is None
            else "Check campaign_id with the person; FreeWheel knows no such campaign in this network."
        )
        answer = await self._transport.request(
            Kind.WRITE,
            "POST",
            path,
            json=body,
            headers=_JSON,
            hints=Hints(
                by_status={
                    403: "A person asks the FreeWheel account team to enable the Proposal network function for this "
                    "network and user; " + _ACCOUNT_TEAM,
                    404: not_there,
                    405: not_there,
                },
                look=look,
            ),
        )
        return answer.parse(ProposedInsertionOrder, _unwrapped(answer, "proposed_insertion_order"))


def _listed(answer: Answer, key: str) -> dict[str, Any]:
    """A list answer with its items under `items`, from any of the envelopes seen in v4.

    One with neither the resource's own key nor `items` is refused: an empty list would be a lie.
    """
    payload = answer.json()
    if isinstance(payload, dict):
        envelope = cast("dict[str, Any]", payload)
        for name in (key, "items"):
            if isinstance(envelope.get(name), list):
                return {
                    "items": envelope[name],
                    "total": _first(envelope, "total", "total_count"),
                    "total_pages": _first(envelope, "total_pages", "total_page"),
                }
    answer.unreadable(f"JSON that has neither `{key}` nor `items`")


def _first(envelope: dict[str, Any], *names: str) -> Any:
    return next((envelope[name] for name in names if envelope.get(name) is not None), None)


def _unwrapped(answer: Answer, key: str) -> Any:
    """The object itself, whether it came bare or wrapped in its resource name."""
    payload = answer.json()
    if isinstance(payload, dict):
        inner = cast("dict[str, Any]", payload).get(key)
        if isinstance(inner, dict):
            return cast("dict[str, Any]", inner)
    return cast("Any", payload)

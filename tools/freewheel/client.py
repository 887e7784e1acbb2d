"""The parts of FreeWheel's publisher API v4 that the tools use, and three lists of v3 (see `tools.freewheel.v3`).

Sources: Inventory Package API v4, Proposed Insertion Order API v4 (a preview: paths and envelopes may change). Neither
has the paths of single objects and of standard attributes: these follow FreeWheel's other v4 resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from tools.freewheel import v3
from tools.freewheel.attributes import StandardAttributes, read_attributes
from tools.freewheel.models import (
    Campaign,
    InventoryPackage,
    Named,
    PageOf,
    ProposedInsertionOrder,
    ProposedPlacement,
    StandardAttribute,
)
from tools.freewheel.wire import HEADERS, list_payload, object_payload
from tools.vendor_http.replies import Answer, Kind
from tools.vendor_http.transport import Hints, Timing, Transport

M = TypeVar("M", bound=BaseModel)

V3 = "/services/v3"
V4 = "/services/v4"
PACKAGES = f"{V4}/inventory_packages"
PROPOSED_IOS = f"{V4}/proposed_insertion_orders"
ATTRIBUTES = f"{V4}/standard_attributes"

ATTRIBUTES_LIFETIME = 600.0
"""Seconds for which the standard attributes are kept. They change from week to week."""

_ACCOUNT_TEAM = "calling again does not help. If the token is new, FreeWheel may not have activated the user yet."
_MARKETPLACE = (
    f"A person asks the FreeWheel account team to enable Marketplace for this network and user; {_ACCOUNT_TEAM}"
)
_WRITING_PACKAGES = (
    "A person asks the FreeWheel account team to enable Marketplace for this network and user, and, when ssp_targeting "
    f"was given, the network function for SSP targeting; {_ACCOUNT_TEAM}"
)
_PROPOSALS = (
    "A person asks the FreeWheel account team to enable the Proposal network function for this network and user; "
    f"{_ACCOUNT_TEAM}"
)
_V3 = (
    "A person asks the FreeWheel account team to let this user read campaigns and advertisers by API; until then the "
    "person gives the ids."
)
_NO_V3 = {403: _V3, 404: _V3}
_NO_PACKAGES = (
    "The operator checks ADOPS_FREEWHEEL_BASE_URL, if it is set: no inventory packages are at that address. If it is "
    "right, a person asks the FreeWheel account team whether Marketplace is enabled for this network."
)
_NO_PACKAGE = (
    "Take the id from list_inventory_packages. If it came from there, FreeWheel does not show single packages to this "
    "network: a person looks it up in FreeWheel."
)
_NO_UPDATE = "FreeWheel does not take this update here: a person makes the change in FreeWheel."
_NO_ATTRIBUTES = "FreeWheel does not list standard attributes to this network: ask the person for the ids."
_NO_SERIES = (
    "FreeWheel does not search series for this network: call find_targeting_items with another item_type, or with tree "
    "ssp_targeting, and ask the person for the ids of series."
)
_NO_UPDATES = "FreeWheel takes no updates of proposed IOs from here: a person makes this change in FreeWheel."
_NO_ORDER = "FreeWheel has no such proposed IO in this network: take the id from list_proposed_ios."


class FreeWheelClient:
    def __init__(self, transport: Transport, *, timing: Timing) -> None:
        self._transport = transport
        self._clock = timing.clock
        self._attributes: StandardAttributes | None = None
        self._attributes_end = 0.0

    async def list_inventory_packages(self, query: Mapping[str, str | int]) -> PageOf[InventoryPackage]:
        """One page of the network's inventory packages; `query` has FreeWheel's names ("Query Parameters")."""
        answer = await self._get(PACKAGES, query, {403: _MARKETPLACE, 404: _NO_PACKAGES})
        return answer.parse(PageOf[InventoryPackage], list_payload(answer, "inventory_packages"))

    async def inventory_package(self, package_id: int) -> InventoryPackage:
        """One package with the targetings it has."""
        hints = {403: _MARKETPLACE, 404: _NO_PACKAGE, 405: _NO_PACKAGE}
        answer = await self._get(f"{PACKAGES}/{package_id}", None, hints)
        return _require_id(
            answer, answer.parse(InventoryPackage, object_payload(answer, "inventory_package")), package_id
        )

    async def create_inventory_package(self, body: Mapping[str, Any], *, look: str) -> InventoryPackage:
        answer = await self._write("POST", PACKAGES, body, {403: _WRITING_PACKAGES}, look)
        return answer.parse(InventoryPackage, object_payload(answer, "inventory_package"))

    async def update_inventory_package(
        self, package_id: int, body: Mapping[str, Any], *, look: str
    ) -> InventoryPackage:
        """Replace a package. `body` is the whole package: it is not documented whether a PUT may be partial."""
        hints = {403: _WRITING_PACKAGES, 404: _NO_UPDATE, 405: _NO_UPDATE}
        answer = await self._write("PUT", f"{PACKAGES}/{package_id}", body, hints, look)
        return _require_id(
            answer, answer.parse(InventoryPackage, object_payload(answer, "inventory_package")), package_id
        )

    async def standard_attributes(self) -> StandardAttributes:
        """Every kind of standard attribute with its entries, kept for ten minutes."""
        if self._attributes is None or self._clock() >= self._attributes_end:
            answer = await self._get(ATTRIBUTES, None, {403: _MARKETPLACE, 404: _NO_ATTRIBUTES})
            self._attributes = read_attributes(answer)
            self._attributes_end = self._clock() + ATTRIBUTES_LIFETIME
        return self._attributes

    async def find_series(self, query: Mapping[str, str | int]) -> PageOf[StandardAttribute]:
        """One page of the series whose names contain `query["name"]`. There are too many to list with the rest."""
        answer = await self._get(f"{ATTRIBUTES}/series", query, {403: _MARKETPLACE, 404: _NO_SERIES})
        return answer.parse(PageOf[StandardAttribute], list_payload(answer, "series"))

    async def list_proposed_insertion_orders(self, query: Mapping[str, str | int]) -> PageOf[ProposedInsertionOrder]:
        """One page of the network's proposed insertion orders, with the fields of the basic GET."""
        answer = await self._get(PROPOSED_IOS, query, {403: _PROPOSALS, 404: _PROPOSALS})
        return answer.parse(PageOf[ProposedInsertionOrder], list_payload(answer, "proposed_insertion_orders"))

    async def proposed_insertion_order(self, order_id: int) -> ProposedInsertionOrder:
        """One order. In v3, `show=all` adds the fields that are not in the basic GET; here it may not."""
        answer = await self._get(f"{PROPOSED_IOS}/{order_id}", {"show": "all"}, {403: _PROPOSALS, 404: _NO_ORDER})
        return _require_id(answer, _order(answer), order_id)

    async def list_proposed_placements(
        self, order_id: int, query: Mapping[str, str | int]
    ) -> PageOf[ProposedPlacement]:
        answer = await self._get(
            f"{PROPOSED_IOS}/{order_id}/proposed_placements", query, {403: _PROPOSALS, 404: _NO_ORDER}
        )
        page = answer.parse(PageOf[ProposedPlacement], list_payload(answer, "proposed_placements"))
        if any(placement.insertion_order_id not in (None, order_id) for placement in page.items):
            answer.unreadable("placements of another order than the one asked for")
        return page

    async def create_proposed_insertion_order(
        self, body: Mapping[str, Any], *, campaign_id: int | None, look: str
    ) -> ProposedInsertionOrder:
        """Create a proposed insertion order, under a campaign when one is given.

        look: how a person finds out whether it was created, when the answer is lost.
        """
        path = PROPOSED_IOS if campaign_id is None else f"{V4}/campaigns/{campaign_id}/proposed_insertion_orders"
        not_there = (
            "This network may only take proposed IOs under a campaign: take campaign_id from list_campaigns, once the "
            "person has agreed to it, and call again with it."
            if campaign_id is None
            else "FreeWheel knows no such campaign in this network: take campaign_id from list_campaigns."
        )
        hints = {403: _PROPOSALS, 404: not_there, 405: not_there}
        return _order(await self._write("POST", path, body, hints, look))

    async def update_proposed_insertion_order(
        self, order_id: int, body: Mapping[str, Any], *, look: str
    ) -> ProposedInsertionOrder:
        """Replace an order. `body` is the whole order.

        The documentation says PUT. Where the answer to that is 405, nothing was done, and PATCH is tried.
        """
        path, hints = f"{PROPOSED_IOS}/{order_id}", {403: _PROPOSALS, 404: _NO_ORDER, 405: _NO_UPDATES}
        answer = await self._write("PUT", path, body, hints, look, answers=(405,))
        if not answer.is_success:
            answer = await self._write("PATCH", path, body, hints, look)
        return _require_id(answer, _order(answer), order_id)

    async def list_campaigns(self, query: Mapping[str, str | int]) -> PageOf[Campaign]:
        """One page of the network's active campaigns (v3)."""
        answer = await self._get(f"{V3}/campaigns", {"status": "ACTIVE", **query}, _NO_V3, v3.HEADERS)
        return v3.read_page(answer, Campaign, "campaigns", "campaign")

    async def list_advertisers(self, query: Mapping[str, str | int]) -> PageOf[Named]:
        """One page of the network's active advertisers (v3)."""
        answer = await self._get(f"{V3}/advertisers", {"status": "ACTIVE", **query}, _NO_V3, v3.HEADERS)
        return v3.read_page(answer, Named, "advertisers", "advertiser")

    async def list_brands(self, advertiser_id: int, query: Mapping[str, str | int]) -> PageOf[Named]:
        """One page of an advertiser's brands (v3)."""
        hints = {403: _V3, 404: "Take advertiser_id from list_advertisers, then call again."}
        answer = await self._get(f"{V3}/advertisers/{advertiser_id}/brands", query, hints, v3.HEADERS)
        return v3.read_page(answer, Named, "brands", "brand")

    async def _get(
        self,
        path: str,
        query: Mapping[str, str | int] | None,
        hints: Mapping[int, str],
        headers: Mapping[str, str] = HEADERS,
    ) -> Answer:
        return await self._transport.request(
            Kind.READ, "GET", path, params=query, headers=headers, hints=Hints(by_status=hints)
        )

    async def _write(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any],
        hints: Mapping[int, str],
        look: str,
        *,
        answers: tuple[int, ...] = (),
    ) -> Answer:
        return await self._transport.request(
            Kind.WRITE,
            method,
            path,
            json=body,
            headers=HEADERS,
            hints=Hints(by_status=hints, look=look),
            answers=answers,
        )


def _order(answer: Answer) -> ProposedInsertionOrder:
    return answer.parse(ProposedInsertionOrder, object_payload(answer, "proposed_insertion_order"))


O = TypeVar("O", InventoryPackage, ProposedInsertionOrder)  # noqa: E741 - an object of FreeWheel's


def _require_id(answer: Answer, read: O, object_id: int) -> O:
    """The object, if it has the requested id. An answer about another object says nothing about the requested one."""
    if read.id != object_id:
        answer.unreadable("another object than the one asked for")
    return read

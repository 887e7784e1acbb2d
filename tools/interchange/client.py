"""Interchange's storefront API v2, as far as the tools use it.

Answers come bare or in `{data, error}`; both are read. There is no idempotency key anywhere in this API, so a
write whose answer is lost stays in doubt until somebody has looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel

from tools.errors import AdOpsError
from tools.interchange.models import (
    Account,
    Avail,
    Booking,
    ConnectionTest,
    EsaConnection,
    Handoff,
    InventorySource,
)
from tools.transport import Hints, Kind, Transport

M = TypeVar("M", bound=BaseModel)

_ENVELOPE = {"data", "error", "meta", "pagination"}


class InterchangeClient:
    """base_url: of the storefront, e.g. `https://api.interchange.io/api/v2/storefront`."""

    def __init__(self, transport: Transport, *, base_url: str) -> None:
        self._transport = transport
        self._storefront = base_url.rstrip("/")

    async def current_account(self) -> Account:
        """Whose key this is: the cheapest authenticated read. It sits beside the storefront's path, not under it."""
        url = self._storefront.removesuffix("/storefront") + "/accounts/current"
        return await self._read(Account, url)

    async def list_inventory_sources(self) -> list[InventorySource]:
        return await self._read_list(InventorySource, f"{self._storefront}/inventory-sources")

    async def list_avails(self, source_id: str) -> list[Avail]:
        """All products of a modular source; the vendor neither filters nor pages them."""
        payload = await self._get(f"{self._source(source_id)}/modular/products", hints=_MODULAR)
        products: Any = cast("dict[str, Any]", payload).get("products") if isinstance(payload, dict) else payload
        if not isinstance(products, list):
            self._transport.unreadable(Kind.READ, "JSON that has no `products`")
        return self._items(Avail, cast("list[Any]", products))

    async def list_all_avails(self) -> tuple[list[tuple[str, list[Avail]]], dict[str, AdOpsError]]:
        """The avails of every active modular source, by source id, and why some sources could not be read.

        Raises the first error when no source could be read.
        """
        read: list[tuple[str, list[Avail]]] = []
        unread: dict[str, AdOpsError] = {}
        for source in await self.list_inventory_sources():
            if source.execution_type == "MODULAR_SOURCE" and source.status == "ACTIVE":
                try:
                    read.append((source.source_id, await self.list_avails(source.source_id)))
                except AdOpsError as error:
                    unread[source.source_id] = error
        if unread and not read:
            raise next(iter(unread.values()))
        return read, unread

    async def reserve(self, source_id: str, body: Mapping[str, Any], *, look: str) -> Booking:
        """Hold capacity (ReserveModularInventoryProductBody)."""
        path = f"{self._source(source_id)}/modular/reservations"
        return self._transport.parse(Booking, await self._post(path, body, look), kind=Kind.WRITE, look=look)

    async def finalize(self, source_id: str, body: Mapping[str, Any], *, look: str) -> tuple[Handoff, dict[str, Any]]:
        """Prepare a held booking for handoff; the answer read, and as it came."""
        path = f"{self._source(source_id)}/modular/bookings/finalize"
        payload = await self._post(path, body, look)
        handoff = self._transport.parse(Handoff, payload, kind=Kind.WRITE, look=look)
        return handoff, cast("dict[str, Any]", payload)

    async def esa_connection(self, source_id: str) -> EsaConnection:
        """The ad-server connection of a managed source."""
        return await self._read(EsaConnection, f"{self._source(source_id)}/esa", hints=_AD_SERVER)

    async def test_connection(self, source_id: str) -> ConnectionTest:
        """Probe the source's ad server. It changes nothing there; the vendor's probe may take 30 s."""
        reply = await self._transport.request(
            Kind.PROBE, "POST", f"{self._source(source_id)}/test-connection", timeout=40.0, hints=_AD_SERVER
        )
        return self._transport.parse(ConnectionTest, _unwrap(self._transport.read_json(reply)))

    def _source(self, source_id: str) -> str:
        return f"{self._storefront}/inventory-sources/{quote(source_id, safe='')}"

    async def _get(self, url: str, *, hints: Hints | None = None) -> Any:
        reply = await self._transport.request(Kind.READ, "GET", url, hints=hints)
        return _unwrap(self._transport.read_json(reply))

    async def _read(self, model: type[M], url: str, *, hints: Hints | None = None) -> M:
        return self._transport.parse(model, await self._get(url, hints=hints))

    async def _read_list(self, model: type[M], url: str) -> list[M]:
        payload = await self._get(url)
        if not isinstance(payload, list):
            self._transport.unreadable(Kind.READ, "JSON that is not a list")
        return self._items(model, cast("list[Any]", payload))

    def _items(self, model: type[M], items: list[Any]) -> list[M]:
        return [self._transport.parse(model, item) for item in items]

    async def _post(self, url: str, body: Mapping[str, Any], look: str) -> Any:
        by_status = {**_MODULAR.by_status, 404: _UNKNOWN_ID, 409: "Call list_avails to see what is available now."}
        reply = await self._transport.request(
            Kind.WRITE, "POST", url, json=body, hints=Hints(by_status=by_status, look=look)
        )
        return _unwrap(self._transport.read_json(reply, kind=Kind.WRITE, look=look))


_UNKNOWN_ID = (
    "Check each id: source_id and avail_id with list_avails, media_buy_id and buyer_customer_id with the person. "
    "Finalising also needs a hold of exactly these ids (reserve_avail)."
)
_MODULAR = Hints(
    by_status={
        403: "A person asks Interchange for the entitlement to modular sources, or accepts the terms that the message "
        "names; calling again does not help.",
        404: "Call list_avails without source_id to see the storefront's modular sources, then use one of those.",
    }
)
_AD_SERVER = Hints(
    by_status={
        404: "This storefront has no ad-server source of that id. Check source_id with the person; only sources of "
        "type MANAGED_SALES_AGENT have an ad server to test."
    }
)


def _unwrap(payload: Any) -> Any:
    """The bare payload, whether or not it came in the `{data, error, meta}` envelope."""
    if isinstance(payload, dict):
        body = cast("dict[str, Any]", payload)
        if "data" in body and body.keys() <= _ENVELOPE:
            return body["data"]
        return body
    return payload

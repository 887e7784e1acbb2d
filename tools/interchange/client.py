"""Interchange's storefront API v2, as far as the tools use it.

Answers come bare or in `{data, error}`; both are read. There is no idempotency key anywhere in this API, so a
write whose answer is lost stays in doubt until somebody has looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote

import anyio
from pydantic import BaseModel

from tools.errors import AdOpsError, Unavailable, UnexpectedAnswer
from tools.interchange.models import (
    Account,
    Avail,
    Booking,
    ConnectionTest,
    EsaConnection,
    Handoff,
    InventorySource,
)
from tools.replies import Answer, Kind
from tools.transport import Hints, Transport

M = TypeVar("M", bound=BaseModel)

SOURCES_AT_ONCE = 4
LONGEST_ROUND = 35.0
"""Seconds for reading all sources; those that did not answer by then are told as not read."""

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
        answer = await self._transport.request(Kind.READ, "GET", f"{self._storefront}/inventory-sources")
        return _listed(answer, InventorySource, _unwrapped(answer), "is not a list")

    async def list_avails(self, source_id: str, *, timeout: float = 30.0) -> list[Avail]:
        """All products of a modular source; the vendor neither filters nor pages them."""
        url = f"{self._source(source_id)}/modular/products"
        answer = await self._transport.request(Kind.READ, "GET", url, timeout=timeout, hints=_MODULAR)
        payload = _unwrapped(answer)
        if isinstance(payload, dict):
            payload = cast("dict[str, Any]", payload).get("products")
        return _listed(answer, Avail, payload, "has no `products`")

    async def list_all_avails(self) -> tuple[list[tuple[str, list[Avail]]], dict[str, AdOpsError]]:
        """The avails of every active modular source, by source id, and why some sources could not be read.

        Raises the first error when no source could be read.
        """
        sources = [
            source.source_id
            for source in await self.list_inventory_sources()
            if source.execution_type == "MODULAR_SOURCE" and source.status == "ACTIVE"
        ]
        read: dict[str, list[Avail]] = {}
        unread: dict[str, AdOpsError] = {}
        at_once = anyio.CapacityLimiter(SOURCES_AT_ONCE)

        async def read_one(source_id: str) -> None:
            async with at_once:
                try:
                    read[source_id] = await self.list_avails(source_id, timeout=10.0)
                except AdOpsError as error:
                    unread[source_id] = error

        with anyio.move_on_after(LONGEST_ROUND):
            async with anyio.create_task_group() as tasks:
                for source_id in sources:
                    tasks.start_soon(read_one, source_id)
        for source_id in sources:
            if source_id not in read:
                unread.setdefault(source_id, _not_in_time())
        if unread and not read:
            raise next(iter(unread.values()))
        return [(source_id, read[source_id]) for source_id in sources if source_id in read], unread

    async def reserve(self, source_id: str, body: Mapping[str, Any], *, look: str) -> Booking:
        """Hold capacity (ReserveModularInventoryProductBody)."""
        answer = await self._write(f"{self._source(source_id)}/modular/reservations", body, look)
        return answer.parse(Booking, _unwrapped(answer))

    async def finalize(self, source_id: str, body: Mapping[str, Any], *, look: str) -> tuple[Handoff, dict[str, Any]]:
        """Prepare a held booking for handoff; the answer read, and as it came."""
        answer = await self._write(f"{self._source(source_id)}/modular/bookings/finalize", body, look)
        payload = _unwrapped(answer)
        return answer.parse(Handoff, payload), payload

    async def esa_connection(self, source_id: str) -> EsaConnection:
        """The ad-server connection of a managed source."""
        return await self._read(EsaConnection, f"{self._source(source_id)}/esa", hints=_AD_SERVER)

    async def test_connection(self, source_id: str) -> ConnectionTest:
        """Probe the source's ad server. It changes nothing there; the vendor's probe may take 30 s."""
        answer = await self._transport.request(
            Kind.PROBE, "POST", f"{self._source(source_id)}/test-connection", timeout=40.0, hints=_AD_SERVER
        )
        tested = answer.parse(ConnectionTest, _unwrapped(answer))
        return tested.model_copy(
            update={"error": answer.clean(tested.error), "remediation": answer.clean(tested.remediation)}
        )

    def _source(self, source_id: str) -> str:
        """The source's URL; its id is one segment of the path, so one that climbs out of it is not sent."""
        if source_id in ("", ".", ".."):
            raise UnexpectedAnswer(
                "Interchange names a source whose id cannot be part of a path. Nothing was sent to it.",
                next_step="Report the source to the operator.",
            )
        return f"{self._storefront}/inventory-sources/{quote(source_id, safe='')}"

    async def _read(self, model: type[M], url: str, *, hints: Hints | None = None) -> M:
        answer = await self._transport.request(Kind.READ, "GET", url, hints=hints)
        return answer.parse(model, _unwrapped(answer))

    async def _write(self, url: str, body: Mapping[str, Any], look: str) -> Answer:
        return await self._transport.request(
            Kind.WRITE, "POST", url, json=body, hints=Hints(by_status=_WRITING, look=look)
        )


_UNKNOWN_ID = (
    "Check each id: source_id and avail_id with list_avails, media_buy_id and buyer_customer_id with the person. "
    "Finalising also needs a hold of exactly these ids (reserve_avail)."
)
_NO_ACCESS = (
    "a person asks Interchange for the entitlement to modular sources, or accepts the terms that the message names; "
    "calling again does not help."
)
_WRITING = {
    403: "If the message is about the media buy, check with the person that media_buy_id belongs to "
    f"buyer_customer_id. Otherwise {_NO_ACCESS}",
    404: _UNKNOWN_ID,
    409: "Call list_avails to see what is available now.",
}
_MODULAR = Hints(
    by_status={
        403: _NO_ACCESS[0].upper() + _NO_ACCESS[1:],
        404: "Call list_avails without source_id to see the storefront's modular sources, then use one of those.",
    }
)
_AD_SERVER = Hints(
    by_status={
        404: "This storefront has no ad-server source of that id. Check source_id with the person; only sources of "
        "type MANAGED_SALES_AGENT have an ad server to test."
    }
)


def _not_in_time() -> Unavailable:
    return Unavailable(
        f"Interchange did not answer for this source within {LONGEST_ROUND:.0f} s.",
        next_step="Call again with this source_id in a minute.",
    )


def _unwrapped(answer: Answer) -> Any:
    """The bare payload, whether or not it came in the `{data, error, meta}` envelope."""
    payload = answer.json()
    if isinstance(payload, dict):
        body = cast("dict[str, Any]", payload)
        if "data" not in body or not body.keys() <= _ENVELOPE:
            return body
        if body.get("error"):
            code, words = answer.words()
            answer.unreadable(f'an error in a success: {code or "no code"}, "{words or "no words"}"')
        return body["data"]
    return payload


def _listed(answer: Answer, model: type[M], payload: Any, otherwise: str) -> list[M]:
    if not isinstance(payload, list):
        answer.unreadable(f"JSON that {otherwise}")
    return [answer.parse(model, item) for item in cast("list[Any]", payload)]

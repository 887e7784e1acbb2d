"""The parts of Interchange's storefront API v2 that the tools use.

Answers come bare or as `{data, error}`; both are read. The API has no idempotency key, so a write whose answer is lost
stays in doubt until it is reconciled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar, cast
from urllib.parse import quote

import anyio
from pydantic import BaseModel

from tools.effects import report_progress
from tools.errors import AdOpsError, Unavailable, UnexpectedAnswer
from tools.interchange.models import (
    Account,
    Avail,
    Booking,
    ChangedWorkItem,
    ConnectionTest,
    EsaConnection,
    Handoff,
    InventorySource,
    MediaBuys,
    Projection,
    Readiness,
    WorkItemDetail,
    WorkItems,
)
from tools.vendor_http.replies import Answer, Kind
from tools.vendor_http.transport import Hints, Transport

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

MAX_PARALLEL_READS = 4
ALL_SOURCES_TIMEOUT = 35.0
"""Seconds for reading all sources. A source that has not answered by then is reported as not read."""

_ENVELOPE = {"data", "error", "meta", "pagination"}


class SourceReads(NamedTuple, Generic[T]):
    """What was read of several sources, by source id, and the errors of the sources that could not be read."""

    read: list[tuple[str, T]]
    unread: dict[str, AdOpsError]


class InterchangeClient:
    """base_url: of the storefront, such as `https://api.interchange.io/api/v2/storefront`."""

    def __init__(self, transport: Transport, *, base_url: str) -> None:
        self._transport = transport
        self._storefront = base_url.rstrip("/")

    async def current_account(self) -> Account:
        """The account that the API key belongs to: the cheapest read that needs the key."""
        url = self._storefront.removesuffix("/storefront") + "/accounts/current"
        return await self._read(Account, url)

    async def list_inventory_sources(self) -> list[InventorySource]:
        answer = await self._transport.request(Kind.READ, "GET", f"{self._storefront}/inventory-sources")
        return _parse_list(answer, InventorySource, _unwrapped(answer), "is not a list")

    async def list_avails(self, source_id: str, *, timeout: float = 30.0) -> list[Avail]:
        """All products of a modular source. Interchange neither filters nor pages them."""
        url = f"{self._source(source_id)}/modular/products"
        answer = await self._transport.request(Kind.READ, "GET", url, timeout=timeout, hints=_MODULAR)
        payload = _unwrapped(answer)
        if isinstance(payload, dict):
            payload = cast("dict[str, Any]", payload).get("products")
        return _parse_list(answer, Avail, payload, "has no `products`")

    async def list_all_avails(self) -> SourceReads[list[Avail]]:
        """The avails of every active modular source."""
        return await self._each_modular_source(lambda source_id: self.list_avails(source_id, timeout=10.0))

    async def _each_modular_source(self, read_one: Callable[[str], Awaitable[T]]) -> SourceReads[T]:
        """Call `read_one` for every active modular source, four at a time.

        Raises the first error when no source could be read.
        """
        sources = [
            source.source_id
            for source in await self.list_inventory_sources()
            if source.execution_type == "MODULAR_SOURCE" and (source.status or "ACTIVE").upper() == "ACTIVE"
        ]
        read: dict[str, T] = {}
        unread: dict[str, AdOpsError] = {}
        at_once = anyio.CapacityLimiter(MAX_PARALLEL_READS)

        async def read_source(source_id: str) -> None:
            async with at_once:
                try:
                    read[source_id] = await read_one(source_id)
                except AdOpsError as error:
                    unread[source_id] = error
                await report_progress(len(read) + len(unread), len(sources), "reading inventory sources")

        with anyio.move_on_after(ALL_SOURCES_TIMEOUT):
            async with anyio.create_task_group() as tasks:
                for source_id in sources:
                    tasks.start_soon(read_source, source_id)
        for source_id in sources:
            if source_id not in read:
                unread.setdefault(source_id, _too_slow())
        if unread and not read:
            raise next(iter(unread.values()))
        return SourceReads([(source_id, read[source_id]) for source_id in sources if source_id in read], unread)

    async def reserve(self, source_id: str, body: Mapping[str, Any], *, look: str) -> Booking:
        """Hold capacity (ReserveModularInventoryProductBody)."""
        answer = await self._write("POST", f"{self._source(source_id)}/modular/reservations", body, look)
        return answer.parse(Booking, _unwrapped(answer))

    async def finalize(self, source_id: str, body: Mapping[str, Any], *, look: str) -> tuple[Handoff, dict[str, Any]]:
        """Prepare a held booking for handoff. Returns the parsed answer and the raw one."""
        answer = await self._write("POST", f"{self._source(source_id)}/modular/bookings/finalize", body, look)
        payload = _unwrapped(answer)
        return answer.parse(Handoff, payload), payload

    async def release(self, source_id: str, body: Mapping[str, Any], *, look: str) -> Booking:
        """Give up a hold or a booking: HELD becomes RELEASED, BOOKED becomes CANCELLED
        (ReleaseModularInventoryBookingBody)."""
        answer = await self._write(
            "POST", f"{self._source(source_id)}/modular/bookings/release", body, look, _RELEASING
        )
        return answer.parse(Booking, _unwrapped(answer))

    async def work_items(self, source_id: str, query: Mapping[str, str | int], *, timeout: float = 30.0) -> WorkItems:
        """A source's work items; `query` has Interchange's names. There are no pages, only a limit of 100."""
        url = f"{self._source(source_id)}/modular/work-items"
        return await self._read(WorkItems, url, query=query, timeout=timeout, hints=_MODULAR)

    async def all_work_items(self, query: Mapping[str, str | int]) -> SourceReads[WorkItems]:
        """The work items of every active modular source."""
        return await self._each_modular_source(lambda source_id: self.work_items(source_id, query, timeout=10.0))

    async def work_item(self, source_id: str, work_item_id: str) -> WorkItemDetail:
        """One work item with its history."""
        answer = await self._get(self._work_item(source_id, work_item_id), hints=_WORK_ITEM)
        detail = answer.parse(WorkItemDetail, _unwrapped(answer))
        if detail.item.id not in (None, work_item_id):
            answer.unreadable("another work item than the one asked for")
        return detail

    async def update_work_item(
        self, source_id: str, work_item_id: str, body: Mapping[str, Any], *, look: str
    ) -> ChangedWorkItem:
        """Change what `body` names (UpdateInventorySourceWorkItemBody)."""
        answer = await self._write("PATCH", self._work_item(source_id, work_item_id), body, look, _WRITING_ITEMS)
        return answer.parse(ChangedWorkItem, _unwrapped(answer))

    async def complete_work_item(
        self, source_id: str, work_item_id: str, body: Mapping[str, Any], *, look: str
    ) -> ChangedWorkItem:
        """Complete a work item (CompleteInventorySourceWorkItemBody). The source may then act on it by itself."""
        url = f"{self._work_item(source_id, work_item_id)}/complete"
        answer = await self._write("POST", url, body, look, _WRITING_ITEMS)
        return answer.parse(ChangedWorkItem, _unwrapped(answer))

    async def media_buys(self, query: Mapping[str, str | int]) -> MediaBuys:
        """One page of the storefront's media buys, the most urgent first; `query` has Interchange's names."""
        return await self._read(MediaBuys, f"{self._storefront}/media-buys", query=query, hints=_STOREFRONT)

    async def inventory_source(self, source_id: str) -> InventorySource:
        answer = await self._get(self._source(source_id), hints=_ANY_SOURCE)
        source = answer.parse(InventorySource, _unwrapped(answer))
        if source.source_id != source_id:
            answer.unreadable("another source than the one asked for")
        return source

    async def projection(self, source_id: str) -> tuple[Projection | None, Any]:
        """A modular source's setup state: parsed, or None when it has an unknown shape, and raw."""
        answer = await self._transport.request(Kind.READ, "GET", f"{self._source(source_id)}/modular", hints=_MODULAR)
        payload = _unwrapped(answer)
        return answer.parse(Readiness, {"projection": payload}).projection, payload

    async def configure_ad_server(self, source_id: str, body: Mapping[str, Any], *, look: str) -> EsaConnection:
        """Replace a source's whole ad-server configuration ("Replace ad-server source config")."""
        answer = await self._write("PUT", f"{self._source(source_id)}/ad-server", body, look, _CONFIGURING)
        return answer.parse(EsaConnection, _unwrapped(answer))

    async def esa_connection(self, source_id: str) -> EsaConnection:
        """The ad-server connection of a managed source."""
        return await self._read(EsaConnection, f"{self._source(source_id)}/esa", hints=_AD_SERVER)

    async def test_connection(self, source_id: str) -> ConnectionTest:
        """Test the source's ad server, which may take 30 s. It changes nothing there; Interchange records the
        result."""
        answer = await self._transport.request(
            Kind.PROBE, "POST", f"{self._source(source_id)}/test-connection", timeout=40.0, hints=_TESTING
        )
        tested = answer.parse(ConnectionTest, _unwrapped(answer))
        return tested.model_copy(
            update={"error": answer.clean(tested.error), "remediation": answer.clean(tested.remediation)}
        )

    def _source(self, source_id: str) -> str:
        """The source's URL. An id that would leave its segment of the path is not sent."""
        if source_id in ("", ".", ".."):
            raise UnexpectedAnswer(
                "Interchange names a source whose id cannot be part of a path. Nothing was sent to it.",
                next_step="Report the source to the operator.",
            )
        return f"{self._storefront}/inventory-sources/{quote(source_id, safe='')}"

    def _work_item(self, source_id: str, work_item_id: str) -> str:
        return f"{self._source(source_id)}/modular/work-items/{quote(work_item_id, safe='')}"

    async def _get(self, url: str, *, hints: Hints) -> Answer:
        return await self._transport.request(Kind.READ, "GET", url, hints=hints)

    async def _read(
        self,
        model: type[M],
        url: str,
        *,
        query: Mapping[str, str | int] | None = None,
        timeout: float = 30.0,
        hints: Hints | None = None,
    ) -> M:
        answer = await self._transport.request(Kind.READ, "GET", url, params=query, timeout=timeout, hints=hints)
        return answer.parse(model, _unwrapped(answer))

    async def _write(
        self, method: str, url: str, body: Mapping[str, Any], look: str, by_status: Mapping[int, str] | None = None
    ) -> Answer:
        by_code = _INVALID_STATE if by_status is None else {}
        hints = Hints(by_status=_WRITING if by_status is None else by_status, by_code=by_code, look=look)
        return await self._transport.request(Kind.WRITE, method, url, json=body, hints=hints)


_UNKNOWN_ID = (
    "Check each id: source_id and avail_id with list_avails, media_buy_id and buyer_customer_id with list_media_buys. "
    "Finalising and releasing also need a hold or booking of exactly these ids (reserve_avail)."
)
_NO_ACCESS = (
    "a person asks Interchange for the entitlement to modular sources, or accepts the terms that the message names; "
    "calling again does not help."
)
_WRITING = {
    403: "If the message is about the media buy, see in list_media_buys that media_buy_id belongs to "
    f"buyer_customer_id. Otherwise {_NO_ACCESS}",
    404: _UNKNOWN_ID,
    409: "Call list_avails to see what is available now.",
}
_INVALID_STATE = {
    "INVALID_STATE": "Other arguments do not help while that is its state. Look at what the message names (a media buy "
    "in list_media_buys, a source in list_inventory_sources, a flight in list_avails), and tell the person."
}
_RELEASING = {
    **_WRITING,
    400: "If the message says that the hold or booking is over, nothing is left to give back: list_avails shows the "
    "impressions. Otherwise correct the arguments as it says.",
}
_STOREFRONT = Hints(
    by_status={404: "The operator checks that ADOPS_INTERCHANGE_API_KEY is the key of an account with a storefront."}
)
_MODULAR = Hints(
    by_status={
        403: _NO_ACCESS[0].upper() + _NO_ACCESS[1:],
        404: "Call list_avails without source_id to see the storefront's modular sources, then use one of those.",
    }
)
_NO_AD_SERVER = (
    "This storefront has no ad-server source of that id: take one from list_inventory_sources whose execution_type is "
    "MANAGED_SALES_AGENT."
)
_AD_SERVER = Hints(by_status={404: _NO_AD_SERVER})
_TESTING = Hints(
    by_status=_AD_SERVER.by_status, look="Call get_gam_connection to see its present state, then decide again."
)
_CONFIGURING = {404: _NO_AD_SERVER, 409: "Call get_gam_connection to see its present state, then decide again."}
_ANY_SOURCE = Hints(by_status={404: "Take source_id from list_inventory_sources, then call again."})
_NO_ITEM = "Take source_id and work_item_id from list_work_items: an item is found under its own source only."
_WORK_ITEM = Hints(by_status={403: f"Ask for access: {_NO_ACCESS}", 404: _NO_ITEM})
_WRITING_ITEMS = {
    400: "Call get_work_item to see the item's status and the result fields that it requires.",
    403: f"Ask for access: {_NO_ACCESS}",
    404: _NO_ITEM,
    409: "Call get_work_item to see its present state, then decide again.",
}


def _too_slow() -> Unavailable:
    return Unavailable(
        f"Interchange did not answer for this source within {ALL_SOURCES_TIMEOUT:.0f} s.",
        next_step="Call again with this source_id in a minute.",
    )


def _unwrapped(answer: Answer) -> Any:
    """The payload, whether it came bare or in the `{data, error, meta}` envelope."""
    payload = answer.json()
    if isinstance(payload, dict):
        body = cast("dict[str, Any]", payload)
        enveloped = "data" in body and body.keys() <= _ENVELOPE
        if isinstance(body.get("error"), dict) or (enveloped and body.get("error")) or body.get("ok") is False:
            code, words = answer.words()
            answer.unreadable(f'an error in a success: {code or "no code"}, "{words or "no words"}"')
        return body["data"] if enveloped else body
    return payload


def _parse_list(answer: Answer, model: type[M], payload: Any, fault: str) -> list[M]:
    if not isinstance(payload, list):
        answer.unreadable(f"JSON that {fault}")
    return [answer.parse(model, item) for item in cast("list[Any]", payload)]

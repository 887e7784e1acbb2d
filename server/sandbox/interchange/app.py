"""Interchange's storefront API v2 as an ASGI app, rooted like `https://api.interchange.io`.

After the published OpenAPI document and the pages "Prepare modular booking handoff" and "Replace ad-server source
config". Refusals are `{data: null, error: {code, message, field?, details?}}`. What the platform does not document is
answered in the way that costs a careless client most:

- a repeated reservation is a second hold, a repeated finalization a second set of work items;
- finalizing or releasing where there never was a hold is 404 NOT_FOUND; an expired, released or booked one is
  400 INVALID_STATE; over the available impressions is 409 CONFLICT; a source that is not modular is
  422 CAPABILITY_NOT_SUPPORTED; another buyer's media buy is 403 FORBIDDEN;
- a finalized hold no longer expires, and `executionStatus` is told for Cadent sources only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.sandbox.interchange import ad_server_sources as esa
from server.sandbox.interchange import bodies, handoff, ledger, media_buys, work_items
from server.sandbox.interchange.gate import API_KEY, Gate
from server.sandbox.interchange.modules import cadent
from server.sandbox.interchange.projection import projection
from server.sandbox.interchange.refusals import Refusal, invalid
from server.sandbox.interchange.seed.storefront import CUSTOMER_ID, MEDIA_BUYS, SERVICE_ACCOUNT_EMAIL, MediaBuy, create
from server.sandbox.store import Clock, Store

__all__ = ["API_KEY", "MEDIA_BUYS", "SERVICE_ACCOUNT_EMAIL", "MediaBuy", "app", "create"]

_STOREFRONT = "/api/v2/storefront"
_ROOT = _STOREFRONT + "/inventory-sources"
_MODULAR = _ROOT + "/{source_id}/modular"

Endpoint = Callable[[Request], Awaitable[object]]


def app(
    store: Store,
    clock: Clock,
    *,
    envelope: bool = False,
    requests_per_minute: int | None = 100,
    unreachable: str | None = None,
) -> Starlette:
    """`envelope`: answer `{data, error: null}` instead of the bare payload, as the platform's SDK expects.

    `requests_per_minute`: per client address, counted from its first request; None or 0 is no limit.
    `unreachable`: an ad-server source that has not answered for hours; the list of media buys warns of it.
    """
    api = _Api(store, clock, unreachable)

    def route(path: str, **endpoints: Endpoint) -> Route:
        async def answer(request: Request) -> Response:
            payload = await endpoints["GET" if request.method == "HEAD" else request.method](request)
            return JSONResponse(_enveloped(payload) if envelope else payload)

        return Route(path, answer, methods=list(endpoints))

    application = Starlette(
        routes=[
            route("/api/v2/accounts/current", GET=api.current_account),
            route(_STOREFRONT + "/media-buys", GET=api.list_media_buys),
            route(_ROOT, GET=api.list_sources),
            route(_ROOT + "/{source_id}", GET=api.get_source),
            route(_ROOT + "/{source_id}/esa", GET=api.get_esa),
            route(_ROOT + "/{source_id}/ad-server", PUT=api.put_ad_server, PATCH=api.put_ad_server),
            route(_ROOT + "/{source_id}/test-connection", POST=api.test_connection),
            route(_MODULAR, GET=api.get_projection),
            route(_MODULAR + "/products", GET=api.list_products),
            route(_MODULAR + "/reservations", POST=api.reserve),
            route(_MODULAR + "/bookings/finalize", POST=api.finalize),
            route(_MODULAR + "/bookings/release", POST=api.release),
            route(_MODULAR + "/work-items", GET=api.list_work_items),
            route(_MODULAR + "/work-items/{item_id}", GET=api.get_work_item, PATCH=api.update_work_item),
            route(_MODULAR + "/work-items/{item_id}/complete", POST=api.complete_work_item),
        ],
        exception_handlers={Refusal: _refused, HTTPException: _not_served},
    )
    application.router.redirect_slashes = False
    application.add_middleware(Gate, clock=clock, requests_per_minute=requests_per_minute or 0)
    return application


def _enveloped(payload: object) -> dict[str, object]:
    answer: dict[str, object] = {"data": payload, "error": None}
    if isinstance(payload, list):
        total = len(payload)  # pyright: ignore[reportUnknownArgumentType]  # only its length matters
        answer["meta"] = {"pagination": {"skip": 0, "take": total, "total": total, "hasMore": False}}
    return answer


async def _refused(_: Request, error: Exception) -> Response:
    refusal = cast("Refusal", error)
    return JSONResponse(refusal.body(), refusal.status)


async def _not_served(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(refused.status_code, "BAD_REQUEST")
    refusal = Refusal(refused.status_code, code, f"{request.method} {request.url.path} is not served")
    return JSONResponse(refusal.body(), refused.status_code, refused.headers)


class _Api:
    """One method for each operation; the payload it returns is what the OpenAPI document shows for 200."""

    def __init__(self, store: Store, clock: Clock, unreachable: str | None) -> None:
        self._store = store
        self._clock = clock
        self._unreachable = unreachable

    async def current_account(self, _: Request) -> object:
        return {
            "id": CUSTOMER_ID,
            "company": "Northlight Television",
            "name": "Northlight",
            "role": "ADMIN",
            "customerDomain": "northlight.example",
            "standing": {"creditLimit": 25_000_000, "currency": "USD"},
        }

    async def list_media_buys(self, request: Request) -> object:
        filters = bodies.read_media_buy_query(request.query_params)
        with self._store.transaction() as connection:
            return media_buys.search(connection, self._clock(), filters, unreachable=self._unreachable)

    async def list_sources(self, _: Request) -> object:
        with self._store.transaction() as connection:
            rows = connection.execute("SELECT * FROM interchange_sources ORDER BY id").fetchall()
            return [_source(connection, row) for row in rows]

    async def get_source(self, request: Request) -> object:
        with self._store.transaction() as connection:
            return _source(connection, ledger.find_source(connection, request.path_params["source_id"]))

    async def get_esa(self, request: Request) -> object:
        with self._store.transaction() as connection:
            return esa.answer(esa.find_connection(connection, request.path_params["source_id"]), self._clock())

    async def put_ad_server(self, request: Request) -> object:
        network_code = None
        if (await bodies.read(request, bodies.AdServer)).type == "google_ad_manager":
            network_code = (await bodies.read(request, bodies.GoogleAdManager)).network_code
        now = self._clock()
        with self._store.transaction() as connection:
            return esa.answer(esa.configure(connection, now, request.path_params["source_id"], network_code), now)

    async def test_connection(self, request: Request) -> object:
        with self._store.transaction() as connection:
            return esa.probe(connection, self._clock(), request.path_params["source_id"])

    async def get_projection(self, request: Request) -> object:
        with self._store.transaction() as connection:
            source = ledger.modular_source(connection, request.path_params["source_id"])
            return projection(connection, self._clock(), source)

    async def list_products(self, request: Request) -> object:
        with self._store.transaction() as connection:
            source = ledger.modular_source(connection, request.path_params["source_id"])
            return {"products": ledger.products(connection, self._clock(), source["source_id"])}

    async def reserve(self, request: Request) -> object:
        body = await bodies.read(request, bodies.Reserve)
        if not body.product_id and not body.avail_id:
            raise invalid([("productId", "productId or availId is required")])
        now = self._clock()
        with self._store.transaction() as connection:
            source = ledger.selling_source(connection, request.path_params["source_id"])
            buy = ledger.check_media_buy(connection, body.media_buy_id, body.buyer_customer_id)
            media_buys.check_open(connection, now, buy)
            avail = ledger.find_avail(
                connection, source["source_id"], avail_id=body.avail_id, product_id=body.product_id
            )
            return ledger.reserve(
                connection,
                now,
                avail,
                media_buy_id=body.media_buy_id,
                package_id=body.package_id,
                requested_impressions=body.requested_impressions,
                hold_minutes=body.hold_minutes,
            )

    async def finalize(self, request: Request) -> object:
        body = await bodies.read(request, bodies.Finalize)
        now = self._clock()
        with self._store.transaction() as connection:
            source = ledger.selling_source(connection, request.path_params["source_id"])
            buy = ledger.check_media_buy(connection, body.media_buy_id, body.buyer_customer_id)
            media_buys.check_open(connection, now, buy)
            avail = ledger.find_avail(connection, source["source_id"], avail_id=body.avail_id)
            hold = ledger.live_hold(connection, now, _booking_key(source, body))
            ledger.keep(connection, now, hold["booking_id"])
            details = handoff.details(buy, avail, hold, _wishes(body))
            items = handoff.prepare(connection, now, source, details)
            answer: dict[str, object] = {
                "booking": ledger.booking_answer(hold),
                "workItems": [work_items.answer(source, item) for item in items],
                "projection": projection(connection, now, source),
            }
        if source["executor"] == "cadent":
            campaign = cadent.campaign(details, json.loads(avail["product"])["cadent"])
            answer |= {
                "executionStatus": "PENDING_TRAFFICKING",
                "cadentCampaign": campaign,
                "cadentRequestXml": cadent.request_xml(campaign),
            }
        return answer

    async def release(self, request: Request) -> object:
        body = await bodies.read(request, bodies.Release)
        now = self._clock()
        with self._store.transaction() as connection:
            source = ledger.modular_source(connection, request.path_params["source_id"])
            ledger.check_media_buy(connection, body.media_buy_id, body.buyer_customer_id)
            ledger.find_avail(connection, source["source_id"], avail_id=body.avail_id)
            booking = ledger.release(connection, now, _booking_key(source, body))
            work_items.cancel_for_booking(connection, now, booking["booking_id"])
            return ledger.booking_answer(booking)

    async def list_work_items(self, request: Request) -> object:
        filters = bodies.read_work_item_query(request.query_params)
        with self._store.transaction() as connection:
            source = ledger.modular_source(connection, request.path_params["source_id"])
            return work_items.search(connection, source, filters)

    async def get_work_item(self, request: Request) -> object:
        with self._store.transaction() as connection:
            source, item = _work_item(connection, request)
            return {"item": work_items.answer(source, item), "events": work_items.events(connection, item)}

    async def update_work_item(self, request: Request) -> object:
        body = await bodies.read(request, bodies.UpdateWorkItem)
        with self._store.transaction() as connection:
            source, item = _work_item(connection, request)
            changes = body.model_dump(by_alias=True, exclude_unset=True)
            return {
                "ok": True,
                "item": work_items.answer(source, work_items.update(connection, self._clock(), item, changes)),
            }

    async def complete_work_item(self, request: Request) -> object:
        body = await bodies.read(request, bodies.CompleteWorkItem)
        with self._store.transaction() as connection:
            source, item = _work_item(connection, request)
            done, changed = work_items.complete(connection, self._clock(), item, body.result, body.notes or None)
            return {"ok": True, "item": work_items.answer(source, done), "changed": changed}


def _work_item(connection: sqlite3.Connection, request: Request) -> tuple[sqlite3.Row, sqlite3.Row]:
    source = ledger.modular_source(connection, request.path_params["source_id"])
    return source, work_items.get(connection, source["source_id"], request.path_params["item_id"])


def _booking_key(source: sqlite3.Row, body: bodies.Finalize | bodies.Release) -> ledger.BookingKey:
    return ledger.BookingKey(source["source_id"], body.media_buy_id, body.package_id, body.avail_id)


def _wishes(body: bodies.Finalize) -> handoff.Wishes:
    return handoff.Wishes(
        campaign_name=body.campaign_name,
        advertiser_name=body.advertiser_name,
        advertiser_external_ref=body.advertiser_external_ref,
        creative=body.creative.model_dump(by_alias=True, exclude_unset=True),
    )


def _source(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, object]:
    """InventorySourceResponse."""
    managed = row["execution_type"] == "MANAGED_SALES_AGENT"
    answer: dict[str, object] = {
        "id": row["id"],
        "sourceId": row["source_id"],
        "name": row["name"],
        "executionType": row["execution_type"],
        "status": row["status"],
        "agentId": None,
        "managedSa": esa.summary(esa.find_connection(connection, row["source_id"])) if managed else None,
        "linkedStorefront": None,
        "reportingType": None,
        "reportingPollingCadence": None,
        "isAdapterSource": False,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }
    return answer | json.loads(row["agent"])

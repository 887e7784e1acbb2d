"""Interchange's storefront API v2 as an ASGI app, with the same paths as `https://api.interchange.io`.

It follows the published OpenAPI document and the pages "Prepare modular booking handoff" and "Replace ad-server source
config". Where the platform documents nothing, the sandbox takes the answer that costs a careless client most:

- A repeated reservation makes a second hold, and a repeated finalization makes a second set of work items.
- Finalizing or releasing is 404 NOT_FOUND where there never was a hold, and 400 INVALID_STATE where the hold has
  expired or was released or booked.
- Reserving more than is available is 409 CONFLICT, a source that is not modular is 422 CAPABILITY_NOT_SUPPORTED, and
  another buyer's media buy is 403 FORBIDDEN.
- A finalized hold no longer expires, and only Cadent sources answer with an `executionStatus`.
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
from server.sandbox.interchange import bodies, bookings, handoff, media_buys, sources, work_items
from server.sandbox.interchange.modules import cadent
from server.sandbox.interchange.projection import projection
from server.sandbox.interchange.seed.storefront import CUSTOMER_ID, MEDIA_BUYS, SERVICE_ACCOUNT_EMAIL, MediaBuy, create
from server.sandbox.interchange.wire import API_KEY, RateLimitAndAuthMiddleware, Refusal, invalid
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
    """Interchange as an ASGI app over `store`, in which the seed's `create` has made the tables.

    `envelope`: answer `{data, error: null}` instead of the bare payload, as the platform's SDK expects.
    `requests_per_minute`: the limit of each client address, counted from its first request. None or 0 means no limit.
    `unreachable`: an ad-server source that has not answered for hours. The list of media buys warns of it.
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
        exception_handlers={Refusal: _refused, HTTPException: _unrouted},
    )
    application.router.redirect_slashes = False
    application.add_middleware(RateLimitAndAuthMiddleware, clock=clock, requests_per_minute=requests_per_minute or 0)
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


async def _unrouted(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    code = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(refused.status_code, "BAD_REQUEST")
    refusal = Refusal(refused.status_code, code, f"{request.method} {request.url.path} is not served")
    return JSONResponse(refusal.body(), refused.status_code, refused.headers)


class _Api:
    """One method for each operation. It returns the payload that the OpenAPI document shows for status 200."""

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
            return _source(connection, sources.find_source(connection, request.path_params["source_id"]))

    async def get_esa(self, request: Request) -> object:
        with self._store.transaction() as connection:
            return esa.connection_answer(
                esa.find_connection(connection, request.path_params["source_id"]), self._clock()
            )

    async def put_ad_server(self, request: Request) -> object:
        network_code = None
        if (await bodies.read(request, bodies.AdServer)).type == "google_ad_manager":
            network_code = (await bodies.read(request, bodies.GoogleAdManager)).network_code
        now = self._clock()
        with self._store.transaction() as connection:
            return esa.connection_answer(
                esa.configure(connection, now, request.path_params["source_id"], network_code), now
            )

    async def test_connection(self, request: Request) -> object:
        with self._store.transaction() as connection:
            return esa.test_connection(connection, self._clock(), request.path_params["source_id"])

    async def get_projection(self, request: Request) -> object:
        with self._store.transaction() as connection:
            source = sources.modular_source(connection, request.path_params["source_id"])
            return projection(connection, self._clock(), source)

    async def list_products(self, request: Request) -> object:
        with self._store.transaction() as connection:
            source = sources.modular_source(connection, request.path_params["source_id"])
            return {"products": bookings.products(connection, self._clock(), source["source_id"])}

    async def reserve(self, request: Request) -> object:
        body = await bodies.read(request, bodies.Reserve)
        if not body.product_id and not body.avail_id:
            raise invalid([("productId", "productId or availId is required")])
        now = self._clock()
        with self._store.transaction() as connection:
            source = sources.active_modular_source(connection, request.path_params["source_id"])
            buy = bookings.check_media_buy(connection, body.media_buy_id, body.buyer_customer_id)
            media_buys.check_open(connection, now, buy)
            avail = bookings.find_avail(
                connection, source["source_id"], avail_id=body.avail_id, product_id=body.product_id
            )
            return bookings.reserve(
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
            source = sources.active_modular_source(connection, request.path_params["source_id"])
            buy = bookings.check_media_buy(connection, body.media_buy_id, body.buyer_customer_id)
            media_buys.check_open(connection, now, buy)
            avail = bookings.find_avail(connection, source["source_id"], avail_id=body.avail_id)
            hold = bookings.live_hold(connection, now, _booking_key(source, body))
            bookings.clear_expiry(connection, now, hold["booking_id"])
            details = handoff.details(buy, avail, hold, _options(body))
            items = handoff.prepare(connection, now, source, details)
            answer: dict[str, object] = {
                "booking": bookings.booking_answer(hold),
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
            source = sources.modular_source(connection, request.path_params["source_id"])
            bookings.check_media_buy(connection, body.media_buy_id, body.buyer_customer_id)
            bookings.find_avail(connection, source["source_id"], avail_id=body.avail_id)
            booking = bookings.release(connection, now, _booking_key(source, body))
            work_items.cancel_for_booking(connection, now, booking["booking_id"])
            return bookings.booking_answer(booking)

    async def list_work_items(self, request: Request) -> object:
        filters = bodies.read_work_item_query(request.query_params)
        with self._store.transaction() as connection:
            source = sources.modular_source(connection, request.path_params["source_id"])
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
    source = sources.modular_source(connection, request.path_params["source_id"])
    return source, work_items.get(connection, source["source_id"], request.path_params["item_id"])


def _booking_key(source: sqlite3.Row, body: bodies.Finalize | bodies.Release) -> bookings.BookingKey:
    return bookings.BookingKey(source["source_id"], body.media_buy_id, body.package_id, body.avail_id)


def _options(body: bodies.Finalize) -> handoff.BookingOptions:
    return handoff.BookingOptions(
        campaign_name=body.campaign_name,
        advertiser_name=body.advertiser_name,
        advertiser_external_ref=body.advertiser_external_ref,
        creative=body.creative.model_dump(by_alias=True, exclude_unset=True),
    )


def _source(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, object]:
    """The source as InventorySourceResponse of the OpenAPI document."""
    is_managed = row["execution_type"] == "MANAGED_SALES_AGENT"
    answer: dict[str, object] = {
        "id": row["id"],
        "sourceId": row["source_id"],
        "name": row["name"],
        "executionType": row["execution_type"],
        "status": row["status"],
        "agentId": None,
        "managedSa": esa.summary(esa.find_connection(connection, row["source_id"])) if is_managed else None,
        "linkedStorefront": None,
        "reportingType": None,
        "reportingPollingCadence": None,
        "isAdapterSource": False,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }
    return answer | json.loads(row["agent"])

"""FreeWheel as an ASGI app, with the same paths as the vendor's host.

It has the Inventory Package API v4, the Standard Attributes API v4, the Proposed Insertion Order API v4 (placements
are read-only), three lists of the v3 API, and the two token endpoints. Query parameters and body fields that are not
documented are ignored silently. Names are case-sensitive: `Status=ACTIVE` is ignored, and the list is not filtered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.sandbox.freewheel import attributes
from server.sandbox.freewheel.inventory_packages import InventoryPackages
from server.sandbox.freewheel.placements import ProposedPlacements
from server.sandbox.freewheel.proposals import ProposedInsertionOrders, UpdateVerb
from server.sandbox.freewheel.seed.network import BRANDS, CAMPAIGNS, USERS, create
from server.sandbox.freewheel.tokens import CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, USERNAME, TokenService
from server.sandbox.freewheel.v3 import BuyerLists
from server.sandbox.freewheel.wire import JSON, XML, RefusedError, errors
from server.sandbox.store import Clock, Store

__all__ = [
    "BRANDS",
    "CAMPAIGNS",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "PASSWORD",
    "TOKEN",
    "USERNAME",
    "USERS",
    "app",
    "create",
]

Endpoint = Callable[[Request], Awaitable[Response]]


def app(
    store: Store,
    clock: Clock,
    *,
    proposals_enabled: bool = True,
    marketplace_enabled: bool = True,
    ssp_targeting_enabled: bool = True,
    v3_enabled: bool = True,
    attributes_shape: attributes.Shape = "flat",
    update_verb: UpdateVerb = "PUT",
    token_requests_per_second: int = 3,
    requests_per_second: int = 20,
) -> Starlette:
    """FreeWheel as an ASGI app over `store`, in which `create` has made the tables.

    A network function that is off answers 403 to a valid token. `proposals_enabled` is for proposed insertion orders,
    `marketplace_enabled` for inventory packages and standard attributes, `ssp_targeting_enabled` for bodies with an
    ssp_targeting, and `v3_enabled` for campaigns, advertisers and brands. `attributes_shape` is one of the two answers
    seen in the field. `update_verb` is the method that updates a proposed insertion order; sources disagree on it, and
    the other method answers 405. A rate of 0 means no limit. Rates count per app, by `clock`.
    """
    tokens = TokenService(store, clock, token_requests_per_second, requests_per_second)
    packages = InventoryPackages(store, clock, ssp_targeting_enabled=ssp_targeting_enabled)
    orders = ProposedInsertionOrders(store, clock)
    placements = ProposedPlacements(store)
    buyers = BuyerLists(store)

    def v4(path: str, endpoint: Endpoint, enabled: bool, *methods: str) -> Route:
        return Route(f"/services/v4/{path}", _authorized(tokens, endpoint, enabled), methods=methods)

    def v3(path: str, endpoint: Endpoint) -> Route:
        return Route(f"/services/v3/{path}", _authorized(tokens, endpoint, v3_enabled, XML))

    orders_path = "proposed_insertion_orders"
    vendor = Starlette(
        routes=[
            Route("/auth/token", _answering_refusals(tokens.password_token), methods=["POST"]),
            Route("/oauth2/token", _answering_refusals(tokens.client_credentials_token), methods=["POST"]),
            Route("/auth/token/info", _answering_refusals(tokens.token_info)),
            v4("inventory_packages", packages.collection, marketplace_enabled, "GET", "POST"),
            v4("inventory_packages/{id}", packages.one, marketplace_enabled, "GET", "PUT"),
            v4("standard_attributes", attributes.listing(attributes_shape), marketplace_enabled, "GET"),
            v4("standard_attributes/series", attributes.list_series, marketplace_enabled, "GET"),
            v4(orders_path, orders.collection, proposals_enabled, "GET", "POST"),
            v4(f"campaigns/{{campaign_id}}/{orders_path}", orders.create_in_campaign, proposals_enabled, "POST"),
            v4(f"{orders_path}/{{id}}", orders.one, proposals_enabled, "GET", update_verb),
            v4(f"{orders_path}/{{id}}/proposed_placements", placements.of_order, proposals_enabled, "GET"),
            v3("campaigns", buyers.campaigns),
            v3("advertisers", buyers.advertisers),
            v3("advertisers/{id}/brands", buyers.brands),
        ],
        exception_handlers={HTTPException: _unrouted},
    )
    vendor.router.redirect_slashes = False
    return vendor


def _authorized(tokens: TokenService, endpoint: Endpoint, enabled: bool, media_type: str = JSON) -> Endpoint:
    async def answer(request: Request) -> Response:
        tokens.authorize(request, enabled, media_type)
        return await endpoint(request)

    return _answering_refusals(answer)


def _answering_refusals(endpoint: Endpoint) -> Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RefusedError as refused:
            return refused.response

    return answer


async def _unrouted(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return errors(error.status_code, error.detail, headers=dict(error.headers or {}))

"""The sandbox's FreeWheel: Inventory Package API v4 (read), Proposed Insertion Order API v4 (create, list,
show), and the two ways to a token. Rooted like the vendor's host.

Query parameters and body fields that are not documented are ignored without a word. Names are case-sensitive:
`Status=ACTIVE` is such a parameter, and answers the unfiltered list.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.sandbox.freewheel_access import CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, USERNAME, Access
from server.sandbox.freewheel_proposals import ProposedInsertionOrders
from server.sandbox.freewheel_seed import BRANDS, CAMPAIGNS, USERS, create
from server.sandbox.freewheel_wire import RefusedError, errors, page_of, refuse
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

_MOMENT = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)"
_UPDATED_AT = re.compile(rf"(?:{_MOMENT})?\.\.(?:{_MOMENT})?", re.ASCII)


def app(
    store: Store,
    clock: Clock,
    *,
    proposals_enabled: bool = True,
    marketplace_enabled: bool = True,
    token_requests_per_second: int = 3,
    requests_per_second: int = 20,
) -> Starlette:
    """FreeWheel as an ASGI app over `store`, in which `create` has made the tables.

    A network function that is off (`proposals_enabled` for Proposed Insertion Orders, `marketplace_enabled`
    for Inventory Packages) answers 403 to a valid token. A rate of 0 means no limit; rates count per app, by
    the clock.
    """
    access = Access(store, clock, token_requests_per_second, requests_per_second)
    orders = ProposedInsertionOrders(store, clock)

    def admitted(endpoint: Endpoint, enabled: bool) -> Endpoint:
        async def admit(request: Request) -> Response:
            access.admit(request, enabled)
            return await endpoint(request)

        return _answering_refusals(admit)

    async def inventory_packages(request: Request) -> Response:
        return _list_inventory_packages(store, request.query_params)

    collection = "/services/v4/proposed_insertion_orders"
    nested = "/services/v4/campaigns/{campaign_id}/proposed_insertion_orders"
    vendor = Starlette(
        routes=[
            Route("/auth/token", _answering_refusals(access.password_token), methods=["POST"]),
            Route("/oauth2/token", _answering_refusals(access.client_credentials_token), methods=["POST"]),
            Route("/auth/token/info", _answering_refusals(access.token_info)),
            Route("/services/v4/inventory_packages", admitted(inventory_packages, marketplace_enabled)),
            Route(collection, admitted(orders.collection, proposals_enabled), methods=["GET", "POST"]),
            Route(nested, admitted(orders.create_in_campaign, proposals_enabled), methods=["POST"]),
            Route(f"{collection}/{{id}}", admitted(orders.show, proposals_enabled)),
        ],
        exception_handlers={HTTPException: _unrouted},
    )
    vendor.router.redirect_slashes = False
    return vendor


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


class _Updated(NamedTuple):
    """`since` and `until` are inclusive timestamps on the wire; "" is open."""

    since: str
    until: str
    order: str


def _list_inventory_packages(store: Store, query: QueryParams) -> Response:
    """Inventory Package API v4, query parameters: the basic fields, in the order of `id` unless sorted.

    A page past the last one is empty and tells the true totals. Of a parameter given twice the last counts.
    A range that ends before it starts matches nothing.
    """
    wanted = page_of(query)
    name, status = query.get("name", ""), query.get("status")
    if len(name) > 255:
        refuse(422, "name must not be longer than 255 characters.")
    if status not in {None, "ACTIVE", "INACTIVE"}:
        refuse(422, "status must be ACTIVE or INACTIVE.")
    updated = _updated(query)
    matching = (
        "FROM freewheel_inventory_package WHERE instr(name, :name) AND (:status IS NULL OR status = :status)"
        " AND updated_at >= :since AND (:until = '' OR updated_at <= :until)"
    )
    values = {"name": name, "status": status, "since": updated.since, "until": updated.until}
    with store.transaction() as connection:
        total: int = connection.execute(f"SELECT count(*) {matching}", values).fetchone()[0]
        rows = connection.execute(
            f"SELECT id, name, description, status, created_at, updated_at {matching}"
            f" ORDER BY {updated.order} LIMIT :limit OFFSET :offset",
            {**values, "limit": wanted.per_page, "offset": wanted.offset},
        ).fetchall()
    return JSONResponse(
        {
            "inventory_packages": [dict(row) for row in rows],
            "page": wanted.page,
            "per_page": wanted.per_page,
            "total": total,
            "total_pages": wanted.pages(total),
        }
    )


def _updated(query: QueryParams) -> _Updated:
    ascending, descending = query.get("updated_at"), query.get("-updated_at")
    if ascending is not None and descending is not None:
        refuse(422, "updated_at and -updated_at cannot be used together.")
    if ascending is None and descending is None:
        return _Updated("", "", "id")
    text = ascending if ascending is not None else descending or ""
    match = _UPDATED_AT.fullmatch(text)
    moments = [moment or "" for moment in match.groups()] if match else []
    if not any(moments) or not all(_is_moment(moment) for moment in moments if moment):
        refuse(422, "updated_at must be ..T, T.. or T1..T2, where T is like 2021-03-01T13:47:00Z.")
    order = "updated_at, id" if ascending is not None else "updated_at DESC, id"
    return _Updated(moments[0], moments[1], order)


def _is_moment(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True

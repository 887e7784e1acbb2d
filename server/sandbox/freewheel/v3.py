"""The sandbox's FreeWheel v3 API: campaigns, advertisers and brands, as XML.

It has what public clients rely on: the element names, `total_pages` on the root, `page` and `per_page`. The rest is the
sandbox's choice: `status` filters nothing (everything of Northlight's is active), a page holds at most 50 entries, and
errors are JSON, as in v4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from starlette.requests import Request
from starlette.responses import Response

from server.sandbox.freewheel.wire import XML, path_id, read_page, refuse
from server.sandbox.store import Store


class BuyerLists:
    """The read-only lists of buyers, over `freewheel_campaign` and `freewheel_brand`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def campaigns(self, request: Request) -> Response:
        return self._page(
            request,
            "campaign",
            "SELECT campaign.id, campaign.name, advertiser_id FROM freewheel_campaign AS campaign"
            " JOIN freewheel_brand AS brand ON brand.id = brand_id ORDER BY campaign.id",
        )

    async def advertisers(self, request: Request) -> Response:
        return self._page(
            request,
            "advertiser",
            "SELECT DISTINCT advertiser_id AS id, advertiser AS name FROM freewheel_brand ORDER BY advertiser_id",
        )

    async def brands(self, request: Request) -> Response:
        """The brands of an advertiser: 404 for an unknown advertiser."""
        advertiser = path_id(request, "id", "Advertiser")
        query = "SELECT id, name, advertiser_id FROM freewheel_brand WHERE advertiser_id = ? ORDER BY id"
        response = self._page(request, "brand", query, advertiser)
        with self._store.transaction() as connection:
            known = connection.execute(
                "SELECT 1 FROM freewheel_brand WHERE advertiser_id = ?", (advertiser,)
            ).fetchone()
        if known is None:
            refuse(404, "Advertiser not found.")
        return response

    def _page(self, request: Request, name: str, query: str, *values: int) -> Response:
        wanted = read_page(request.query_params)
        with self._store.transaction() as connection:
            rows: list[Any] = connection.execute(query, values).fetchall()
        shown = rows[wanted.offset : wanted.offset + wanted.per_page]
        root = {"page": wanted.page, "per_page": wanted.per_page, "total_pages": wanted.page_count(len(rows))}
        return Response(_xml(name, root, [dict(row) for row in shown]), media_type=XML)


def _xml(name: str, root: Mapping[str, int], rows: Sequence[Mapping[str, object]]) -> bytes:
    tree = Element(f"{name}s", {key: str(value) for key, value in root.items()})
    for row in rows:
        entry = SubElement(tree, name)
        for key, value in row.items():
            SubElement(entry, key).text = str(value)
    return tostring(tree, encoding="utf-8", xml_declaration=True)

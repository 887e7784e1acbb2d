"""The sandbox's Standard Attributes API v4: where the ids of inventory package targeting come from.

Invented, as no document says them: which item type takes which kind (names decide; STANDARD_CONTENT_FORM takes
content_forms and content_durations, which may be two names of one thing), and the envelope and search of series.
Ids are unique within a kind only. Parameters that would choose kinds are ignored: the answer always holds all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.sandbox.freewheel_attribute_seed import KINDS, SERIES, Attribute, Kind
from server.sandbox.freewheel_wire import name_of, page_of

Shape = Literal["flat", "nested"]

KINDS_OF = {
    "STANDARD_CONTENT_PROGRAMMER": ("programmers",),
    "STANDARD_CONTENT_BRAND": ("brands",),
    "STANDARD_CONTENT_CHANNEL": ("channels",),
    "INVENTORY_SOURCE": ("inventory_sources",),
    "STANDARD_GENRE": ("genres",),
    "STANDARD_CONTENT_LANGUAGE": ("languages",),
    "STANDARD_CONTENT_RATING": ("tv_ratings",),
    "STANDARD_CONTENT_FORM": ("content_forms", "content_durations"),
    "STREAM_MODE": ("stream_types",),
    "STANDARD_CONTENT_DAYPART": ("content_dayparts",),
    "STANDARD_SUBSCRIPTION_MODEL": ("subscription_models",),
    "STANDARD_CONTENT_CREDENTIAL_STATUS": ("content_credential_statuses",),
    "STANDARD_CONTENT_TERRITORY": ("content_territories",),
    "STANDARD_CONTENT_SERIES": ("series",),
    "ENDPOINT": ("endpoints",),
    "ENDPOINT_OWNER": ("endpoint_owners",),
    "STANDARD_DEVICE": ("device_types",),
    "STANDARD_ENVIRONMENT": ("environments",),
    "STANDARD_OS": ("oss",),
    "IP_ENABLED_AUDIENCE": ("ip_enabled_audiences",),
    "STANDARD_SSP_CHANNEL": ("ssp_channels",),
    "STANDARD_PUBLISHER": ("ssp_publishers",),
    "STANDARD_IAB_CATEGORY": ("ssp_iab_categories",),
    "STANDARD_SSP_ENDPOINT": ("ssp_endpoints",),
    "STANDARD_APP": ("apps",),
    "STANDARD_SITE_DOMAIN": ("domains",),
}
"""The kinds whose ids an item type takes; the other item types take the network's own items, which are not kept."""

_BY_PLURAL = {kind.plural: kind for kind in (*KINDS, SERIES)}
_IDS = {
    item_type: frozenset(str(entry.id) for plural in plurals for entry in _BY_PLURAL[plural].entries)
    for item_type, plurals in KINDS_OF.items()
}


def attribute_id(kind: str, name: str) -> int:
    """The id of a standard attribute by the plural name of its kind and its own name; KeyError for an unknown one."""
    return _BY_PLURAL[kind].id_of(name)


def is_unknown(item_type: str, item_id: str) -> bool:
    """Whether standard attributes should supply the id of such an item, and do not."""
    return item_type in _IDS and item_id not in _IDS[item_type]


def listing(shape: Shape) -> Callable[[Request], Awaitable[Response]]:
    """`GET /services/v4/standard_attributes`: every kind but series in one answer, never paged.

    flat is `{kind: [entry]}`, nested `{"standard_attributes": {kind: {singular: [entry]}}}`: both were seen.
    """
    flat = {kind.plural: [_entry(kind, entry) for entry in kind.entries] for kind in KINDS}
    nested = {"standard_attributes": {kind.plural: {kind.singular: flat[kind.plural]} for kind in KINDS}}

    async def answer(_: Request) -> Response:
        return JSONResponse(flat if shape == "flat" else nested)

    return answer


async def list_series(request: Request) -> Response:
    """`GET /services/v4/standard_attributes/series`: `name` matches a part of the name in any case, none all."""
    wanted, part = page_of(request.query_params), name_of(request.query_params).casefold()
    matching = [entry for entry in SERIES.entries if part in entry.name.casefold()]
    page = matching[wanted.offset : wanted.offset + wanted.per_page]
    return wanted.under("series", [_entry(SERIES, entry) for entry in page], len(matching))


def _entry(kind: Kind, entry: Attribute) -> dict[str, object]:
    shown: dict[str, object] = {"id": entry.id, kind.label: entry.name}
    return shown if kind.parent is None else shown | {kind.parent: entry.parent_id}

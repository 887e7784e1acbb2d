"""The sandbox's Standard Attributes API v4, which has the ids for the targeting of inventory packages.

Two things are made up, since no document has them. One is which item type takes which kind of attribute: the names
decide, and STANDARD_CONTENT_FORM takes content_forms and content_durations, which may be two names of one thing. The
other is the envelope and the search of series. Ids are unique only within a kind. Parameters that would choose kinds
are ignored: the answer always has all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.sandbox.freewheel.seed.attributes import BY_PLURAL, KINDS, KINDS_OF, SERIES, Attribute, Kind
from server.sandbox.freewheel.wire import read_name, read_page

Shape = Literal["flat", "nested"]

_IDS = {
    item_type: frozenset(str(entry.id) for plural in plurals for entry in BY_PLURAL[plural].entries)
    for item_type, plurals in KINDS_OF.items()
}


def is_unknown(item_type: str, item_id: str) -> bool:
    """Whether an item of this type needs the id of a standard attribute, and this is not one."""
    return item_type in _IDS and item_id not in _IDS[item_type]


def listing(shape: Shape) -> Callable[[Request], Awaitable[Response]]:
    """`GET /services/v4/standard_attributes`: every kind except series in one answer, without pages.

    flat is `{kind: [entry]}`, nested is `{"standard_attributes": {kind: {singular: [entry]}}}`. Both were seen.
    """
    flat = {kind.plural: [_entry(kind, entry) for entry in kind.entries] for kind in KINDS}
    nested = {"standard_attributes": {kind.plural: {kind.singular: flat[kind.plural]} for kind in KINDS}}

    async def answer(_: Request) -> Response:
        return JSONResponse(flat if shape == "flat" else nested)

    return answer


async def list_series(request: Request) -> Response:
    """`GET /services/v4/standard_attributes/series`: `name` matches a part of the name, ignoring case."""
    wanted, part = read_page(request.query_params), read_name(request.query_params).casefold()
    matching = [entry for entry in SERIES.entries if part in entry.name.casefold()]
    page = matching[wanted.offset : wanted.offset + wanted.per_page]
    return wanted.response_under("series", [_entry(SERIES, entry) for entry in page], len(matching))


def _entry(kind: Kind, entry: Attribute) -> dict[str, object]:
    shown: dict[str, object] = {"id": entry.id, kind.label: entry.name}
    return shown if kind.parent is None else shown | {kind.parent: entry.parent_id}

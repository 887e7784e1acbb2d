"""List advertisers, or the brands of one (FreeWheel's v3 API, see `tools.freewheel.v3`)."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.fields import FreeWheelId, Listing
from tools.freewheel.models import Named, PageOf
from tools.freewheel.search import LARGEST_PAGE, search_page
from tools.schema import Arguments, Result
from tools.tool import READ, Tool


class ListAdvertisers(Arguments):
    advertiser_id: FreeWheelId | None = Field(default=None, description="List the brands of this advertiser instead.")
    text: str | None = Field(default=None, max_length=255, pattern=r"\S", description="Words in the name.")
    page: int = Field(default=1, ge=1, description="From 1.")
    per_page: int = Field(default=25, ge=5, le=LARGEST_PAGE, description="Items per page.")
    search_from: int = Field(default=1, ge=1, description="Only as `next` gives it.")


class Advertiser(Result):
    id: int = Field(description="Advertiser id, or brand id when advertiser_id was given.")
    name: str | None = None


async def list_advertisers(arguments: ListAdvertisers, backends: Backends) -> Listing[Advertiser]:
    """List the active advertisers of the FreeWheel network or, with advertiser_id, the brands of one.

    Use it to find brand_id for create_proposed_io and update_proposed_io: first the advertiser, then its brands.
    """
    advertiser_id = arguments.advertiser_id

    async def read(page: int, per_page: int) -> PageOf[Named]:
        query = {"page": page, "per_page": per_page}
        if advertiser_id is None:
            return await backends.freewheel.list_advertisers(query)
        return await backends.freewheel.list_brands(advertiser_id, query)

    name = "advertisers" if advertiser_id is None else "brands"
    answer = await search_page(
        arguments,
        read,
        _searchable_text,
        plural=name,
        empty_note=_NO_ADVERTISERS if advertiser_id is None else _NO_BRANDS,
    )
    return Listing[Advertiser](
        items=[Advertiser(id=entry.id, name=entry.name) for entry in answer.entries],
        total=answer.total,
        next=answer.next(arguments, arguments.page),
        note=answer.note,
    )


_NO_ADVERTISERS = "FreeWheel lists no active advertisers for this network."
_NO_BRANDS = "This advertiser has no brands: people add them in FreeWheel."


def _searchable_text(entry: Named) -> str:
    return entry.name or ""


TOOL = Tool(
    name="list_advertisers",
    title="List advertisers and brands",
    arguments=ListAdvertisers,
    result=Listing[Advertiser],
    effect=READ,
    handler=list_advertisers,
)

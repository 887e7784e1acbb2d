"""List campaigns (FreeWheel's v3 API, see `tools.freewheel.v3`)."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.fields import Listing
from tools.freewheel.models import Campaign, PageOf
from tools.freewheel.search import LARGEST_PAGE, search_page
from tools.schema import Arguments, Result
from tools.tool import READ, Tool


class ListCampaigns(Arguments):
    text: str | None = Field(default=None, max_length=255, pattern=r"\S", description="Words in the name.")
    page: int = Field(default=1, ge=1, description="From 1.")
    per_page: int = Field(default=25, ge=5, le=LARGEST_PAGE, description="Campaigns per page.")
    search_from: int = Field(default=1, ge=1, description="Only as `next` gives it.")


class ListedCampaign(Result):
    id: int = Field(description="Campaign id.")
    name: str | None = None
    advertiser_id: int | None = None


async def list_campaigns(arguments: ListCampaigns, backends: Backends) -> Listing[ListedCampaign]:
    """List the active campaigns of the FreeWheel network: the ids that proposed orders are put under.

    Use it to find campaign_id for create_proposed_io. For what buyers book in Interchange, use list_media_buys.
    """

    async def read(page: int, per_page: int) -> PageOf[Campaign]:
        return await backends.freewheel.list_campaigns({"page": page, "per_page": per_page})

    answer = await search_page(arguments, read, _searchable_text, plural="campaigns", empty_note=_NO_CAMPAIGNS)
    return Listing[ListedCampaign](
        items=[ListedCampaign(**campaign.model_dump()) for campaign in answer.entries],
        total=answer.total,
        next=answer.next(arguments, arguments.page),
        note=answer.note,
    )


_NO_CAMPAIGNS = "FreeWheel lists no active campaigns for this network."


def _searchable_text(campaign: Campaign) -> str:
    return campaign.name or ""


TOOL = Tool(
    name="list_campaigns",
    title="List campaigns",
    arguments=ListCampaigns,
    result=Listing[ListedCampaign],
    effect=READ,
    handler=list_campaigns,
)

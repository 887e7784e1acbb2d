"""Create a proposed insertion order (Proposed Insertion Order API v4, "Attributes" and their child tables)."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.fields import BodyId, FreeWheelId, Name, Prose
from tools.freewheel.models import ProposedInsertionOrder
from tools.freewheel.proposals import MOST_CAPS, Budget, FrequencyCap, ProposedIo, body, proposed_io, same_text
from tools.replies import STOP_AT_A_DIFFERENCE, differences, printable
from tools.schema import Arguments, Result
from tools.tool import Tool, Write


class CreateProposedIo(Arguments):
    external_id: BodyId = Field(description="Your own key, as in the CRM; a new one.")
    name: Name = Field(description="Order name.")
    description: Prose | None = Field(default=None, description="Free text.")
    campaign_id: FreeWheelId | None = Field(
        default=None, description="From list_campaigns, where the network wants one."
    )
    brand_id: FreeWheelId | None = Field(default=None, description="The advertiser's, from list_advertisers.")
    probability_of_close: int | None = Field(default=None, ge=0, le=100, description="Percent.")
    budget: Budget | None = Field(default=None, description="Its goal.")
    frequency_caps: list[FrequencyCap] | None = Field(
        default=None, min_length=1, max_length=MOST_CAPS, description="Delivery caps."
    )
    assigned_user_ids: list[FreeWheelId] | None = Field(default=None, min_length=1, description="FreeWheel user ids.")


class CreatedProposedIo(Result):
    proposed_io: ProposedIo = Field(description="As FreeWheel answered.")
    what_happened: str
    next_step: str


async def create_proposed_io(arguments: CreateProposedIo, backends: Backends) -> CreatedProposedIo:
    """Create a proposed insertion order in FreeWheel: the proposal that a seller works on until it closes.

    It holds and books no inventory: for that, use reserve_avail. A repeated call may create a second order, even with
    the same external_id, so never repeat one whose answer was lost. User ids come from
    get_proposed_io (of other orders), or from the person.
    """
    order = await backends.freewheel.create_proposed_insertion_order(
        body(arguments.model_dump(mode="json", exclude_none=True, exclude={"campaign_id"})),
        campaign_id=arguments.campaign_id,
        look=f"First call list_proposed_ios with external_id {printable(arguments.external_id, limit=100)} as `text`, "
        "to the end: if it is there, the write was done; if it is not there a minute later either, the same call may "
        "be made again.",
    )
    different = _different(arguments, order)
    return CreatedProposedIo(
        proposed_io=proposed_io(order),
        what_happened=f"FreeWheel created proposed IO {order.id}"
        + (f" under campaign {arguments.campaign_id}" if arguments.campaign_id else "")
        + ". It is a proposal: no inventory is held or booked by it."
        + (f" {different}" if different else ""),
        next_step=STOP_AT_A_DIFFERENCE
        if different
        else "A person adds placements in FreeWheel. To hold inventory, use list_avails, then reserve_avail.",
    )


def _different(arguments: CreateProposedIo, order: ProposedInsertionOrder) -> str:
    asked: dict[str, object] = {"brand_id": arguments.brand_id, "proposed_io_status": "PROPOSED"}
    if not same_text(order.external_id, arguments.external_id):
        asked = {"external_id": arguments.external_id, **asked}
    return differences(asked, order)


TOOL = Tool(
    name="create_proposed_io",
    title="Create proposed insertion order",
    arguments=CreateProposedIo,
    result=CreatedProposedIo,
    effect=Write(),
    vendors=frozenset({"freewheel"}),
    handler=create_proposed_io,
)

"""List the proposed placements of an order (Proposed Insertion Order API v4, "List Proposed Placements of a Proposed
Insertion Order"). Their attributes are documented on another page."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.fields import FreeWheelId, Listing, empty_page_note, next_page
from tools.freewheel.models import ProposedPlacement
from tools.freewheel.proposals import OrderBudget
from tools.schema import Arguments, Result
from tools.tool import READ, Tool


class ListProposedPlacements(Arguments):
    proposed_io_id: FreeWheelId = Field(description="From list_proposed_ios.")
    page: int = Field(default=1, ge=1, description="From 1.")
    per_page: int = Field(default=10, ge=5, le=50, description="Placements per page.")


class Placement(Result):
    id: int = Field(description="Proposed placement id.")
    external_id: str | None = None
    name: str | None = None
    description: str | None = None
    status: str | None = None
    placement_type: str | None = None
    flight_start: str | None = Field(default=None, description="UTC.")
    flight_end: str | None = None
    price_model: str | None = None
    price: float | None = Field(default=None, description="Money; what it is paid for is the price_model.")
    budget: OrderBudget | None = None


async def list_proposed_placements(arguments: ListProposedPlacements, backends: Backends) -> Listing[Placement]:
    """List the placements of a proposed insertion order: flight, price and budget of each.

    Use it to see what a proposal consists of; people edit placements in FreeWheel. For the order itself, use
    get_proposed_io.
    """
    query: dict[str, str | int] = {"page": arguments.page, "per_page": arguments.per_page}
    answer = await backends.freewheel.list_proposed_placements(arguments.proposed_io_id, query)
    more = answer.has_more(arguments.page, arguments.per_page)
    return Listing[Placement](
        items=[_placement(item) for item in answer.items],
        total=answer.total,
        next=next_page(arguments, arguments.page) if more else None,
        note=None if answer.items else empty_page_note(arguments.page) if arguments.page > 1 else _NO_PLACEMENTS,
    )


_NO_PLACEMENTS = "This order has no placements yet: people add them in FreeWheel."


def _placement(item: ProposedPlacement) -> Placement:
    return Placement(
        **item.model_dump(include={"id", "external_id", "name", "description", "status", "placement_type"}),
        flight_start=item.schedule and item.schedule.start_time,
        flight_end=item.schedule and item.schedule.end_time,
        price_model=item.price and item.price.price_model,
        price=item.price and item.price.price,
        budget=item.budget and OrderBudget(**item.budget.model_dump()),
    )


TOOL = Tool(
    name="list_proposed_placements",
    title="List proposed placements",
    arguments=ListProposedPlacements,
    result=Listing[Placement],
    effect=READ,
    handler=list_proposed_placements,
)

"""List proposed insertion orders (Proposed Insertion Order API v4, "List Proposed Insertion Orders").

No parameter of this list is documented. `page` and `per_page` are those of FreeWheel's other v4 lists, and there is no
search: `text` is searched here, page by page, and the note says how far.
"""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.fields import Listing
from tools.freewheel.models import PageOf, ProposedInsertionOrder
from tools.freewheel.search import LARGEST_PAGE, search_page
from tools.schema import Arguments, Result
from tools.tool import READ, Tool
from tools.vendor_http.replies import shown


class ListProposedIos(Arguments):
    text: str | None = Field(default=None, max_length=255, pattern=r"\S", description="Words in name or external_id.")
    page: int = Field(default=1, ge=1, description="From 1.")
    per_page: int = Field(default=12, ge=5, le=LARGEST_PAGE, description="Orders per page.")
    search_from: int = Field(default=1, ge=1, description="Only as `next` gives it.")


class ListedProposedIo(Result):
    id: int = Field(description="Proposed IO id.")
    external_id: str | None = None
    name: str | None = None
    proposed_io_status: str | None = Field(default=None, description="PROPOSED, COMPLETED or LOST.")
    brand_id: int | None = None
    probability_of_close: int | None = None
    flight_start: str | None = Field(default=None, description="UTC; absent while nothing is scheduled.")
    flight_end: str | None = None
    updated_at: str | None = None


async def list_proposed_ios(arguments: ListProposedIos, backends: Backends) -> Listing[ListedProposedIo]:
    """List FreeWheel's proposed insertion orders with status, flight and probability of close.

    Use it to find orders and their ids. `note` says how far `text` was searched. For budget and users, get_proposed_io.
    """

    async def read(page: int, per_page: int) -> PageOf[ProposedInsertionOrder]:
        return await backends.freewheel.list_proposed_insertion_orders({"page": page, "per_page": per_page})

    answer = await search_page(arguments, read, _searchable_text, plural="proposed IOs", empty_note=_NO_ORDERS)
    return Listing[ListedProposedIo](
        items=[_listed(order) for order in answer.entries],
        total=answer.total,
        next=answer.next(arguments, arguments.page),
        note=answer.note,
    )


_NO_ORDERS = "FreeWheel lists no proposed IOs for this network."


def _searchable_text(order: ProposedInsertionOrder) -> str:
    return f"{order.name or ''} {order.external_id or ''}"


def _listed(order: ProposedInsertionOrder) -> ListedProposedIo:
    return ListedProposedIo(
        id=order.id,
        external_id=order.external_id and shown(order.external_id),
        name=order.name and shown(order.name),
        proposed_io_status=order.proposed_io_status,
        brand_id=order.brand_id,
        probability_of_close=order.probability_of_close,
        flight_start=order.schedule and order.schedule.start_time,
        flight_end=order.schedule and order.schedule.end_time,
        updated_at=order.updated_at,
    )


TOOL = Tool(
    name="list_proposed_ios",
    title="List proposed insertion orders",
    arguments=ListProposedIos,
    result=Listing[ListedProposedIo],
    effect=READ,
    handler=list_proposed_ios,
)

"""List the writes in the ledger."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.effects import State
from tools.fields import Listing, empty_page_note, next_page
from tools.operations.models import OperationQuery, OperationSummary
from tools.schema import Arguments
from tools.tool import READ, Tool


class ListOperations(Arguments):
    state: State | None = Field(default=None, description="Only these.")
    text: str | None = Field(default=None, min_length=1, max_length=255, description="Part of what they do, or an id.")
    page: int = Field(default=1, ge=1, le=100_000, description="From 1.")
    per_page: int = Field(default=15, ge=5, le=50, description="Per page.")


async def list_operations(arguments: ListOperations, backends: Backends) -> Listing[OperationSummary]:
    """List the writes made or waiting here, the newest first, with what became of each.

    Use it to see what was done, is in doubt or waits for approval.
    """
    page, per_page = arguments.page, arguments.per_page
    query = OperationQuery(state=arguments.state, text=arguments.text, page=page, per_page=per_page)
    found, total = await backends.required_ledger.list(query, backends)
    filtered = arguments.state or arguments.text
    none = "No write on record matches." if filtered else "Nothing was written here yet."
    return Listing[OperationSummary](
        items=list(found),
        total=total,
        next=next_page(arguments, page) if page * per_page < total else None,
        note=None if found else empty_page_note(page) if total else none,
    )


TOOL = Tool(
    name="list_operations",
    title="List writes on record",
    arguments=ListOperations,
    result=Listing[OperationSummary],
    effect=READ,
    handler=list_operations,
)

"""List the record of writes."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.fields import Listing
from tools.operations.record import OperationSummary
from tools.schema import Arguments
from tools.states import State
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
    return await backends.writes_record.list(arguments, backends)


TOOL = Tool(
    name="list_operations",
    title="List writes on record",
    arguments=ListOperations,
    result=Listing[OperationSummary],
    effect=READ,
    handler=list_operations,
)

"""Read one write in the ledger."""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.operations.models import WholeOperation
from tools.schema import Arguments
from tools.tool import READ, Tool


class GetOperation(Arguments):
    operation_id: str = Field(min_length=1, max_length=64, description="From a write's answer.")


async def get_operation(arguments: GetOperation, backends: Backends) -> WholeOperation:
    """Read one write on record: who asked, what was sent and answered, its history.

    Use it before a write is repeated.
    """
    return await backends.required_ledger.get(arguments.operation_id, backends)


TOOL = Tool(
    name="get_operation",
    title="Write on record",
    arguments=GetOperation,
    result=WholeOperation,
    effect=READ,
    handler=get_operation,
)

"""Show a proposed insertion order (Proposed Insertion Order API v4, "Show information about a Proposed Insertion
Order").

`delivery`, `budget` and `assignments` are not "included in basic GET", and the page does not say how to get them. The
request asks for `show=all`, as in v3, and the result lists what did not come.
"""

from __future__ import annotations

from pydantic import Field

from tools.backends import Backends
from tools.fields import FreeWheelId
from tools.freewheel.proposals import WholeProposedIo, whole_proposed_io
from tools.schema import Arguments
from tools.tool import READ, Tool


class GetProposedIo(Arguments):
    proposed_io_id: FreeWheelId = Field(description="From list_proposed_ios.")


async def get_proposed_io(arguments: GetProposedIo, backends: Backends) -> WholeProposedIo:
    """Get one proposed insertion order of FreeWheel with its budget, frequency caps and assigned users.

    Use it before update_proposed_io, or to find the ids of users. What FreeWheel did not state is in `not_told`: it is
    unknown, not unset. For its placements, list_proposed_placements.
    """
    return whole_proposed_io(await backends.freewheel.proposed_insertion_order(arguments.proposed_io_id))


TOOL = Tool(
    name="get_proposed_io",
    title="Get proposed insertion order",
    arguments=GetProposedIo,
    result=WholeProposedIo,
    effect=READ,
    handler=get_proposed_io,
)

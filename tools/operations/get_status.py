"""What this server works on: its environment, its vendors, the tools it leaves out, and the limits it keeps."""

from __future__ import annotations

import anyio
from pydantic import Field

from tools.backends import Backends
from tools.operations.reach import reach
from tools.operations.record import Reached
from tools.schema import Arguments, Result
from tools.tool import READ, Tool
from tools.vendors import TITLES, VendorName


class GetStatus(Arguments):
    pass


class Vendor(Result):
    account: str | None = Field(default=None, description="Whose, where this server has several accounts.")
    vendor: str
    configured: bool
    reachable: bool | None = Field(default=None, description="Whether it answered just now; absent: not configured.")
    detail: str
    next_step: str | None = None
    limit: str | None = Field(default=None, description="How many requests this server sends to it at most.")


class LeftOut(Result):
    tools: list[str]
    why: str


class Status(Result):
    vendors: list[Vendor]
    record_of_writes: str | None = Field(default=None, description="Without it no write is sent.")
    left_out: list[LeftOut] | None = Field(default=None, description="Tools that are not offered here.")
    next_step: str


async def get_status(_: GetStatus, backends: Backends) -> Status:
    """Tell this server's environment, which vendors it reaches, and which tools are missing and why.

    Use it when a tool that you expect is not there, when calls to a vendor keep failing, or before real work, to
    see whether writes are real. It reads once from each vendor.
    """
    reached: dict[tuple[str, VendorName], Reached] = {}

    async def look(place: Backends, vendor: VendorName) -> None:
        reached[place.account, vendor] = await reach(vendor, place)

    async with anyio.create_task_group() as tasks:
        for place in backends.places:
            for vendor in TITLES:
                if place.has(vendor):
                    tasks.start_soon(look, place, vendor)
    record = await backends.record.look(backends) if backends.record else None
    return Status(
        record_of_writes=record.said if record else None,
        vendors=[
            _vendor(vendor, place, reached.get((place.account, vendor)))
            for place in backends.places
            for vendor in TITLES
            if place.has(vendor) or vendor in place.missing
        ],
        left_out=_left_out(backends) or None,
        next_step=_next_step(backends, reached, record),
    )


def _vendor(vendor: VendorName, place: Backends, found: Reached | None) -> Vendor:
    if found is None:
        return Vendor(
            account=place.account or None,
            vendor=TITLES[vendor],
            configured=False,
            detail="Not configured on this server.",
            next_step=f"The operator does this: {place.missing[vendor]}",
        )
    return Vendor(
        account=place.account or None,
        vendor=TITLES[vendor],
        configured=True,
        reachable=found.ok,
        detail=found.said,
        next_step=found.next_step,
        limit=place.limits.get(vendor),
    )


def _left_out(backends: Backends) -> list[LeftOut]:
    by_reason: dict[str, list[str]] = {}
    for tool, why in backends.left_out.items():
        by_reason.setdefault(why, []).append(tool)
    return [LeftOut(tools=tools, why=why) for why, tools in by_reason.items()]


def _next_step(backends: Backends, reached: dict[tuple[str, VendorName], Reached], record: Reached | None) -> str:
    if record is not None and record.next_step is not None:
        return f"Tell the person that nothing can be written here. {record.next_step}"
    advised = [
        (f"{TITLES[vendor]}{f' ({place.account})' if place.account else ''}", found.ok)
        for place in backends.places
        for vendor in TITLES
        if (found := reached.get((place.account, vendor))) and found.next_step
    ]
    if failing := [name for name, ok in advised if not ok]:
        return f"Do what next_step says of {' and '.join(failing)} before using its tools."
    if advised:
        return f"Not all of {' and '.join(name for name, _ in advised)} can be used: see its detail and next_step."
    if backends.left_out or any(place.missing for place in backends.places):
        return "What is configured works. For a tool that is left out, tell the operator why it is."
    return "Everything that is offered can be used."


TOOL = Tool(
    name="get_status",
    title="Status of this server",
    arguments=GetStatus,
    result=Status,
    effect=READ,
    handler=get_status,
)

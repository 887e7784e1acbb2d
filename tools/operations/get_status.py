"""The state of this server: its environment, its vendors, the tools it leaves out, and its rate limits."""

from __future__ import annotations

import anyio
from pydantic import Field

from tools.backends import Backends
from tools.operations.models import Reachability
from tools.operations.vendor_checks import check_vendor
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
    results: dict[tuple[str, VendorName], Reachability] = {}

    async def check(place: Backends, vendor: VendorName) -> None:
        results[place.account, vendor] = await check_vendor(vendor, place)

    async with anyio.create_task_group() as tasks:
        for place in backends.each_account:
            for vendor in TITLES:
                if place.has(vendor):
                    tasks.start_soon(check, place, vendor)
    ledger = await backends.ledger.status(backends) if backends.ledger else None
    return Status(
        record_of_writes=ledger.detail if ledger else None,
        vendors=[
            _vendor(vendor, place, results.get((place.account, vendor)))
            for place in backends.each_account
            for vendor in TITLES
            if place.has(vendor) or vendor in place.missing
        ],
        left_out=_left_out(backends) or None,
        next_step=_next_step(backends, results, ledger),
    )


def _vendor(vendor: VendorName, account: Backends, result: Reachability | None) -> Vendor:
    if result is None:
        return Vendor(
            account=account.account or None,
            vendor=TITLES[vendor],
            configured=False,
            detail="Not configured on this server.",
            next_step=f"The operator does this: {account.missing[vendor]}",
        )
    return Vendor(
        account=account.account or None,
        vendor=TITLES[vendor],
        configured=True,
        reachable=result.ok,
        detail=result.detail,
        next_step=result.next_step,
        limit=account.limits.get(vendor),
    )


def _left_out(backends: Backends) -> list[LeftOut]:
    by_reason: dict[str, list[str]] = {}
    for tool, why in backends.left_out.items():
        by_reason.setdefault(why, []).append(tool)
    return [LeftOut(tools=tools, why=why) for why, tools in by_reason.items()]


def _next_step(
    backends: Backends, results: dict[tuple[str, VendorName], Reachability], ledger: Reachability | None
) -> str:
    if ledger is not None and ledger.next_step is not None:
        return f"Tell the person that nothing can be written here. {ledger.next_step}"
    advised = [
        (f"{TITLES[vendor]}{f' ({place.account})' if place.account else ''}", found.ok)
        for place in backends.each_account
        for vendor in TITLES
        if (found := results.get((place.account, vendor))) and found.next_step
    ]
    if failing := [name for name, ok in advised if not ok]:
        return f"Do what next_step says of {' and '.join(failing)} before using its tools."
    if advised:
        return f"Not all of {' and '.join(name for name, _ in advised)} can be used: see its detail and next_step."
    if backends.left_out or any(place.missing for place in backends.each_account):
        return "What is configured works. For a tool that is left out, tell the operator the reason."
    return "Everything that is offered can be used."


TOOL = Tool(
    name="get_status",
    title="Status of this server",
    arguments=GetStatus,
    result=Status,
    effect=READ,
    handler=get_status,
)

"""Orders and packages that were to be created, and what holds for any write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tests.doubts import AN_ORDER_LESS, ANOTHER_ORDER, TARGETING, World
from tests.guarantees.specification import Drive, drives, outcome, rewritten
from tests.support import error_of

ORDER = {"external_id": "CRM-9", "name": "Winter"}
PACKAGE = {"name": "Sports plus", "targeting": TARGETING}
ORDERS, PACKAGES = "/proposed_insertion_orders", "/inventory_packages"


@drives("any", "it does not show, and `ADOPS_SETTLE_AFTER` has not passed")
async def _(agent: World) -> str:
    operation_id = await agent.lost("create_proposed_io", ORDER, when="before")
    return str((await agent.reconciled(operation_id, later=59))["outcome"])


@drives("any", "the vendor cannot be looked at")
async def _(agent: World) -> str:
    operation_id = await agent.lost("create_proposed_io", ORDER, when="before")
    agent.losing["freewheel"].rewrite = lambda _, __: httpx.Response(502)
    agent.network.time.moment += 120
    result = await agent.client.call_tool("reconcile_operation", {"operation_id": operation_id})
    assert error_of(result)["code"] == "unavailable"
    told = await agent.done("get_operation", {"operation_id": operation_id})
    return "unknown" if told["state"] == "in_doubt" else str(told["state"])


TIMES = [
    "2026-11-22T11:00:00Z",
    "2026-11-22",
    "2026-11-22T13:00:01",
    "22/11/2026 12:00",
    "1763812801",
    "",
    None,
    "2031-01-01T00:00:00Z",
]


def _of_any_time(tool: str, arguments: dict[str, Any], ending: str, moment: str | None) -> Drive:
    async def drive(agent: World) -> str:
        operation_id = await agent.lost(tool, arguments, when="after")
        agent.losing["freewheel"].rewrite = rewritten(ending, lambda one: {**one, "created_at": moment})
        return await outcome(agent, operation_id)

    return drive


for _moment in TIMES:
    drives(
        "create_proposed_io",
        "an order that was not there before has its external_id and content, whatever its times say",
    )(_of_any_time("create_proposed_io", ORDER, ORDERS, _moment))
    drives(
        "create_inventory_package",
        "a package that was not there before has its name and content, whatever its times say",
    )(_of_any_time("create_inventory_package", PACKAGE, PACKAGES, _moment))


def _of_a_colleague(tool: str, arguments: dict[str, Any], theirs: dict[str, Any]) -> Drive:
    async def drive(agent: World) -> str:
        operation_id = await agent.lost(tool, arguments, when="before")
        async with agent.colleague() as colleague:
            made = await colleague.call_tool(tool, {**arguments, **theirs, "idempotency_key": "theirs"})
            assert not made.is_error
        return await outcome(agent, operation_id)

    return drive


drives("create_proposed_io", "an order that was not there before has its external_id and other content")(
    _of_a_colleague("create_proposed_io", ORDER, {"name": "Theirs"})
)
drives(
    "create_proposed_io",
    "an order that was not there before has its external_id and attributes that were not asked for",
)(_of_a_colleague("create_proposed_io", ORDER, {"description": "Theirs."}))
drives("create_inventory_package", "a package that was not there before has its name and other content")(
    _of_a_colleague("create_inventory_package", PACKAGE, {"description": "Theirs."})
)


@drives("create_proposed_io", "only orders that were there before have its external_id")
async def _(agent: World) -> str:
    async with agent.colleague() as colleague:
        assert not (await colleague.call_tool("create_proposed_io", ORDER)).is_error
    return await outcome(agent, await agent.lost("create_proposed_io", ORDER, when="before"))


@drives("create_proposed_io", "no order has its external_id, in two whole readings")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("create_proposed_io", ORDER, when="before"))


@drives("create_inventory_package", "no new package has its name, in two whole readings")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("create_inventory_package", PACKAGE, when="before"))


@drives("create_proposed_io", "no order has its external_id, and a new one was changed since it was created")
async def _(agent: World) -> str:
    operation_id = await agent.lost("create_proposed_io", ORDER, when="after")
    agent.sandbox(
        "UPDATE freewheel_proposed_insertion_order SET external_id = 'X', updated_at = '2026-11-22T12:00:40Z'"
        " WHERE external_id = 'CRM-9'"
    )
    return await outcome(agent, operation_id)


@drives("create_inventory_package", "no new package has its name, and a new one was changed since it was created")
async def _(agent: World) -> str:
    operation_id = await agent.lost("create_inventory_package", PACKAGE, when="after")
    agent.sandbox(
        "UPDATE freewheel_inventory_package SET name = 'X', updated_at = '2026-11-22T12:00:40Z' WHERE name = ?",
        PACKAGE["name"],
    )
    return await outcome(agent, operation_id)


@drives("create_proposed_io", "no order has its external_id, and a new one has times to the day")
async def _(agent: World) -> str:
    operation_id = await agent.lost("create_proposed_io", ORDER, when="after")
    agent.sandbox("UPDATE freewheel_proposed_insertion_order SET external_id = 'X' WHERE external_id = 'CRM-9'")
    day = "2026-11-22"
    agent.losing["freewheel"].rewrite = rewritten(ORDERS, lambda one: {**one, "created_at": day, "updated_at": day})
    return await outcome(agent, operation_id)


async def _with_many_orders(agent: World, when: str) -> str:
    """The operation of an order that is lost where FreeWheel has three pages of them."""
    for number in range(110):
        agent.sandbox(ANOTHER_ORDER, f"O-{number}")
    return await agent.lost("create_proposed_io", ORDER, when=when)


def _moving(agent: World) -> Callable[[httpx.Request, Any], Any]:
    """An order of the first page is deleted after each reading of it, so that one moves there from the second."""

    def rewrite(request: httpx.Request, payload: Any) -> Any:
        if request.url.path.endswith(ORDERS) and request.url.params["page"] == "1":
            agent.sandbox(AN_ORDER_LESS)
        return payload

    return rewrite


@drives("create_proposed_io", "no order has its external_id, and an entry moved while the list was read")
async def _(agent: World) -> str:
    operation_id = await _with_many_orders(agent, "before")
    agent.losing["freewheel"].rewrite = _moving(agent)
    return await outcome(agent, operation_id)


def _contradicting(told: Callable[[Any], dict[str, Any]]) -> Drive:
    async def drive(agent: World) -> str:
        operation_id = await _with_many_orders(agent, "before")

        def rewrite(request: httpx.Request, payload: Any) -> Any:
            return {**payload, **told(payload)} if request.url.path.endswith(ORDERS) else payload

        agent.losing["freewheel"].rewrite = rewrite
        return await outcome(agent, operation_id)

    return drive


CONTRADICTIONS: list[Callable[[Any], dict[str, Any]]] = [
    lambda payload: {"total_count": len(payload["items"])},
    lambda _: {"total_count": 0},
    lambda _: {"total_count": 9_999},
    lambda _: {"total_page": 1},
    lambda payload: {"total_page": payload["total_page"] + 2},
    lambda _: {"page": 1},
]
for _told in CONTRADICTIONS:
    drives("create_proposed_io", "no order has its external_id, and total and pages contradict each other")(
        _contradicting(_told)
    )


def _without_a_baseline(tool: str, arguments: dict[str, Any], when: str) -> Drive:
    async def drive(agent: World) -> str:
        agent.losing["freewheel"].rewrite = lambda _, __: httpx.Response(403)
        operation_id = await agent.lost(tool, arguments, when=when)
        agent.losing["freewheel"].rewrite = None
        return await outcome(agent, operation_id)

    return drive


for _when in ("before", "after"):
    drives("create_proposed_io", "the list could not be read before it was sent")(
        _without_a_baseline("create_proposed_io", ORDER, _when)
    )
    drives("create_inventory_package", "the list could not be read before it was sent")(
        _without_a_baseline("create_inventory_package", PACKAGE, _when)
    )

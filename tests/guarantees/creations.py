"""Orders and packages that were to be created, and what holds for any write."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, cast

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


TOLD_OTHERWISE: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda one: {**one, "external_id": None},
    lambda one: {name: value for name, value in one.items() if name != "external_id"},
    lambda one: {**one, "external_id": str(one["external_id"]).lower()},
    lambda one: {**one, "external_id": {"value": one["external_id"]}},
]


def _told_otherwise(told: Callable[[dict[str, Any]], dict[str, Any]]) -> Drive:
    async def drive(agent: World) -> str:
        operation_id = await agent.lost("create_proposed_io", {**ORDER, "name": "Mine"}, when="after")
        # the list and the order tell it in the same way, and the name was cleaned up as well
        agent.losing["freewheel"].rewrite = rewritten(ORDERS, lambda one: {**told(one), "name": f"{one['name']}."})
        return await outcome(agent, operation_id)

    return drive


for _otherwise in TOLD_OTHERWISE:
    drives(
        "create_proposed_io",
        "an order that was not there before does not tell its external_id, or tells it in another spelling",
    )(_told_otherwise(_otherwise))


@drives("create_proposed_io", "an order that was there before has its external_id only now")
async def _(agent: World) -> str:
    operation_id = await agent.lost("create_proposed_io", ORDER, when="before")
    agent.sandbox("UPDATE freewheel_proposed_insertion_order SET external_id = 'CRM-9' WHERE id = 418250")
    return await outcome(agent, operation_id)


@drives("create_proposed_io", "an order that was not there before has its external_id, and is not shown by its id")
async def _(agent: World) -> str:
    operation_id = await agent.lost("create_proposed_io", ORDER, when="after")
    agent.losing["freewheel"].rewrite = lambda request, payload: (
        payload if request.url.path.endswith(ORDERS) else httpx.Response(404)
    )
    return await outcome(agent, operation_id)


@drives("any", "what it is about is not there any more")
async def _(agent: World) -> str:
    operation_id = await agent.lost("update_proposed_io", {"proposed_io_id": 418250, "name": "N"}, when="after")
    agent.losing["freewheel"].rewrite = lambda _, __: httpx.Response(404)
    return await outcome(agent, operation_id)


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


def _renamed_with_times(created: str, updated: str) -> Drive:
    async def drive(agent: World) -> str:
        operation_id = await agent.lost("create_proposed_io", ORDER, when="after")
        agent.sandbox("UPDATE freewheel_proposed_insertion_order SET external_id = 'X' WHERE external_id = 'CRM-9'")
        times = {"created_at": created, "updated_at": updated}
        agent.losing["freewheel"].rewrite = rewritten(ORDERS, lambda one: {**one, **times})
        return await outcome(agent, operation_id)

    return drive


for _time in ("2026-11-22", "2026-11-22T00:00:00Z", "2026-11-22T12:00:00Z", "0001-01-01T00:00:00Z", ""):
    drives("create_proposed_io", "no order has its external_id, and a new one has times to the day or the minute")(
        _renamed_with_times(_time, _time)
    )


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


def _spelt(field: str, told: Callable[[str], str]) -> Callable[[httpx.Request, Any], Any]:
    """Every text of that name in what FreeWheel tells, told otherwise."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            entries = cast("dict[str, Any]", value).items()
            return {name: told(one) if name == field and isinstance(one, str) else walk(one) for name, one in entries}
        return [walk(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value

    return lambda _, payload: walk(payload)


SPELLINGS: list[tuple[str, Callable[[str], str]]] = [
    ("CRM & Co-7", html.escape),
    ("CRM-2026-NORTHLIGHT-CASCADIA-SPRING-0001", lambda name: name[:20]),
    ("CRM-7007", lambda name: f"FW-{name}"),
    ("CRM-7007", lambda name: name.replace("-", "")),
    ("000777", lambda name: name.lstrip("0")),
    ("CRM/7007", lambda name: name.replace("/", "_")),
    ("O'Neil-7", lambda name: name.replace("'", "\u2019")),
    ("CRM-\u0141\u00f3d\u017a-7", lambda name: name.encode("ascii", "replace").decode()),
    ("CRM-\u0141\u00f3d\u017a-7", lambda name: name.replace("\u0141\u00f3d\u017a", "Lodz")),
    ("crm-7007", str.upper),
]


def _told_in_another_spelling(tool: str, identity: str, told: Callable[[str], str]) -> Drive:
    async def drive(agent: World) -> str:
        is_order = tool == "create_proposed_io"
        field, arguments = ("external_id", ORDER) if is_order else ("name", PACKAGE)
        agent.losing["freewheel"].rewrite = _spelt(field, told)
        return await outcome(agent, await agent.lost(tool, {**arguments, field: identity}, when="after"))

    return drive


for _identity, _told_as in SPELLINGS:
    drives("create_proposed_io", "an order that was not there before tells its external_id cut, escaped or otherwise")(
        _told_in_another_spelling("create_proposed_io", _identity, _told_as)
    )
    drives("create_inventory_package", "a package that was not there before tells its name cut, escaped or otherwise")(
        _told_in_another_spelling("create_inventory_package", _identity, _told_as)
    )


def _with_a_baseline_at_last(tool: str, arguments: dict[str, Any], trouble: httpx.Response) -> Drive:
    """The list can be read only after so many failures that the transport's own tries do not do."""

    async def drive(agent: World) -> str:
        left = 7

        def rewrite(request: httpx.Request, payload: Any) -> Any:
            nonlocal left
            # a vendor whose first page cannot be had is down, and is not asked again
            if request.url.params.get("page") == "1":
                return payload
            left -= 1
            return trouble if left >= 0 else payload

        agent.losing["freewheel"].rewrite = rewrite
        operation_id = await agent.lost(tool, arguments, when="before")
        agent.losing["freewheel"].rewrite = None
        return await outcome(agent, operation_id)

    return drive


for _trouble in (httpx.Response(500), httpx.Response(429), httpx.Response(200, html="<p>Busy</p>")):
    drives("create_proposed_io", "no order has its external_id, in two whole readings")(
        _with_a_baseline_at_last("create_proposed_io", ORDER, _trouble)
    )
    drives("create_inventory_package", "no new package has its name, in two whole readings")(
        _with_a_baseline_at_last("create_inventory_package", PACKAGE, _trouble)
    )

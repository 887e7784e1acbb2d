"""Work items, updates, and the network of a source."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import httpx

from tests.doubts import ITEM, Rewrite, World
from tests.guarantees.specification import Drive, drives, outcome, rewritten

ORDERS = "/proposed_insertion_orders"


TAKEN = {**ITEM, "status": "IN_PROGRESS"}


async def _results(agent: World, value: str) -> dict[str, str]:
    item = await agent.done("get_work_item", ITEM)
    return dict.fromkeys(item.get("required_result_fields") or ["reference"], value)


@drives("update_work_item", "the item's time of update and its history are as before")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("update_work_item", TAKEN, when="before"))


@drives("update_work_item", "its note is in the history, and the item shows what was asked for")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("update_work_item", {**TAKEN, "notes": "Taken."}, when="after"))


@drives("update_work_item", "its note is in the history, and the item shows something else")
async def _(agent: World) -> str:
    operation_id = await agent.lost("update_work_item", {**TAKEN, "notes": "Taken."}, when="before")
    async with agent.colleague() as colleague:
        theirs = {**ITEM, "status": "BLOCKED", "blocked_reason": "No line.", "notes": "Taken."}
        assert not (await colleague.call_tool("update_work_item", theirs)).is_error
    return await outcome(agent, operation_id)


@drives("update_work_item", "the history went on, and tells no notes")
async def _(agent: World) -> str:
    operation_id = await agent.lost("update_work_item", {**TAKEN, "notes": "Taken."}, when="after")
    agent.losing["interchange"].rewrite = _without_notes
    return await outcome(agent, operation_id)


def _without_notes(_: httpx.Request, payload: Any) -> Any:
    """A work item whose history tells no notes."""
    events: list[dict[str, Any]] = payload.get("events") or []
    return {**payload, "events": [{**event, "notes": None} for event in events]}


@drives("update_work_item", "the history went on, tells notes, and has not its note")
async def _(agent: World) -> str:
    operation_id = await agent.lost("update_work_item", {**TAKEN, "notes": "Taken."}, when="before")
    async with agent.colleague() as colleague:
        theirs = {**TAKEN, "notes": "Mine."}
        assert not (await colleague.call_tool("update_work_item", theirs)).is_error
    return await outcome(agent, operation_id)


def _with_notes(told: Callable[[str], str | None]) -> Rewrite:
    """Each note of the history told otherwise."""

    def rewrite(_: httpx.Request, payload: Any) -> Any:
        for event in payload.get("events", ()):
            event["notes"] = told(event["notes"]) if event.get("notes") else None
        return payload

    return rewrite


NOTE = "Taken & noted, as \u201csaid\u201d: 007"
SPELLINGS: list[Callable[[str], str | None]] = [
    html.escape,
    lambda note: note[:12],
    str.upper,
    lambda note: f"Note: {note}",
    lambda note: note.replace("\u201c", '"').replace("\u201d", '"'),
    lambda note: note.replace("007", "7"),
    lambda note: None if note == NOTE else note,
]


def _noted_otherwise(told: Callable[[str], str | None]) -> Drive:
    async def drive(agent: World) -> str:
        await agent.done("update_work_item", {**ITEM, "notes": "Somebody looked at it."})
        agent.losing["interchange"].rewrite = _with_notes(told)
        operation_id = await agent.lost("update_work_item", {**TAKEN, "notes": NOTE}, when="after")
        return await outcome(agent, operation_id)

    return drive


for _spelling in SPELLINGS:
    drives("update_work_item", "the history went on, and tells its note cut, in another spelling, or not")(
        _noted_otherwise(_spelling)
    )


@drives("update_work_item", "it gave no note, the history went on, and the item shows what was asked for")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("update_work_item", TAKEN, when="after"))


@drives("update_work_item", "it gave no note, the history went on, and the item shows something else")
async def _(agent: World) -> str:
    operation_id = await agent.lost("update_work_item", TAKEN, when="after")
    async with agent.colleague() as colleague:
        blocked = {**ITEM, "status": "BLOCKED", "blocked_reason": "No line."}
        assert not (await colleague.call_tool("update_work_item", blocked)).is_error
    return await outcome(agent, operation_id)


def _completed(when: str, *, given: str = "", notes: str = "", theirs: str = "") -> Drive:
    """given and theirs: the results of this call, and of a person who completes it meanwhile."""

    async def drive(agent: World) -> str:
        more: dict[str, Any] = {"result": await _results(agent, given)} if given else {}
        more |= {"notes": notes} if notes else {}
        operation_id = await agent.lost("complete_work_item", {**ITEM, **more}, when=when)
        if theirs:
            async with agent.colleague() as colleague:
                done = {**ITEM, "result": await _results(agent, theirs), "notes": "Sam did it."}
                assert not (await colleague.call_tool("complete_work_item", done)).is_error
        return await outcome(agent, operation_id)

    return drive


drives("complete_work_item", "the item was completed with its results, and its note is in the history")(
    _completed("after", given="R", notes="Kim did it.")
)
drives("complete_work_item", "it gave no note, and the item was completed with exactly its results")(
    _completed("after", given="R")
)
drives("complete_work_item", "the history went on, tells notes, and has not its note")(
    _completed("before", given="R", notes="Kim did it.", theirs="T")
)
drives("complete_work_item", "the history went on, tells notes, and has not its note")(
    _completed("before", given="R", notes="Kim did it.", theirs="R")
)
drives("complete_work_item", "the item was completed with other results, whatever note is in the history")(
    _completed("before", given="R", theirs="T")
)
drives("complete_work_item", "the item was completed with other results, whatever note is in the history")(
    _completed("before", given="R", notes="Sam did it.", theirs="T")
)
drives("complete_work_item", "the item's time of update and its history are as before")(
    _completed("before", given="R", notes="Kim.")
)
drives("complete_work_item", "the item's time of update and its history are as before")(_completed("before", given="R"))


@drives("complete_work_item", "the item's time of update and its history are as before")
async def _(agent: World) -> str:
    arguments = {**ITEM, "result": await _results(agent, "R")}
    troubles = [httpx.Response(200, html="<p>Busy</p>")] * 2
    agent.losing["interchange"].rewrite = lambda _, payload: troubles.pop() if troubles else payload
    operation_id = await agent.lost("complete_work_item", arguments, when="before")
    assert not troubles
    return await outcome(agent, operation_id)


@drives("complete_work_item", "the item was completed, and its history tells no notes, or cuts them")
async def _(agent: World) -> str:
    arguments = {**ITEM, "result": await _results(agent, "R"), "notes": "Kim did it."}
    operation_id = await agent.lost("complete_work_item", arguments, when="after")
    agent.losing["interchange"].rewrite = _without_notes
    return await outcome(agent, operation_id)


@drives("complete_work_item", "the item was completed, and its history tells no notes, or cuts them")
async def _(agent: World) -> str:
    arguments = {**ITEM, "result": await _results(agent, "R"), "notes": "Kim did it. " * 40}
    operation_id = await agent.lost("complete_work_item", arguments, when="after")

    def cut(_: httpx.Request, payload: Any) -> Any:
        events: list[dict[str, Any]] = payload.get("events") or []
        return {**payload, "events": [{**event, "notes": (event["notes"] or "")[:200]} for event in events]}

    agent.losing["interchange"].rewrite = cut
    return await outcome(agent, operation_id)


@drives("complete_work_item", "its note is in the history, and the item is not completed")
async def _(agent: World) -> str:
    note = {"notes": "Booked by Kim."}
    arguments = {**ITEM, "result": await _results(agent, "R"), **note}
    operation_id = await agent.lost("complete_work_item", arguments, when="before")
    async with agent.colleague() as colleague:
        assert not (await colleague.call_tool("update_work_item", {**TAKEN, **note})).is_error
    return await outcome(agent, operation_id)


@drives("complete_work_item", "it gave no note and no result, and the item was completed")
async def _(agent: World) -> str:
    agent.sandbox(
        "UPDATE interchange_work_items SET kind = 'GENERAL', payload = '{}' WHERE id = ?", ITEM["work_item_id"]
    )
    return await outcome(agent, await agent.lost("complete_work_item", ITEM, when="after"))


@drives("complete_work_item", "the item could not be read before it was sent, and is completed")
async def _(agent: World) -> str:
    arguments = {**ITEM, "result": await _results(agent, "R"), "notes": "Kim."}
    agent.losing["interchange"].rewrite = lambda _, __: httpx.Response(403)
    operation_id = await agent.lost("complete_work_item", arguments, when="after")
    agent.losing["interchange"].rewrite = None
    return await outcome(agent, operation_id)


RENAMED = {"proposed_io_id": 418250, "name": "Renamed"}
TURNED_OFF = {"package_id": 270118, "status": "INACTIVE"}


@drives("update_proposed_io", "the order shows what was asked for")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("update_proposed_io", RENAMED, when="after"))


@drives("update_proposed_io", "it shows something else, and FreeWheel has not updated it since")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("update_proposed_io", RENAMED, when="before"))


@drives("update_proposed_io", "it shows something else, and FreeWheel has updated it since")
async def _(agent: World) -> str:
    operation_id = await agent.lost("update_proposed_io", RENAMED, when="after")
    async with agent.colleague() as colleague:
        assert not (await colleague.call_tool("update_proposed_io", {**RENAMED, "name": "Theirs"})).is_error
    return await outcome(agent, operation_id)


@drives("update_proposed_io", "it shows something else, and its times are to the day")
async def _(agent: World) -> str:
    agent.losing["freewheel"].rewrite = rewritten(ORDERS, lambda one: {**one, "updated_at": "2026-11-22"})
    operation_id = await agent.lost("update_proposed_io", RENAMED, when="after")
    async with agent.colleague() as colleague:
        assert not (await colleague.call_tool("update_proposed_io", {**RENAMED, "name": "Theirs"})).is_error
    return await outcome(agent, operation_id)


@drives("update_inventory_package", "the package shows what was asked for")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("update_inventory_package", TURNED_OFF, when="after"))


@drives("update_inventory_package", "it shows something else, and FreeWheel has not updated it since")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("update_inventory_package", TURNED_OFF, when="before"))


@drives("update_inventory_package", "it shows something else, and FreeWheel has updated it since")
async def _(agent: World) -> str:
    operation_id = await agent.lost("update_inventory_package", TURNED_OFF, when="after")
    async with agent.colleague() as colleague:
        assert not (await colleague.call_tool("update_inventory_package", {**TURNED_OFF, "status": "ACTIVE"})).is_error
    return await outcome(agent, operation_id)


NETWORK = {"source_id": "gam-northlight", "network_code": "21700010"}


@drives("configure_gam_source", "the source has the network")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("configure_gam_source", NETWORK, when="after"))


@drives("configure_gam_source", "it had the network before, and was not updated since")
async def _(agent: World) -> str:
    await agent.done("configure_gam_source", NETWORK)
    return await outcome(agent, await agent.lost("configure_gam_source", NETWORK, when="before"))


@drives("configure_gam_source", "it has another network, and was not updated since")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("configure_gam_source", NETWORK, when="before"))


@drives("configure_gam_source", "it has no network, as before, and was updated since")
async def _(agent: World) -> str:
    operation_id = await agent.lost("configure_gam_source", {**NETWORK, "source_id": "gam-new"}, when="after")
    agent.sandbox(
        "UPDATE interchange_connections SET network_code = NULL, updated_at = '2026-11-22T12:01:31Z'"
        " WHERE source_id = 'gam-new'"
    )
    return await outcome(agent, operation_id)


@drives("configure_gam_source", "it has another network, and was updated since")
async def _(agent: World) -> str:
    operation_id = await agent.lost("configure_gam_source", NETWORK, when="after")
    async with agent.colleague() as colleague:
        made = await colleague.call_tool("configure_gam_source", {**NETWORK, "network_code": "21700007"})
        assert not made.is_error
    return await outcome(agent, operation_id)

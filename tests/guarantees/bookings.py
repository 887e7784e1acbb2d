"""Holds, releases and handoffs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.doubts import HOLD, IDS, LASTING, SOURCE, World
from tests.guarantees.specification import Drive, drives, outcome


@drives("reserve_avail", "held and booked impressions rose by exactly it, and no other write on record explains that")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("reserve_avail", HOLD, when="after"))


@drives("reserve_avail", "the counts are as before, its `hold_minutes` are not over, and less than it may have ended")
async def _(agent: World) -> str:
    await agent.done("reserve_avail", {**HOLD, "package_id": "small", "requested_impressions": 499_999})
    agent.network.time.moment += 120
    return await outcome(agent, await agent.lost("reserve_avail", {**LASTING, "package_id": "B"}, when="before"))


@drives("reserve_avail", "the counts are as before, and it had no `hold_minutes`")
async def _(agent: World) -> str:
    return await outcome(agent, await agent.lost("reserve_avail", HOLD, when="before"))


@drives("reserve_avail", "the counts are as before, and it had no `hold_minutes`")
async def _(agent: World) -> str:
    operation_id = await agent.lost("reserve_avail", HOLD, when="after")
    ends(agent, "default")
    return await outcome(agent, operation_id)


def ends(agent: World, package: str) -> None:
    """A hold ends by itself at the vendor."""
    ended = agent.sandbox(
        "UPDATE interchange_bookings SET expires_at = created_at WHERE package_id = ? AND status = 'HELD'"
        " RETURNING booking_id",
        package,
    )
    assert len(ended) == 1


@drives("reserve_avail", "the counts are as before, and another hold of its size may have ended")
async def _(agent: World) -> str:
    await agent.done("reserve_avail", {**HOLD, "package_id": "A"})
    agent.network.time.moment += 120
    operation_id = await agent.lost("reserve_avail", {**LASTING, "package_id": "B"}, when="after")
    ends(agent, "A")
    return await outcome(agent, operation_id)


@drives("reserve_avail", "the counts are as before, and another hold of its size may have ended")
async def _(agent: World) -> str:
    await agent.network.hold_elsewhere(IDS, 500_000)
    operation_id = await agent.lost("reserve_avail", {**LASTING, "package_id": "B"}, when="after")
    ends(agent, "default")
    return await outcome(agent, operation_id)


@drives("reserve_avail", "the counts moved by what nothing on record explains")
async def _(agent: World) -> str:
    operation_id = await agent.lost("reserve_avail", LASTING, when="after")
    await agent.network.hold_elsewhere(IDS, 7)
    return await outcome(agent, operation_id)


@drives("reserve_avail", "a release of unknown size on the avail is in doubt, too")
async def _(agent: World) -> str:
    operation_id = await agent.lost("reserve_avail", LASTING, when="before")
    agent.network.time.moment += 61
    await agent.lost("release_booking", {**IDS, "media_buy_id": "sf_mb_0000000000"}, when="before")
    return await outcome(agent, operation_id)


A, B = {**HOLD, "package_id": "A"}, {**LASTING, "package_id": "B"}


@drives("reserve_avail", "the counts are as before, and a hold of its size may have ended while the counts were late")
async def _(agent: World) -> str:
    await agent.network.hold_elsewhere(IDS, 500_000)
    agent.network.time.moment += 120
    await agent.done("reserve_avail", {**LASTING, "package_id": "A"})
    agent.network.time.moment += 5
    await agent.done("release_booking", {**IDS, "package_id": "A"})
    ends(agent, "default")
    return await outcome(agent, await agent.lost("reserve_avail", B, when="after"))


@drives("reserve_avail", "the counts are as before, and a release that is in doubt may have ended a hold of its size")
async def _(agent: World) -> str:
    for hold in ({**HOLD, "package_id": "C"}, {**LASTING, "package_id": "A"}):
        await agent.done("reserve_avail", hold)
        agent.network.time.moment += 120
    await agent.lost("release_booking", {**IDS, "package_id": "A"}, when="after")
    agent.network.time.moment += 120
    operation_id = await agent.lost("reserve_avail", B, when="after")
    ends(agent, "C")
    return await outcome(agent, operation_id)


async def _booked_elsewhere(agent: World) -> None:
    """Somebody else's booking of the same size."""
    await agent.network.hold_elsewhere(IDS, 500_000)
    agent.sandbox(
        "UPDATE interchange_bookings SET status = 'BOOKED', expires_at = NULL, package_id = 'foreign'"
        " WHERE package_id = 'default' AND status = 'HELD'"
    )
    agent.network.time.moment += 120


CANCELLED = "UPDATE interchange_bookings SET status = 'CANCELLED' WHERE package_id = 'foreign'"


@drives("reserve_avail", "the booked impressions fell")
async def _(agent: World) -> str:
    await _booked_elsewhere(agent)
    operation_id = await agent.lost("reserve_avail", B, when="after")
    agent.sandbox(CANCELLED)
    return await outcome(agent, operation_id)


@drives("release_booking", "booked impressions fell by exactly it, and as many are held")
async def _(agent: World) -> str:
    await _booked_elsewhere(agent)
    await agent.done("reserve_avail", B)
    agent.network.time.moment += 120
    operation_id = await agent.lost("release_booking", {**IDS, "package_id": "B"}, when="before")
    agent.sandbox(CANCELLED)
    return await outcome(agent, operation_id)


@drives("reserve_avail", "the counts show it, before `ADOPS_SETTLE_AFTER` has passed")
async def _(agent: World) -> str:
    operation_id = await agent.lost("reserve_avail", B, when="after")
    return str((await agent.reconciled(operation_id, later=5))["outcome"])


@drives("reserve_avail", "Interchange does not list the avail any more, or lists it twice")
async def _(agent: World) -> str:
    operation_id = await agent.lost("reserve_avail", LASTING, when="before")
    agent.losing["interchange"].rewrite = lambda request, payload: (
        {"products": payload["products"] * 2} if request.url.path.endswith("/products") else payload
    )
    return await outcome(agent, operation_id)


@drives("reserve_avail", "Interchange does not list the avail any more, or lists it twice")
async def _(agent: World) -> str:
    operation_id = await agent.lost("reserve_avail", LASTING, when="before")
    agent.losing["interchange"].rewrite = lambda request, payload: (
        {"products": []} if request.url.path.endswith("/products") else payload
    )
    return await outcome(agent, operation_id)


def _released(when: str, hold: dict[str, Any], *, ends_too: str = "", other: dict[str, Any] | None = None) -> Drive:
    async def drive(agent: World) -> str:
        if other is not None:
            await agent.done("reserve_avail", other)
        await agent.done("reserve_avail", hold)
        agent.network.time.moment += 120
        ids = {**IDS, **({"package_id": hold["package_id"]} if "package_id" in hold else {})}
        operation_id = await agent.lost("release_booking", ids, when=when)
        if ends_too:
            ends(agent, ends_too)
        return await outcome(agent, operation_id)

    return drive


drives("release_booking", "held and booked impressions are as before")(_released("before", HOLD))
drives("release_booking", "held and booked impressions are as before")(_released("before", B, other=A))
drives(
    "release_booking",
    "held impressions fell by the hold, whose `hold_minutes` are not over, and no other may have ended",
)(_released("after", LASTING))
drives("release_booking", "held impressions fell by the hold, which had no `hold_minutes`")(_released("after", HOLD))
drives("release_booking", "held impressions fell by the hold, which had no `hold_minutes`")(
    _released("before", HOLD, ends_too="default")
)
drives("release_booking", "held impressions fell by the hold, and another one may have ended")(
    _released("before", B, ends_too="A", other=A)
)
drives("release_booking", "held impressions fell by the hold, and another one may have ended")(
    _released("after", B, other=A)
)


async def _booked(agent: World, ids: dict[str, Any]) -> None:
    """Hand a hold over, and do the work that people get for it."""
    for item in (await agent.done("finalize_booking", ids))["open_work_items"]:
        ids_of_it = {"source_id": SOURCE, "work_item_id": item["work_item_id"]}
        required: list[str] = (await agent.done("get_work_item", ids_of_it)).get("required_result_fields") or []
        result = dict.fromkeys(required, "X-1")
        await agent.done("complete_work_item", {**ids_of_it, "result": result, "notes": "Done."})


async def _held_by_a_colleague(agent: World, **more: Any) -> None:
    """Somebody else holds 300,000 for a few minutes."""
    theirs = {**IDS, "package_id": "theirs", "requested_impressions": 300_000, "hold_minutes": 5, **more}
    async with agent.colleague() as colleague:
        assert not (await colleague.call_tool("reserve_avail", theirs)).is_error


SECOND: dict[str, Any] = {**LASTING, "package_id": "second", "requested_impressions": 300_000}


@drives("reserve_avail", "the counts are as before, and another hold of its size may have ended")
async def _(agent: World) -> str:
    await agent.done("reserve_avail", {**LASTING, "package_id": "first"})
    await _booked(agent, {**IDS, "package_id": "first"})
    await _held_by_a_colleague(agent)
    agent.network.time.moment += 120
    operation_id = await agent.lost("reserve_avail", SECOND, when="after")
    agent.network.time.moment += 600
    return await outcome(agent, operation_id)


@drives("release_booking", "held impressions fell by the hold, and another one may have ended")
async def _(agent: World) -> str:
    await agent.done("reserve_avail", {**LASTING, "package_id": "first"})
    await _booked(agent, {**IDS, "package_id": "first"})
    await agent.done("reserve_avail", SECOND)
    await _held_by_a_colleague(agent)
    agent.network.time.moment += 120
    operation_id = await agent.lost("release_booking", {**IDS, "package_id": "second"}, when="before")
    agent.network.time.moment += 600
    return await outcome(agent, operation_id)


@drives("release_booking", "held impressions fell by the hold, and another one may have ended")
async def _(agent: World) -> str:
    """A release before this one ended one of two equal holds, and which of them is not known."""
    await agent.done("reserve_avail", SECOND)
    await agent.done("reserve_avail", {**SECOND, "idempotency_key": "again"})
    agent.network.time.moment += 180
    ids = {**IDS, "package_id": "second"}
    assert await outcome(agent, await agent.lost("release_booking", ids, when="after")) == "succeeded"
    await _held_by_a_colleague(agent)
    agent.network.time.moment += 120
    operation_id = await agent.lost("release_booking", {**ids, "idempotency_key": "r2"}, when="before")
    agent.network.time.moment += 600
    return await outcome(agent, operation_id)


@drives("release_booking", "booked impressions fell by exactly it, and nothing on record says that it was booked")
async def _(agent: World) -> str:
    await agent.done("reserve_avail", HOLD)
    agent.sandbox("UPDATE interchange_bookings SET status = 'BOOKED', expires_at = NULL WHERE package_id = 'default'")
    agent.network.time.moment += 120
    return await outcome(agent, await agent.lost("release_booking", IDS, when="after"))


@drives("finalize_booking", "work items that were not there before are of its avail, and of another package")
async def _(agent: World) -> str:
    await agent.done("reserve_avail", LASTING)
    await _held_by_a_colleague(agent)
    agent.network.time.moment += 120
    operation_id = await agent.lost("finalize_booking", IDS, when="before")
    async with agent.colleague() as colleague:
        assert not (await colleague.call_tool("finalize_booking", {**IDS, "package_id": "theirs"})).is_error
    return await outcome(agent, operation_id)


@drives("release_booking", "booked impressions fell by exactly the booking, which was handed over, and fewer were held")
async def _(agent: World) -> str:
    await agent.done("reserve_avail", HOLD)
    await agent.done("finalize_booking", IDS)
    agent.sandbox("UPDATE interchange_bookings SET status = 'BOOKED', expires_at = NULL WHERE package_id = 'default'")
    agent.network.time.moment += 120
    return await outcome(agent, await agent.lost("release_booking", IDS, when="after"))


@drives("release_booking", "the hold is not on record, and the counts are as before")
async def _(agent: World) -> str:
    await agent.network.hold_elsewhere(IDS, 7)
    return await outcome(agent, await agent.lost("release_booking", IDS, when="before"))


@drives("release_booking", "the hold is not on record, and the counts fell")
async def _(agent: World) -> str:
    await agent.network.hold_elsewhere(IDS, 7)
    return await outcome(agent, await agent.lost("release_booking", IDS, when="after"))


CTV = {**IDS, "source_id": "northlight-ctv", "avail_id": "avl_fast_true_north_crime"}
NAMED = {**CTV, "campaign_name": "Winter", "advertiser_name": "Halden"}


async def _held(agent: World, ids: dict[str, Any]) -> None:
    await agent.done("reserve_avail", {**ids, "requested_impressions": 1000})
    agent.network.time.moment += 120


@drives("finalize_booking", "work items that were not there before are of its avail, with the names that were given")
async def _(agent: World) -> str:
    await _held(agent, CTV)
    return await outcome(agent, await agent.lost("finalize_booking", NAMED, when="after"))


@drives("finalize_booking", "work items that were not there before are of its avail, with other names")
async def _(agent: World) -> str:
    await _held(agent, CTV)
    operation_id = await agent.lost("finalize_booking", NAMED, when="before")
    async with agent.colleague() as colleague:
        made = await colleague.call_tool("finalize_booking", {**CTV, "campaign_name": "Theirs"})
        assert not made.is_error
    return await outcome(agent, operation_id)


def _of_other_work(change: str) -> Drive:
    """change: of the handoff's work items, in the sandbox's state."""

    async def drive(agent: World) -> str:
        ids = {**NAMED, "package_id": "pkg-1"}
        await _held(agent, {**CTV, "package_id": "pkg-1"})
        operation_id = await agent.lost("finalize_booking", ids, when="after")
        agent.sandbox(f"UPDATE interchange_work_items SET {change} WHERE booking_id IS NOT NULL")  # noqa: S608 - ours
        return await outcome(agent, operation_id)

    return drive


for _change in (
    "payload = '{}'",
    "payload = json_set(payload, '$.availId', 9017)",
    "payload = json_set(payload, '$.packageId', 'PK-88')",
    "kind = 'CONFIRM_AVAILS'",
):
    drives(
        "finalize_booking",
        "work items that were not there before do not say of which avail or package they are, or are no handoff's",
    )(_of_other_work(_change))


@drives(
    "finalize_booking", "no new work item, in two whole readings, on a source that gives people work for every booking"
)
async def _(agent: World) -> str:
    await _held(agent, CTV)
    return await outcome(agent, await agent.lost("finalize_booking", NAMED, when="before"))


@drives("finalize_booking", "no new work item, on a source that may book without people")
async def _(agent: World) -> str:
    await _held(agent, CTV)
    operation_id = await agent.lost("finalize_booking", NAMED, when="before")
    agent.losing["interchange"].rewrite = lambda request, payload: (
        {**payload, "modules": []} if request.url.path.endswith("/modular") else payload
    )
    return await outcome(agent, operation_id)


def _listing_less(told: Callable[[Any], dict[str, Any]]) -> Drive:
    async def drive(agent: World) -> str:
        await _held(agent, CTV)
        operation_id = await agent.lost("finalize_booking", NAMED, when="before")
        agent.losing["interchange"].rewrite = lambda request, payload: (
            {**payload, **told(payload)} if request.url.path.endswith("/work-items") else payload
        )
        return await outcome(agent, operation_id)

    return drive


LESS: list[Callable[[Any], dict[str, Any]]] = [
    lambda _: {"windowFull": True},
    lambda payload: {"total": payload["total"] + 3},
]
for _less in LESS:
    drives("finalize_booking", "no new work item, and Interchange says that it has more than it lists")(
        _listing_less(_less)
    )


@drives("reserve_avail", "the counts moved by what nothing on record explains")
async def _(agent: World) -> str:
    """Somebody else held as much as if this one had been made and another hold of ours had expired."""
    await agent.done("reserve_avail", {**HOLD, "package_id": "first", "requested_impressions": 300_000})
    agent.network.time.moment += 120
    operation_id = await agent.lost("reserve_avail", {**SECOND, "requested_impressions": 500_000}, when="before")
    await _held_by_a_colleague(agent, requested_impressions=200_000)
    return await outcome(agent, operation_id)

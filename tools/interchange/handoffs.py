"""Whether a handoff was prepared, as far as Interchange lets it be seen: the work items that people get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from tools.backends import Backends
from tools.interchange import models
from tools.interchange.holds import BookingIds
from tools.writes import Doubt, Verdict, report

ALL_STATUSES = "OPEN,IN_PROGRESS,BLOCKED,COMPLETED,CANCELLED"
MOST_ITEMS = 100
"""Of one list, Interchange's own limit."""

MOST_READ = 25
"""New work items that are read one by one."""


async def work_of(ids: BookingIds, backends: Backends) -> tuple[list[models.WorkItem], bool]:
    """The work items of a media buy at a source, whatever became of them, and whether these are all."""
    query = {"status": ALL_STATUSES, "mediaBuyId": ids.media_buy_id, "limit": MOST_ITEMS}
    answer = await backends.interchange.work_items(ids.source_id, query)
    whole = not answer.window_full and len(answer.items) < MOST_ITEMS
    return answer.items, whole


async def by_work_items(ids: BookingIds, backends: Backends, doubt: Doubt) -> Verdict:
    """Whether the booking was handed over: new work items of its avail."""
    check = f"A person looks in Interchange at the work items of media buy {ids.media_buy_id}, source {ids.source_id}."
    known = (doubt.write.before or {}).get("work_items")
    if not isinstance(known, list):
        return Verdict(
            outcome="unknown", evidence="The record does not hold which work items there were before.", check=check
        )
    items, whole = await work_of(ids, backends)
    others = _of_others(doubt)
    new = [one.id for one in items if one.id is not None and one.id not in cast("list[Any]", known) + others]
    of_it, untold = await _of_avail(ids, backends, new[:MOST_READ])
    if of_it:
        return Verdict(
            outcome="succeeded",
            evidence=f"There are new work items for avail {ids.avail_id}: {', '.join(of_it)}. The impressions are HELD "
            "until people have done them.",
            found={"work_item_ids": of_it},
        )
    if untold or not whole or len(new) > MOST_READ:
        told = f"New work items do not say which avail they are of: {', '.join(untold)}." if untold else ""
        evidence = told or "Interchange has more work items of this media buy than it lists."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    none = f"There is no new work item of media buy {ids.media_buy_id} for avail {ids.avail_id}"
    if await _gives_work(ids, backends):
        return Verdict(outcome="not_sent", evidence=f"{none}, and this source gives people work for every booking.")
    return Verdict(
        outcome="unknown",
        evidence=f"{none}, but this source may carry bookings out without work for people.",
        check=check,
    )


def _of_others(doubt: Doubt) -> list[Any]:
    """The work items of other handoffs on record."""
    given: list[Any] = []
    for other in doubt.siblings:
        told: Mapping[str, Any] = other.result or {}
        given += [item.get("work_item_id") for item in told.get("open_work_items") or ()]
        given += told.get("found", {}).get("work_item_ids", ())
    return given


async def _of_avail(ids: BookingIds, backends: Backends, new: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of new work items those of this avail, and those that do not say."""
    of_it: list[str] = []
    untold: list[str] = []
    for number, item_id in enumerate(new):
        await report(number, len(new), "reading new work items")
        payload = (await backends.interchange.work_item(ids.source_id, item_id)).item.payload or {}
        if payload.get("availId") is None:
            untold.append(item_id)
        elif payload["availId"] == ids.avail_id and _same_package(ids.package_id, payload.get("packageId")):
            of_it.append(item_id)
    return of_it, untold


def _same_package(asked: str | None, told: Any) -> bool:
    """Which package one that was left out becomes is not documented."""
    return asked is None or told is None or told == asked


async def _gives_work(ids: BookingIds, backends: Backends) -> bool:
    """Whether the source's setup has a stage of trafficking that people do."""
    _, raw = await backends.interchange.projection(ids.source_id)
    return _has_hitl(raw)


def _has_hitl(raw: Any) -> bool:
    modules = cast("dict[str, Any]", raw).get("modules") if isinstance(raw, dict) else None
    for module in cast("list[Any]", modules) if isinstance(modules, list) else []:
        lifecycle = cast("dict[str, Any]", module).get("lifecycle") if isinstance(module, dict) else None
        for stage in cast("list[Any]", lifecycle) if isinstance(lifecycle, list) else []:
            if isinstance(stage, dict):
                told = cast("dict[str, Any]", stage)
                kind = told.get("workItemKind")
                if told.get("mode") == "HITL" and kind in ("EXECUTE_UPSTREAM_BOOKING", "TRAFFIC_TO_CADENT"):
                    return True
    return False

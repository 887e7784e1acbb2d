"""Whether a handoff was prepared, as far as Interchange lets it be seen: the work items that people get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from tools.backends import Backends
from tools.effects import Doubt, Verdict, report
from tools.interchange import holds, models
from tools.interchange.holds import BookingIds

ALL_STATUSES = "OPEN,IN_PROGRESS,BLOCKED,COMPLETED,CANCELLED"
MOST_ITEMS = 100
"""Of one list, Interchange's own limit."""

MOST_READ = 25
"""New work items that are read one by one."""


class HandoffIds(BookingIds, Protocol):
    """What names a booking, and what is written on the work of its handoff."""

    @property
    def campaign_name(self) -> str | None: ...
    @property
    def advertiser_name(self) -> str | None: ...
    @property
    def advertiser_external_ref(self) -> str | None: ...


async def work_of(ids: BookingIds, backends: Backends) -> tuple[list[models.WorkItem], bool]:
    """The work items of a media buy at a source, whatever became of them, and whether no sign says that there are
    more."""
    query = {"status": ALL_STATUSES, "mediaBuyId": ids.media_buy_id, "limit": MOST_ITEMS}
    answer = await backends.interchange.work_items(ids.source_id, query)
    listed = len({item.id for item in answer.items if item.id is not None})
    counted = answer.total in (None, len(answer.items)) and listed == len(answer.items)
    return answer.items, counted and not answer.window_full and len(answer.items) < MOST_ITEMS


async def by_work_items(ids: HandoffIds, backends: Backends, doubt: Doubt) -> Verdict:
    """Whether the booking was handed over: new work items of its avail, with what was given for them.

    That there are none is proven by two readings that are whole by every sign and agree.
    """
    check = f"A person looks in Interchange at the work items of media buy {ids.media_buy_id}, source {ids.source_id}."
    known = (doubt.write.before or {}).get("work_items")
    if not isinstance(known, list):
        return Verdict(
            outcome="unknown", evidence="The record does not hold which work items there were before.", check=check
        )
    items, whole = await work_of(ids, backends)
    again, whole_again = await work_of(ids, backends)
    listed = dict.fromkeys(one.id for one in (*items, *again) if one.id is not None)
    whole = whole and whole_again and {one.id for one in items} == {one.id for one in again}
    before = {*cast("list[Any]", known), *_of_others(doubt)}
    new = [one for one in listed if one not in before]
    work = await _of_avail(ids, _package(ids, doubt), backends, new[:MOST_READ])
    if work.of_it:
        return Verdict(
            outcome="succeeded",
            evidence=f"There are new work items for avail {ids.avail_id}: {', '.join(work.of_it)}. The impressions are "
            "HELD until people have done them.",
            found={"work_item_ids": work.of_it},
        )
    if work.of_others:
        evidence = f"There are new work items for avail {ids.avail_id} that were written for another call: "
        evidence += f"{', '.join(work.of_others)}."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    if work.untold or not whole or len(new) > MOST_READ:
        ids_of = ", ".join(work.untold)
        told = f"New work items do not say that they are of this handoff, or that not: {ids_of}." if ids_of else ""
        evidence = told or "Interchange has more work items of this media buy than it lists, or they change meanwhile."
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


@dataclass
class _Work:
    """New work items by id. of_it: of this handoff. of_others: of this avail, with another content. untold: they do not
    say of which avail."""

    of_it: list[str] = field(default_factory=list[str])
    of_others: list[str] = field(default_factory=list[str])
    untold: list[str] = field(default_factory=list[str])


def _package(ids: HandoffIds, doubt: Doubt) -> str | None:
    """The package that was to be handed over: as it was given, or as Interchange answered the hold with."""
    if ids.package_id is not None:
        return ids.package_id
    told = {package for hold in doubt.siblings if (package := holds.package_of(hold, ids)) is not None}
    return told.pop() if len(told) == 1 else None


async def _of_avail(ids: HandoffIds, asked: str | None, backends: Backends, new: Sequence[str]) -> _Work:
    work = _Work()
    for number, item_id in enumerate(new):
        await report(number, len(new), "reading new work items")
        item = (await backends.interchange.work_item(ids.source_id, item_id)).item
        payload = item.payload or {}
        told, package = payload.get("availId"), payload.get("packageId")
        is_its = str(told) == ids.avail_id
        if isinstance(told, str) and not is_its:
            continue
        # without a word on the avail, with another spelling of the package, or of another kind, it may be its
        if not is_its or not _same_package(asked, package) or item.kind not in OF_A_HANDOFF:
            work.untold.append(item_id)
        else:
            (work.of_it if _has_content(ids, payload) else work.of_others).append(item_id)
    return work


def _has_content(ids: HandoffIds, payload: Mapping[str, Any]) -> bool:
    """Whether work was written for this call, as far as it tells: the names that were given for the handoff."""
    given = {
        "campaignName": ids.campaign_name,
        "advertiserName": ids.advertiser_name,
        "advertiserExternalRef": ids.advertiser_external_ref,
    }
    return all(_is_same_or_not_told(value, payload.get(name)) for name, value in given.items())


def _is_same_or_not_told(given: str | None, told: Any) -> bool:
    return given is None or not isinstance(told, str) or told.strip() == given.strip()


OF_A_HANDOFF = ("EXECUTE_UPSTREAM_BOOKING", "TRAFFIC_TO_CADENT")
"""The work that a handoff gives people; an avail may get other work at any time."""


def _same_package(asked: str | None, told: Any) -> bool:
    """Which package one that was left out becomes is not documented; an item that tells none may be of any."""
    return told is None or told == asked


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
                if told.get("mode") == "HITL" and kind in OF_A_HANDOFF:
                    return True
    return False

"""What the work items at Interchange show about a handoff: whether it was prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from tools.backends import Backends
from tools.effects import Doubt, Verdict, report_progress
from tools.interchange import holds, models
from tools.interchange.holds import BookingIds

ALL_STATUSES = "OPEN,IN_PROGRESS,BLOCKED,COMPLETED,CANCELLED"
MAX_LISTED = 100
"""Interchange's own limit for one list."""

MAX_READ = 25
"""The largest number of new work items that are read one by one."""


class HandoffIds(BookingIds, Protocol):
    """The ids of a booking, and the names that its handoff puts on the work items."""

    @property
    def campaign_name(self) -> str | None: ...
    @property
    def advertiser_name(self) -> str | None: ...
    @property
    def advertiser_external_ref(self) -> str | None: ...


async def media_buy_work_items(ids: BookingIds, backends: Backends) -> tuple[list[models.WorkItem], bool]:
    """The work items of a media buy at a source, in any status, and whether nothing suggests that there are more."""
    query = {"status": ALL_STATUSES, "mediaBuyId": ids.media_buy_id, "limit": MAX_LISTED}
    answer = await backends.interchange.work_items(ids.source_id, query)
    listed = len({item.id for item in answer.items if item.id is not None})
    counted = answer.total in (None, len(answer.items)) and listed == len(answer.items)
    return answer.items, counted and not answer.window_full and len(answer.items) < MAX_LISTED


async def verdict_by_work_items(ids: HandoffIds, backends: Backends, doubt: Doubt) -> Verdict:
    """Whether the booking was handed over: whether there are new work items of its avail with the names of this call.

    That there are none is proven by two readings that agree, and of which nothing suggests that they are incomplete.
    """
    check = f"A person looks in Interchange at the work items of media buy {ids.media_buy_id}, source {ids.source_id}."
    known = (doubt.write.baseline or {}).get("work_items")
    if not isinstance(known, list):
        return Verdict(outcome="unknown", evidence="Which work items there were before is not on record.", check=check)
    items, is_whole = await media_buy_work_items(ids, backends)
    again, whole_again = await media_buy_work_items(ids, backends)
    listed = dict.fromkeys(one.id for one in (*items, *again) if one.id is not None)
    is_whole = is_whole and whole_again and {one.id for one in items} == {one.id for one in again}
    before = {*cast("list[Any]", known), *_items_of_other_handoffs(doubt)}
    new = [one for one in listed if one not in before]
    work = await _sort_new_items(ids, _package_id(ids, doubt), backends, new[:MAX_READ])
    if work.of_this_call:
        return Verdict(
            outcome="succeeded",
            evidence=f"There are new work items for avail {ids.avail_id}: {', '.join(work.of_this_call)}. The "
            "impressions are HELD until people have done them.",
            found={"work_item_ids": work.of_this_call},
        )
    if work.of_another_call:
        evidence = f"There are new work items for avail {ids.avail_id} that were written for another call: "
        evidence += f"{', '.join(work.of_another_call)}."
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    if work.unclear or not is_whole or len(new) > MAX_READ:
        ids_of = ", ".join(work.unclear)
        unclear = f"New work items do not say whether they belong to this handoff: {ids_of}." if ids_of else ""
        evidence = (
            unclear or "Interchange has more work items of this media buy than it lists, or they change meanwhile."
        )
        return Verdict(outcome="unknown", evidence=evidence, check=check)
    none = f"There is no new work item of media buy {ids.media_buy_id} for avail {ids.avail_id}"
    if await _source_gives_work(ids, backends):
        return Verdict(outcome="not_sent", evidence=f"{none}, and this source gives people work for every booking.")
    return Verdict(
        outcome="unknown",
        evidence=f"{none}, but this source may carry bookings out without work for people.",
        check=check,
    )


def _items_of_other_handoffs(doubt: Doubt) -> list[Any]:
    """The ids of the work items that belong to other handoffs in the ledger."""
    ids: list[Any] = []
    for other in doubt.siblings:
        result: Mapping[str, Any] = other.result or {}
        ids += [item.get("work_item_id") for item in result.get("open_work_items") or ()]
        ids += result.get("found", {}).get("work_item_ids", ())
    return ids


@dataclass
class _NewItems:
    """The ids of new work items.

    of_this_call: they belong to this handoff.
    of_another_call: they are for the same avail, with other names.
    unclear: they do not say what they are for.
    """

    of_this_call: list[str] = field(default_factory=list[str])
    of_another_call: list[str] = field(default_factory=list[str])
    unclear: list[str] = field(default_factory=list[str])


def _package_id(ids: HandoffIds, doubt: Doubt) -> str | None:
    """The package to be handed over: the one given, or the one that Interchange answered the hold with."""
    if ids.package_id is not None:
        return ids.package_id
    packages = {package for hold in doubt.siblings if (package := holds.package_of(hold, ids)) is not None}
    return packages.pop() if len(packages) == 1 else None


async def _sort_new_items(
    ids: HandoffIds, wanted_package: str | None, backends: Backends, new: Sequence[str]
) -> _NewItems:
    """Read new work items and sort them by what they belong to."""
    work = _NewItems()
    for number, item_id in enumerate(new):
        await report_progress(number, len(new), "reading new work items")
        item = (await backends.interchange.work_item(ids.source_id, item_id)).item
        payload = item.payload or {}
        avail_id, package_id = payload.get("availId"), payload.get("packageId")
        is_same_avail = str(avail_id) == ids.avail_id
        if isinstance(avail_id, str) and not is_same_avail:
            continue
        # without an avail, with another package or of another kind, it may belong to this handoff
        if not is_same_avail or not _same_package(wanted_package, package_id) or item.kind not in HANDOFF_KINDS:
            work.unclear.append(item_id)
        else:
            (work.of_this_call if _matches_request(ids, payload) else work.of_another_call).append(item_id)
    return work


def _matches_request(ids: HandoffIds, payload: Mapping[str, Any]) -> bool:
    """Whether a work item carries the names that this call gave, as far as it states them."""
    given = {
        "campaignName": ids.campaign_name,
        "advertiserName": ids.advertiser_name,
        "advertiserExternalRef": ids.advertiser_external_ref,
    }
    return all(_is_same_or_unstated(value, payload.get(name)) for name, value in given.items())


def _is_same_or_unstated(given: str | None, stated: Any) -> bool:
    return given is None or not isinstance(stated, str) or stated.strip() == given.strip()


HANDOFF_KINDS = ("EXECUTE_UPSTREAM_BOOKING", "TRAFFIC_TO_CADENT")
"""The kinds of work that a handoff gives people. An avail may get work of another kind at any time."""


def _same_package(wanted: str | None, stated: Any) -> bool:
    """Whether an item may be of the wanted package: an item that states none may be of any.

    It is not documented which package Interchange uses when none is given.
    """
    return stated is None or stated == wanted


async def _source_gives_work(ids: BookingIds, backends: Backends) -> bool:
    """Whether the source's setup has a trafficking stage that people do."""
    _, raw = await backends.interchange.projection(ids.source_id)
    return _has_handoff_stage(raw)


def _has_handoff_stage(raw: Any) -> bool:
    modules = cast("dict[str, Any]", raw).get("modules") if isinstance(raw, dict) else None
    for module in cast("list[Any]", modules) if isinstance(modules, list) else []:
        lifecycle = cast("dict[str, Any]", module).get("lifecycle") if isinstance(module, dict) else None
        for stage in cast("list[Any]", lifecycle) if isinstance(lifecycle, list) else []:
            if isinstance(stage, dict):
                fields = cast("dict[str, Any]", stage)
                kind = fields.get("workItemKind")
                if fields.get("mode") == "HITL" and kind in HANDOFF_KINDS:
                    return True
    return False

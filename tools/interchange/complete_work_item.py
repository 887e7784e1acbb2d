"""Complete a work item that a person has done (Interchange: CompleteInventorySourceWorkItemBody)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.effects import Doubt, Preview, Verdict, record_baseline
from tools.fields import SourceId
from tools.interchange import models
from tools.interchange.bookings import without_none
from tools.interchange.work_items import (
    Note,
    Results,
    WorkItem,
    WorkItemId,
    baseline,
    change_since,
    changeable_fields,
    compact_json,
    differences_from_request,
    item_fields,
    item_label,
    required_fields,
    subject,
)
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import change_line, read_before_write
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, printable


class CompleteWorkItem(Arguments):
    source_id: SourceId = Field(description="From list_work_items.")
    work_item_id: WorkItemId = Field(description="From list_work_items.")
    result: Results | None = Field(
        default=None,
        description="What the person reports, under the keys of its required_result_fields (get_work_item); never "
        "made up.",
    )
    notes: Note | None = Field(default=None, description="Who did it; what else the history should say.")


class CompletedItem(WorkItem):
    result: dict[str, Any] | None = None
    completed_at: str | None = None
    completed_by: str | None = None


class CompletedWorkItem(Result):
    item: CompletedItem
    completed_by_this_call: bool | None = Field(
        default=None, description="False: it was COMPLETED before. Absent: Interchange did not say."
    )
    what_happened: str
    next_step: str


async def complete_work_item(arguments: CompleteWorkItem, backends: Backends) -> CompletedWorkItem:
    """Record in Interchange that a person has done the work of a work item.

    Use it only once a person says that the work is done, with the results they report. It cannot be undone, and
    Interchange may act on it, such as turning a hold into a booking. For progress or a blocker use
    update_work_item.
    """
    source_id, item_id = arguments.source_id, arguments.work_item_id
    if (before := await read_before_write(lambda: backends.interchange.work_item(source_id, item_id))) is not None:
        record_baseline(baseline(arguments.notes, before))
    answer = await backends.interchange.complete_work_item(
        source_id,
        item_id,
        without_none({"result": arguments.result, "notes": arguments.notes}),
        look=f"By hand: get_work_item for work item {item_id} of source {source_id}: if its status is COMPLETED, it "
        "is done; if not, the same call may be made again.",
    )
    # if the item was COMPLETED before, its result is that of the earlier completion
    given = None if answer.changed is False else arguments.result
    difference = differences_from_request({"id": item_id, "status": "COMPLETED"}, given, answer.item)
    return CompletedWorkItem(
        item=_item(source_id, answer.item),
        completed_by_this_call=answer.changed,
        what_happened=_what_happened(arguments, answer, difference),
        next_step=_next_step(source_id, answer.item, difference),
    )


def _item(source_id: str, item: models.WorkItem) -> CompletedItem:
    return CompletedItem(
        **item_fields(source_id, item),
        result=item.result if compact_json(item.result) is not None else None,
        completed_at=item.completed_at,
        completed_by=item.completed_by,
    )


def _what_happened(arguments: CompleteWorkItem, answer: models.ChangedWorkItem, difference: str) -> str:
    item_id, item = arguments.work_item_id, answer.item
    by = f" by {printable(item.completed_by, limit=80)}" if item.completed_by else ""
    at = f" at {printable(item.completed_at, limit=40)}" if item.completed_at else ""
    if answer.changed:
        sentences = [f"Interchange says that this call completed work item {item_id}."]
    elif answer.changed is False and item.status not in (None, "COMPLETED"):
        sentences = [f"Interchange says that this call changed nothing: work item {item_id} is {item.status}."]
    elif answer.changed is False:
        sentences = [f"Work item {item_id} was completed before{by}{at}; this call changed nothing."]
        if arguments.result or arguments.notes:
            sentences.append("What was given now is not recorded.")
    elif item.status == "COMPLETED":
        sentences = [f"Work item {item_id} is COMPLETED{by}{at}; Interchange did not say whether this call did it."]
    else:
        sentences = [f"Interchange accepted the call and did not say whether it completed work item {item_id}."]
    if arguments.result and answer.changed is not False and item.result is None:
        sentences.append("The answer does not state the result, so it is unconfirmed.")
    if difference:
        sentences.append(difference)
    return " ".join(sentences)


def _next_step(source_id: str, item: models.WorkItem, difference: str) -> str:
    if difference:
        return STOP_AT_A_DIFFERENCE
    if item.status is None:
        return "Call get_work_item to see its status before anything is reported as done."
    return (
        "Do not report anything as booked on this: what the completion set off is not in this answer. list_avails for "
        f"source {source_id} shows whether held impressions became booked, list_work_items what is left to do."
    )


def _subject(arguments: CompleteWorkItem) -> str:
    return subject(arguments.source_id, arguments.work_item_id)


async def _preview(arguments: CompleteWorkItem, backends: Backends) -> Preview:
    item = (await backends.interchange.work_item(arguments.source_id, arguments.work_item_id)).item
    before, given = changeable_fields(item), arguments.result or {}
    required = required_fields(item)
    missing = [name for name in required if name not in (arguments.result or {})]
    problems = [f"It is {item.status} already."] if item.status in ("COMPLETED", "CANCELLED") else []
    problems += (
        [f"It is BLOCKED: {printable(item.blocked_reason or 'no reason is stated', limit=500)}."]
        if (item.status == "BLOCKED")
        else []
    )
    problems += [f"Its required results are missing: {', '.join(missing)}."] if missing else []
    return Preview(
        does=f"Record {item_label(item, arguments.work_item_id)} of source {arguments.source_id} as "
        f"done{_booking_clause(item)}.",
        changes=[
            *(change_line(f"result.{name}", before.get(f"result.{name}"), value) for name, value in given.items()),
            f"Before: {', '.join(f'{name} {words}' for name, words in _in_words(before))}.",
            "It cannot be undone. Interchange may act on it, such as turning a hold into a booking.",
        ],
        problems=problems,
    )


def _in_words(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of an item before its completion, in words: an approval is for completing this item."""
    stated = [(name, printable(str(value), limit=200)) for name, value in fields.items() if value is not None]
    return stated or [("status", "not stated")]


def _booking_clause(item: models.WorkItem) -> str:
    """What booking the item is about and the money in it, as far as its payload says."""
    payload = item.payload or {}
    count, cpm, product = payload.get("requestedImpressions"), payload.get("cpm"), payload.get("productName")
    if not isinstance(count, int):
        return ""
    of = f" of {printable(product, limit=120)}" if isinstance(product, str) else ""
    money = f", about {count * cpm / 1000:,.2f} at {cpm:,.2f} CPM" if isinstance(cpm, int | float) else ""
    return f", of a booking that was asked for {count:,} impressions{of}{money}"


async def _reconcile(arguments: CompleteWorkItem, backends: Backends, doubt: Doubt) -> Verdict:
    """The content decides: not the status COMPLETED, but results and history show who completed the item."""
    detail = await backends.interchange.work_item(arguments.source_id, arguments.work_item_id)
    item, before = detail.item, doubt.write.baseline or {}
    status = printable(item.status or "", limit=40)
    by = f" by {printable(item.completed_by, limit=80)}" if item.completed_by else ""
    found = {"work_item_id": arguments.work_item_id, "status": item.status, "completed_by": item.completed_by}
    found = without_none(found)
    check = f"A person looks at work item {arguments.work_item_id} and its history in Interchange."

    def unknown(evidence: str) -> Verdict:
        return Verdict(outcome="unknown", evidence=evidence, check=check, found=found)

    if item.status is None:
        return unknown("Interchange does not state its status.")
    if "events" not in before:
        return unknown(f"The work item is {status}; what it was before is not on record.")
    changed = change_since(before, arguments.notes, detail)
    if changed.is_unchanged:
        if item.status != before.get("status"):
            return unknown(f"It was not updated since before this was sent, and yet it is {status}.")
        evidence = f"It was not changed since before this was sent: it is {status}."
        return Verdict(outcome="not_sent", evidence=evidence, found=found)
    if changed.lacks_note:
        evidence = (
            f"The work item is {status}{by}. Its history has new entries without this call's note: somebody else's."
        )
        return Verdict(outcome="not_sent", evidence=evidence, found=found)
    if item.status != "COMPLETED":
        noted = ", and a note like this call's is in its history" if changed.has_note else ""
        return unknown(f"The work item is {status}{noted}. It was changed since.")
    other = _other_results(arguments, item, before)
    if other:
        return unknown(f"The work item was COMPLETED{by} with other results than this call's: {other}.")
    if changed.has_note:
        evidence = f"The work item was COMPLETED{by}, and this call's note is in its history."
        return Verdict(outcome="succeeded", evidence=evidence, found=found)
    if arguments.notes is not None:
        return unknown(f"The work item was COMPLETED{by}. Its history does not show this call's note.")
    if not arguments.result:
        return unknown(f"The work item was COMPLETED{by}. Nothing shows whether by this call or by somebody else.")
    evidence = f"The work item was COMPLETED{by} with the results of this call."
    return Verdict(outcome="succeeded", evidence=evidence, found=found)


def _other_results(arguments: CompleteWorkItem, item: models.WorkItem, before: Mapping[str, Any]) -> str:
    """The names of the results that differ from this call's; empty when there are none."""
    given, recorded = arguments.result or {}, item.result or {}
    added = recorded.keys() - {*before.get("results", ()), *given}
    other = {name for name, value in given.items() if recorded.get(name, _MISSING) != value}
    return printable(", ".join(sorted({*added, *other})), limit=200)


_MISSING = object()


TOOL = Tool(
    name="complete_work_item",
    title="Complete a work item",
    arguments=CompleteWorkItem,
    result=CompletedWorkItem,
    effect=Write(
        subject=_subject,
        preview=_preview,
        reconcile=_reconcile,
        destructive=True,
        replays_success=True,
        consequential=lambda _: True,
    ),
    handler=complete_work_item,
)

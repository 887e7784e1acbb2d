"""Take up, hand over, block or annotate a work item (Interchange: UpdateInventorySourceWorkItemBody)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from tools.backends import Backends
from tools.effects import Doubt, Preview, Superseded, Verdict, record_baseline
from tools.fields import BodyId, SourceId
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
    differences_from_request,
    item_fields,
    item_label,
    next_step_for,
    subject,
    unconfirmed_fields,
)
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import Change, change_line, field_changes
from tools.vendor_http.replies import STOP_AT_A_DIFFERENCE, printable


class UpdateWorkItem(Arguments):
    source_id: SourceId = Field(description="From list_work_items.")
    work_item_id: WorkItemId = Field(description="From list_work_items.")
    status: Literal["OPEN", "IN_PROGRESS", "BLOCKED"] | None = Field(
        default=None, description="BLOCKED needs blocked_reason; the others clear it."
    )
    blocked_reason: Note | None = Field(default=None, description="What blocks it, for the person who looks next.")
    assigned_to: BodyId | None = Field(default=None, description="Who does it now, as the person names them.")
    unassign: bool = Field(default=False, description="Leave it to nobody.")
    result: Results | None = Field(
        default=None,
        description="Intermediate results, with Interchange's keys. It is not documented whether they are merged into "
        "those there or replace them.",
    )
    notes: Note | None = Field(default=None, description="A note for the item's history.")

    @model_validator(mode="after")
    def _names_a_change(self) -> UpdateWorkItem:
        if (self.status == "BLOCKED") != (self.blocked_reason is not None):
            raise ValueError("status BLOCKED and blocked_reason go together: give both, or neither")
        if self.unassign and self.assigned_to is not None:
            raise ValueError("give assigned_to or unassign, and not both")
        if not (self.status or self.assigned_to or self.unassign or self.result or self.notes):
            raise ValueError("name something to change: status, assigned_to, unassign, result or notes")
        return self


class UpdatedWorkItem(Result):
    item: WorkItem
    changes: list[Change] = Field(description="What differs from just before the update; empty is nothing.")
    unconfirmed: list[str] | None = Field(default=None, description="What was asked for and the answer does not state.")
    what_happened: str
    next_step: str


async def update_work_item(arguments: UpdateWorkItem, backends: Backends) -> UpdatedWorkItem:
    """Change who does a work item, its status, or what is recorded on it so far.

    Use it when the person says so: to take work up, hand it over, block or unblock it. To close work that is done use
    complete_work_item, never this. Each call adds to the item's history.
    """
    source_id, item_id = arguments.source_id, arguments.work_item_id
    before = await backends.interchange.work_item(source_id, item_id)
    record_baseline(baseline(arguments.notes, before))
    answer = await backends.interchange.update_work_item(
        source_id,
        item_id,
        _body(arguments),
        look=f"By hand: get_work_item for work item {item_id} of source {source_id}: its state and history show "
        "whether the update was made.",
    )
    requested = {"id": item_id, **_requested_fields(arguments)}
    difference = differences_from_request(requested, arguments.result, answer.item)
    unstated = unconfirmed_fields(requested, arguments.result, answer.item) + (["notes"] if arguments.notes else [])
    changed = _changes(before.item, answer.item)
    return UpdatedWorkItem(
        item=WorkItem(**item_fields(source_id, answer.item)),
        changes=changed,
        unconfirmed=unstated or None,
        what_happened=_what_happened(item_id, answer.item, changed, unstated, difference),
        next_step=_next_step(answer.item, unstated, difference),
    )


def _requested_fields(arguments: UpdateWorkItem) -> dict[str, str | None]:
    """The values that the item is to have afterwards, by field name; None means empty."""
    fields: dict[str, str | None] = {}
    if arguments.status:
        fields |= {"status": arguments.status, "blocked_reason": arguments.blocked_reason}
    if arguments.assigned_to or arguments.unassign:
        fields["assigned_to"] = arguments.assigned_to
    return fields


def _body(arguments: UpdateWorkItem) -> dict[str, Any]:
    fields = {to_camel(name): value for name, value in _requested_fields(arguments).items()}
    return {**fields, **without_none({"result": arguments.result, "notes": arguments.notes})}


def _changes(before: models.WorkItem, after: models.WorkItem) -> list[Change]:
    """Results that are gone count as changes: it is not documented whether an update merges or replaces results."""
    now = changeable_fields(after)
    if after.result is not None:
        now = {**{name: None for name in changeable_fields(before) if name.startswith("result.")}, **now}
    return field_changes(changeable_fields(before), now)


def _what_happened(
    item_id: str, item: models.WorkItem, changed: list[Change], unstated: list[str], difference: str
) -> str:
    status = f": it is {printable(item.status, limit=40)}" if item.status else ", and did not state its status"
    sentences = [f"Interchange accepted the update of work item {item_id}{status}."]
    if not changed:
        sentences.append("Nothing that the answer states differs from before.")
    if unstated:
        sentences.append(f"Unconfirmed, because the answer does not state it: {', '.join(unstated)}.")
    if difference:
        sentences.append(difference)
    return " ".join(sentences)


def _next_step(item: models.WorkItem, unstated: list[str], difference: str) -> str:
    if difference:
        return STOP_AT_A_DIFFERENCE
    if unstated:
        return "Call get_work_item to see what is unconfirmed: the item itself, and its history for notes."
    return next_step_for(item)


def _subject(arguments: UpdateWorkItem) -> str:
    return subject(arguments.source_id, arguments.work_item_id)


async def _preview(arguments: UpdateWorkItem, backends: Backends) -> Preview:
    detail = await backends.interchange.work_item(arguments.source_id, arguments.work_item_id)
    item, now = detail.item, changeable_fields(detail.item)
    wanted = _requested_fields(arguments) | {f"result.{key}": value for key, value in (arguments.result or {}).items()}
    lines = [change_line(name, now.get(name), value) for name, value in wanted.items() if now.get(name) != value]
    return Preview(
        does=f"Change {item_label(item, arguments.work_item_id)} of source {arguments.source_id}.",
        changes=[*lines, *(["A note is added to its history."] if arguments.notes else [])],
        problems=[f"It is {item.status} already."] if item.status in ("COMPLETED", "CANCELLED") else [],
    )


async def _reconcile(arguments: UpdateWorkItem, backends: Backends, doubt: Doubt) -> Verdict:
    """The content decides. A note that was given must also be in the history."""
    detail = await backends.interchange.work_item(arguments.source_id, arguments.work_item_id)
    requested = {"id": arguments.work_item_id, **_requested_fields(arguments)}
    differences = differences_from_request(requested, arguments.result, detail.item)
    unstated = unconfirmed_fields(requested, arguments.result, detail.item)
    changed = change_since(doubt.write.baseline or {}, arguments.notes, detail)
    found = {"work_item_id": arguments.work_item_id, "status": detail.item.status}
    check = f"A person looks at the history of work item {arguments.work_item_id} in Interchange."
    if changed.is_unchanged:
        evidence = "It was not changed since before this was sent, by its own time and its history."
        return Verdict(outcome="not_sent", evidence=evidence, found=found)
    if changed.lacks_note:
        evidence = "The history has new entries without its note, which every update leaves there."
        return Verdict(outcome="not_sent", evidence=evidence, found=found)
    if not (differences or unstated) and (changed.has_note or not arguments.notes):
        noted = ", and the note is in its history." if changed.has_note else "."
        return Verdict(outcome="succeeded", evidence=f"The work item shows what was asked for{noted}", found=found)
    missing = differences or (
        f"It does not tell {', '.join(unstated)}." if unstated else "Its history does not show the note."
    )
    return Verdict(outcome="unknown", evidence=f"{missing} It was changed since.", found=found, check=check)


def _supersedes(arguments: UpdateWorkItem, _: Mapping[str, Any]) -> tuple[Superseded, ...]:
    """A new status supersedes the item's completion: it may be completed again."""
    if arguments.status is None:
        return ()
    return (Superseded(tool="complete_work_item", select=lambda standing: [write.id for write in standing]),)


TOOL = Tool(
    name="update_work_item",
    title="Update a work item",
    arguments=UpdateWorkItem,
    result=UpdatedWorkItem,
    effect=Write(subject=_subject, preview=_preview, reconcile=_reconcile, destructive=True, supersedes=_supersedes),
    handler=update_work_item,
)

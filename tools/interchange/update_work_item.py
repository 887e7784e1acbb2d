"""Take up, hand over, block or annotate a work item (Interchange: UpdateInventorySourceWorkItemBody)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from tools.backends import Backends
from tools.effects import Brief, Doubt, Ends, Verdict, remember
from tools.fields import BodyId, SourceId
from tools.interchange import models
from tools.interchange.bookings import without_none
from tools.interchange.work_items import (
    Note,
    Results,
    WorkItem,
    WorkItemId,
    baseline,
    departures,
    fields,
    named,
    next_move,
    since,
    state,
    subject,
    unconfirmed,
)
from tools.schema import Arguments, Result
from tools.tool import Tool, Write
from tools.updates import Change, changed_line, changes
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
        description="Intermediate results, keys in Interchange's spelling. Whether they are merged into those there or "
        "replace them is not documented.",
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
    remember(baseline(arguments.notes, before))
    answer = await backends.interchange.update_work_item(
        source_id,
        item_id,
        _body(arguments),
        look=f"By hand: get_work_item for work item {item_id} of source {source_id}: its state and history show "
        "whether the update was made.",
    )
    asked = {"id": item_id, **_asked(arguments)}
    different = departures(asked, arguments.result, answer.item)
    silent = unconfirmed(asked, arguments.result, answer.item) + (["notes"] if arguments.notes else [])
    changed = _changes(before.item, answer.item)
    return UpdatedWorkItem(
        item=WorkItem(**fields(source_id, answer.item)),
        changes=changed,
        unconfirmed=silent or None,
        what_happened=_what_happened(item_id, answer.item, changed, silent, different),
        next_step=_next_step(answer.item, silent, different),
    )


def _asked(arguments: UpdateWorkItem) -> dict[str, str | None]:
    """What the item is to hold afterwards, by its field names; None is nothing."""
    asked: dict[str, str | None] = {}
    if arguments.status:
        asked |= {"status": arguments.status, "blocked_reason": arguments.blocked_reason}
    if arguments.assigned_to or arguments.unassign:
        asked["assigned_to"] = arguments.assigned_to
    return asked


def _body(arguments: UpdateWorkItem) -> dict[str, Any]:
    asked = {to_camel(name): value for name, value in _asked(arguments).items()}
    return {**asked, **without_none({"result": arguments.result, "notes": arguments.notes})}


def _changes(before: models.WorkItem, after: models.WorkItem) -> list[Change]:
    """A result that is gone shows as one: whether an update merges or replaces them is not documented."""
    now = state(after)
    if after.result is not None:
        now = {**{name: None for name in state(before) if name.startswith("result.")}, **now}
    return changes(state(before), now)


def _what_happened(
    item_id: str, item: models.WorkItem, changed: list[Change], silent: list[str], different: str
) -> str:
    status = f": it is {printable(item.status, limit=40)}" if item.status else ", and did not state its status"
    told = [f"Interchange accepted the update of work item {item_id}{status}."]
    if not changed:
        told.append("Nothing that the answer states differs from before.")
    if silent:
        told.append(f"Unconfirmed, because the answer does not state it: {', '.join(silent)}.")
    if different:
        told.append(different)
    return " ".join(told)


def _next_step(item: models.WorkItem, silent: list[str], different: str) -> str:
    if different:
        return STOP_AT_A_DIFFERENCE
    if silent:
        return "Call get_work_item to see what is unconfirmed: the item itself, and its history for notes."
    return next_move(item)


def _subject(arguments: UpdateWorkItem) -> str:
    return subject(arguments.source_id, arguments.work_item_id)


async def _brief(arguments: UpdateWorkItem, backends: Backends) -> Brief:
    detail = await backends.interchange.work_item(arguments.source_id, arguments.work_item_id)
    item, now = detail.item, state(detail.item)
    wanted = _asked(arguments) | {f"result.{key}": value for key, value in (arguments.result or {}).items()}
    lines = [changed_line(name, now.get(name), value) for name, value in wanted.items() if now.get(name) != value]
    return Brief(
        does=f"Change {named(item, arguments.work_item_id)} of source {arguments.source_id}.",
        changes=[*lines, *(["A note is added to its history."] if arguments.notes else [])],
        problems=[f"It is {item.status} already."] if item.status in ("COMPLETED", "CANCELLED") else [],
    )


async def _reconcile(arguments: UpdateWorkItem, backends: Backends, doubt: Doubt) -> Verdict:
    """Content decides; where a note was given, it has to be in the history as well."""
    detail = await backends.interchange.work_item(arguments.source_id, arguments.work_item_id)
    asked = {"id": arguments.work_item_id, **_asked(arguments)}
    against = departures(asked, arguments.result, detail.item)
    silent = unconfirmed(asked, arguments.result, detail.item)
    changed = since(doubt.write.before or {}, arguments.notes, detail)
    found = {"work_item_id": arguments.work_item_id, "status": detail.item.status}
    check = f"A person looks at the history of work item {arguments.work_item_id} in Interchange."
    if changed.untouched:
        evidence = "It was not changed since before this was sent, by its own time and its history."
        return Verdict(outcome="not_sent", evidence=evidence, found=found)
    if changed.is_without_note:
        evidence = "Its note is not in the history, where every update that is made leaves it, and which went on."
        return Verdict(outcome="not_sent", evidence=evidence, found=found)
    if not (against or silent) and (changed.noted or not arguments.notes):
        noted = ", and the note is in its history." if changed.noted else "."
        return Verdict(outcome="succeeded", evidence=f"The work item shows what was asked for{noted}", found=found)
    missing = against or (f"It does not tell {', '.join(silent)}." if silent else "Its history does not tell the note.")
    return Verdict(outcome="unknown", evidence=f"{missing} It was changed since.", found=found, check=check)


def _supersedes(arguments: UpdateWorkItem, _: Mapping[str, Any]) -> tuple[Ends, ...]:
    """An item that got another status may be completed again."""
    if arguments.status is None:
        return ()
    return (Ends(tool="complete_work_item", which=lambda standing: [write.id for write in standing]),)


TOOL = Tool(
    name="update_work_item",
    title="Update a work item",
    arguments=UpdateWorkItem,
    result=UpdatedWorkItem,
    effect=Write(subject=_subject, brief=_brief, reconcile=_reconcile, destructive=True, supersedes=_supersedes),
    handler=update_work_item,
)

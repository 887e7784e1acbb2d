"""What the tools for work items share: an item as agents see it, its kinds, and how an answer is compared with the
request.

Source: InventorySourceWorkItem ("Seller-facing work item for a modular inventory source lifecycle task") and
UpdateInventorySourceWorkItemBody of Interchange's storefront API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast
from urllib.parse import quote

from pydantic import AfterValidator, Field
from pydantic_core import to_json

from tools.fields import SourceId, require_json_numbers
from tools.interchange import models
from tools.schema import Result
from tools.spelling import may_be_same_name
from tools.updates import has_second_precision
from tools.vendor_http.replies import differences, is_too_deep, printable

KINDS: dict[str, str] = {
    "APPROVE_MEDIA_BUY": "The storefront approves or declines a buyer's media buy, in Interchange itself: such items "
    "are left out of a source's list.",
    "APPROVE_MEDIA_BUY_CANCELLATION": "The storefront approves or declines the cancellation of a media buy, in "
    "Interchange itself: such items are left out of a source's list.",
    "REVIEW_CREATIVE": "A person of the publisher looks at a buyer's creative and says whether it may run.",
    "CONFIRM_AVAILS": "An operator confirms that the impressions asked for can be delivered, before they are booked "
    "upstream.",
    "APPROVE_RATE_EXCEPTION": "A person of the publisher decides on a price other than the rate that applies.",
    "MAP_CREATIVE_REF": "An operator finds or registers the buyer's creative in the source's own system and records "
    "its reference.",
    "SYNC_UPSTREAM_CREATIVE": "An operator brings a creative into the system that executes the booking.",
    "EXECUTE_UPSTREAM_BOOKING": "An operator makes the booking in the system that executes it, such as FreeWheel, and "
    "records its reference; until upstream booking work succeeds the impressions stay HELD.",
    "TRAFFIC_TO_CADENT": "A trafficker gives the rendered request to Cadent and records what Cadent calls the "
    "campaign; until upstream booking work succeeds the impressions stay HELD.",
    "RESOLVE_TRAFFICKING_ERROR": "An operator finds out why trafficking failed and fixes it.",
    "UPLOAD_FINAL_REPORT": "An operator uploads the final delivery report of a media buy.",
    "RESOLVE_SOURCE_HEALTH": "An operator restores the source: completes its setup, or fixes its connection.",
    "GENERAL": "Anything else that a person has to do; title and description say what.",
}
"""The known kinds of work items, and who does what. There may be others."""

WorkItemId = SourceId
"""The id of a work item. Like a source's id it becomes one segment of a URL's path."""


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("it is blank")
    return value


def _check_results(value: dict[str, Any]) -> dict[str, Any]:
    for name, item in value.items():
        if isinstance(item, str) and not item.strip():
            raise ValueError(f"{printable(name, limit=80)} is blank")
    require_json_numbers(value)
    return value


Note = Annotated[str, Field(max_length=models.MAX_PASSAGE), AfterValidator(_not_blank)]
"""What one person writes to another, no longer than what can be read back."""

Results = Annotated[dict[str, Any], Field(min_length=1), AfterValidator(_check_results)]
"""A work item's results, with Interchange's names."""


class WorkItem(Result):
    work_item_id: str | None = Field(default=None, description="What get_work_item takes, with source_id.")
    source_id: str
    kind: str | None = None
    title: str | None = None
    status: str | None = Field(default=None, description="OPEN, IN_PROGRESS, BLOCKED, COMPLETED or CANCELLED.")
    priority: str | None = Field(default=None, description="URGENT, HIGH, NORMAL or LOW.")
    due_at: str | None = Field(default=None, description="UTC.")
    assigned_to: str | None = None
    blocked_reason: str | None = None
    media_buy_id: str | None = None
    required_result_fields: list[str] | None = Field(
        default=None, description="Keys that the result of complete_work_item has to hold."
    )


def subject(source_id: str, work_item_id: str) -> str:
    """The subject of a write to a work item."""
    return f"work_item:{quote(source_id, safe='')}/{quote(work_item_id, safe='')}"


def item_label(item: models.WorkItem, work_item_id: str) -> str:
    """A work item in a sentence: its id, kind and title."""
    kind_and_title = ": ".join(printable(text, limit=200) for text in (item.kind, item.title) if text)
    return f"work item {work_item_id}" + (f" ({kind_and_title})" if kind_and_title else "")


def item_fields(source_id: str, item: models.WorkItem) -> dict[str, Any]:
    """The fields of `WorkItem` from an item that was read."""
    return {
        "work_item_id": item.id,
        "source_id": source_id,
        "kind": item.kind,
        "title": item.title,
        "status": item.status,
        "priority": item.priority,
        "due_at": item.due_at,
        "assigned_to": item.assigned_to or None,
        "blocked_reason": item.blocked_reason or None,
        "media_buy_id": item.media_buy_id,
        "required_result_fields": required_fields(item) or None,
    }


def required_fields(item: models.WorkItem) -> list[str]:
    """The required result fields. A single item has no documented field for them; its payload may name them."""
    stated = (item.payload or {}).get("requiredResultFields")
    listed = cast("list[Any]", stated) if isinstance(stated, list) else []
    return item.required_result_fields or [name for name in listed if isinstance(name, str)]


def compact_json(value: dict[str, Any] | None) -> str | None:
    """An object as compact JSON; None when there is none, or when it is nested too deeply for a result."""
    return None if value is None or is_too_deep(value) else to_json(value).decode()


_UNSTATED = object()


def changeable_fields(item: models.WorkItem) -> dict[str, Any]:
    """The fields that an update may change, where the item states them. A result has the name `result.<key>`."""
    fields: dict[str, Any] = {"status": item.status} if item.status else {}
    fields |= {
        name: getattr(item, name) or None for name in ("assigned_to", "blocked_reason") if name in item.model_fields_set
    }
    if compact_json(item.result) is not None:
        fields |= {f"result.{name}": value for name, value in (item.result or {}).items()}
    return fields


def differences_from_request(
    requested: Mapping[str, Any], result: Mapping[str, Any] | None, item: models.WorkItem
) -> str:
    """How the answered item differs from the request, in sentences; empty when it does not.

    requested: the requested fields by name; None means empty. result: the result that was given.
    """
    sentences = [differences({name: _as_the_model_reads(name, value) for name, value in requested.items()}, item)]
    sentences += [
        f'{name} is still "{printable(str(getattr(item, name)), limit=80)}".'
        for name, value in requested.items()
        if value is None and getattr(item, name)
    ]
    if item.result is not None:
        other = [name for name, value in (result or {}).items() if item.result.get(name, _UNSTATED) != value]
        if other:
            sentences.append(f"The answer's result is not the one given: {printable(', '.join(other))}.")
    return " ".join(filter(None, sentences))


def _as_the_model_reads(name: str, value: Any) -> Any:
    """A requested text as the model reads it in an answer, so that only real differences count."""
    if not isinstance(value, str):
        return value
    return models.passage(value) if name == "blocked_reason" else printable(value)


def unconfirmed_fields(
    requested: Mapping[str, Any], result: Mapping[str, Any] | None, item: models.WorkItem
) -> list[str]:
    """The requested fields that the answered item does not state."""
    unstated = [
        name
        for name, value in requested.items()
        if (name not in item.model_fields_set if value is None else getattr(item, name) is None)
    ]
    return [*unstated, *(["result"] if result and item.result is None else [])]


def baseline(note: str | None, detail: models.WorkItemDetail) -> dict[str, Any]:
    """An item before a write, for its reconciliation to compare with."""
    return {
        "status": detail.item.status,
        "updated_at": detail.item.updated_at,
        "events": len(detail.events),
        "noted": _note_count(note, detail),
        "told": _events_with_notes(detail),
        "results": sorted(detail.item.result or {}),
    }


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What happened to an item since its baseline.

    is_unchanged: its history and its own time of the last update, precise to the second, are as before.
    has_note: the write's note is in the history.
    lacks_note: the history has new entries, and the note is surely not among them.
    """

    is_unchanged: bool
    has_note: bool
    lacks_note: bool


def change_since(before: Mapping[str, Any], note: str | None, detail: models.WorkItemDetail) -> ItemChange:
    """What happened to an item since `before`, which `baseline` returned.

    The history does not show that a note is missing if its new entries have no notes, or if it has a note that may be
    this one, cut or in another spelling.
    """
    updated_at = detail.item.updated_at
    times = [detail.item.created_at, *(event.created_at for event in detail.events)]
    went_on = len(detail.events) > before.get("events", len(detail.events))
    same_history = len(detail.events) == before.get("events") and updated_at == before.get("updated_at")
    has_note = _note_count(note, detail) > before.get("noted", 0)
    has_new_notes = _events_with_notes(detail) > before.get("told", before.get("events", 0))
    wanted = (models.passage(note) or "") if note else ""
    notes = [event.notes for event in detail.events if event.notes]
    may_be_respelled = any(one != wanted and may_be_same_name(one, wanted) for one in notes)
    return ItemChange(
        is_unchanged=same_history and updated_at is not None and has_second_precision(updated_at, times),
        has_note=has_note,
        lacks_note=note is not None and went_on and has_new_notes and not (has_note or may_be_respelled),
    )


def _events_with_notes(detail: models.WorkItemDetail) -> int:
    return sum(bool(event.notes) for event in detail.events)


def _note_count(note: str | None, detail: models.WorkItemDetail) -> int:
    """How often the history has this note. Later changes of the item do not remove it."""
    wanted = models.passage(note) if note else None
    return sum(event.notes == wanted for event in detail.events) if wanted else 0


def next_step_for(item: models.WorkItem) -> str:
    """What to do about an item with this status."""
    return _NEXT_STEPS.get(item.status or "", "Show the person this status before anything else is done with it.")


_REPORTED_RESULTS = (
    "the required results, and with what they decided in result or notes: COMPLETED alone does not say it."
)
_NEXT_STEPS = {
    "OPEN": "A person does the work: update_work_item hands it to somebody. Once a person says that it is done, "
    f"complete_work_item with {_REPORTED_RESULTS}",
    "IN_PROGRESS": "A person does the work. Once that person says that it is done, complete_work_item with "
    f"{_REPORTED_RESULTS}",
    "BLOCKED": "A person removes what blocks it; then update_work_item with status OPEN or IN_PROGRESS.",
    "COMPLETED": "Nothing is left to do with it. If it belongs to a booking, list_avails shows whether the held "
    "impressions became booked.",
    "CANCELLED": "Nothing is left to do with it.",
}

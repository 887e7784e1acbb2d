"""What the work item tools share: an item as an agent sees it, its kinds, and how an answer is held against the call.

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

from tools.fields import SourceId, written_in_json
from tools.interchange import models
from tools.schema import Result
from tools.spelling import may_be_the_same
from tools.updates import are_fine
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
    "RESOLVE_TRAFFICKING_ERROR": "An operator finds out why trafficking failed and mends it.",
    "UPLOAD_FINAL_REPORT": "An operator uploads the final delivery report of a media buy.",
    "RESOLVE_SOURCE_HEALTH": "An operator restores the source: completes its setup, or mends its connection.",
    "GENERAL": "Anything else that a person has to do; title and description say what.",
}
"""Each kind of work item, and who does what; the set is open."""

WorkItemId = SourceId
"""It becomes one segment of a URL's path, as a source's id does."""


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("it is blank")
    return value


def _goes_into_a_body(value: dict[str, Any]) -> dict[str, Any]:
    for name, told in value.items():
        if isinstance(told, str) and not told.strip():
            raise ValueError(f"{printable(name, limit=80)} is blank")
    written_in_json(value)
    return value


Note = Annotated[str, Field(max_length=models.PASSAGE), AfterValidator(_not_blank)]
"""What a person writes for another; never longer than it can be read back."""

Results = Annotated[dict[str, Any], Field(min_length=1), AfterValidator(_goes_into_a_body)]
"""A work item's results, in Interchange's spelling."""


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
    """What a write to it is about, as the record names it."""
    return f"work_item:{quote(source_id, safe='')}/{quote(work_item_id, safe='')}"


def named(item: models.WorkItem, work_item_id: str) -> str:
    """A work item in a sentence: id, kind and title."""
    told = ": ".join(printable(text, limit=200) for text in (item.kind, item.title) if text)
    return f"work item {work_item_id}" + (f" ({told})" if told else "")


def fields(source_id: str, item: models.WorkItem) -> dict[str, Any]:
    """The fields of WorkItem."""
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
        "required_result_fields": required(item) or None,
    }


def required(item: models.WorkItem) -> list[str]:
    """A single item has no such field in the published document; its payload may name them."""
    named = (item.payload or {}).get("requiredResultFields")
    listed = cast("list[Any]", named) if isinstance(named, list) else []
    return item.required_result_fields or [name for name in listed if isinstance(name, str)]


def encoded(value: dict[str, Any] | None) -> str | None:
    """A free-form object as compact JSON; None when there is none, or when it is nested deeper than a result may be."""
    return None if value is None or is_too_deep(value) else to_json(value).decode()


_UNSTATED = object()


def state(item: models.WorkItem) -> dict[str, Any]:
    """What an update may change, as far as the item states it: by field, and each result as `result.<key>`."""
    told: dict[str, Any] = {"status": item.status} if item.status else {}
    told |= {
        name: getattr(item, name) or None for name in ("assigned_to", "blocked_reason") if name in item.model_fields_set
    }
    if encoded(item.result) is not None:
        told |= {f"result.{name}": value for name, value in (item.result or {}).items()}
    return told


def departures(asked: Mapping[str, Any], result: Mapping[str, Any] | None, item: models.WorkItem) -> str:
    """What the answered item says otherwise than was asked, in sentences; empty when nothing.

    asked: by the item's field names; None is that the field is to be empty. result: what was given as the result.
    """
    told = [differences({name: _as_shown(name, value) for name, value in asked.items()}, item)]
    told += [
        f'{name} is still "{printable(str(getattr(item, name)), limit=80)}".'
        for name, value in asked.items()
        if value is None and getattr(item, name)
    ]
    if item.result is not None:
        other = [name for name, value in (result or {}).items() if item.result.get(name, _UNSTATED) != value]
        if other:
            told.append(f"The answer's result is not the one given: {printable(', '.join(other))}.")
    return " ".join(filter(None, told))


def _as_shown(name: str, value: Any) -> Any:
    """The asked text as the model reads the answered one, so that only a real difference is one."""
    if not isinstance(value, str):
        return value
    return models.passage(value) if name == "blocked_reason" else printable(value)


def unconfirmed(asked: Mapping[str, Any], result: Mapping[str, Any] | None, item: models.WorkItem) -> list[str]:
    """What was asked for and the answered item does not speak of."""
    silent = [
        name
        for name, value in asked.items()
        if (name not in item.model_fields_set if value is None else getattr(item, name) is None)
    ]
    return [*silent, *(["result"] if result and item.result is None else [])]


def baseline(note: str | None, detail: models.WorkItemDetail) -> dict[str, Any]:
    """An item before a write, for a later look to be compared with."""
    return {
        "status": detail.item.status,
        "updated_at": detail.item.updated_at,
        "events": len(detail.events),
        "noted": _times_noted(note, detail),
        "told": _notes_told(detail),
        "results": sorted(detail.item.result or {}),
    }


@dataclass(frozen=True, slots=True)
class Since:
    """What became of an item since a write was sent. untouched: nothing, by its own time, to the second, and by its
    history. noted: the write's note is in the history. is_without_note: it is surely not, and the history went on."""

    untouched: bool
    noted: bool
    is_without_note: bool


def since(before: Mapping[str, Any], note: str | None, detail: models.WorkItemDetail) -> Since:
    """before: what `baseline` gave.

    A history that tells no notes of what was done since, or tells them in another spelling, or cut, does not tell that
    one is missing.
    """
    updated_at = detail.item.updated_at
    times = [detail.item.created_at, *(event.created_at for event in detail.events)]
    went_on = len(detail.events) > before.get("events", len(detail.events))
    still = len(detail.events) == before.get("events") and updated_at == before.get("updated_at")
    noted = _times_noted(note, detail) > before.get("noted", 0)
    tells_notes = _notes_told(detail) > before.get("told", before.get("events", 0))
    wanted = (models.passage(note) or "") if note else ""
    notes = [event.notes for event in detail.events if event.notes]
    alike = any(one != wanted and may_be_the_same(one, wanted) for one in notes)
    return Since(
        untouched=still and updated_at is not None and are_fine(updated_at, times),
        noted=noted,
        is_without_note=note is not None and went_on and tells_notes and not (noted or alike),
    )


def _notes_told(detail: models.WorkItemDetail) -> int:
    """Of how many things in its history an item tells a note."""
    return sum(bool(event.notes) for event in detail.events)


def _times_noted(note: str | None, detail: models.WorkItemDetail) -> int:
    """How often the history has this note: whatever is done with one leaves it there."""
    wanted = models.passage(note) if note else None
    return sum(event.notes == wanted for event in detail.events) if wanted else 0


def next_move(item: models.WorkItem) -> str:
    """What is to be done about an item of this status."""
    return _NEXT.get(item.status or "", "Show the person this status before anything else is done with it.")


_WHAT_THEY_REPORT = (
    "the required results, and with what they decided in result or notes: COMPLETED alone does not tell it."
)
_NEXT = {
    "OPEN": "A person does the work: update_work_item hands it to somebody. Once a person says that it is done, "
    f"complete_work_item with {_WHAT_THEY_REPORT}",
    "IN_PROGRESS": "A person does the work. Once that person says that it is done, complete_work_item with "
    f"{_WHAT_THEY_REPORT}",
    "BLOCKED": "A person removes what blocks it; then update_work_item with status OPEN or IN_PROGRESS.",
    "COMPLETED": "Nothing is left to do with it. If it belongs to a booking, list_avails shows whether the held "
    "impressions became booked.",
    "CANCELLED": "Nothing is left to do with it.",
}

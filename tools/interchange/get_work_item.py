"""Read one work item with its history (Interchange: `GET .../modular/work-items/{workItemId}`)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tools.backends import Backends
from tools.fields import SourceId
from tools.interchange import models
from tools.interchange.work_items import WorkItem, WorkItemId, compact_json, item_fields, next_step_for
from tools.schema import Arguments, Result
from tools.tool import READ, Tool

MAX_OBJECT_LENGTH = 2_500
"""The longest payload or result, in characters of JSON, that is shown without being asked for."""

MAX_HISTORY = 20


class GetWorkItem(Arguments):
    source_id: SourceId = Field(description="From list_work_items.")
    work_item_id: WorkItemId = Field(description="From list_work_items.")
    include_payload: bool = Field(default=False, description="Even if long.")


class Event(Result):
    at: str | None = Field(default=None, description="UTC.")
    what: str | None = None
    by: str | None = None
    notes: str | None = None


class WorkItemDetails(WorkItem):
    description: str | None = None
    payload: dict[str, Any] | None = Field(default=None, description="What people need for the work, as it came.")
    result: dict[str, Any] | None = Field(default=None, description="What has been recorded so far, as it came.")
    resource_type: str | None = None
    resource_id: str | None = None
    buyer_customer_id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    completed_at: str | None = None
    completed_by: str | None = None
    history: list[Event] | None = Field(default=None, description="The newest first; absent when none was sent.")
    earlier_events: int | None = Field(default=None, description="How many older events are not shown.")
    note: str | None = Field(default=None, description="What was left out, and how to get it.")
    next_step: str


async def get_work_item(arguments: GetWorkItem, backends: Backends) -> WorkItemDetails:
    """Read all of one work item: the work to do, results so far, history.

    Use it before update_work_item and complete_work_item.
    """
    answer = await backends.interchange.work_item(arguments.source_id, arguments.work_item_id)
    item = answer.item
    # all timestamps are in UTC, so they sort as text
    events = sorted(answer.events, key=lambda event: event.created_at or "", reverse=True)
    payload, payload_left_out = _object_or_note("payload", item.payload, whole=arguments.include_payload)
    result, result_left_out = _object_or_note("result", item.result, whole=arguments.include_payload)
    return WorkItemDetails(
        **item_fields(arguments.source_id, item),
        description=item.description,
        payload=payload,
        result=result,
        resource_type=item.resource_type,
        resource_id=item.resource_id,
        buyer_customer_id=item.buyer_customer_id,
        created_at=item.created_at,
        updated_at=item.updated_at,
        completed_at=item.completed_at,
        completed_by=item.completed_by,
        history=[_event(event) for event in events[:MAX_HISTORY]] or None,
        earlier_events=len(events) - MAX_HISTORY if len(events) > MAX_HISTORY else None,
        note=" ".join(filter(None, (payload_left_out, result_left_out))) or None,
        next_step=next_step_for(item),
    )


def _object_or_note(name: str, value: dict[str, Any] | None, *, whole: bool) -> tuple[dict[str, Any] | None, str]:
    """The object, or the reason why it is not shown."""
    text = compact_json(value)
    if text is None:
        return None, f"The {name} is nested too deeply to be shown." if value is not None else ""
    if len(text) > MAX_OBJECT_LENGTH and not whole:
        return None, f"The {name} ({len(text):,} characters) was left out: include_payload gives it."
    return value, ""


def _event(event: models.WorkItemEvent) -> Event:
    return Event(
        at=event.created_at,
        what=event.event_type,
        by=" ".join(filter(None, (event.actor_type, event.actor_id))) or None,
        notes=event.notes,
    )


TOOL = Tool(
    name="get_work_item",
    title="Get a work item",
    arguments=GetWorkItem,
    result=WorkItemDetails,
    effect=READ,
    handler=get_work_item,
)

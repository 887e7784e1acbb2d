"""Interchange's objects, read tolerantly: unknown fields are ignored and enums are open.

Source: Interchange storefront API v2 ("Prepare modular booking handoff", "Replace ad-server source config", and the
published OpenAPI document). Fields have Python's names here and camelCase names on the wire.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

from tools.vendor_http.replies import IfReadable, printable, shown

T = TypeVar("T")

MAX_PASSAGE = 2_000
"""The longest text that people write to each other, in characters, that is kept."""


def passage(value: str) -> str:
    """What one person wrote to another, cleaned for a result."""
    return printable(value, limit=MAX_PASSAGE)


def _each_if_readable(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    readable: list[Any] = []
    for item in cast("list[Any]", value) if isinstance(value, list) else []:
        try:
            readable += read([item])
        except ValidationError:
            continue
    return readable


Lenient = Annotated[T | None, IfReadable]
"""None when the value cannot be read."""

Words = Annotated[str, AfterValidator(shown)]
"""Text that is shown and is not an id: one line, cut to length, without markup, links and invisible characters."""

Passage = Annotated[str, AfterValidator(passage)]
"""The same with more room, for what one person wrote to another."""

Listed = Annotated[list[T], WrapValidator(_each_if_readable)]
"""A list without the items that cannot be read."""


def _require_list(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("is no list")
    return cast("list[Any]", value)


class _Object(BaseModel):
    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        defer_build=True,
    )


class Account(_Object):
    id: int | str
    company: str | None = None
    name: str | None = None


class AdServer(_Object):
    type: str | None = None
    network_code: str | None = None


class ManagedSalesAgent(_Object):
    """The ad-server side of a source, as a source carries it (ManagedSalesAgentSummary)."""

    ad_server: Lenient[AdServer] = None
    last_error: Lenient[Words] = None
    last_error_code: Lenient[Words] = None
    last_tested_at: Lenient[Words] = None
    provisioned_at: Lenient[Words] = None
    deactivated_at: Lenient[Words] = None


class InventorySource(_Object):
    source_id: str
    name: Words = ""
    execution_type: Words | None = None
    status: Words | None = None
    description: Lenient[Words] = None
    managed_sa: Lenient[ManagedSalesAgent] = None
    updated_at: Lenient[str] = None


class Avail(_Object):
    """A ModularInventoryProduct: one avail with its price. Counts are impressions; `cpm` is per thousand."""

    avail_id: str
    name: Words = ""
    description: Words | None = None
    channel: Words | None = None
    collection_name: Words | None = None
    start_time: AwareDatetime
    end_time: AwareDatetime
    held_impressions: int
    booked_impressions: int
    available_impressions: int
    cpm: Lenient[float] = None
    currency: str | None = None


class Booking(_Object):
    """A booking. The vendor's example lacks `status`, its OpenAPI document requires it; None means not stated."""

    booking_id: Annotated[str, Field(min_length=1)]
    avail_id: str
    media_buy_id: str
    package_id: str | None = None
    requested_impressions: int | None = None
    status: Words | None = None


class WorkItem(_Object):
    """A work item. In the answer of a handoff it may lack any field.

    `payload` and `result` come only with a single item, `required_result_fields` only in a list.
    """

    id: Lenient[str] = None
    kind: Lenient[Words] = None
    title: Lenient[Words] = None
    description: Lenient[Passage] = None
    status: Lenient[Words] = None
    priority: Lenient[Words] = None
    resource_type: Lenient[Words] = None
    resource_id: Lenient[Words] = None
    media_buy_id: Lenient[str] = None
    buyer_customer_id: Lenient[int] = None
    assigned_to: Lenient[Words] = None
    due_at: Lenient[str] = None
    blocked_reason: Lenient[Passage] = None
    completed_by: Lenient[Words] = None
    completed_at: Lenient[str] = None
    created_at: Lenient[str] = None
    updated_at: Lenient[str] = None
    required_result_fields: Listed[str] = []
    payload: Lenient[dict[str, Any]] = None
    result: Lenient[dict[str, Any]] = None


class WorkItems(_Object):
    """InventorySourceWorkItemsResponse. `window_full`: there may be more items than the limit allows."""

    items: list[WorkItem]
    total: Lenient[int] = None
    window_full: Lenient[bool] = None


class WorkItemEvent(_Object):
    event_type: Lenient[Words] = None
    actor_type: Lenient[Words] = None
    actor_id: Lenient[Words] = None
    notes: Lenient[Passage] = None
    created_at: Lenient[str] = None


class WorkItemDetail(_Object):
    item: WorkItem
    events: Listed[WorkItemEvent] = []


class ChangedWorkItem(_Object):
    """The answer to a change. `changed` comes with a completion only: false when the item was COMPLETED before."""

    item: WorkItem
    changed: Lenient[bool] = None


class Buyer(_Object):
    customer_id: Lenient[int] = None
    name: Lenient[Words] = None


class MediaBuy(_Object):
    """StorefrontMediaBuySummary. `flight_start` may be "asap"."""

    media_buy_id: str
    kind: Lenient[Words] = None
    buyer: Lenient[Buyer] = None
    status: Lenient[Words] = None
    pending_reason: Lenient[Words] = None
    error_code: Lenient[Words] = None
    flight_start: Lenient[Words] = None
    flight_end: Lenient[Words] = None


class StatusFreshness(_Object):
    """Present only when the statuses of an ad platform have not been confirmed for a long time."""

    message: Lenient[Words] = None


class MediaBuys(_Object):
    items: list[MediaBuy]
    total: int
    warnings: Listed[Words] = []
    status_freshness: Lenient[StatusFreshness] = None


class SetupField(_Object):
    key: str
    label: Lenient[Words] = None


class SetupFields(_Object):
    fields: Listed[SetupField] = []


class LifecycleStage(_Object):
    stage: Lenient[str] = None
    status: Lenient[str] = None
    missing_setup_fields_by_source: Listed[SetupFields] = []
    issues: Listed[Words] = []


class ProjectedSource(_Object):
    status: Lenient[str] = None
    health_status: Lenient[str] = None
    last_error: Lenient[Words] = None


class Projection(_Object):
    """The part of the setup-state projection that shows what keeps a source from carrying out bookings."""

    inventory_source: ProjectedSource
    lifecycle_summary: Annotated[Listed[LifecycleStage], BeforeValidator(_require_list)] = []
    open_work_item_count: Lenient[int] = None
    active_avail_count: Lenient[int] = None


class Readiness(_Object):
    """A projection of any shape; None when it cannot be read."""

    projection: Lenient[Projection] = None


class Handoff(_Object):
    """The answer of "Prepare modular booking handoff"."""

    booking: Booking
    work_items: Lenient[list[Lenient[WorkItem]]] = None
    projection: Lenient[Projection] = None
    execution_status: Lenient[Words] = None


class InventorySync(_Object):
    status: Lenient[str] = None
    last_run_at: Lenient[str] = None
    completed_at: Lenient[str] = None
    item_count: Lenient[int] = None
    error: Lenient[Words] = None
    updated_at: Lenient[str] = None


class EsaConnection(_Object):
    """The connection of an ad-server source. `ad_server` is None before one is configured.

    The page requires `provisioning_status`; the OpenAPI document of August 2026 does not have it.
    """

    id: str
    customer_id: Lenient[int] = None
    provisioning_status: Lenient[str] = None
    tenant_id: Lenient[str] = None
    mcp_url: Lenient[str] = None
    a2a_url: Lenient[str] = Field(default=None, alias="a2aUrl")  # the generator would make it a2AUrl
    ad_server: AdServer | None = None
    service_account_email: str | None = None
    last_error: Lenient[Words] = None
    last_error_code: Lenient[str] = None
    last_tested_at: Lenient[str] = None
    provisioned_at: Lenient[str] = None
    deactivated_at: Lenient[str] = None
    created_at: Lenient[str] = None
    updated_at: Lenient[str] = None
    inventory_sync: Lenient[InventorySync] = None


class CapabilityCheck(_Object):
    capability: str
    status: str
    message: Words | None = None


class ConnectionTest(_Object):
    """The result of a connection test. A failed test is a 200 with `success: false`."""

    success: bool
    error: str | None = None
    error_code: str | None = None
    remediation: str | None = None
    tested_at: str | None = None
    details: dict[str, Any] | None = None
    capability_checks: Listed[CapabilityCheck] = []

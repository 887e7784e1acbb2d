"""Interchange's objects as it sends them, read tolerantly: unknown fields ignored, enums open.

Source: Interchange storefront API v2 ("Prepare modular booking handoff", "Replace ad-server source config", and
the published OpenAPI document). Field names here are Python's; the wire's are camelCase.
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

PASSAGE = 2_000
"""Characters of what people write for each other that are kept."""


def passage(value: str) -> str:
    """What a person wrote for another, as it may stand in a result."""
    return printable(value, limit=PASSAGE)


def _each_if_readable(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    kept: list[Any] = []
    for item in cast("list[Any]", value) if isinstance(value, list) else []:
        try:
            kept += read([item])
        except ValidationError:
            continue
    return kept


Lenient = Annotated[T | None, IfReadable]
"""None when it cannot be read."""

Words = Annotated[str, AfterValidator(shown)]
"""Text for a reader, not an id: one line, cut, without markup, links and what cannot be seen."""

Passage = Annotated[str, AfterValidator(passage)]
"""The same, with room for what a person wrote for another."""

Listed = Annotated[list[T], WrapValidator(_each_if_readable)]
"""Without the items that cannot be read."""


def _a_list(value: Any) -> Any:
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
    """`status` is missing from the vendor's example and required in its OpenAPI document; None is "not stated"."""

    booking_id: Annotated[str, Field(min_length=1)]
    avail_id: str
    media_buy_id: str
    package_id: str | None = None
    requested_impressions: int | None = None
    status: Words | None = None


class WorkItem(_Object):
    """Free-form in a finalize answer: nothing is sure to be there.

    `payload` and `result` come with a single item only, `required_result_fields` in a list only.
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
    """InventorySourceWorkItemsResponse: `window_full` means that there may be more than the limit let through."""

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
    """`changed` is told on completion only: false when the item was COMPLETED before."""

    item: WorkItem
    changed: Lenient[bool] = None


class Buyer(_Object):
    customer_id: Lenient[int] = None
    name: Lenient[Words] = None


class MediaBuy(_Object):
    """StorefrontMediaBuySummary; `flight_start` may be "asap"."""

    media_buy_id: str
    kind: Lenient[Words] = None
    buyer: Lenient[Buyer] = None
    status: Lenient[Words] = None
    pending_reason: Lenient[Words] = None
    error_code: Lenient[Words] = None
    flight_start: Lenient[Words] = None
    flight_end: Lenient[Words] = None


class StatusFreshness(_Object):
    """Told only when the statuses of an ad platform have not been confirmed for long."""

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
    """Of the setup-state projection, what can stand in the way of a booking."""

    inventory_source: ProjectedSource
    lifecycle_summary: Annotated[Listed[LifecycleStage], BeforeValidator(_a_list)] = []
    open_work_item_count: Lenient[int] = None
    active_avail_count: Lenient[int] = None


class Readiness(_Object):
    """A projection that may have come in any shape."""

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
    """The connection of an ad-server source; `ad_server` is None before one is configured.

    `provisioning_status` is required on the page and gone from the OpenAPI document of August 2026.
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
    """A failed probe is a 200 with `success: false`."""

    success: bool
    error: str | None = None
    error_code: str | None = None
    remediation: str | None = None
    tested_at: str | None = None
    details: dict[str, Any] | None = None
    capability_checks: Listed[CapabilityCheck] = []

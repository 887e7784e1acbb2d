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
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

from tools.replies import IfReadable, shown

T = TypeVar("T")


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

Listed = Annotated[list[T], WrapValidator(_each_if_readable)]
"""Without the items that cannot be read."""


class _Object(BaseModel):
    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        coerce_numbers_to_str=True,
    )


class Account(_Object):
    id: int | str
    company: str | None = None
    name: str | None = None


class InventorySource(_Object):
    source_id: str
    name: str = ""
    execution_type: str | None = None
    status: str | None = None


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
    cpm: float | None = None
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
    """Free-form in a finalize answer: nothing is sure to be there."""

    id: Lenient[str] = None
    kind: Lenient[Words] = None
    title: Lenient[Words] = None
    status: Lenient[Words] = None


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
    lifecycle_summary: Listed[LifecycleStage] = []


class Handoff(_Object):
    """The answer of "Prepare modular booking handoff"."""

    booking: Booking
    work_items: Lenient[list[Lenient[WorkItem]]] = None
    projection: Lenient[Projection] = None
    execution_status: Lenient[Words] = None
    cadent_request_xml: Lenient[str] = None


class AdServer(_Object):
    type: str | None = None
    network_code: str | None = None


class EsaConnection(_Object):
    """The connection of an ad-server source; `ad_server` is None before one is configured."""

    id: str
    ad_server: AdServer | None = None
    service_account_email: str | None = None


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

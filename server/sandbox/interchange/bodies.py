"""Interchange's request bodies and query parameters, validated as strictly as its OpenAPI document says.

Types, enums, ranges and required fields are enforced, and null is refused where it is not documented. Fields and query
parameters that are not documented are ignored, as the schemas allow. Values are never coerced.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.datastructures import QueryParams
from starlette.requests import Request

from server.sandbox.interchange import media_buys, work_items
from server.sandbox.interchange.bookings import DEFAULT_HOLD_MINUTES, DEFAULT_PACKAGE
from server.sandbox.interchange.wire import bad_request, invalid

_MAX_SAFE_INTEGER = 9007199254740991
_MAX_DEPTH = 64
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?Z")

PositiveInteger = Annotated[int, Field(ge=1, le=_MAX_SAFE_INTEGER)]
SafeInteger = Annotated[int, Field(ge=-_MAX_SAFE_INTEGER, le=_MAX_SAFE_INTEGER)]
NonEmpty = Annotated[str, Field(min_length=1)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel, extra="ignore", frozen=True, defer_build=True)


class Reserve(Body):
    """ReserveModularInventoryProductBody."""

    product_id: str = ""
    avail_id: str = ""
    media_buy_id: NonEmpty
    package_id: str = DEFAULT_PACKAGE
    buyer_customer_id: PositiveInteger
    requested_impressions: PositiveInteger
    hold_minutes: PositiveInteger = DEFAULT_HOLD_MINUTES


class Creative(Body):
    model_config = ConfigDict(extra="allow")

    client_copy_master_ref: str = ""
    duration: str = ""


class Finalize(Body):
    """FinalizeModularInventoryBookingBody."""

    media_buy_id: NonEmpty
    package_id: str = DEFAULT_PACKAGE
    buyer_customer_id: PositiveInteger
    avail_id: NonEmpty
    campaign_name: str = ""
    advertiser_name: str = ""
    advertiser_external_ref: str = ""
    creative: Creative = Creative()


class Release(Body):
    """ReleaseModularInventoryBookingBody."""

    media_buy_id: NonEmpty
    package_id: str = DEFAULT_PACKAGE
    buyer_customer_id: PositiveInteger
    avail_id: NonEmpty


class UpdateWorkItem(Body):
    """UpdateInventorySourceWorkItemBody. Only the fields that were sent count."""

    status: Literal["OPEN", "IN_PROGRESS", "BLOCKED"] = "OPEN"
    assigned_to: NonEmpty | SafeInteger | None = None
    blocked_reason: str | None = None
    result: dict[str, Any] = {}
    notes: str = ""


class ConnectionContract(Body):
    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(max_length=128, pattern="^[a-z][a-z0-9_-]*$")]
    version: PositiveInteger
    authentication_method: Literal[
        "none",
        "bearer_token",
        "api_key",
        "credential_exchange",
        "basic_auth",
        "oauth2",
        "jwt",
        "platform_service_account",
    ]


class AdServer(Body):
    """The field of AdServerConfig that says which ad server it is."""

    type: Literal["google_ad_manager", "freewheel", "springserve", "adswizz"]


class GoogleAdManager(AdServer):
    """GamAdServerConfig."""

    network_code: Annotated[str, Field(pattern="^[0-9]{1,32}$")]
    connection_contract: ConnectionContract = Field(default_factory=ConnectionContract.model_construct)


class CompleteWorkItem(Body):
    """CompleteInventorySourceWorkItemBody."""

    result: dict[str, Any] = {}
    notes: str = ""


_Body = TypeVar("_Body", bound=Body)


async def read(request: Request, model: type[_Body]) -> _Body:
    """Read the JSON body. 400 BAD_REQUEST if it is not JSON, 400 VALIDATION_ERROR if it breaks the schema."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise bad_request("Content-Type must be application/json")
    return _validated(model, _parse(await request.body()))


def _validated(model: type[_Body], value: object) -> _Body:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(
            [
                (".".join(str(part) for part in issue["loc"]), issue["msg"])
                for issue in error.errors(include_url=False, include_context=False, include_input=False)
            ]
        ) from None


def _parse(raw: bytes) -> object:
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_number, parse_float=_finite)
        _check_strings_and_depth(value)
    except (ValueError, RecursionError):
        raise bad_request("The request body is not valid JSON") from None
    return value


def _refuse_number(text: str) -> object:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _check_strings_and_depth(value: object) -> None:
    """Raise ValueError for a lone surrogate, which UTF-8 cannot encode, and for a tree that is nested too deeply."""
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        deeper: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                deeper += [*node.keys(), *node.values()]  # pyright: ignore[reportUnknownMemberType]  # any JSON
            elif isinstance(node, list):
                deeper += node
            elif isinstance(node, str):
                node.encode("utf-8")
        if not deeper:
            return
        level = deeper
    raise ValueError("nested too deeply")


class WorkItemQuery(Body):
    """The query of `GET .../modular/work-items`."""

    status: tuple[Literal["OPEN", "IN_PROGRESS", "BLOCKED", "COMPLETED", "CANCELLED"], ...] = work_items.UNFINISHED
    kind: (
        Literal[
            "APPROVE_MEDIA_BUY",
            "APPROVE_MEDIA_BUY_CANCELLATION",
            "REVIEW_CREATIVE",
            "CONFIRM_AVAILS",
            "APPROVE_RATE_EXCEPTION",
            "MAP_CREATIVE_REF",
            "SYNC_UPSTREAM_CREATIVE",
            "EXECUTE_UPSTREAM_BOOKING",
            "TRAFFIC_TO_CADENT",
            "RESOLVE_TRAFFICKING_ERROR",
            "UPLOAD_FINAL_REPORT",
            "RESOLVE_SOURCE_HEALTH",
            "GENERAL",
        ]
        | None
    ) = None
    resource_type: NonEmpty | None = None
    resource_id: NonEmpty | None = None
    media_buy_id: NonEmpty | None = None
    buyer_customer_id: PositiveInteger | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


def read_work_item_query(query: QueryParams) -> work_items.Filters:
    """Read the filters of the list of work items. `status` may be comma-separated or repeated."""
    values = _single(query, ("kind", "resourceType", "resourceId", "mediaBuyId"), ("buyerCustomerId", "limit"))
    if "status" in query:
        values["status"] = tuple(status for text in query.getlist("status") for status in text.split(","))
    parsed = _validated(WorkItemQuery, values)
    return work_items.Filters(
        statuses=parsed.status,
        kind=parsed.kind,
        resource_type=parsed.resource_type,
        resource_id=parsed.resource_id,
        media_buy_id=parsed.media_buy_id,
        buyer_customer_id=parsed.buyer_customer_id,
        limit=parsed.limit,
    )


def _instant(text: object) -> datetime:
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        raise ValueError("must be a UTC date-time such as 2026-11-22T13:00:00Z")
    return datetime.fromisoformat(text)


Instant = Annotated[datetime, BeforeValidator(_instant)]


class MediaBuyQuery(Body):
    """The query of `GET /media-buys`."""

    status: (
        Literal[
            "pending_approval",
            "forwarding",
            "forward_failed",
            "awaiting_source",
            "rejected",
            "canceled",
            "booked",
            "delivering",
            "paused",
            "completed",
        ]
        | None
    ) = None
    buyer_customer_id: PositiveInteger | None = None
    source_id: NonEmpty | None = None
    flight_start_from: Instant | None = None
    flight_start_to: Instant | None = None
    take: Annotated[int, Field(ge=1, le=200)] = 50
    skip: Annotated[int, Field(ge=0, le=_MAX_SAFE_INTEGER)] = 0


def read_media_buy_query(query: QueryParams) -> media_buys.Filters:
    texts = ("status", "sourceId", "flightStartFrom", "flightStartTo")
    parsed = _validated(MediaBuyQuery, _single(query, texts, ("buyerCustomerId", "take", "skip")))
    return media_buys.Filters(
        status=parsed.status,
        buyer_customer_id=parsed.buyer_customer_id,
        source_id=parsed.source_id,
        flight_start_from=parsed.flight_start_from,
        flight_start_to=parsed.flight_start_to,
        take=parsed.take,
        skip=parsed.skip,
    )


def _single(query: QueryParams, texts: Sequence[str], integers: Sequence[str]) -> dict[str, object]:
    """Read parameters that have one value. If one is repeated, its last value counts."""
    values: dict[str, object] = {key: query[key] for key in texts if key in query}
    for key in integers:
        if key in query:
            text = query[key]
            values[key] = int(text) if re.fullmatch("[0-9]{1,16}", text) else text
    return values

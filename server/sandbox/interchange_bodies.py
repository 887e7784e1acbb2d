"""Interchange's request bodies and query, read as strictly as its OpenAPI document says.

Types, enums, ranges and required fields are enforced and null is refused where it is not documented; fields and
query parameters that are not documented are ignored, as the schemas allow. Values are never coerced.
"""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.datastructures import QueryParams
from starlette.requests import Request

from server.sandbox.interchange_ledger import DEFAULT_HOLD_MINUTES, DEFAULT_PACKAGE
from server.sandbox.interchange_refusals import bad_request, invalid
from server.sandbox.interchange_work_items import UNFINISHED, Filters

_MAX_SAFE_INTEGER = 9007199254740991
_MAX_DEPTH = 64

PositiveInteger = Annotated[int, Field(ge=1, le=_MAX_SAFE_INTEGER)]
SafeInteger = Annotated[int, Field(ge=-_MAX_SAFE_INTEGER, le=_MAX_SAFE_INTEGER)]
NonEmpty = Annotated[str, Field(min_length=1)]


class Body(BaseModel):
    model_config = ConfigDict(strict=True, alias_generator=to_camel, extra="ignore", frozen=True)


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
    """UpdateInventorySourceWorkItemBody; only what was sent counts."""

    status: Literal["OPEN", "IN_PROGRESS", "BLOCKED"] = "OPEN"
    assigned_to: NonEmpty | SafeInteger | None = None
    blocked_reason: str | None = None
    result: dict[str, Any] = {}
    notes: str = ""


class CompleteWorkItem(Body):
    """CompleteInventorySourceWorkItemBody."""

    result: dict[str, Any] = {}
    notes: str = ""


_Body = TypeVar("_Body", bound=Body)


async def read(request: Request, model: type[_Body]) -> _Body:
    """The JSON body: 400 BAD_REQUEST when it is not JSON, 400 VALIDATION_ERROR when it breaks the schema."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise bad_request("Content-Type must be application/json")
    value = _parse(await request.body())
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
        _check_tree(value)
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


def _check_tree(value: object) -> None:
    """Lone surrogates cannot be written again as UTF-8, and deep trees not as JSON."""
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

    status: tuple[Literal["OPEN", "IN_PROGRESS", "BLOCKED", "COMPLETED", "CANCELLED"], ...] = UNFINISHED
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


def read_work_item_query(query: QueryParams) -> Filters:
    """`status` may be comma-separated or repeated; a single-valued parameter counts once, its last value."""
    values: dict[str, object] = {}
    for key in ("kind", "resourceType", "resourceId", "mediaBuyId"):
        if key in query:
            values[key] = query[key]
    for key in ("buyerCustomerId", "limit"):
        if key in query:
            text = query[key]
            values[key] = int(text) if re.fullmatch("[0-9]{1,16}", text) else text
    if "status" in query:
        values["status"] = tuple(status for text in query.getlist("status") for status in text.split(","))
    try:
        parsed = WorkItemQuery.model_validate(values)
    except ValidationError as error:
        raise invalid([(str(issue["loc"][0]), issue["msg"]) for issue in error.errors()]) from None
    return Filters(
        statuses=parsed.status,
        kind=parsed.kind,
        resource_type=parsed.resource_type,
        resource_id=parsed.resource_id,
        media_buy_id=parsed.media_buy_id,
        buyer_customer_id=parsed.buyer_customer_id,
        limit=parsed.limit,
    )

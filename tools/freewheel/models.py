"""FreeWheel's objects as it sends them, read tolerantly: unknown fields ignored, enums open, unset text null or "".

Sources: Inventory Package API v4 ("Inventory Package Attributes"), Proposed Insertion Order API v4 ("Attributes").
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tools.vendor_http.replies import IfReadable, is_too_deep, shown


def _none_when_empty(value: Any) -> Any:
    return None if value == "" else value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are no ids")
    return value


FwId = Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1)]
"""FreeWheel's FW_ID: a JSON integer in live answers, documented as a string in places; read from both."""

Text = Annotated[Annotated[str, AfterValidator(shown)] | None, BeforeValidator(_none_when_empty), IfReadable]
Words = Annotated[str | None, BeforeValidator(_none_when_empty), IfReadable]
"""A text as it came: an update sends it back, so nothing of it may be lost on reading."""
Enum = Annotated[str | None, BeforeValidator(_none_when_empty), BeforeValidator(_upper), IfReadable]


class _Object(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class Entry(_Object):
    """What a list of FreeWheel's holds: an object with an id."""

    id: FwId


Count = Annotated[int | None, IfReadable]
Amount = Annotated[float | None, IfReadable]


class _Whole(_Object):
    """raw: the object as it came. An update sends it back, so nothing in it may be lost on reading, and a field that is
    null is not one that was left out."""

    raw: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _keep_as_it_came(cls, whole: Any) -> Any:
        if not isinstance(whole, dict):
            return whole
        raw = cast("dict[str, Any]", whole)
        if is_too_deep(raw):
            raise ValueError("nested too deeply")
        return {**raw, "raw": raw}


class InventoryPackage(_Whole, Entry):
    """Date-times are ISO 8601 in UTC, passed on as FreeWheel wrote them. The list leaves out both targetings."""

    name: Text = None
    status: Enum = None
    description: Text = None
    created_at: Text = None
    updated_at: Text = None


class StandardAttribute(Entry):
    """One entry of a kind of standard attributes; its `name` comes as `<kind>_name` for some kinds."""

    name: Text = None


class Schedule(_Object):
    start_time: Text = None
    end_time: Text = None
    time_zone: Text = None


class FrequencyCap(_Object):
    value: Count = None
    type: Enum = None
    scope: Enum = None
    period: Count = None


class Delivery(_Object):
    frequency_caps: list[FrequencyCap] | None = None


class Budget(_Object):
    budget_model: Enum = None
    currency: Amount = None
    impression: Count = None
    over_delivery: Amount = None
    over_delivery_type: Enum = None


class AssignedUser(_Object):
    id: FwId
    full_name: Text = None
    login: Text = None


class Assignments(_Object):
    users: list[AssignedUser] | None = None


class ProposedInsertionOrder(_Whole, Entry):
    """`delivery`, `budget` and `assignments` are not "included in basic GET": None is "not told", not "none"."""

    external_id: Words = None
    name: Words = None
    description: Words = None
    schedule: Annotated[Schedule | None, IfReadable] = None
    delivery: Annotated[Delivery | None, IfReadable] = None
    budget: Annotated[Budget | None, IfReadable] = None
    brand_id: Annotated[FwId | None, IfReadable] = None
    assignments: Annotated[Assignments | None, IfReadable] = None
    created_at: Text = None
    updated_at: Text = None
    probability_of_close: Count = None
    proposed_io_status: Enum = None


class Price(_Object):
    price_model: Enum = None
    price: Amount = None


class ProposedPlacement(Entry):
    insertion_order_id: Annotated[FwId | None, IfReadable] = None
    name: Text = None
    description: Text = None
    external_id: Text = None
    status: Enum = None
    placement_type: Enum = None
    enable_canoe: Annotated[bool | None, IfReadable] = None
    schedule: Annotated[Schedule | None, IfReadable] = None
    price: Annotated[Price | None, IfReadable] = None
    budget: Annotated[Budget | None, IfReadable] = None


class Campaign(Entry):
    """One of FreeWheel's v3 API; its other fields are not known for sure."""

    name: Text = None
    advertiser_id: Annotated[FwId | None, IfReadable] = None


class Named(Entry):
    """An advertiser or a brand of FreeWheel's v3 API."""

    name: Text = None


T = TypeVar("T", bound=_Object)


class PageOf(_Object, Generic[T]):
    """One page of a list; `total`, `total_pages` and what page it is are None when FreeWheel did not say."""

    items: list[T]
    total: Count = None
    total_pages: Count = None
    page: Count = None
    per_page: Count = None

    def has_more(self, page: int, per_page: int) -> bool:
        """Whether there is a page after this one, as far as the answer tells; its own page size counts."""
        if self.total_pages is not None:
            return page < self.total_pages
        if self.total is not None:
            return page * (self.per_page or per_page) < self.total
        return len(self.items) >= (self.per_page or per_page)

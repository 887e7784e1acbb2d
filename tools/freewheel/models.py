"""FreeWheel's objects, read tolerantly: unknown fields are ignored, enums are open, and unset text is null or "".

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
        raise ValueError("true and false are not ids")
    return value


FwId = Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1)]
"""FreeWheel's FW_ID: a JSON integer in live answers, in places documented as a string; both are read."""

Text = Annotated[Annotated[str, AfterValidator(shown)] | None, BeforeValidator(_none_when_empty), IfReadable]
"""Text that is shown: one line, cut to length."""
Words = Annotated[str | None, BeforeValidator(_none_when_empty), IfReadable]
"""Text as it came. An update sends it back, so reading must not change it."""
Enum = Annotated[str | None, BeforeValidator(_none_when_empty), BeforeValidator(_upper), IfReadable]


class _Object(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class Entry(_Object):
    """An object in one of FreeWheel's lists."""

    id: FwId


Count = Annotated[int | None, IfReadable]
Amount = Annotated[float | None, IfReadable]


class _Whole(_Object):
    """An object that an update sends back whole.

    raw: the object as it came. Nothing in it may be lost, and a field that is null differs from one that is absent.
    """

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
    """An inventory package. Date-times are in UTC, as FreeWheel wrote them. Lists leave out both targetings."""

    name: Text = None
    status: Enum = None
    description: Text = None
    created_at: Text = None
    updated_at: Text = None


class StandardAttribute(Entry):
    """One entry of a kind of standard attribute. In some kinds its name comes as `<kind>_name`."""

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
    """`delivery`, `budget` and `assignments` are not "included in basic GET": None means not stated."""

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
    """A campaign of FreeWheel's v3 API. Its other fields are not known for sure."""

    name: Text = None
    advertiser_id: Annotated[FwId | None, IfReadable] = None


class Named(Entry):
    """An advertiser or a brand of FreeWheel's v3 API."""

    name: Text = None


T = TypeVar("T", bound=_Object)


class PageOf(_Object, Generic[T]):
    """One page of a list. `total`, `total_pages`, `page` and `per_page` are None when FreeWheel did not state them."""

    items: list[T]
    total: Count = None
    total_pages: Count = None
    page: Count = None
    per_page: Count = None

    def has_more(self, page: int, per_page: int) -> bool:
        """Whether there is a page after this one, as far as the answer shows. The page size that it states counts."""
        if self.total_pages is not None:
            return page < self.total_pages
        if self.total is not None:
            return page * (self.per_page or per_page) < self.total
        return len(self.items) >= (self.per_page or per_page)

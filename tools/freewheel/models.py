"""FreeWheel's objects as it sends them, read tolerantly: unknown fields ignored, enums open, unset text null or "".

Sources: Inventory Package API v4 ("Inventory Package Attributes"), Proposed Insertion Order API v4 ("Attributes").
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tools.replies import IfReadable, shown


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
Enum = Annotated[str | None, BeforeValidator(_none_when_empty), BeforeValidator(_upper), IfReadable]


class _Object(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class InventoryPackage(_Object):
    """Date-times are ISO 8601 in UTC, passed on as FreeWheel wrote them."""

    id: FwId
    name: Text = None
    status: Enum = None
    description: Text = None
    updated_at: Text = None


class ProposedInsertionOrder(_Object):
    """The fields of the basic GET; `delivery`, `budget` and `assignments` are not among them."""

    id: FwId
    external_id: Text = None
    name: Text = None
    description: Text = None
    brand_id: Annotated[FwId | None, IfReadable] = None
    probability_of_close: Annotated[int | None, IfReadable] = None
    proposed_io_status: Enum = None
    created_at: Text = None


class InventoryPackagePage(_Object):
    """One page; `total` and `total_pages` are None when FreeWheel did not say."""

    items: list[InventoryPackage]
    total: Annotated[int | None, IfReadable] = None
    total_pages: Annotated[int | None, IfReadable] = None

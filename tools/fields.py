"""Argument and result types that several tools share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

from tools.schema import Arguments, Result

T = TypeVar("T", bound=Result)
E = TypeVar("E")

LARGEST_INTEGER = 9_007_199_254_740_991
"""The largest integer that every JSON reader keeps exactly. It is also Interchange's documented maximum."""

_FORBIDDEN_IN_PATH = re.compile(r"[/\\?#\x00-\x1f\x7f]|\.\.")


def _check_path_segment(value: str) -> str:
    if _FORBIDDEN_IN_PATH.search(value) or value == ".":
        raise ValueError("an id holds none of / \\ ? # .. and no control characters")
    return value


SourceId = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_check_path_segment)]
"""The id of an inventory source. It becomes one segment of a URL's path."""


def _check_body_id(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("an id is not blank and holds no control characters")
    return value


def require_json_numbers(value: Mapping[str, Any] | None) -> None:
    """Raises ValueError when the value holds a number that JSON cannot express."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("a number is infinite or NaN") from None


BodyId = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_check_body_id)]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Prose = Annotated[str, Field(max_length=5000)]
BuyerCustomerId = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
FreeWheelId = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]


def wire_time(moment: datetime) -> str:
    """A moment as all vendors here write it: in UTC, to the second, with Z. In the calendar's first and last year,
    where a conversion to UTC may fail, it keeps its offset."""
    if not 1 < moment.year < 9999:
        return moment.isoformat()
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*([Zz]|[+-]\d{2}:?\d{2})")


def _require_date_time(value: Any) -> Any:
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise ValueError("write a date-time with an offset, such as 2026-11-22T13:00:00Z")
    return value


def _require_usual_year(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 3000:
        raise ValueError("the year must be from 1970 to 2999")
    return moment


Moment = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_require_date_time), AfterValidator(_require_usual_year)
]
"""A date-time with an offset, such as `2026-11-22T13:00:00Z`. A bare number would be read as a Unix time."""


class Listing(Result, Generic[T]):
    """One page of a list, in the shape that all listing tools share."""

    items: list[T]
    total: int | None = Field(default=None, description="How many match, on all pages; absent when not known.")
    next: Annotated[
        dict[str, Any] | None,
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}]}),
        Field(description="The arguments of the next page; null on the last one."),
    ] = None
    note: str | None = Field(default=None, description="Why the list is empty or cut, and what to try.")

    def structured_content(self) -> dict[str, Any]:
        """`next` is always present: null says that the list ends here."""
        return {**super().structured_content(), "next": self.next}


def next_page(arguments: Arguments, page: int) -> dict[str, Any]:
    """The arguments of the page after `page`: those that were given, with the next page number."""
    return {**arguments.model_dump(mode="json", exclude_none=True, exclude_unset=True), "page": page + 1}


def paginate(
    entries: list[E], arguments: Arguments, *, page: int, per_page: int
) -> tuple[list[E], dict[str, Any] | None]:
    """One page of a list that was read whole, and the arguments of the next page, if there is one."""
    last = page * per_page
    return entries[last - per_page : last], next_page(arguments, page) if last < len(entries) else None


def empty_page_note(page: int) -> str:
    """The note on a page past the end of a list that is not empty."""
    return f"There is nothing on page {page}: start again from page 1."

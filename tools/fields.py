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
"""The largest integer that JSON consumers keep exactly, and Interchange's documented maximum."""

_NOT_IN_A_SEGMENT = re.compile(r"[/\\?#\x00-\x1f\x7f]|\.\.")


def _path_segment(value: str) -> str:
    if _NOT_IN_A_SEGMENT.search(value) or value == ".":
        raise ValueError("an id holds none of / \\ ? # .. and no control characters")
    return value


SourceId = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_path_segment)]
"""An inventory source's id, which becomes one segment of a URL's path."""


def _plain(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("an id is not blank and holds no control characters")
    return value


def written_in_json(value: Mapping[str, Any] | None) -> None:
    """Raises ValueError for a number that JSON cannot write."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("a number is infinite or none at all") from None


BodyId = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Prose = Annotated[str, Field(max_length=5000)]
BuyerCustomerId = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
FreeWheelId = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]


def wire_time(moment: datetime) -> str:
    """A moment as every vendor here writes it: UTC, to the second, with Z; at the ends of the calendar as it is."""
    if not 1 < moment.year < 9999:
        return moment.isoformat()
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*([Zz]|[+-]\d{2}:?\d{2})")


def _written_as_date_time(value: Any) -> Any:
    if not isinstance(value, str) or not _DATE_TIME.fullmatch(value):
        raise ValueError("write a date-time with an offset, such as 2026-11-22T13:00:00Z")
    return value


def _within_reach(moment: datetime) -> datetime:
    if not 1970 <= moment.year < 3000:
        raise ValueError("the year must be from 1970 to 2999")
    return moment


Moment = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_written_as_date_time), AfterValidator(_within_reach)
]
"""A date-time with an offset: `2026-11-22T13:00:00Z`. Never a bare number, which would be read as a Unix time."""


class Listing(Result, Generic[T]):
    """A page of a list, in the one shape of every tool that lists."""

    items: list[T]
    total: int | None = Field(default=None, description="How many match, on all pages; absent when not known.")
    next: Annotated[
        dict[str, Any] | None,
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "null"}]}),
        Field(description="The arguments of the next page; null on the last one."),
    ] = None
    note: str | None = Field(default=None, description="Why the list is empty or cut, and what to try.")

    def told(self) -> dict[str, Any]:
        """`next` is always told, so that the end of a list is a statement and not a silence."""
        return {**super().told(), "next": self.next}


def next_page(arguments: Arguments, page: int) -> dict[str, Any]:
    """The arguments that ask for the page after `page`: what was given, and nothing that was not."""
    return {**arguments.model_dump(mode="json", exclude_none=True, exclude_unset=True), "page": page + 1}


def cut_out(found: list[E], arguments: Arguments, *, page: int, per_page: int) -> tuple[list[E], dict[str, Any] | None]:
    """One page of a list that is here whole, and the arguments of the next page, if there is one."""
    last = page * per_page
    return found[last - per_page : last], next_page(arguments, page) if last < len(found) else None


def nothing_on(page: int) -> str:
    """The note of a page past the end of a list that is not empty."""
    return f"There is nothing on page {page}: start again from page 1."

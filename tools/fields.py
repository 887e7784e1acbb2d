"""Argument and result types that several tools share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from tools.schema import Arguments, Result

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


BodyId = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Prose = Annotated[str, Field(max_length=5000)]
BuyerCustomerId = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
FreeWheelId = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]


def wire_time(moment: datetime) -> str:
    """A moment as every vendor here writes it: UTC, to the second, with Z."""
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


def next_page(arguments: Arguments, page: int) -> dict[str, Any]:
    """The arguments that ask for the page after `page`: what was given, and nothing that was not."""
    return {**arguments.model_dump(mode="json", exclude_none=True, exclude_unset=True), "page": page + 1}


class Page(Result):
    number: int = Field(description="The page shown, from 1.")
    per_page: int = Field(description="The most items that a page holds.")
    more: bool = Field(description="Whether there are items after this page.")

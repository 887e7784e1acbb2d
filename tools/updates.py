"""What the tools that update something share: changes before and after, and the reads before and after a write."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import anyio
from pydantic import Field, WithJsonSchema

from tools.effects import Doubt
from tools.errors import AdOpsError, RateLimited, UnexpectedAnswer
from tools.schema import Result
from tools.vendor_http.replies import printable

T = TypeVar("T")

READ_TIMEOUT = 5.0
"""Seconds for a read before or after a write."""

MAX_TRIES = 3
"""How often a read before a write is tried. Each try is several tries of the transport."""


_KINDS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "array"},
    {"type": "object"},
]
Value = Annotated[Any, WithJsonSchema({"anyOf": _KINDS})]
"""The value of a field, as JSON."""


class Change(Result):
    field: str
    before: Value = Field(default=None, description="Absent: it was not set.")
    after: Value = Field(default=None, description="Absent: it is not set any more.")


def shown_change(field: str, before: Any, after: Any) -> Change:
    """One change with its texts on one line. If the shown texts are equal, the second says that they differ."""
    shown_before, shown_after = _printable_value(before), _printable_value(after)
    if shown_before == shown_after and isinstance(shown_after, str):
        shown_after = f"{shown_after} (differs in what is not shown here)"
    return Change(field=field, before=shown_before, after=shown_after)


def _printable_value(value: Any) -> Any:
    return printable(value, limit=1000) if isinstance(value, str) else value


def field_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """The fields whose values in `after` differ from those in `before`, in the order of `after`."""
    return [
        Change(field=name, before=before.get(name), after=value)
        for name, value in after.items()
        if before.get(name) != value
    ]


def change_line(field: str, before: Any, after: Any) -> str:
    """A change to come, on one line for a person: `status: OPEN -> BLOCKED`."""
    return f"{field}: {_value_in_words(before)} -> {_value_in_words(after)}"


def _value_in_words(value: Any) -> str:
    return "not set" if value in (None, "") else printable(value if isinstance(value, str) else json.dumps(value))


_CLOCK_TIME = re.compile(r"\d\d:\d\d:\d\d")
_WITH_SECONDS = re.compile(r"\d\d:\d\d:(?!00)\d\d")


def may_have_changed(doubt: Doubt, updated_at: str | None, *other_times: str | None) -> bool:
    """Whether something may have been changed since before the write was sent, by its own time of the last update.

    That time is compared with the one that the vendor stated before, never with a clock of ours. A time that is rounded
    to the day or the minute does not show a change. other_times: further times of the vendor, which show how precise
    they are.
    """
    before = (doubt.write.baseline or {}).get("updated_at")
    return updated_at is None or updated_at != before or not has_second_precision(updated_at, other_times)


def has_second_precision(moment: str, other_times: Iterable[str | None]) -> bool:
    """Whether a vendor's time is precise to the second, as far as it and other times show.

    Times that all fall on a full minute may be rounded to it.
    """
    return has_clock_time(moment) and any(shows_seconds(one) for one in (moment, *other_times) if one)


def has_clock_time(moment: str) -> bool:
    """Whether a vendor's time has hours, minutes and seconds."""
    return bool(_CLOCK_TIME.search(moment))


def shows_seconds(moment: str) -> bool:
    """Whether a vendor's time is surely not rounded to the minute."""
    return bool(_WITH_SECONDS.search(moment))


async def read_after_write(read: Awaitable[T]) -> T | None:
    """The answer of a read right after a write, or None when it cannot be had.

    The read is shielded: when the call's time ends meanwhile, it must not be reported as unsent after its write was
    answered.
    """
    try:
        with anyio.fail_after(READ_TIMEOUT, shield=True):
            return await read
    except (AdOpsError, TimeoutError):
        return None


async def read_before_write(read: Callable[[], Awaitable[T]], *, within: float = READ_TIMEOUT) -> T | None:
    """The answer of a read for a baseline, or None when it cannot be had in time or in several tries.

    The write is sent without a baseline, too. If its answer is lost, a person finds out what happened.
    """
    with anyio.move_on_after(within):
        for _ in range(MAX_TRIES):
            try:
                return await read()
            except (RateLimited, UnexpectedAnswer):
                continue
            except AdOpsError:
                return None
    return None
